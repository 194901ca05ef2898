//! Between bytes and numbers in registers: what a kernel does to what it has loaded, and to what it
//! stores.
//!
//! The arithmetic is that of [`Dequantize`] and [`Quantize`], step by step, so a kernel computes on
//! bytes what it computes on the floats between a dequantizer and a quantizer, to the last bit.

use resnetc_ir::op::{Dequantize, OnBytes, Op, Quantize};

use crate::codegen::vir::{Arith, Builder, Integer, Mem, V};

use super::element::Element;
use super::steps::number;

/// The maximum number of operands.
pub const SOURCES: usize = 3;

/// How the elements of operands become numbers, and numbers elements of the result. Without any,
/// elements stand for numbers of the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conversions {
    /// How each operand is dequantized.
    pub from: [Option<Dequantize>; SOURCES],
    /// How the result is quantized.
    pub to: Option<Quantize>,
}

/// Where the constants of conversions are while they are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constants {
    /// In registers.
    Kept,
    /// Nowhere: kernels with functions that need most registers load them for every use.
    Loaded,
}

impl Conversions {
    /// Those of an operator.
    pub fn of(op: &Op) -> Self {
        match op {
            Op::Quantize(to) => Conversions { to: Some(*to), ..Conversions::default() },
            Op::Dequantize(from) => {
                Conversions { from: [Some(*from), None, None], ..Conversions::default() }
            }
            Op::OnBytes(OnBytes { from, to, .. }) => {
                let from = std::array::from_fn(|i| from.get(i).copied().flatten());
                Conversions { from, to: *to }
            }
            _ => Conversions::default(),
        }
    }

    /// Puts their constants where they will be.
    pub fn prepare(&self, b: &mut Builder, constants: Constants) -> Prepared {
        let constant = &mut |x: f32| match constants {
            Constants::Kept => Constant::Kept(number(b, x)),
            Constants::Loaded => Constant::Loaded(x),
        };
        let from = self.from.map(|from| {
            from.map(|Dequantize { scale, zero }| Dequantizer {
                zero: (zero != 0).then(|| constant(zero as f32)),
                scale: (scale != 1.0).then(|| constant(scale)),
            })
        });
        let to = self.to.map(|Quantize { scale, result }| Quantizer {
            scale: (scale != 1.0).then(|| constant(scale)),
            limits: result.limits().map(&mut *constant),
            zero: (result.zero != 0).then(|| constant(f32::from_bits(result.zero as u32))),
        });
        Prepared { from, to }
    }
}

/// A constant of a kernel.
#[derive(Clone, Copy, Debug)]
enum Constant {
    Kept(V),
    Loaded(f32),
}

impl Constant {
    /// Calls `then` with a register that holds it.
    fn with(self, b: &mut Builder, then: impl FnOnce(&mut Builder, V)) {
        match self {
            Constant::Kept(register) => then(b, register),
            Constant::Loaded(value) => {
                let register = number(b, value);
                then(b, register);
                b.release([register]);
            }
        }
    }
}

/// Conversions with their constants at hand. What changes nothing has none.
#[derive(Clone, Debug)]
pub struct Prepared {
    from: [Option<Dequantizer>; SOURCES],
    to: Option<Quantizer>,
}

#[derive(Clone, Copy, Debug)]
struct Dequantizer {
    zero: Option<Constant>,
    scale: Option<Constant>,
}

#[derive(Clone, Copy, Debug)]
struct Quantizer {
    scale: Option<Constant>,
    limits: [Constant; 2],
    /// As the bits of an integer.
    zero: Option<Constant>,
}

impl Prepared {
    /// Makes the number of a loaded element of an operand.
    pub fn to_number(&self, b: &mut Builder, source: usize, x: V) {
        let Some(Dequantizer { zero, scale }) = self.from[source] else { return };
        for (constant, op) in [(zero, Arith::Sub), (scale, Arith::Mul)] {
            constant.into_iter().for_each(|c| c.with(b, |b, c| b.arith(op, x, x, c)));
        }
    }

    /// Whether the result is quantized.
    pub fn quantizes(&self) -> bool {
        self.to.is_some()
    }

    /// Makes the byte of a number, as an integer, if the result is quantized.
    pub fn to_integer(&self, b: &mut Builder, x: V) {
        self.to.into_iter().for_each(|to| to.to_integer(b, x));
    }

    /// Stores a vector of numbers as elements of the result; lanes that hold no element are
    /// arbitrary. The register's contents are lost.
    pub fn store(&self, b: &mut Builder, element: Element, dst: Mem, x: V) {
        match self.to {
            None => element.store(b, dst, x),
            Some(to) => {
                to.to_integer(b, x);
                element.store_integers(b, dst, x);
            }
        }
    }

    /// Stores the number in the first lane. The register's contents are lost.
    pub fn store_first(&self, b: &mut Builder, element: Element, dst: Mem, x: V) {
        match self.to {
            None => element.store_first(b, dst, x),
            Some(to) => {
                to.to_integer(b, x);
                b.store_byte(dst, x);
            }
        }
    }
}

impl Quantizer {
    /// Makes the byte of a number, as an integer.
    fn to_integer(self, b: &mut Builder, x: V) {
        self.scale.into_iter().for_each(|c| c.with(b, |b, c| b.arith(Arith::Div, x, x, c)));
        // In this order: NaN becomes the lower limit.
        let [lo, hi] = self.limits;
        lo.with(b, |b, lo| b.arith(Arith::Max, x, x, lo));
        hi.with(b, |b, hi| b.arith(Arith::Min, x, x, hi));
        b.to_integer(x, x);
        let zero = self.zero;
        zero.into_iter().for_each(|c| c.with(b, |b, c| b.integer(Integer::Add, x, x, c)));
    }
}
