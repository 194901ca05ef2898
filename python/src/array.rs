//! Arrays of NumPy: which of them an input accepts, and copies from and to them.

use numpy::npyffi::PyArrayObject;
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use resnetc::ir::Tensor;
use resnetc::ir::memory::{copied, filled};
use resnetc::{Array, Context, DType, ErrorCode};

use crate::failure::Failure;
use crate::slot::{Slot, tuple};

/// An array for an input: of its shape, and of the type that the network declares or the one that
/// contexts hold; row-major, in this machine's byte order.
pub(crate) struct Given<'py> {
    array: Bound<'py, PyUntypedArray>,
    dtype: DType,
}

impl<'py> Given<'py> {
    /// Checks an array, or whatever NumPy makes an array of. If it is not row-major, it is copied.
    ///
    /// # Errors
    /// `TypeError` if its elements are of another type, `ValueError` if its shape is different.
    pub(crate) fn new(slot: &Slot, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let array = match value.cast::<PyUntypedArray>() {
            Ok(array) => array.clone(),
            Err(_) => as_array(value)?,
        };
        let descr = array.dtype();
        let dtype = element(&descr).filter(|&dtype| [slot.declared, slot.held].contains(&dtype));
        let Some(dtype) = dtype else { return Err(wrong_type(slot, &descr)) };
        if array.shape() != slot.shape {
            return Err(wrong_shape(slot, array.shape()));
        }
        let is_native = descr.is_native_byteorder() != Some(false);
        let array = match array.is_c_contiguous() && is_native {
            true => array,
            false => row_major(&array, dtype)?,
        };
        Ok(Given { array, dtype })
    }

    /// Writes it to an input of a context.
    ///
    /// # Errors
    /// If an element has no counterpart in the type that the context holds.
    pub(crate) fn write(&self, slot: &Slot, cx: &mut Context, index: usize) -> Result<(), Failure> {
        if self.dtype == slot.held {
            return self.read(slot, cx.input_bytes_mut(index)?);
        }
        let values = self.values(slot)?;
        cx.input_mut(index)?.copy_from_slice(&values);
        Ok(())
    }

    /// Its elements as f32.
    ///
    /// # Errors
    /// If an element has no counterpart.
    pub(crate) fn values(&self, slot: &Slot) -> Result<Vec<f32>, Failure> {
        let mut bytes = filled(slot.shape.iter().product::<usize>() * self.dtype.bytes(), 0u8)?;
        self.read(slot, &mut bytes)?;
        let array = Array::new(self.dtype, slot.shape.clone(), bytes).ok_or_else(|| sizes(slot))?;
        let values = array.values(self.dtype).map_err(|e| Failure::from(e).about(&slot.input()))?;
        Ok(copied(values.data())?)
    }

    /// Copies its bytes.
    fn read(&self, slot: &Slot, place: &mut [u8]) -> Result<(), Failure> {
        if self.array.len() * self.dtype.bytes() != place.len() {
            return Err(sizes(slot));
        }
        // SAFETY: a row-major array of this type has that many bytes, as was checked, and it is
        // alive. Bytes need no alignment. The interpreter's lock is held.
        unsafe { data(&self.array).copy_to_nonoverlapping(place.as_mut_ptr(), place.len()) };
        Ok(())
    }
}

/// An output of a context, as a new array of the type that the network declares.
pub(crate) fn output<'py>(
    py: Python<'py>,
    slot: &Slot,
    context: &Context,
    index: usize,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let dtype = slot.offered();
    let converted;
    let bytes = match dtype == slot.held {
        true => context.output_bytes(index).map_err(Failure::from)?,
        false => {
            converted = declared(slot, context, index, dtype)?;
            converted.bytes()
        }
    };
    let shape = PyTuple::new(py, &slot.shape)?;
    let empty = numpy(py)?.getattr(intern!(py, "empty"))?;
    let array = empty.call1((shape, dtype.name()))?.cast_into::<PyUntypedArray>()?;
    if array.len() * dtype.bytes() != bytes.len() {
        return Err(sizes(slot).into());
    }
    // SAFETY: a new array is row-major, so it has that many bytes, and nothing else refers to it.
    unsafe { data(&array).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(array)
}

/// An output that is held as floats, in another type.
fn declared(slot: &Slot, context: &Context, index: usize, to: DType) -> Result<Array, Failure> {
    let held = copied(context.output::<f32>(index)?)?;
    let values = Tensor::new(slot.shape.clone(), held).ok_or_else(|| sizes(slot))?;
    Ok(Array::of(&values, to)?)
}

/// The first byte of an array.
fn data(array: &Bound<'_, PyUntypedArray>) -> *mut u8 {
    let object: *mut PyArrayObject = array.as_array_ptr();
    // SAFETY: the array is alive.
    unsafe { (*object).fields.data.cast() }
}

fn numpy(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "numpy"))
}

fn as_array<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = value.py();
    Ok(numpy(py)?.call_method1(intern!(py, "asarray"), (value,))?.cast_into()?)
}

/// A copy that is row-major and in this machine's byte order.
fn row_major<'py>(
    array: &Bound<'py, PyUntypedArray>,
    dtype: DType,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = array.py();
    let how = PyDict::new(py);
    how.set_item(intern!(py, "order"), intern!(py, "C"))?;
    // NumPy knows bfloat16 by an extension's object only.
    if dtype != DType::BF16 {
        how.set_item(intern!(py, "dtype"), dtype.name())?;
    }
    Ok(numpy(py)?.call_method(intern!(py, "array"), (array,), Some(&how))?.cast_into()?)
}

/// The type of the elements, in either byte order.
fn element(descr: &Bound<'_, PyArrayDescr>) -> Option<DType> {
    match (descr.kind(), descr.itemsize()) {
        (b'f', 2) => Some(DType::F16),
        (b'f', 4) => Some(DType::F32),
        (b'f', 8) => Some(DType::F64),
        (b'i', 1) => Some(DType::I8),
        (b'i', 2) => Some(DType::I16),
        (b'i', 4) => Some(DType::I32),
        (b'i', 8) => Some(DType::I64),
        (b'u', 1) => Some(DType::U8),
        (b'u', 2) => Some(DType::U16),
        (b'u', 4) => Some(DType::U32),
        (b'u', 8) => Some(DType::U64),
        (b'b', 1) => Some(DType::Bool),
        // Of the package ml_dtypes.
        (b'V', 2) if name(descr) == "bfloat16" => Some(DType::BF16),
        _ => None,
    }
}

fn name(descr: &Bound<'_, PyArrayDescr>) -> String {
    descr.str().map_or_else(|_| "another type".to_owned(), |name| name.to_string())
}

fn wrong_type(slot: &Slot, given: &Bound<'_, PyArrayDescr>) -> PyErr {
    let Slot { declared, held, .. } = slot;
    let also = match declared == held {
        true => String::new(),
        false => format!(" or {held}"),
    };
    PyTypeError::new_err(format!(
        "{} is {declared}{also}, but an array of {} was given; convert it: `x.astype(\"{}\")`",
        slot.input(),
        name(given),
        slot.offered(),
    ))
}

fn wrong_shape(slot: &Slot, given: &[usize]) -> PyErr {
    let (expected, given) = (tuple(&slot.shape), tuple(given));
    let message = format!("{} has shape {expected}, but {given} was given", slot.input());
    PyValueError::new_err(message)
}

/// The error for numbers of bytes that cannot differ.
fn sizes(slot: &Slot) -> Failure {
    let message = format!("\"{}\" has another number of elements", slot.name);
    Failure::new(ErrorCode::InputLength, message)
}
