//! `TensorProto` to [`Literal`]: every supported element type, wherever the elements are stored.

use prost::bytes::Bytes;
use resnetc_ir::memory::{NoMemory, collected, copied};

use super::budget::Budget;
use super::external::{self, Files};
use super::literal::{Kind, Literal, elements};
use super::proto::{DataLocation, DataType, TensorProto};
use super::refusal::Refusal;
use crate::advice::Advice;
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::stored;

/// A tensor that cannot be read: the model is broken, or only this tensor's type is unknown.
pub(super) enum TensorError {
    /// The file contradicts itself or is incomplete; nothing else in it can be trusted.
    Broken(ImportError),
    /// A type that this importer does not support.
    Unsupported(String),
}

impl From<ImportError> for TensorError {
    fn from(error: ImportError) -> Self {
        TensorError::Broken(error)
    }
}

/// Reads a tensor; `files` may hold external data, and `budget` is the memory that this and later
/// tensors may take.
pub(super) fn read(
    proto: &TensorProto,
    files: &mut Files,
    budget: &mut Budget,
) -> Result<Literal, TensorError> {
    let name = proto.name.as_deref().unwrap_or("");
    let broken = |reason: String| {
        let place = format!("tensor \"{name}\"");
        TensorError::Broken(ImportErrorKind::Invalid { place, reason }.into())
    };
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| broken(format!("dimension {d} is negative"))))
        .collect::<Result<Vec<usize>, _>>()?;
    let count = elements(&shape).map_err(broken)?;
    let number = proto.data_type.unwrap_or(0);
    let ty = DataType::try_from(number).map_err(|_| {
        TensorError::Unsupported(format!("element type number {number} is unknown"))
    })?;
    let codec = Codec::of(ty)
        .ok_or_else(|| TensorError::Unsupported(format!("element type {ty:?} is not supported")))?;
    if budget.take(count.saturating_mul(codec.held())).is_none() {
        let place = format!("tensor \"{name}\"");
        let advice = Advice::plain(
            "that is three quarters of the free memory, or 4 GiB if that is more; free some, or use a machine \
             with more",
        );
        let (what, limit) = ("bytes of constants", budget.limit());
        return Err(TensorError::Broken(
            ImportErrorKind::Limit { place, what, limit, advice }.into(),
        ));
    }

    let literal = if proto.data_location == Some(DataLocation::External as i32) {
        let decode = |bytes: Bytes| codec.decode(shape, &bytes, ty);
        external::read(proto, files, count * codec.size, budget, decode)?
    } else {
        match &proto.raw_data {
            Some(raw) if raw.len() == count * codec.size => codec.decode(shape, raw, ty),
            Some(raw) => Err(format!(
                "{} bytes of data, but shape {shape:?} of {ty:?} needs {}",
                raw.len(),
                count * codec.size
            )
            .into()),
            None => typed(proto, ty, shape),
        }
    };
    Ok(literal.map_err(|refusal| refusal.of_tensor(name, broken))?.of_type(ty))
}

/// Little-endian bytes to elements.
struct Codec {
    size: usize,
    to: Target,
}

enum Target {
    /// The elements as stored.
    Stored,
    Float(fn(&[u8]) -> Result<Vec<f32>, NoMemory>),
    Int(fn(&[u8]) -> Result<Vec<i64>, NoMemory>),
    /// Integers of 8 bits, as stored if there are many.
    Bytes {
        signed: bool,
    },
}

/// One entry of the table in [`Codec::of`]: how an element of a type is held. The loop is part of
/// the entry, so that each type has its own loop and needs no call per element.
macro_rules! codec {
    ($target:ident, $ty:ty, $convert:expr) => {
        Codec {
            size: size_of::<$ty>(),
            to: Target::$target(|bytes| {
                let convert: fn($ty) -> _ = $convert;
                let elements = bytes.as_chunks::<{ size_of::<$ty>() }>().0;
                collected(elements.iter().map(|&e| convert(<$ty>::from_le_bytes(e))))
            }),
        }
    };
}

impl Codec {
    fn of(ty: DataType) -> Option<Self> {
        Some(match ty {
            DataType::Float => Codec { size: size_of::<f32>(), to: Target::Stored },
            DataType::Double => codec!(Float, f64, |x| x as f32),
            DataType::Float16 => codec!(Float, u16, |x| half::f16::from_bits(x).to_f32()),
            DataType::Bfloat16 => codec!(Float, u16, |x| half::bf16::from_bits(x).to_f32()),
            DataType::Int64 => codec!(Int, i64, |x| x),
            // A number above i64's range cannot be part of a shape; it saturates, and fails
            // wherever it is used.
            DataType::Uint64 => codec!(Int, u64, |x| i64::try_from(x).unwrap_or(i64::MAX)),
            DataType::Int32 => codec!(Int, i32, i64::from),
            DataType::Uint32 => codec!(Int, u32, i64::from),
            DataType::Int16 => codec!(Int, i16, i64::from),
            DataType::Uint16 => codec!(Int, u16, i64::from),
            DataType::Int8 => Codec { size: 1, to: Target::Bytes { signed: true } },
            DataType::Uint8 => Codec { size: 1, to: Target::Bytes { signed: false } },
            DataType::Bool => codec!(Int, u8, |x| i64::from(x != 0)),
            _ => return None,
        })
    }

    /// Bytes of an element in memory, at most.
    fn held(&self) -> usize {
        match self.to {
            Target::Stored | Target::Float(_) | Target::Bytes { .. } => size_of::<f32>(),
            Target::Int(_) => size_of::<i64>(),
        }
    }

    fn decode(&self, shape: Vec<usize>, bytes: &Bytes, ty: DataType) -> Result<Literal, Refusal> {
        match self.to {
            Target::Bytes { signed } if bytes.len() < stored::FEWEST => {
                let int = |&x: &u8| if signed { i64::from(x as i8) } else { i64::from(x) };
                Literal::ints(shape, bytes.iter().map(int).collect())
            }
            Target::Bytes { signed } => {
                let tensor = stored::integers(&shape, bytes.clone(), signed);
                let tensor = tensor.ok_or("its elements do not fill its shape")?;
                Ok(Literal::bytes(tensor, ty))
            }
            Target::Stored => Literal::tensor(
                shape.clone(),
                stored::tensor(&shape, bytes.clone()),
                bytes.len() / 4,
            ),
            Target::Float(convert) => Literal::floats(shape, convert(bytes)?),
            Target::Int(convert) => Literal::ints(shape, convert(bytes)?),
        }
    }
}

/// Elements in the typed lists: the standard defines which list holds which type.
fn typed(proto: &TensorProto, ty: DataType, shape: Vec<usize>) -> Result<Literal, Refusal> {
    let halves =
        |convert: fn(u16) -> f32| collected(proto.int32_data.iter().map(|&x| convert(x as u16)));
    match ty {
        DataType::Float => Literal::floats(shape, copied(&proto.float_data)?),
        DataType::Double => {
            Literal::floats(shape, collected(proto.double_data.iter().map(|&x| x as f32))?)
        }
        DataType::Float16 => Literal::floats(shape, halves(|x| half::f16::from_bits(x).to_f32())?),
        DataType::Bfloat16 => {
            Literal::floats(shape, halves(|x| half::bf16::from_bits(x).to_f32())?)
        }
        DataType::Int64 => Literal::ints(shape, copied(&proto.int64_data)?),
        DataType::Uint64 | DataType::Uint32 => {
            let saturate = |&x: &u64| i64::try_from(x).unwrap_or(i64::MAX);
            Literal::ints(shape, collected(proto.uint64_data.iter().map(saturate))?)
        }
        _ => {
            let data = collected(proto.int32_data.iter().map(|&x| i64::from(x)))?;
            match Kind::of(ty) {
                Some(_) => Literal::ints(shape, data)?.cast(ty),
                None => Err(format!("element type {ty:?} is not supported").into()),
            }
        }
    }
}
