//! Arrays as files hold them, with elements of any type: which of them an input accepts, and what
//! outputs become.

use std::fmt;

use half::{bf16, f16};
use resnetc_ir::memory::{NoMemory, reserved};
use resnetc_ir::{DType, Tensor};

use crate::error_code::ErrorCode;

/// An array of numbers, row-major.
///
/// ```
/// use resnetc::{Array, DType};
///
/// let pixels = Array::new(DType::U8, [1, 3], vec![0, 128, 255]).expect("one byte an element");
/// assert_eq!(pixels.values(DType::F32)?.data(), [0.0, 128.0, 255.0]);
/// assert!(pixels.values(DType::I8).is_err());
/// # Ok::<(), resnetc::ElementError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    dtype: DType,
    shape: Vec<usize>,
    /// Little-endian.
    bytes: Vec<u8>,
}

/// Why the elements of an array are not converted to another type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElementError {
    /// An element has no counterpart in that type.
    #[error("element {position:?} is {value}, {}", why(*.to, .value))]
    Value {
        /// Its index along each axis.
        position: Vec<usize>,
        /// The element's value.
        value: String,
        /// The type to which it was to be converted.
        to: DType,
    },
    /// The system does not have enough memory.
    #[error("not enough memory for {bytes} bytes of its elements")]
    Memory {
        /// How much was requested.
        bytes: usize,
    },
}

impl ElementError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            ElementError::Value { .. } => ErrorCode::ArrayElement,
            ElementError::Memory { .. } => ErrorCode::OutOfMemory,
        }
    }
}

impl From<NoMemory> for ElementError {
    fn from(NoMemory { bytes }: NoMemory) -> Self {
        ElementError::Memory { bytes }
    }
}

fn why(to: DType, value: &str) -> String {
    match to.integers() {
        Some((lo, hi)) => format!("and {to} accepts whole numbers from {lo} to {hi} here"),
        None if value.contains(['.', 'e']) => format!("which is beyond what {} holds", held(to)),
        None => format!("which {} does not hold exactly", held(to)),
    }
}

/// The type that holds the elements of a float type here, for messages.
fn held(ty: DType) -> String {
    match ty {
        DType::F64 => format!("{}, in which networks of {ty} compute here,", DType::F32),
        _ => ty.to_string(),
    }
}

/// An element of an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Of a float type.
    Float(f64),
    /// Of a type of integers, signed or not; `bool` is 0 or 1.
    Integer(i128),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Float(x) => write!(f, "{x:?}"),
            Number::Integer(x) => write!(f, "{x}"),
        }
    }
}

impl Array {
    /// An array of little-endian elements in row-major order; `None` if the shape needs another
    /// number of bytes.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>, bytes: Vec<u8>) -> Option<Self> {
        let shape = shape.into();
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (count.checked_mul(dtype.bytes())? == bytes.len()).then_some(Array { dtype, shape, bytes })
    }

    /// A value of a network with elements of another type: floats are rounded to nearest, and
    /// integer values already are integers.
    ///
    /// # Errors
    /// If the system does not have enough memory.
    pub fn of(tensor: &Tensor, dtype: DType) -> Result<Self, NoMemory> {
        let mut bytes = reserved(tensor.elements() * dtype.bytes())?;
        tensor.each(|x| push(&mut bytes, x as f32, dtype));
        Ok(Array { dtype, shape: tensor.shape().to_vec(), bytes })
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.bytes.len() / self.dtype.bytes()
    }

    /// The elements, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements, in row-major order.
    pub fn numbers(&self) -> impl Iterator<Item = Number> + '_ {
        self.bytes.chunks_exact(self.dtype.bytes()).map(|bytes| number(bytes, self.dtype))
    }

    /// The values for an input whose elements are declared to be of type `to`.
    ///
    /// Floats are rounded to the nearest value of a narrower float type, as ONNX's `Cast` does. No
    /// other change is allowed: integers must be exactly representable in a float type, and floats
    /// must be integers within the range of an integer type.
    ///
    /// # Errors
    /// If an element cannot be converted to that type: a float that is not an integer, an integer
    /// that is out of range, or a number whose magnitude exceeds the type's. The error has the
    /// first such element. Also if there is not enough memory.
    pub fn values(&self, to: DType) -> Result<Tensor, ElementError> {
        let mut data = reserved(self.elements())?;
        for (i, number) in self.numbers().enumerate() {
            data.push(accept(number, to).ok_or_else(|| {
                let value = number.to_string();
                ElementError::Value { position: self.position(i), value, to }
            })?);
        }
        // The shape was checked when the array was made.
        Ok(Tensor::new(self.shape.clone(), data).unwrap_or_else(|| Tensor::vector(Vec::new())))
    }

    fn position(&self, mut index: usize) -> Vec<usize> {
        let mut position = vec![0; self.shape.len()];
        for (at, &extent) in position.iter_mut().zip(&self.shape).rev() {
            (*at, index) = (index % extent, index / extent);
        }
        position
    }
}

/// Appends an f32 as an element of a type.
fn push(bytes: &mut Vec<u8>, x: f32, dtype: DType) {
    match dtype {
        DType::F32 => bytes.extend(x.to_le_bytes()),
        DType::F16 => bytes.extend(f16::from_f32(x).to_le_bytes()),
        DType::BF16 => bytes.extend(bf16::from_f32(x).to_le_bytes()),
        DType::F64 => bytes.extend(f64::from(x).to_le_bytes()),
        DType::I8 => bytes.extend((x as i8).to_le_bytes()),
        DType::U8 => bytes.extend((x as u8).to_le_bytes()),
        DType::I16 => bytes.extend((x as i16).to_le_bytes()),
        DType::U16 => bytes.extend((x as u16).to_le_bytes()),
        DType::I32 => bytes.extend((x as i32).to_le_bytes()),
        DType::U32 => bytes.extend((x as u32).to_le_bytes()),
        DType::I64 => bytes.extend((x as i64).to_le_bytes()),
        DType::U64 => bytes.extend((x as u64).to_le_bytes()),
        _ => bytes.push(u8::from(x != 0.0)),
    }
}

/// The element in these bytes, which have the length of the type.
fn number(bytes: &[u8], dtype: DType) -> Number {
    fn of<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> Number) -> Number {
        bytes.first_chunk().map_or(Number::Integer(0), |&bytes| number(bytes))
    }
    let float = |x: f32| Number::Float(x.into());
    let integer = |x: i128| Number::Integer(x);
    match dtype {
        DType::F32 => of(bytes, |b| float(f32::from_le_bytes(b))),
        DType::F16 => of(bytes, |b| float(f16::from_le_bytes(b).to_f32())),
        DType::BF16 => of(bytes, |b| float(bf16::from_le_bytes(b).to_f32())),
        DType::F64 => of(bytes, |b| Number::Float(f64::from_le_bytes(b))),
        DType::I8 => of(bytes, |b| integer(i8::from_le_bytes(b).into())),
        DType::U8 => of(bytes, |b| integer(u8::from_le_bytes(b).into())),
        DType::I16 => of(bytes, |b| integer(i16::from_le_bytes(b).into())),
        DType::U16 => of(bytes, |b| integer(u16::from_le_bytes(b).into())),
        DType::I32 => of(bytes, |b| integer(i32::from_le_bytes(b).into())),
        DType::U32 => of(bytes, |b| integer(u32::from_le_bytes(b).into())),
        DType::I64 => of(bytes, |b| integer(i64::from_le_bytes(b).into())),
        DType::U64 => of(bytes, |b| integer(u64::from_le_bytes(b).into())),
        _ => of(bytes, |[b]| integer((b != 0).into())),
    }
}

/// The f32 that represents a number of type `to`, if the conversion is allowed.
fn accept(number: Number, to: DType) -> Option<f32> {
    match (number, to.integers()) {
        (Number::Float(x), None) => {
            let rounded = rounded(x, to);
            (rounded.is_finite() || !x.is_finite()).then_some(rounded)
        }
        (Number::Integer(x), None) => {
            let rounded = rounded(x as f64, to);
            (rounded as i128 == x).then_some(rounded)
        }
        (Number::Float(x), Some((lo, hi))) => {
            let fits = (lo as f64..=hi as f64).contains(&x) && x.trunc() == x;
            fits.then_some(x as f32)
        }
        (Number::Integer(x), Some((lo, hi))) => {
            (lo.into()..=hi.into()).contains(&x).then_some(x as f32)
        }
    }
}

/// The nearest value of a float type.
fn rounded(x: f64, to: DType) -> f32 {
    match to {
        DType::F16 => f16::from_f64(x).to_f32(),
        DType::BF16 => bf16::from_f64(x).to_f32(),
        _ => x as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_integers_are_exact_or_refused_by_their_own_value() {
        let values = |x: u64| {
            let array = Array::new(DType::U64, [1], x.to_le_bytes().to_vec());
            array.expect("one element").values(DType::F32)
        };
        let power = values(1 << 63).expect("a power of two is an f32");
        assert_eq!(power.data(), [2f32.powi(63)]);
        let error = values(u64::MAX).expect_err("no f32 is that").to_string();
        assert!(error.contains("18446744073709551615"), "{error}");
    }
}
