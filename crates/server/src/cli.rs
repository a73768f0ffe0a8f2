//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::doctor::DoctorArgs;

/// Serves several local language models from one process, each entered by one request at a time.
#[derive(Debug, Parser)]
#[command(name = "edison", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve models over HTTP; without further arguments the demo models that are built in
    Serve(ServeArgs),
    /// Look from outside for the faults of servers that share models among clients: is this one safe?
    Check(CheckArgs),
    /// Try a model file in a process that may die of it, and tell what is wrong with it
    Doctor(DoctorArgs),
    /// Play a scripted LLM server for tests: the real queue, locks and refusals over an engine that does as it is told
    #[cfg(feature = "mock")]
    Mock(crate::mock::MockArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Read the configuration from this file; edison.example.toml explains every line
    #[arg(long, value_name = "FILE", conflicts_with = "models")]
    pub(crate) config: Option<PathBuf>,

    /// Serve this model under this name, instead of the demo models; can be given several times
    #[arg(long = "model", value_name = "NAME=FILE", value_parser = named_file)]
    pub(crate) models: Vec<(String, PathBuf)>,

    /// Serve only those who send one of the API keys in this file, NAME=KEY on each line; EDISON_API_KEYS adds more
    #[arg(long, value_name = "FILE")]
    pub(crate) api_keys: Option<PathBuf>,

    /// Listen here instead of 127.0.0.1:8811, or of what the configuration says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Write the port to this file once it is bound
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,

    /// How log lines are written; RUST_LOG says which
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,

    /// Print the configuration as it takes effect, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Asks a server that speaks the OpenAI protocol, this one or any other, as several clients at once, and judges its answers.
///
/// Exit code: 0 where no check failed, 1 where one did, 2 where the server could not be judged.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Where the server is, for example http://127.0.0.1:8811
    #[arg(value_name = "URL", required_unless_present = "list")]
    pub(crate) url: Option<String>,

    /// Ask this model instead of the first that the server lists
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// The server's API key; better given in EDISON_CHECK_API_KEY, which no list of processes shows
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,

    /// Write the report as JSON to this file; - is standard output, and the lines then go to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the report as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Clients at one time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) clients: u16,

    /// How often each experiment is repeated
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,

    /// Requests at one time when the bound of the queue is looked for
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(2..=10000))]
    pub(crate) flood: u16,

    /// The bound that the server claims for its queue; more waiting clients are a fault then
    #[arg(long, value_name = "N")]
    pub(crate) queue_max: Option<usize>,

    /// A queue in which the last one would wait longer has no bound worth the name, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u32,

    /// How long any single answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) answer_timeout: u32,

    /// Run only these checks, separated by commas; --list tells their names
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Where the words come from that the clients ask for
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Exit code 1 also where a check was inconclusive
    #[arg(long)]
    pub(crate) strict: bool,

    /// Tell what each check shows and cannot show, and end
    #[arg(long)]
    pub(crate) list: bool,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), PathBuf::from(file))),
        _ => Err("write NAME=FILE, for example fast=models/small.gguf".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};

    fn parse(line: &str) -> Result<Cli, i32> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.exit_code())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn models_are_named_files() {
        let Ok(Cli { command: Command::Serve(args) }) = parse("edison serve --model a=x.gguf --model b=y=z.gguf")
        else {
            panic!("refused");
        };
        assert_eq!(args.models, [("a".into(), "x.gguf".into()), ("b".into(), "y=z.gguf".into())]);
    }

    #[test]
    fn bad_arguments_end_with_2() {
        for line in [
            "edison serve --model x",
            "edison serve --listen here",
            "edison serv",
            "edison serve --config c --model a=b",
            "edison check",
            "edison check http://h --clients 1",
        ] {
            assert_eq!(parse(line).map(|_| ()), Err(2), "{line}");
        }
    }
}
