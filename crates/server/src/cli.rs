//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Read the configuration from this file; edison.example.toml explains every line
    #[arg(long, value_name = "FILE", conflicts_with = "models")]
    pub(crate) config: Option<PathBuf>,

    /// Serve this model under this name, instead of the demo models; can be given several times
    #[arg(long = "model", value_name = "NAME=FILE", value_parser = named_file)]
    pub(crate) models: Vec<(String, PathBuf)>,

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
        ] {
            assert_eq!(parse(line).map(|_| ()), Err(2), "{line}");
        }
    }
}
