//! `edison check URL`, from the arguments to the exit code. What is checked, and how, is the crate `check`.

use std::fmt::Write;
use std::io::{self, IsTerminal, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use check::{CHECKS, Options, Report, Step, Target, Watch};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::CheckArgs;
use crate::output::say;

/// The variable that holds the key where no argument does.
const API_KEY: &str = "EDISON_CHECK_API_KEY";

/// Judges the server. 0 where no check failed, 1 where one did.
///
/// # Errors
/// Why it could not be judged, or the report not be written.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, String> {
    if args.list {
        say(&list());
        return Ok(ExitCode::SUCCESS);
    }
    let key = args.api_key.clone().or_else(|| std::env::var(API_KEY).ok());
    let url = args.url.as_deref().unwrap_or_default();
    let target = Target::at(url, key).map_err(|problem| problem.to_string())?;
    // One thread: what the checks measure is the server, and it may want the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no thread to run on: {error}"))?;
    let show = Show::new(args.json.as_deref() == Some(Path::new("-")));
    let report = runtime.block_on(check::run(&target, &options(args), &show));
    show.end();
    let report = report.map_err(|problem| problem.to_string())?;
    show.line(&format!("{}\n", report.summary()));
    write(&report, args)?;
    Ok(ExitCode::from(u8::from(report.is_bad(args.strict))))
}

fn options(args: &CheckArgs) -> Options {
    Options {
        model: args.model.clone(),
        clients: args.clients.into(),
        rounds: args.rounds.into(),
        flood: args.flood.into(),
        queue_max: args.queue_max,
        patience: Duration::from_secs(args.patience.into()),
        answer_timeout: Duration::from_secs(args.answer_timeout.into()),
        only: args.only.clone(),
        seed: args.seed,
    }
}

fn write(report: &Report, args: &CheckArgs) -> Result<(), String> {
    if let Some(file) = &args.json {
        let json = format!("{:#}\n", report.to_json());
        if file == Path::new("-") {
            say(&json);
        } else {
            write_file(file, &json)?;
        }
    }
    args.junit.as_ref().map_or(Ok(()), |file| write_file(file, &report.to_junit()))
}

fn write_file(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// What the checks show and cannot show.
fn list() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let lines = [("shows", check.shows), ("cannot show", check.cannot_show), ("named for", check.named_for)];
        writeln!(text, "{}: {}", check.name, check.fault).expect("a String takes everything");
        for (what, line) in lines {
            writeln!(text, "    {what}: {line}").expect("a String takes everything");
        }
    }
    text
}

/// Lines as the checks end, and in between what is being done: a line that moves on a terminal, nothing elsewhere.
struct Show {
    bar: ProgressBar,
    /// Standard output belongs to the JSON.
    is_output_taken: bool,
}

impl Show {
    fn new(is_output_taken: bool) -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}").expect("the template is sound");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, is_output_taken }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| {
            if self.is_output_taken {
                let _closed = io::stderr().write_all(text.as_bytes());
            } else {
                say(text);
            }
        });
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Show {
    fn step(&self, step: &Step<'_>) {
        match step {
            Step::Probing => self.bar.set_message("looks at the server"),
            Step::Checking { check, number, of } => {
                self.bar.set_prefix(format!("{number}/{of} {}", check.name));
                self.bar.set_message("");
            }
            Step::Progress(what) => self.bar.set_message(what.clone()),
            Step::Found(finding) => self.line(&finding.line()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn the_list_has_every_check_with_its_limits() {
        let text = list();
        assert_eq!(text.matches("cannot show: ").count(), check::CHECKS.len());
        assert!(text.starts_with("crossed: one client gets another one's words\n    shows: "), "{text}");
    }
}
