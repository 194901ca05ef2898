//! What the interpreter computes with: values of any type, held in f64.

use crate::dtype::DType;
use crate::memory::{NoMemory, copied};
use crate::tensor::Tensor;
use crate::ty::TensorType;

/// A value in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The element type.
    pub dtype: DType,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

impl Value {
    /// A value of `shape` from elements in row-major order, which stand for f32. Their count is
    /// checked when the value is used.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Self {
        Value::of(DType::F32, shape, data)
    }

    /// As [`Value::new`], of elements of another type, which is checked together with their count.
    pub fn of(dtype: DType, shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Self {
        Value { dtype, shape: shape.into(), data }
    }

    /// A value of `shape` from f32 elements in row-major order. Their count is checked when the
    /// value is used.
    pub fn from_f32(shape: impl Into<Vec<usize>>, data: &[f32]) -> Self {
        Value::new(shape, data.iter().map(|&x| f64::from(x)).collect())
    }

    /// Its type.
    pub fn ty(&self) -> TensorType {
        TensorType::of(self.dtype, &self.shape[..])
    }

    /// The elements rounded to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|&x| x as f32).collect()
    }

    /// Makes every element an element of the value's type.
    pub(super) fn round(&mut self) {
        let dtype = self.dtype;
        self.data.iter_mut().for_each(|x| *x = dtype.convert(*x, dtype));
    }

    /// The value rounded to a constant; `None` if the number of elements does not match the shape.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn to_tensor(&self) -> Result<Option<Tensor>, NoMemory> {
        Tensor::try_from_numbers(self.dtype, self.shape.clone(), &self.data)
    }

    /// The value of a constant.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn of_tensor(tensor: &Tensor) -> Result<Self, NoMemory> {
        Ok(Value::of(tensor.dtype(), tensor.shape(), tensor.try_numbers()?))
    }

    /// A copy, for values that may be large.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn copy(&self) -> Result<Self, NoMemory> {
        Ok(Value::of(self.dtype, &self.shape[..], copied(&self.data)?))
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Self {
        Value::of(tensor.dtype(), tensor.shape(), tensor.numbers())
    }
}
