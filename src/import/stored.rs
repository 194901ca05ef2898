//! Elements that stay in their file's buffer, or are not materialized at all, until they are
//! packed.

use std::sync::Arc;

use prost::bytes::Bytes;
use resnetc_ir::Tensor;
use resnetc_ir::tensor::Elements;

/// Fewer elements than this are copied: they are read repeatedly, and a reference to the file would
/// hold more memory than it saves.
pub(super) const FEWEST: usize = 4096;

/// A tensor of little-endian f32 elements; `None` if `shape` requires another number of elements.
pub(super) fn tensor(shape: &[usize], bytes: Bytes) -> Option<Tensor> {
    let stored = Stored(bytes);
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    if elements.checked_mul(size_of::<f32>())? != stored.0.len() {
        return None;
    }
    if elements < FEWEST {
        let mut data = vec![0.0; elements];
        stored.read(0, &mut data);
        return Tensor::new(shape, data);
    }
    Tensor::deferred(shape, Arc::new(stored))
}

struct Stored(Bytes);

impl Elements for Stored {
    fn read(&self, start: usize, out: &mut [f32]) {
        let elements = &self.0.as_chunks().0[start..start + out.len()];
        out.iter_mut().zip(elements).for_each(|(x, &bytes)| *x = f32::from_le_bytes(bytes));
    }
}

/// The floats of integers of 8 bits; `None` if `shape` requires another number of elements.
pub(super) fn integers(shape: &[usize], bytes: Bytes, signed: bool) -> Option<Tensor> {
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    if elements != bytes.len() {
        return None;
    }
    match signed {
        true => Tensor::deferred(shape, Arc::new(Signed(bytes))),
        false => Tensor::deferred(shape, Arc::new(Unsigned(bytes))),
    }
}

struct Signed(Bytes);

impl Elements for Signed {
    fn read(&self, start: usize, out: &mut [f32]) {
        let elements = &self.0[start..start + out.len()];
        out.iter_mut().zip(elements).for_each(|(x, &byte)| *x = f32::from(byte as i8));
    }
}

struct Unsigned(Bytes);

impl Elements for Unsigned {
    fn read(&self, start: usize, out: &mut [f32]) {
        let elements = &self.0[start..start + out.len()];
        out.iter_mut().zip(elements).for_each(|(x, &byte)| *x = f32::from(byte));
    }
}

/// A tensor filled with one value; `None` if it cannot have that many elements.
pub(super) fn filled(shape: &[usize], value: f32) -> Option<Tensor> {
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    match elements < FEWEST {
        true => Tensor::new(shape, vec![value; elements]),
        false => Tensor::deferred(shape, Arc::new(Filled(value))),
    }
}

struct Filled(f32);

impl Elements for Filled {
    fn read(&self, _: usize, out: &mut [f32]) {
        out.fill(self.0);
    }
}
