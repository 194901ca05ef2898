//! What came of a call, as a number.

use resnetc::ErrorCode;
use resnetc::errors::Fault;

/// What came of a call: 0, or who can do something about the failure. The numbers are stable, and
/// later versions may have more. `resnetc_error_code` says more exactly what went wrong.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The call did what it is for.
    Ok = 0,
    /// A pointer is NULL where a value is required.
    NullArgument = 1,
    /// An argument is wrong: an option, a name, an index or a size.
    InvalidArgument = 2,
    /// A file, or its bytes, is not a network that can be compiled.
    InvalidModel = 3,
    /// The system or the machine lacks something: a file, permission, memory, threads.
    System = 4,
    /// Another thread is using the context.
    Busy = 5,
    /// A bug in resnetc. Please report it.
    Internal = 6,
}

impl From<ErrorCode> for Status {
    fn from(code: ErrorCode) -> Self {
        match (code, code.fault()) {
            (ErrorCode::NullArgument, _) => Status::NullArgument,
            (ErrorCode::ContextBusy, _) => Status::Busy,
            (_, Fault::Call) => Status::InvalidArgument,
            (_, Fault::File) => Status::InvalidModel,
            (_, Fault::Machine) => Status::System,
            (_, Fault::Bug) => Status::Internal,
        }
    }
}
