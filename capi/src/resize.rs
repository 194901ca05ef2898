//! Models for other sizes.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use crate::call::{self, hand_out, required};
use crate::error::ErrorHandle;
use crate::model::ModelHandle;
use crate::status::Status;
use crate::text;

/// The same network for `images` images in a run, in `resized`, or NULL. It is loaded again, from
/// where `model` was loaded, and compiled with the same options; weights that are packed alike are
/// in memory once. The caller owns it.
///
/// Errors: `null-argument`; `no-origin`, for a model from memory, for which `resnetc_options_share`
/// is; `changed-origin`; `fixed-batch`, and others of `resnetc_load`.
#[unsafe(no_mangle)]
pub extern "C" fn resnetc_model_with_batch(
    model: Option<&ModelHandle>,
    images: usize,
    resized: Option<&mut MaybeUninit<Option<Box<ModelHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(resized, "resized", || {
            Ok(ModelHandle::new(required(model, "model")?.model().with_batch(images)?))
        })
    })
}

/// The same network for an input of another shape, which includes the batch; `dims` are `rank`
/// extents. `input` is its name, or NULL if it is the only one. Otherwise as
/// `resnetc_model_with_batch`.
///
/// Errors: as `resnetc_model_with_batch`; `many-inputs`; `given-shape`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn resnetc_model_with_shape(
    model: Option<&ModelHandle>,
    input: *const c_char,
    dims: *const usize,
    rank: usize,
    resized: Option<&mut MaybeUninit<Option<Box<ModelHandle>>>>,
    error: Option<&mut MaybeUninit<Option<Box<ErrorHandle>>>>,
) -> Status {
    call::status(error, || {
        hand_out(resized, "resized", || {
            let model = required(model, "model")?.model();
            // SAFETY: the caller passes `rank` extents.
            let dims = unsafe { text::elements(dims, rank, "dims") }?;
            if input.is_null() {
                return Ok(ModelHandle::new(model.with_input(dims)?));
            }
            // SAFETY: the caller passes strings.
            let input = unsafe { text::utf8(input, "input") }?;
            Ok(ModelHandle::new(model.with_shapes(&[(input, dims)])?))
        })
    })
}
