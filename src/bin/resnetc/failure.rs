//! What a command says when it cannot do its work: one line what, one line what to do, and the exit code.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use resnetc::export::ExportError;
use resnetc::import::{ImportError, ImportErrorKind};
use resnetc::passes::PassError;
use resnetc::{Error, RunError};

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
    code: u8,
}

impl Failure {
    /// The work failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure { message: Some(message.into()), help: None, code: FAILED }
    }

    /// The work on a file failed.
    pub(crate) fn file(path: &Path, reason: impl Display) -> Self {
        Failure::new(format!("{}: {reason}", path.display()))
    }

    /// The command was called wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { code: USAGE, ..Failure::new(message) }
    }

    /// Nobody reads what we write any more: nothing went wrong, but there is nothing left to do.
    pub(crate) fn closed() -> Self {
        Failure { message: None, help: None, code: 0 }
    }

    /// The work failed, and everything was said already.
    pub(crate) fn silent() -> Self {
        Failure { message: None, help: None, code: FAILED }
    }

    /// Says what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Failure { help: Some(help.into()), ..self }
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
            let _ = writeln!(stderr, "error: {message}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(stderr, "help: {help}");
        }
    }

    /// Prints it to stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.print();
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Isa(e) => {
                Failure::new(format!("this CPU has no {}, which --isa {} needs", e.missing, e.isa))
                    .help("use --isa auto; `resnetc doctor` lists what this CPU has")
            }
            Error::Pass(PassError::Unknown { name, valid }) => {
                Failure::new(format!("there is no pass \"{name}\"")).help(optional_passes(valid))
            }
            Error::Pass(PassError::Required { name, valid }) => {
                Failure::new(format!("the pass \"{name}\" is required and always runs"))
                    .help(optional_passes(valid))
            }
            Error::UnknownModel { model, reason } => match reason.split_once("; ") {
                Some((what, help)) => Failure::file(model, what).help(help),
                None => Failure::file(model, reason),
            },
            Error::Export(ExportError::Exists { .. }) => {
                Failure::new(error.to_string()).help("use --force to replace it, or another name")
            }
            other => match help(other) {
                Some(help) => Failure::new(other.to_string()).help(help),
                None => Failure::new(other.to_string()),
            },
        }
    }
}

fn optional_passes(names: &[&str]) -> String {
    format!("there are {}; `resnetc passes` says what they do", names.join(", "))
}

/// What to do about an error that does not say so itself.
fn help(error: &Error) -> Option<&'static str> {
    let Error::Import(ImportError { kind, .. }) = error else { return None };
    match **kind {
        ImportErrorKind::ExternalData { .. } => {
            Some("keep the model's data files in the model's folder")
        }
        ImportErrorKind::Unsupported { .. } => {
            Some("an ONNX simplifier may remove such nodes; constants need no operators")
        }
        _ => None,
    }
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
