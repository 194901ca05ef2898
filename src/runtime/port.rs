//! Inputs and outputs of a model.

use std::ops::Range;

use resnetc_ir::DType;
use resnetc_ir::eval::Value;
use resnetc_ir::memory::{NoMemory, reserved};

use crate::error::RunError;
use crate::kernels::geometry::Place;

/// One input or output.
///
/// It has two element types. [`Port::element`] is what a [`Context`](crate::Context) holds and the
/// graph computes with: [`Context::input_mut`](crate::Context::input_mut) and
/// [`Context::output`](crate::Context::output) give memory of this type. [`Port::dtype`] is what
/// the model's description declares, and what callers have and want. Imported networks hold f32
/// whatever is declared; [`Context::write_input`](crate::Context::write_input) and
/// [`Context::read_output`](crate::Context::read_output) accept and return both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the model's description.
    pub name: String,
    /// Its shape; elements are in row-major order.
    pub shape: Vec<usize>,
    /// The element type that the model's description declares. If the model holds f32, an input of
    /// integers or booleans accepts only their values ([`DType::holds`]), which every run checks,
    /// and outputs of integers hold integers. All arithmetic is then in f32: values in a float16
    /// input need not be float16 values, and values in a float16 output are not rounded to float16.
    pub dtype: DType,
    pub(crate) place: Place,
}

impl Port {
    /// The element type in a context's memory.
    pub fn element(&self) -> DType {
        self.place.geometry.ty.dtype
    }

    /// How many elements it has.
    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its range of bytes in the arena.
    pub(super) fn range(&self) -> Range<usize> {
        let start = self.place.offset as usize;
        start..start + self.count() * self.element().bytes()
    }

    /// The first element that is not a value of the port's declared type, if floats represent
    /// integers.
    pub(super) fn foreign(&self, elements: &[f32]) -> Option<RunError> {
        let (lo, hi) = self.dtype.integers()?;
        let (lo, hi) = (lo as f32, hi as f32);
        // The common case is a single loop without branches.
        let fits = |&x: &f32| (x >= lo) & (x <= hi) & (x.trunc() == x);
        if elements.iter().fold(true, |all, x| all & fits(x)) {
            return None;
        }
        let (index, &value) = elements.iter().enumerate().find(|(_, x)| !fits(x))?;
        Some(self.wrong(index, value.into()))
    }

    /// The error for an element that is not a value of the declared type.
    pub(super) fn wrong(&self, index: usize, value: f64) -> RunError {
        RunError::Element { input: self.name.clone(), index, value, dtype: self.dtype }
    }

    /// The value of its bytes.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub(super) fn value(&self, bytes: &[u8]) -> Result<Value, NoMemory> {
        let mut data = reserved(bytes.len() / self.element().bytes())?;
        let chunks = bytes.chunks_exact(self.element().bytes());
        data.extend(chunks.filter_map(|chunk| self.element().decode(chunk)));
        Ok(Value::of(self.element(), self.shape.clone(), data))
    }

    /// Writes a value's bytes.
    pub(super) fn write(&self, value: &Value, bytes: &mut [u8]) {
        encode(self.element(), value.data.iter().copied(), bytes);
    }
}

/// Writes numbers as elements, one at a time, so that no memory is needed for all of them.
pub(super) fn encode(element: DType, numbers: impl Iterator<Item = f64>, bytes: &mut [u8]) {
    let mut one = Vec::new();
    for (place, x) in bytes.chunks_exact_mut(element.bytes()).zip(numbers) {
        one.clear();
        element.encode(x, &mut one);
        place.copy_from_slice(&one);
    }
}
