//! The memory of one run.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, TryLockError};

use resnetc::{Context, ErrorCode, Model, RunError};

use crate::call::{self, hand_out, required};
use crate::error::{ErrorHandle, Outcome};
use crate::guard::caught_or;
use crate::model::ModelHandle;
use crate::status::Status;
use crate::transfer::{self, Source, Target};

/// The memory of one run: inputs, outputs and everything between them. One thread at a time may
/// use it. The caller owns it, and frees it with `resnetc_context_free`.
#[derive(Debug)]
pub struct ContextHandle {
    model: Model,
    /// Locked while a call uses it. No call waits for another one.
    context: Mutex<Context>,
    /// Where inputs and outputs are in the context's mapping. Callers use them while no call holds
    /// the lock.
    inputs: Vec<*mut c_void>,
    outputs: Vec<*const c_void>,
}

// SAFETY: the pointers lead to the memory of `context`, which does not move, and are only handed to
// the caller.
unsafe impl Send for ContextHandle {}
// SAFETY: as above; the context itself is behind a lock.
unsafe impl Sync for ContextHandle {}

impl ContextHandle {
    fn new(model: &Model) -> Outcome<Self> {
        let mut context = model.context()?;
        let input = |index| Ok(context.input_bytes_mut(index)?.as_mut_ptr().cast());
        let inputs = (0..model.inputs().len()).map(input).collect::<Result<_, RunError>>()?;
        let output = |index| Ok(context.output_bytes(index)?.as_ptr().cast());
        let outputs = (0..model.outputs().len()).map(output).collect::<Result<_, RunError>>()?;
        Ok(ContextHandle { model: model.clone(), context: Mutex::new(context), inputs, outputs })
    }

    fn exclusively(&self, f: impl FnOnce(&mut Context) -> Outcome<()>) -> Outcome<()> {
        match self.context.try_lock() {
            Ok(mut context) => f(&mut context),
            // After a panic its contents are arbitrary numbers, which the next run overwrites.
            Err(TryLockError::Poisoned(context)) => f(&mut context.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let message = "another thread is using this context";
                let help = "give each thread its own context, or use resnetc_run_once";
                Err(ErrorHandle::new(ErrorCode::ContextBusy, message, Some(help)))
            }
        }
    }
}

/// The context behind a handle.
///
/// # Safety
/// It must be NULL, or a handle that is not freed while the result is in use.
unsafe fn shared<'a>(context: Option<NonNull<ContextHandle>>) -> Outcome<&'a ContextHandle> {
    let context = required(context, "context")?;
    // SAFETY: our caller promises it. Nothing borrows a handle mutably.
    Ok(unsafe { context.as_ref() })
}

/// Memory for runs of a model. Stores it in `context`, or NULL. A context keeps what it needs of
/// its model, whose handles may be freed first.
///
/// Errors: `null-argument`; `out-of-memory`.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_context_new(
    model: Option<&ModelHandle>,
    context: Option<&mut MaybeUninit<Option<Box<ContextHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(context, "context", || ContextHandle::new(required(model, "model")?.model()))
    })
}

/// Frees a context. NULL is allowed. A context that another thread is using is not freed, and its
/// memory is lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_context_free(context: Option<NonNull<ContextHandle>>) {
    caught_or((), || {
        // SAFETY: the caller passes a handle that is not freed yet.
        let is_idle = unsafe { shared(context) }.is_ok_and(|context| {
            !matches!(context.context.try_lock(), Err(TryLockError::WouldBlock))
        });
        if let Some(context) = context.filter(|_| is_idle) {
            // SAFETY: handles are boxes, and no thread uses this one.
            drop(unsafe { Box::from_raw(context.as_ptr()) });
        }
    });
}

/// The memory of an input, `resnetc_port.bytes` bytes in elements of the type `resnetc_port.held`,
/// to be written before a run. It keeps its contents, and stays where it is until the context is
/// freed. It is aligned for its elements, and must not be touched during a run.
///
/// Errors: `null-argument`; `no-such-input`. The result is then NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_context_input(
    context: Option<NonNull<ContextHandle>>,
    index: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> *mut c_void {
    call::value(error, ptr::null_mut(), || {
        // SAFETY: the caller passes a handle that is not freed during the call.
        let inputs = &unsafe { shared(context) }?.inputs;
        let none = || RunError::NoSuchInput { index, inputs: inputs.len() }.into();
        inputs.get(index).copied().ok_or_else(none)
    })
}

/// The memory of an output, `resnetc_port.bytes` bytes in elements of the type `resnetc_port.held`,
/// to be read after a run. All zeros before the first one. It stays where it is until the context
/// is freed. It is aligned for its elements, and must not be touched during a run.
///
/// Errors: `null-argument`; `no-such-output`. The result is then NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_context_output(
    context: Option<NonNull<ContextHandle>>,
    index: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> *const c_void {
    call::value(error, ptr::null(), || {
        // SAFETY: the caller passes a handle that is not freed during the call.
        let outputs = &unsafe { shared(context) }?.outputs;
        let none = || RunError::NoSuchOutput { index, outputs: outputs.len() }.into();
        outputs.get(index).copied().ok_or_else(none)
    })
}

/// Copies values into an input, and converts them if they are of the declared type.
///
/// Errors: `null-argument`; `no-such-input`; `port-type`; `input-length`; `array-element` if a value
/// is not one that the input holds; `context-busy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_context_write(
    context: Option<NonNull<ContextHandle>>,
    index: usize,
    source: Option<&Source>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        // SAFETY: the caller passes a handle that is not freed during the call.
        let handle = unsafe { shared(context) }?;
        let source = *required(source, "source")?;
        // SAFETY: the caller passes as many bytes as the source says.
        handle.exclusively(|context| unsafe {
            transfer::write(&handle.model, context, index, source)
        })
    })
}

/// Copies an output of the last run into the caller's memory, and converts it if the declared type
/// is wanted.
///
/// Errors: `null-argument`; `no-such-output`; `port-type`; `input-length`; `context-busy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_context_read(
    context: Option<NonNull<ContextHandle>>,
    index: usize,
    target: Option<&Target>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        // SAFETY: the caller passes a handle that is not freed during the call.
        let handle = unsafe { shared(context) }?;
        let target = *required(target, "target")?;
        // SAFETY: the caller passes as many bytes as the target says.
        handle
            .exclusively(|context| unsafe { transfer::read(&handle.model, context, index, target) })
    })
}

/// Computes the outputs in a context from its inputs, on the threads of its model. Prints nothing,
/// and allocates nothing unless the model is interpreted. Results do not depend on the number of
/// threads, or on what else runs.
///
/// Errors: `null-argument`; `context-busy`; `input-element` if the memory of an input that is
/// declared as integers holds another value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_run(
    context: Option<NonNull<ContextHandle>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        // SAFETY: the caller passes a handle that is not freed during the call.
        let handle = unsafe { shared(context) }?;
        handle.exclusively(|context| Ok(handle.model.run(context)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> NonNull<ContextHandle> {
        let options = resnetc::Options::default().threads(1);
        let network = resnetc::Compiler::new(options).load("cifar_resnet20").expect("built in");
        let model = network.compile().expect("it compiles");
        NonNull::from(Box::leak(Box::new(ContextHandle::new(&model).expect("memory"))))
    }

    /// Whoever uses it keeps valid memory.
    #[test]
    fn a_context_in_use_is_refused_and_not_freed() {
        let context = context();
        // SAFETY: it is freed below.
        let handle = unsafe { context.as_ref() };
        let lock = handle.context.try_lock().expect("nobody uses it");
        // SAFETY: it is not freed yet, and is not freed by the second call.
        unsafe {
            assert_eq!(resnetc_run(Some(context), None), Status::Busy);
            resnetc_context_free(Some(context));
        }
        assert!(lock.output_bytes(0).is_ok_and(|bytes| bytes.iter().all(|&byte| byte == 0)));
        drop(lock);
        // SAFETY: nobody uses it any more.
        unsafe { resnetc_context_free(Some(context)) };
    }

    /// A panic during a run leaves a context that can be used again.
    #[test]
    fn a_context_survives_a_panic() {
        let context = context();
        // SAFETY: it is freed below.
        let handle = unsafe { context.as_ref() };
        let outcome = call::status(None, || handle.exclusively(|_| panic!("in a run")));
        assert_eq!(outcome, Status::Internal);
        // SAFETY: it is not freed yet, and then it is.
        unsafe {
            assert_eq!(resnetc_run(Some(context), None), Status::Ok);
            resnetc_context_free(Some(context));
        }
    }
}
