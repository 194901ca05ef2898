//! The report of a command that fails: one line with the error, one line with what to do, and the
//! exit code.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use resnetc::advice::OptionName;
use resnetc::export::ExportError;
use resnetc::import::ImportError;
use resnetc::ir::memory::NoMemory;
use resnetc::one_line::{name_line, path_line, steers};
use resnetc::passes::PassError;
use resnetc::quantize::QuantizeError;
use resnetc::training::TrainingError;
use resnetc::{Error, ErrorCode, RunError};

use crate::nearest::nearest;
use crate::units::{bytes, bytes_at_least};

/// Exit code of a command whose work failed.
const FAILED: u8 = 1;
/// Exit code of a command with wrong arguments; clap uses the same.
pub(crate) const USAGE: u8 = 2;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Without a message, nothing is printed.
    message: Option<String>,
    help: Option<String>,
    /// The error code, if the error comes from the library.
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
        Failure::new(format!("{}: {reason}", path_line(path)))
    }

    /// Reading a file failed.
    pub(crate) fn unreadable(path: &Path, reason: impl Display) -> Self {
        Failure::file(path, format!("reading failed: {reason}")).code(ErrorCode::Io)
    }

    /// A file or folder cannot be written.
    pub(crate) fn unwritable(path: &Path, reason: impl Display) -> Self {
        Failure::file(path, format!("it cannot be written: {reason}")).code(ErrorCode::Io)
    }

    /// A file is in the way of one that is written.
    pub(crate) fn exists(path: &Path) -> Self {
        Failure::file(path, "the file exists")
            .code(ErrorCode::FileExists)
            .help("--force replaces it")
    }

    /// The work failed because of an error that has causes.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        Failure::new(with_causes(error.to_string(), error))
    }

    /// The system does not have the memory for something.
    pub(crate) fn memory(what: &'static str) -> impl Fn(NoMemory) -> Self {
        move |NoMemory { bytes }| Error::Memory { what, bytes, reason: None }.into()
    }

    /// An option was given that has no effect.
    pub(crate) fn no_effect(flag: &str, reason: &str) -> Self {
        Failure::usage(format!("{flag} has no effect: {reason}"))
            .help(format!("leave out {flag}"))
            .code(ErrorCode::NoEffect)
    }

    /// The command was given wrong arguments.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { exit: USAGE, ..Failure::new(message) }
    }

    /// Nobody reads the output any more: nothing went wrong, but there is nothing left to do.
    pub(crate) fn closed() -> Self {
        Failure { exit: 0, ..Failure::silent() }
    }

    /// The work failed, and everything was reported already.
    pub(crate) fn silent() -> Self {
        Failure { message: None, help: None, error: None, exit: FAILED }
    }

    /// Adds the file that it is about.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Failure { message: Some(format!("{}: {}", path_line(path), self.message())), ..self }
    }

    /// Adds what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Failure { help: Some(help.into()), ..self }
    }

    /// Adds the library's error code, at the end of the message.
    pub(crate) fn code(self, code: ErrorCode) -> Self {
        Failure { error: Some(code), ..self }
    }

    /// The message and the code. What has no code of its own is a failure of the machine.
    pub(crate) fn into_parts(self) -> (String, ErrorCode) {
        (self.message.unwrap_or_default(), self.error.unwrap_or(ErrorCode::Io))
    }

    /// What happened, in one line if possible.
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// Prints it to stderr.
    pub(crate) fn print(&self) {
        use std::io::Write as _;
        // If stderr is closed too, the exit code still reports the failure.
        let mut stderr = std::io::stderr().lock();
        if let Some(message) = &self.message {
            let code = self.error.map(|code| format!(" [{code}]")).unwrap_or_default();
            let _ = writeln!(stderr, "error: {}{code}", harmless(message));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(stderr, "help: {}", harmless(help));
        }
    }

    /// Prints it to stderr and gives the exit code.
    pub(crate) fn report(&self) -> u8 {
        self.print();
        self.exit
    }
}

/// A text without control sequences, wherever the names in it come from.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| steers(c) && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return text.into();
    }
    let escaped = |c: char| match steers(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// A message, followed by the causes of the error, usually system errors.
pub(crate) fn with_causes(mut message: String, error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

/// The flag for an option of the library.
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
        OptionName::Memory => "--memory",
        OptionName::CacheDir => "--cache",
        OptionName::PerfMap => "--perf-map",
        OptionName::Tuned => "--tuned",
        other => other.field(),
    }
}

/// An option with a placeholder for its value, for advice.
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
                    .help("use --isa auto; `resnetc doctor` lists the instruction sets that can be used here")
            }
            Error::Pass(PassError::Unknown { name, valid }) => {
                Failure::new(format!("there is no pass \"{name}\"")).help(optional_passes(valid))
            }
            Error::Pass(PassError::Required { name, valid }) => {
                Failure::new(format!("the pass \"{name}\" is required and always runs"))
                    .help(optional_passes(valid))
            }
            Error::NoCode(refusal) => Failure::new(refusal.to_string())
                .help("`resnetc run` and `resnetc classify` work without compiled code, on the interpreter"),
            Error::ThreadCount { threads, most } => {
                Failure::usage(format!("--threads {threads}: it must be from 1 to {most}"))
            }
            Error::Thread { .. } => Failure::new(error.to_string())
                .help("use fewer --threads, or allow more processes (`ulimit -u`)"),
            Error::UnknownModel { model, reason } => match reason.split_once("; ") {
                Some((what, help)) => Failure::file(model, what).help(help),
                None => Failure::file(model, reason),
            },
            Error::MemoryLimit { limit, least } => {
                let (limit, least) = (bytes(*limit), bytes_at_least(*least));
                Failure::new(format!("a run needs at least {least} for its values; --memory allows {limit}"))
                    .help("allow more, or have fewer images in a run with --batch N")
            }
            Error::NotCompiled(_) | Error::Pass(PassError::NotLowered { .. }) => Failure::of(&error)
                .help("`resnetc run --interpret` runs the network without compiled code, slowly"),
            Error::Export(ExportError::Exists { .. }) => {
                Failure::of(&error).help("use --force to replace it, or give another name")
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
    format!("the optional passes are {}; `resnetc passes` says what they do", names.join(", "))
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

impl From<TrainingError> for Failure {
    fn from(error: TrainingError) -> Self {
        let code = error.code();
        match error {
            TrainingError::Compile(error) => error.into(),
            TrainingError::Run(error) => error.into(),
            TrainingError::Spec(error) => Error::from(error).into(),
            other => Failure::of(&other).code(code),
        }
    }
}

impl From<QuantizeError> for Failure {
    fn from(error: QuantizeError) -> Self {
        let code = error.code();
        let help = match &error {
            QuantizeError::AlreadyQuantized { .. } => {
                Some("quantize the network in f32 that it was made from".to_owned())
            }
            QuantizeError::NotFinite { .. } => Some(
                "`resnetc check MODEL` finds a wrong layer; --mean, --std and --scale change the \
                 values of pictures"
                    .to_owned(),
            ),
            QuantizeError::UnknownLayer { name, near: None, known } => {
                let names = nearest(name, known.iter().map(String::as_str));
                let names: Vec<String> =
                    names.into_iter().map(|name| format!("\"{}\"", name_line(name))).collect();
                Some(format!("similar names are {}", names.join(", ")))
            }
            _ => None,
        };
        let failure = match error {
            QuantizeError::Network(error) => return error.into(),
            other => Failure::of(&other).code(code),
        };
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
