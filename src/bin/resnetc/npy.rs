//! NumPy's `.npy` files.

use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ndarray_npy::{ViewNpyError, ViewNpyExt, WriteNpyExt};
use resnetc::ir::Tensor;

use crate::failure::Failure;
use crate::output;

/// Reads a file of f32 or f64.
pub(crate) fn read(path: &Path) -> Result<Tensor, Failure> {
    let fail = |reason: &dyn std::fmt::Display| Failure::file(path, reason);
    let bytes = std::fs::read(path).map_err(|e| fail(&format!("reading failed: {e}")))?;
    // A view reads numbers where they lie, so the file must start at a multiple of their size.
    let mut room = vec![0u8; bytes.len() + size_of::<f64>()];
    let start = room.as_ptr().align_offset(size_of::<f64>()).min(size_of::<f64>());
    room[start..start + bytes.len()].copy_from_slice(&bytes);
    let file = &room[start..start + bytes.len()];
    let (shape, data) = match ArrayViewD::<f32>::view_npy(file) {
        Ok(view) => (view.shape().to_vec(), view.iter().copied().collect()),
        Err(ViewNpyError::WrongDescriptor(found)) => match ArrayViewD::<f64>::view_npy(file) {
            Ok(view) => (view.shape().to_vec(), view.iter().map(|&x| x as f32).collect()),
            Err(_) => {
                let reason = format!("its elements are {found}; float32 and float64 can be read");
                return Err(fail(&reason));
            }
        },
        Err(e) => return Err(fail(&format!("this is no readable .npy file: {e}"))),
    };
    Tensor::new(shape, data).ok_or_else(|| fail(&"its shape does not fit its data"))
}

/// Writes a file of f32.
pub(crate) fn write(path: &Path, tensor: &Tensor) -> Result<(), Failure> {
    let fail = |reason: String| Failure::file(path, format!("writing failed: {reason}"));
    let array = ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.data().to_vec());
    let mut bytes = Vec::new();
    array
        .map_err(|e| fail(e.to_string()))?
        .write_npy(&mut bytes)
        .map_err(|e| fail(e.to_string()))?;
    output::write_file(path, &bytes)
}
