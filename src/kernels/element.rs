//! Elements of operands that kernels compute with as f32.

use resnetc_ir::DType;

use crate::codegen::vir::{Arith, Builder, Integer, Mem, V};

use super::KernelError;
use super::geometry::{F32, Place};

/// The elements of an operand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Element {
    /// f32.
    #[default]
    F32,
    /// Unsigned bytes, which stand for the floats of the same value.
    U8,
    /// Signed bytes, likewise.
    I8,
}

impl Element {
    /// The elements of a type; `None` if kernels have no instructions for them.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Element::F32),
            DType::U8 => Some(Element::U8),
            DType::I8 => Some(Element::I8),
            _ => None,
        }
    }

    /// The elements of an operand's place.
    ///
    /// # Errors
    /// If kernels have no instructions for them; the error names the kind of kernel.
    pub fn stored(kernel: &'static str, place: &Place) -> Result<Self, KernelError> {
        let dtype = place.geometry.ty.dtype;
        Element::of(dtype).ok_or_else(|| KernelError::Unsupported {
            op: kernel,
            node: String::new(),
            reason: format!("its elements are {}", dtype.short()),
        })
    }

    /// Bytes of an element.
    pub fn bytes(self) -> i64 {
        match self {
            Element::F32 => F32,
            Element::U8 | Element::I8 => 1,
        }
    }

    /// Puts the smallest element into every lane, for [`Self::max`].
    pub fn smallest(self, b: &mut Builder, dst: V) {
        match self {
            Element::F32 => b.constant(dst, f32::NEG_INFINITY),
            Element::U8 => b.bits(dst, 0),
            Element::I8 => b.bits(dst, i32::from(i8::MIN) as u32),
        }
    }

    /// Replaces the elements of `acc`, which are as in memory or widened to 32 bits, by larger ones
    /// of a vector in memory. The first operand of equal floats stays, and NaN does.
    pub fn max(self, b: &mut Builder, acc: V, value: V, src: Mem) {
        match self {
            Element::F32 => {
                b.load(value, src);
                b.arith(Arith::MaxNan, acc, acc, value);
            }
            Element::U8 | Element::I8 => {
                b.load_bytes(value, src, self == Element::I8);
                b.integer(Integer::Max, acc, acc, value);
            }
        }
    }

    /// Stores elements as [`Self::max`] has made them; integers are in the range of the elements.
    pub fn store_integers(self, b: &mut Builder, dst: Mem, acc: V) {
        match self {
            Element::F32 => b.store(dst, acc),
            Element::U8 => b.store_bytes(dst, acc),
            Element::I8 => {
                let byte = b.vector();
                b.bits(byte, 0xff);
                b.integer(Integer::And, acc, acc, byte);
                b.store_bytes(dst, acc);
                b.release([byte]);
            }
        }
    }

    /// Loads a vector as floats.
    pub fn load(self, b: &mut Builder, dst: V, src: Mem) {
        match self {
            Element::F32 => b.load(dst, src),
            Element::U8 | Element::I8 => {
                b.load_bytes(dst, src, self == Element::I8);
                b.from_integer(dst, dst);
            }
        }
    }

    /// Loads one element as a float into every lane.
    pub fn broadcast(self, b: &mut Builder, dst: V, src: Mem) {
        match self {
            Element::F32 => b.broadcast(dst, src),
            Element::U8 | Element::I8 => {
                // The other lanes are 0.
                self.load_first(b, dst, src);
                b.sum_lanes(dst);
            }
        }
    }

    /// Loads one element as a float into the first lane.
    pub fn load_first(self, b: &mut Builder, dst: V, src: Mem) {
        match self {
            Element::F32 => b.broadcast(dst, src),
            Element::U8 | Element::I8 => {
                b.load_byte(dst, src, self == Element::I8);
                b.from_integer(dst, dst);
            }
        }
    }

    /// Stores the float in the first lane, which is in the range of the elements.
    pub fn store_first(self, b: &mut Builder, dst: Mem, src: V) {
        match self {
            Element::F32 => b.store_first(dst, src),
            Element::U8 | Element::I8 => {
                let integer = b.vector();
                b.to_integer(integer, src);
                b.store_byte(dst, integer);
                b.release([integer]);
            }
        }
    }

    /// Stores a vector of floats, which are in the range of the elements except in lanes that hold
    /// none.
    pub fn store(self, b: &mut Builder, dst: Mem, src: V) {
        match self {
            Element::F32 => b.store(dst, src),
            Element::U8 | Element::I8 => {
                let [integer, byte] = [(); 2].map(|()| b.vector());
                b.bits(byte, 0xff);
                b.to_integer(integer, src);
                b.integer(Integer::And, integer, integer, byte);
                b.store_bytes(dst, integer);
                b.release([integer, byte]);
            }
        }
    }
}
