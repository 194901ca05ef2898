//! Runs that need no context of the caller's.

use std::mem::MaybeUninit;

use resnetc::ErrorCode;

use crate::call::{self, required};
use crate::error::{ErrorHandle, Outcome};
use crate::guard::caught_or;
use crate::model::ModelHandle;
use crate::status::Status;
use crate::text;
use crate::transfer::{self, Source, Target};

/// Refuses another number of ports than the model has.
fn check(what: &str, expected: usize, given: usize) -> Outcome<()> {
    if given == expected {
        return Ok(());
    }
    let ending = if expected == 1 { "" } else { "s" };
    let message = format!("the model has {expected} {what}{ending}, but {given} were given");
    Err(ErrorHandle::new(ErrorCode::PortCount, &message, None))
}

/// Runs a model on values in the caller's memory: copies `input_count` inputs, computes, and copies
/// `output_count` outputs, all of the model's, in their order. Any number of threads may do this at
/// once. The model keeps the contexts for further calls: as many as threads were doing this at
/// once.
///
/// Errors: `null-argument`; `port-count`; those of `resnetc_context_new`, `resnetc_context_write`,
/// `resnetc_run` and `resnetc_context_read`. After an error, the contents of outputs are not
/// specified.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_run_once(
    model: Option<&ModelHandle>,
    inputs: *const Source,
    input_count: usize,
    outputs: *const Target,
    output_count: usize,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        let handle = required(model, "model")?;
        let model = handle.model();
        check("input", model.inputs().len(), input_count)?;
        check("output", model.outputs().len(), output_count)?;
        // SAFETY: the caller passes that many inputs.
        let inputs = unsafe { text::elements(inputs, input_count, "inputs") }?;
        // SAFETY: the caller passes that many outputs.
        let outputs = unsafe { text::elements(outputs, output_count, "outputs") }?;
        handle.pool().lend(model, |context| {
            for (index, &source) in inputs.iter().enumerate() {
                // SAFETY: the caller passes as many bytes as the source says.
                unsafe { transfer::write(model, context, index, source) }?;
            }
            model.run(context)?;
            for (index, &target) in outputs.iter().enumerate() {
                // SAFETY: the caller passes as many bytes as the target says.
                unsafe { transfer::read(model, context, index, target) }?;
            }
            Ok(())
        })
    })
}

/// Frees the contexts that a model keeps for `resnetc_run_once` and that no call is using. Any
/// thread may do this at any time. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_trim(model: Option<&ModelHandle>) {
    caught_or((), || {
        if let Some(model) = model {
            model.pool().trim();
        }
    });
}
