//! What a command says when it cannot do its work: one line what, one line what to do, and the exit
//! code.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use resnetc::advice::OptionName;
use resnetc::export::ExportError;
use resnetc::import::ImportError;
use resnetc::passes::PassError;
use resnetc::{Error, ErrorCode, RunError};

/// Exit code of a command whose work failed.
const FAILED: u8 = 1;
/// Exit code of a command that was called wrongly; clap uses the same.
const USAGE: u8 = 2;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Nothing is printed without.
    message: Option<String>,
    help: Option<String>,
    /// What the library calls it, if it is the library's error.
    error: Option<ErrorCode>,
    exit: u8,
}

impl Failure {
    /// The work failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure { message: Some(message.into()), ..Failure::silent() }
    }

    /// The work on a file failed.
    pub(crate) fn file(path: &Path, reason: impl Display) -> Self {
        Failure::new(format!("{}: {reason}", path.display()))
    }

    /// The work failed for a reason that has reasons of its own.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        Failure::new(with_causes(error.to_string(), error))
    }

    /// An option was given that changes nothing.
    pub(crate) fn no_effect(flag: &str, reason: &str) -> Self {
        Failure::usage(format!("{flag} has no effect: {reason}")).help(format!("leave {flag} away"))
    }

    /// The command was called wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { exit: USAGE, ..Failure::new(message) }
    }

    /// Nobody reads what we write any more: nothing went wrong, but there is nothing left to do.
    pub(crate) fn closed() -> Self {
        Failure { exit: 0, ..Failure::silent() }
    }

    /// The work failed, and everything was said already.
    pub(crate) fn silent() -> Self {
        Failure { message: None, help: None, error: None, exit: FAILED }
    }

    /// Says what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Failure { help: Some(help.into()), ..self }
    }

    /// Says which error of the library it is: by its code, at the end of the message.
    pub(crate) fn code(self, code: ErrorCode) -> Self {
        Failure { error: Some(code), ..self }
    }

    /// What happened, in one line if it can be.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// Prints it to stderr.
    pub(crate) fn print(&self) {
        use std::io::Write as _;
        // If stderr is closed too, the exit code still tells.
        let mut stderr = std::io::stderr().lock();
        if let Some(message) = &self.message {
            let code = self.error.map(|code| format!(" [{code}]")).unwrap_or_default();
            let _ = writeln!(stderr, "error: {message}{code}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(stderr, "help: {help}");
        }
    }

    /// Prints it to stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.print();
        ExitCode::from(self.exit)
    }
}

/// A message, and behind it what caused the error that it is about: system errors, as a rule.
pub(crate) fn with_causes(mut message: String, error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

/// What an option of the library is called on the command line.
pub(crate) fn flag(option: OptionName) -> &'static str {
    match option {
        OptionName::Engine => "--interpret",
        OptionName::Isa => "--isa",
        OptionName::Threads => "--threads",
        OptionName::Numerics => "--numerics",
        OptionName::Batch => "--batch",
        OptionName::Dims | OptionName::Shapes => "--shape",
        OptionName::Outputs => "--outputs",
        OptionName::Weights => "--weights",
        OptionName::Seed => "--seed",
        OptionName::Passes => "--no-pass, --only-pass or --unfused",
        OptionName::Reuse => "--reuse",
        OptionName::PerfMap => "--perf-map",
        OptionName::Tuned => "--tuned",
        other => other.field(),
    }
}

/// An option with a place for its value, for advice.
fn flag_with_value(option: OptionName) -> String {
    match option {
        OptionName::Batch => "--batch N".to_owned(),
        OptionName::Dims => "--shape NAME=N".to_owned(),
        OptionName::Shapes => "--shape INPUT=N,C,H,W".to_owned(),
        other => flag(other).to_owned(),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = match &error {
            Error::NoEffect { options } => match options.first() {
                Some(first) => Failure::no_effect(flag(first.option), first.reason),
                None => Failure::of(&error),
            },
            Error::Isa(e) => {
                Failure::new(format!("--isa {} cannot be used here: {}", e.isa, e.lack))
                    .help("use --isa auto; `resnetc doctor` lists what can be used here")
            }
            Error::Pass(PassError::Unknown { name, valid }) => {
                Failure::new(format!("there is no pass \"{name}\"")).help(optional_passes(valid))
            }
            Error::Pass(PassError::Required { name, valid }) => {
                Failure::new(format!("the pass \"{name}\" is required and always runs"))
                    .help(optional_passes(valid))
            }
            Error::NoCode(refusal) => Failure::new(refusal.to_string())
                .help("`resnetc run` and `resnetc classify` work without, on the interpreter"),
            Error::ThreadCount { threads, most } => {
                Failure::usage(format!("--threads {threads}: it can be 1 to {most}"))
            }
            Error::Thread { .. } => Failure::new(error.to_string())
                .help("use fewer --threads, or allow more processes (`ulimit -u`)"),
            Error::UnknownModel { model, reason } => match reason.split_once("; ") {
                Some((what, help)) => Failure::file(model, what).help(help),
                None => Failure::file(model, reason),
            },
            Error::Export(ExportError::Exists { .. }) => {
                Failure::of(&error).help("use --force to replace it, or another name")
            }
            other => {
                let failure = Failure::new(with_causes(other.what(), other));
                match other.advice() {
                    Some(advice) => failure.help(advice.worded(&flag_with_value)),
                    None => failure,
                }
            }
        };
        failure.code(error.code())
    }
}

fn optional_passes(names: &[&str]) -> String {
    format!("there are {}; `resnetc passes` says what they do", names.join(", "))
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::from(Error::from(error))
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        Failure::from(Error::from(error))
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Failure::from(Error::from(error))
    }
}
