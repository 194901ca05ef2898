//! What can go wrong, and the exception that it becomes: `resnetc.Error`.

use std::iter;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use resnetc::errors::{CacheError, NoEffect, OptionName, QuantizeError};
use resnetc::ir::memory::NoMemory;
use resnetc::{ElementError, Error, ErrorCode, RunError};

/// An error of the library, in the words of this package: options are keywords.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ErrorCode,
    message: String,
    help: Option<String>,
}

/// The class `resnetc.Error`.
static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), help: None }
    }

    /// The same with what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Failure { help: Some(help.into()), ..self }
    }

    /// The same with the input that it is about.
    pub(crate) fn about(self, input: &str) -> Self {
        Failure { message: format!("{input}: {}", self.message), ..self }
    }

    fn exception(&self, py: Python<'_>) -> PyResult<PyErr> {
        let class = CLASS.import(py, "resnetc._errors", "Error")?;
        let error = class.call1((&self.message, self.code.name(), self.help.as_deref()))?;
        Ok(PyErr::from_value(error))
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| failure.exception(py).unwrap_or_else(|e| e))
    }
}

/// An option as a keyword.
fn keyword(option: OptionName) -> String {
    match option {
        OptionName::Passes => "`no_pass=` or `only_pass=`".to_owned(),
        other => format!("`{}=`", other.field()),
    }
}

/// A message with its causes.
fn with_causes(message: String, error: &dyn std::error::Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(message, |message, cause| format!("{message}: {cause}"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code();
        match &error {
            Error::NoEffect { options } => {
                let one =
                    |o: &NoEffect| format!("{} has no effect: {}", keyword(o.option), o.reason);
                let all: Vec<String> = options.iter().map(one).collect();
                Failure::new(code, all.join("; ")).help("leave it out")
            }
            Error::ThreadCount { threads, most } => {
                Failure::new(code, format!("`threads={threads}`: it must be from 1 to {most}"))
            }
            Error::NoCode(_) => Failure::new(code, error.to_string())
                .help("`engine=\"auto\"` interprets networks where that is so, slowly"),
            _ => {
                let failure = Failure::new(code, with_causes(error.what(), &error));
                match error.advice() {
                    Some(advice) => failure.help(advice.worded(&keyword)),
                    None => failure,
                }
            }
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Error::from(error).into()
    }
}

impl From<ElementError> for Failure {
    fn from(error: ElementError) -> Self {
        Failure::new(error.code(), error.to_string())
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Failure::new(error.code(), with_causes(error.to_string(), &error))
    }
}

impl From<QuantizeError> for Failure {
    fn from(error: QuantizeError) -> Self {
        match error {
            QuantizeError::Network(error) => error.into(),
            error => Failure::new(error.code(), with_causes(error.to_string(), &error)),
        }
    }
}

impl From<NoMemory> for Failure {
    fn from(NoMemory { bytes }: NoMemory) -> Self {
        let message = format!("not enough memory for {bytes} bytes of values");
        Failure::new(ErrorCode::OutOfMemory, message)
    }
}
