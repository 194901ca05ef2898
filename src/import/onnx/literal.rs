//! Values known during import: weights, and the integers of shape arithmetic.

use std::borrow::Cow;
use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::infer::check_shape;
use resnetc_ir::memory::{collected, reserved};

use super::proto::DataType;
use super::refusal::Result;

/// A constant. Cloning shares the elements.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    /// Dimensions, outermost first. Unlike in the graph, an extent may be 0: empty lists are
    /// ordinary in shape arithmetic.
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
    /// The element type that the model gives it, which sets the range of its integers.
    pub(super) ty: DataType,
}

/// Elements in row-major order. Every integer type and bool is held as i64, every float type as
/// f32.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Int(Arc<Vec<i64>>),
    /// Many integers of 8 bits, which are quantized weights: the floats of the same values. They
    /// stay in the file's buffer.
    Bytes(Arc<Tensor>),
    Float(Arc<Tensor>),
}

/// The number of elements of a shape, if a value can have that shape.
pub(super) fn elements(shape: &[usize]) -> std::result::Result<usize, String> {
    // Strides are products of the other extents even where one extent is 0, so those must be in
    // bounds too.
    let others: Vec<usize> = shape.iter().map(|&d| d.max(1)).collect();
    check_shape(&others).map_err(|e| e.to_string())?;
    Ok(shape.iter().product())
}

impl Literal {
    pub(super) fn ints(shape: Vec<usize>, data: Vec<i64>) -> Result<Self> {
        match elements(&shape)? == data.len() {
            true => Ok(Literal { shape, data: Data::Int(Arc::new(data)), ty: DataType::Int64 }),
            false => Err(format!("{} elements do not fill shape {shape:?}", data.len()).into()),
        }
    }

    pub(super) fn floats(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        let found = data.len();
        Literal::tensor(shape.clone(), Tensor::new(shape, data), found)
    }

    /// A tensor of this shape, if it has as many elements as were `found`.
    pub(super) fn tensor(shape: Vec<usize>, tensor: Option<Tensor>, found: usize) -> Result<Self> {
        match (elements(&shape)?, tensor) {
            (count, Some(tensor)) if count == found => {
                Ok(Literal { shape, data: Data::Float(Arc::new(tensor)), ty: DataType::Float })
            }
            _ => Err(format!("{found} elements do not fill shape {shape:?}").into()),
        }
    }

    /// Integers of 8 bits, as a tensor of the floats of the same values.
    pub(super) fn bytes(tensor: Tensor, ty: DataType) -> Self {
        Literal { shape: tensor.shape().to_vec(), data: Data::Bytes(Arc::new(tensor)), ty }
    }

    /// The same elements, integers as i64.
    pub(super) fn widened(&self) -> Result<Cow<'_, Self>> {
        let Data::Bytes(tensor) = &self.data else { return Ok(Cow::Borrowed(self)) };
        let mut ints = reserved(self.len())?;
        tensor.each(|x| ints.push(x as i64));
        Ok(Cow::Owned(Literal::ints(self.shape.clone(), ints)?.of_type(self.ty)))
    }

    /// A list of integers, such as a shape.
    pub(super) fn list(data: Vec<i64>) -> Self {
        let shape = vec![data.len()];
        Literal { shape, data: Data::Int(Arc::new(data)), ty: DataType::Int64 }
    }

    /// The same elements, declared to be of another type.
    pub(super) fn of_type(self, ty: DataType) -> Self {
        Literal { ty, ..self }
    }

    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Int(v) => v.len(),
            Data::Bytes(t) | Data::Float(t) => t.elements(),
        }
    }

    pub(super) fn is_int(&self) -> bool {
        matches!(self.data, Data::Int(_) | Data::Bytes(_))
    }

    /// The elements, if they are integers that are held as i64: all but many of 8 bits.
    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(v) => Some(v),
            Data::Bytes(_) | Data::Float(_) => None,
        }
    }

    /// The single element as a float.
    pub(super) fn scalar(&self) -> Option<f64> {
        match &self.data {
            Data::Int(v) => match v[..] {
                [x] => Some(x as f64),
                _ => None,
            },
            Data::Float(t) if t.elements() == 1 => Some(f64::from(t.data()[0])),
            Data::Bytes(_) | Data::Float(_) => None,
        }
    }

    /// The elements at `positions`, under a new shape.
    pub(super) fn pick(
        &self,
        shape: Vec<usize>,
        positions: impl Iterator<Item = usize>,
    ) -> Result<Self> {
        fn take<T: Copy>(from: &[T], positions: impl Iterator<Item = usize>) -> Result<Vec<T>> {
            let mut taken = reserved(positions.size_hint().0)?;
            for p in positions {
                taken.push(*from.get(p).ok_or_else(|| format!("no element {p}"))?);
            }
            Ok(taken)
        }
        let picked = match &self.widened()?.data {
            Data::Int(v) => Literal::ints(shape, take(v, positions)?),
            Data::Bytes(t) | Data::Float(t) => {
                Literal::floats(shape, take(t.try_data()?, positions)?)
            }
        };
        Ok(picked?.of_type(self.ty))
    }

    /// The same elements under another shape.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self> {
        if shape == self.shape {
            return Ok(self.clone());
        }
        if elements(&shape)? != self.len() {
            return Err(format!("{:?} cannot be reshaped to {shape:?}", self.shape).into());
        }
        match &self.data {
            Data::Int(v) => Ok(Literal { shape, data: Data::Int(v.clone()), ty: self.ty }),
            Data::Bytes(t) => {
                let tensor = (**t).clone().reshaped(shape);
                Ok(Literal::bytes(tensor.ok_or("its shape does not fit")?, self.ty))
            }
            Data::Float(t) => {
                let tensor = (**t).clone().reshaped(shape.clone());
                Ok(Literal::tensor(shape, tensor, t.elements())?.of_type(self.ty))
            }
        }
    }

    /// Converts as the operator Cast does. Floats are held as f32, rounded to what the target can
    /// hold.
    pub(super) fn cast(&self, to: DataType) -> Result<Self> {
        Ok(self.converted(to)?.of_type(to))
    }

    fn converted(&self, to: DataType) -> Result<Self> {
        let shape = self.shape.clone();
        match (
            Kind::of(to).ok_or_else(|| format!("element type {to:?} is not supported"))?,
            &self.data,
        ) {
            (Kind::Float(round), Data::Float(t)) => match to {
                DataType::Float | DataType::Double => Ok(self.clone()),
                _ => Literal::floats(shape, collected(t.try_data()?.iter().map(|&x| round(x)))?),
            },
            (Kind::Float(round), Data::Int(v)) => {
                Literal::floats(shape, collected(v.iter().map(|&x| round(x as f32)))?)
            }
            // Every float type holds 8 bits exactly.
            (Kind::Float(_), Data::Bytes(t)) => {
                Ok(Literal { shape, data: Data::Float(t.clone()), ty: DataType::Float })
            }
            (_, Data::Bytes(_)) => self.widened()?.converted(to),
            (Kind::Int(lowest, highest), Data::Int(v)) => {
                let fits = v.iter().all(|x| (lowest..=highest).contains(x));
                fits.then(|| self.clone())
                    .ok_or_else(|| format!("a value does not fit {to:?}").into())
            }
            (Kind::Int(lowest, highest), Data::Float(t)) => {
                // A float outside the range of i64 saturates here, and then fails the range check
                // unless the target is i64, whose limit it becomes.
                let v = collected(t.try_data()?.iter().map(|&x| x as i64))?;
                let fits = v.iter().all(|x| (lowest..=highest).contains(x));
                if fits {
                    Literal::ints(shape, v)
                } else {
                    Err(format!("a value does not fit {to:?}").into())
                }
            }
            (Kind::Bool, Data::Int(v)) => {
                Literal::ints(shape, collected(v.iter().map(|&x| i64::from(x != 0)))?)
            }
            (Kind::Bool, Data::Float(t)) => {
                Literal::ints(shape, collected(t.try_data()?.iter().map(|&x| i64::from(x != 0.0)))?)
            }
        }
    }
}

/// How an element type is held.
pub(super) enum Kind {
    /// As f32, after this rounding.
    Float(fn(f32) -> f32),
    /// As i64, within these limits.
    Int(i64, i64),
    /// As 0 or 1.
    Bool,
}

impl Kind {
    /// `None` if values of the type cannot be held.
    pub(super) fn of(ty: DataType) -> Option<Self> {
        Some(match ty {
            DataType::Float | DataType::Double => Kind::Float(|x| x),
            DataType::Float16 => Kind::Float(|x| half::f16::from_f32(x).to_f32()),
            DataType::Bfloat16 => Kind::Float(|x| half::bf16::from_f32(x).to_f32()),
            DataType::Int64 => Kind::Int(i64::MIN, i64::MAX),
            DataType::Uint64 => Kind::Int(0, i64::MAX),
            DataType::Int32 => Kind::Int(i32::MIN.into(), i32::MAX.into()),
            DataType::Uint32 => Kind::Int(0, u32::MAX.into()),
            DataType::Int16 => Kind::Int(i16::MIN.into(), i16::MAX.into()),
            DataType::Uint16 => Kind::Int(0, u16::MAX.into()),
            DataType::Int8 => Kind::Int(i8::MIN.into(), i8::MAX.into()),
            DataType::Uint8 => Kind::Int(0, u8::MAX.into()),
            DataType::Bool => Kind::Bool,
            _ => return None,
        })
    }
}
