//! The command line: one command per file.
//!
//! A library, so that other packages can offer the command, too: that of Python does, and writes
//! the page of `resnetc report`. Programs that embed resnetc use the library `resnetc` instead.

mod args;
mod bench;
mod cached;
mod check;
mod classify;
mod curves;
mod disassembly;
mod doctor;
mod dump;
mod explain;
mod export;
mod failure;
mod info;
mod inputs;
mod interpret;
mod nearest;
mod npz;
mod output;
mod passes;
mod profile;
mod progress;
mod quantize;
mod report;
mod run;
mod stages;
mod step;
mod train;
mod tune;
mod tuned;
mod units;
mod zoo;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::Failure;
use resnetc::host::signals;

pub use report::report_page;

/// A graph compiler for residual networks on CPUs.
///
/// MODEL is a built-in network (resnet18, resnet50, cifar_resnet20, ...; its weights are random
/// unless --weights names a file), a spec (.toml, .json) or an .onnx file.
#[derive(Debug, Parser)]
#[command(name = "resnetc", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Classify(classify::Args),
    Bench(bench::Args),
    Report(report::Args),
    Train(train::Args),
    Curves(curves::Args),
    Check(check::Args),
    Quantize(quantize::Args),
    Export(export::Args),
    Tune(tune::Args),
    Info(info::Args),
    Explain(explain::Args),
    Profile(profile::Args),
    Dump(dump::Args),
    Passes(passes::Args),
    Cache(cached::Args),
    Doctor(doctor::Args),
    Zoo(zoo::Args),
}

impl Command {
    fn run(&self) -> Result<(), Failure> {
        match self {
            Command::Run(args) => run::run(args),
            Command::Classify(args) => classify::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Report(args) => report::run(args),
            Command::Train(args) => train::run(args),
            Command::Curves(args) => curves::run(args),
            Command::Check(args) => check::run(args),
            Command::Quantize(args) => quantize::run(args),
            Command::Export(args) => export::run(args),
            Command::Tune(args) => tune::run(args),
            Command::Info(args) => info::run(args),
            Command::Explain(args) => explain::run(args),
            Command::Profile(args) => profile::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Passes(args) => passes::run(args),
            Command::Cache(args) => cached::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Zoo(args) => zoo::run(args),
        }
    }
}

/// Options take negative numbers as their values, so that the error is about the value.
fn with_negative_values(command: clap::Command) -> clap::Command {
    let lenient = |arg: clap::Arg| match arg.is_positional() || !arg.get_action().takes_values() {
        true => arg,
        false => arg.allow_negative_numbers(true),
    };
    command.mut_args(lenient).mut_subcommands(with_negative_values)
}

/// Runs the command with these arguments, of which the first is the name of the program, and
/// returns its exit code: 0, 1 if the work failed, 2 if the arguments are wrong. Prints what the
/// command prints.
///
/// In the whole process, a write beyond the limit on the size of files becomes an error.
pub fn main_with(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    signals::enable();
    let matches = with_negative_values(Cli::command()).try_get_matches_from(args);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            // If nobody reads it, the exit code still says what happened.
            let _ = e.print();
            return u8::try_from(e.exit_code()).unwrap_or(failure::USAGE);
        }
    };
    match cli.command.run() {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
