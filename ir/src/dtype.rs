//! Element types.

use std::fmt;

/// The type of the elements of a value, a part of its [`TensorType`](crate::TensorType).
///
/// It is also the type that the description of a network declares for an input or output. Imported
/// networks compute with f32, whatever is declared: an element of another declared type is held as
/// the f32 of the same value; see [`DType::holds`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// IEEE 754 binary64.
    F64,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 64 bits.
    U64,
    /// 0 or 1.
    Bool,
}

/// The largest magnitude up to which f32 represents every integer.
pub const EXACT_INTEGERS: i64 = 1 << f32::MANTISSA_DIGITS;

impl DType {
    /// All of them.
    pub const ALL: [DType; 13] = [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::F64,
        DType::I8,
        DType::U8,
        DType::I16,
        DType::U16,
        DType::I32,
        DType::U32,
        DType::I64,
        DType::U64,
        DType::Bool,
    ];

    /// The short name, as in the text form of graphs: `f32`, `u8`, `bool`.
    pub fn short(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F64 => "f64",
            DType::I8 => "i8",
            DType::U8 => "u8",
            DType::I16 => "i16",
            DType::U16 => "u16",
            DType::I32 => "i32",
            DType::U32 => "u32",
            DType::I64 => "i64",
            DType::U64 => "u64",
            DType::Bool => "bool",
        }
    }

    /// The type with this short name.
    pub fn by_short(name: &str) -> Option<Self> {
        DType::ALL.into_iter().find(|ty| ty.short() == name)
    }

    /// The name in NumPy and ONNX: `float32`, `uint8`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F64 => "float64",
            DType::I8 => "int8",
            DType::U8 => "uint8",
            DType::I16 => "int16",
            DType::U16 => "uint16",
            DType::I32 => "int32",
            DType::U32 => "uint32",
            DType::I64 => "int64",
            DType::U64 => "uint64",
            DType::Bool => "bool",
        }
    }

    /// The type with this NumPy or ONNX name.
    pub fn by_name(name: &str) -> Option<Self> {
        DType::ALL.into_iter().find(|ty| ty.name() == name)
    }

    /// Bytes per element.
    pub fn bytes(self) -> usize {
        match self {
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        self.limits().is_none()
    }

    /// Whether values of a graph may have elements of this type: all types except 64-bit integers.
    /// The interpreter holds elements as f64, which is exact for every other type.
    pub fn is_computed(self) -> bool {
        !matches!(self, DType::I64 | DType::U64)
    }

    /// The smallest and the largest element of an integer type; `None` for floating-point types.
    pub fn limits(self) -> Option<(i128, i128)> {
        let bits = 8 * self.bytes();
        match self {
            DType::F32 | DType::F16 | DType::BF16 | DType::F64 => None,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Some((0, (1 << bits) - 1)),
            DType::Bool => Some((0, 1)),
        }
    }

    /// Whether a number is an element of this type. Floating-point types accept every number, which
    /// stands for the nearest float.
    pub fn contains(self, x: f64) -> bool {
        match self.limits() {
            None => true,
            // Only the limits of 64-bit types are rounded to a number beyond them, and NaN is in no
            // range.
            Some((lo, hi)) => (lo as f64..=hi as f64).contains(&x) && x.trunc() == x,
        }
    }

    /// The smallest and the largest integer of this type that an f32 holds together with all its
    /// neighbours; `None` for floating-point types.
    pub fn integers(self) -> Option<(i64, i64)> {
        let (lo, hi) = match self {
            DType::F32 | DType::F16 | DType::BF16 | DType::F64 => return None,
            DType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
            DType::U8 => (0, i64::from(u8::MAX)),
            DType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            DType::U16 => (0, i64::from(u16::MAX)),
            DType::I32 | DType::I64 => (-EXACT_INTEGERS, EXACT_INTEGERS),
            DType::U32 | DType::U64 => (0, EXACT_INTEGERS),
            DType::Bool => (0, 1),
        };
        Some((lo, hi))
    }

    /// Whether an f32 may stand for an element of this type: any f32 for a floating-point type; for
    /// the others, an integer of the type that is at most 2^24 in magnitude, beyond which an f32
    /// may stand for several.
    pub fn holds(self, value: f32) -> bool {
        match self.integers() {
            None => true,
            // Both limits are exact as f32, and NaN is in no range.
            Some((lo, hi)) => (lo as f32..=hi as f32).contains(&value) && value.trunc() == value,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for ty in DType::ALL {
            assert_eq!(DType::by_name(ty.name()), Some(ty));
            assert_eq!(DType::by_short(ty.short()), Some(ty));
        }
        assert_eq!(DType::by_name("f32"), None);
        assert_eq!(DType::by_short("float32"), None);
    }

    #[test]
    fn a_type_of_integers_holds_its_own_and_nothing_else() {
        for ty in DType::ALL {
            let Some((lo, hi)) = ty.integers() else {
                assert!(
                    ty.is_float()
                        && [0.37, f32::NAN, f32::INFINITY].map(|x| ty.holds(x)) == [true; 3]
                );
                continue;
            };
            assert!(ty.holds(lo as f32) && ty.holds(hi as f32) && ty.holds(-0.0), "{ty}");
            // One below and one above, or the neighbours of 2^24.
            let outside = [lo as f32 - 1.0, lo as f32 - 2.0, hi as f32 + 1.0, hi as f32 + 2.0];
            let beyond = outside.iter().filter(|x| (**x as i64) < lo || (**x as i64) > hi);
            assert!(
                beyond.clone().count() >= 2 && !beyond.into_iter().any(|&x| ty.holds(x)),
                "{ty}"
            );
            for no in [0.37, 0.999_999_9, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
                assert!(!ty.holds(no), "{ty}: {no}");
            }
        }
    }
}
