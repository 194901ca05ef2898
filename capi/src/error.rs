//! Why a call failed.

use std::error::Error as _;
use std::ffi::{CString, c_char};
use std::{iter, ptr};

use resnetc::errors::{ImportError, NoEffect, SpecError};
use resnetc::ir::memory::NoMemory;
use resnetc::{Error, ErrorCode, RunError};

use crate::guard::caught_or;
use crate::keys;
use crate::status::Status;

/// Why a call failed. The caller owns it, and frees it with `resnetc_error_free`.
#[derive(Debug)]
pub struct ErrorHandle {
    status: Status,
    code: CString,
    message: CString,
    help: Option<CString>,
}

/// What a call returns inside of this crate.
pub(crate) type Outcome<T> = Result<T, Box<ErrorHandle>>;

/// Text for C: a NUL in it, which would end it, is replaced.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

impl ErrorHandle {
    /// An error, and what to do about it if that is known.
    pub(crate) fn new(code: ErrorCode, message: &str, help: Option<&str>) -> Box<Self> {
        Box::new(ErrorHandle {
            status: code.into(),
            code: c_string(code.name()),
            message: c_string(message),
            help: help.map(c_string),
        })
    }

    /// Its status.
    pub(crate) fn status(&self) -> Status {
        self.status
    }
}

/// In the words of this interface: the library calls options fields of `Options`.
impl From<Error> for Box<ErrorHandle> {
    fn from(error: Error) -> Self {
        let code = error.code();
        let no_effect =
            |one: &NoEffect| format!("{} has no effect: {}", keys::worded(one.option), one.reason);
        match &error {
            Error::NoEffect { options } => {
                let all: Vec<String> = options.iter().map(no_effect).collect();
                ErrorHandle::new(code, &all.join("; "), Some("leave it out"))
            }
            Error::ThreadCount { threads, most } => {
                let message = format!("option \"threads\" is {threads}; it must be 1 to {most}");
                ErrorHandle::new(code, &message, None)
            }
            _ => {
                let causes = iter::successors(error.source(), |&cause| cause.source());
                let causes = causes.map(|cause| format!(": {cause}"));
                let message: String = iter::once(error.what()).chain(causes).collect();
                let help = error.advice().map(|advice| advice.worded(&keys::worded));
                ErrorHandle::new(code, &message, help.as_deref())
            }
        }
    }
}

impl From<RunError> for Box<ErrorHandle> {
    fn from(error: RunError) -> Self {
        Error::from(error).into()
    }
}

impl From<SpecError> for Box<ErrorHandle> {
    fn from(error: SpecError) -> Self {
        Error::from(error).into()
    }
}

impl From<ImportError> for Box<ErrorHandle> {
    fn from(error: ImportError) -> Self {
        Error::from(error).into()
    }
}

impl From<NoMemory> for Box<ErrorHandle> {
    fn from(NoMemory { bytes }: NoMemory) -> Self {
        let message = format!("not enough memory for {bytes} bytes of values");
        ErrorHandle::new(ErrorCode::OutOfMemory, &message, None)
    }
}

/// The status that the failed call returned; `RESNETC_STATUS_OK` for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_error_status(error: Option<&ErrorHandle>) -> Status {
    error.map_or(Status::Ok, ErrorHandle::status)
}

/// What went wrong, as a stable name such as `unknown-model`, for programs. `docs/ERRORS.md` of
/// resnetc lists all of them. The error owns the string. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_error_code(error: Option<&ErrorHandle>) -> *const c_char {
    error.map_or(ptr::null(), |error| error.code.as_ptr())
}

/// What went wrong, in UTF-8, for people. It names the file, node or option, and may change from
/// version to version. The error owns the string. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_error_message(error: Option<&ErrorHandle>) -> *const c_char {
    error.map_or(ptr::null(), |error| error.message.as_ptr())
}

/// What to do about it, for people. The error owns the string. NULL if nothing is known, and for
/// NULL.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_error_help(error: Option<&ErrorHandle>) -> *const c_char {
    let help = error.and_then(|error| error.help.as_ref());
    help.map_or(ptr::null(), |help| help.as_ptr())
}

/// Frees an error and its strings. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_error_free(error: Option<Box<ErrorHandle>>) {
    caught_or((), || drop(error));
}
