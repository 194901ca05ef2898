//! Work that takes long and can be interrupted.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use resnetc::ErrorCode;

use crate::failure::Failure;
use crate::guard::caught;

/// How often signals are looked for.
const TURN: Duration = Duration::from_millis(25);
/// As much as the first thread of a process usually has.
const STACK_BYTES: usize = 8 << 20;

/// Does `work` on a thread of its own, without the interpreter's lock, while the caller looks for
/// signals: if one raises an exception, such as `KeyboardInterrupt`, the call ends with it at once.
/// The thread then goes on until its work is done, and drops the result.
///
/// # Errors
/// Those of the work; also if the system starts no thread.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = sync_channel(1);
    let worker = thread::Builder::new().name("resnetc".to_owned()).stack_size(STACK_BYTES);
    // Nobody waits for the result of an interrupted call.
    let started = worker.spawn(move || drop(sender.send(caught(work))));
    if let Err(reason) = started {
        let message = format!("the system refused to start a thread: {reason}");
        return Err(Failure::new(ErrorCode::ThreadsRefused, message).into());
    }
    loop {
        let received;
        (receiver, received) = py.detach(move || {
            let received = receiver.recv_timeout(TURN);
            (receiver, received)
        });
        match received {
            Ok(result) => return Ok(result?),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                let message = "bug in resnetc: a thread ended without a result";
                return Err(Failure::new(ErrorCode::Panic, message).into());
            }
        }
    }
}
