//! `edison doctor FILE`: tries a model file in a process that may die of it.
//!
//! llama.cpp ends the process on some files that were damaged, and no check from outside finds them all. So a child, this
//! same program, loads the file, encodes a prompt and generates an answer. What it found it writes as one line of JSON;
//! when it dies instead, the way it died is the finding.
//!
//! With `verify_models = true` the server does the same before it loads a file, once for every content.

mod child;
mod trial;
mod verified;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::output::say;
use trial::{Subject, Trial};

pub(crate) use verified::Verified;

/// Arguments of `edison doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The GGUF file
    file: PathBuf,

    /// Tokens of the context that is tried; by default what the model was trained with
    #[arg(long, default_value_t = 0)]
    context_len: u32,

    /// An adapter (LoRA) of the model, to be tried with it; may be given several times
    #[arg(long = "adapter", value_name = "FILE")]
    adapters: Vec<PathBuf>,

    /// Be the process that tries the file
    #[arg(long, hide = true)]
    child: bool,
}

impl DoctorArgs {
    fn subject(&self) -> Subject {
        Subject { file: self.file.clone(), adapters: self.adapters.clone(), context_len: self.context_len }
    }
}

/// Tries the file and tells what was found.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn run(args: &DoctorArgs) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads to run on: {error}"))?;
    if args.child {
        say(&runtime.block_on(child::try_file(&args.subject())).to_line());
        return Ok(());
    }
    let trial = runtime.block_on(trial::try_in_child(&args.subject()))?;
    report(&args.file, &trial)
}

fn report(file: &Path, trial: &Trial) -> Result<(), String> {
    let file = file.display();
    match trial {
        Trial::Passed(found) => {
            say(&format!("{file} is usable\n{found}"));
            Ok(())
        }
        Trial::Refused { reason } => Err(format!("{file} is not usable: {reason}")),
        Trial::Died { how } => Err(format!(
            "{file} is not usable: it ends the process that loads it ({how}). The file is damaged, or llama.cpp has an \
             error; download it again, or try another file of the model"
        )),
        Trial::Hung { seconds } => {
            Err(format!("{file} is not usable: it gave no answer within {seconds} seconds; a smaller file may"))
        }
    }
}
