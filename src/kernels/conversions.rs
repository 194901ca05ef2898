//! Between bytes and numbers in registers: what a kernel does to what it has loaded, and to what it
//! stores.
//!
//! The arithmetic is that of [`Dequantize`] and [`Quantize`], step by step, so a kernel computes on
//! bytes what it computes on the floats between a dequantizer and a quantizer, to the last bit.

use resnetc_ir::op::{Dequantize, OnBytes, Op, Quantize};

use crate::codegen::vir::{Arith, Builder, Integer, Mem, V};

use super::element::Element;
use super::encoding;
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
    pub to: Option<To>,
}

/// How a result is quantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum To {
    /// As is known when the network is compiled.
    Known(Quantize),
    /// As the operand at this position says, which is not read otherwise.
    Measured(usize),
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
            Op::Quantize(to) => Conversions { to: Some(To::Known(*to)), ..Conversions::default() },
            Op::QuantizeMeasured => {
                Conversions { to: Some(To::Measured(1)), ..Conversions::default() }
            }
            Op::Dequantize(from) => {
                Conversions { from: [Some(*from), None, None], ..Conversions::default() }
            }
            Op::OnBytes(OnBytes { from, to, .. }) => {
                let from = std::array::from_fn(|i| from.get(i).copied().flatten());
                Conversions { from, to: to.map(To::Known) }
            }
            _ => Conversions::default(),
        }
    }

    /// How many of the operands are numbers.
    pub fn sources(&self, operands: usize) -> usize {
        operands - usize::from(matches!(self.to, Some(To::Measured(_))))
    }

    /// Puts their constants where they will be. Operands are the arguments after the first one.
    pub fn prepare(&self, b: &mut Builder, constants: Constants) -> Prepared {
        let constant = |b: &mut Builder, x: f32| match constants {
            Constants::Kept => Constant::Kept(number(b, x)),
            Constants::Loaded => Constant::Loaded(x),
        };
        let from = self.from.map(|from| {
            from.map(|Dequantize { scale, zero }| Dequantizer {
                zero: (zero != 0).then(|| constant(b, zero as f32)),
                scale: (scale != 1.0).then(|| constant(b, scale)),
            })
        });
        let to = self.to.map(|to| match to {
            To::Known(Quantize { scale, result }) => Quantizer {
                scale: (scale != 1.0).then(|| constant(b, scale)),
                limits: result.limits().map(|limit| constant(b, limit)),
                zero: (result.zero != 0).then(|| constant(b, f32::from_bits(result.zero as u32))),
            },
            To::Measured(operand) => Quantizer::measured(b, operand),
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
    /// That of a scale and a zero point in memory.
    fn measured(b: &mut Builder, operand: usize) -> Self {
        let at = b.arg(1 + operand);
        let [scale, lo, hi, zero] = [(); 4].map(|()| b.vector());
        encoding::scale(b, scale, at);
        encoding::zero(b, zero, at);
        for (limit, value) in [(lo, 0.0), (hi, 255.0)] {
            b.constant(limit, value);
            b.arith(Arith::Sub, limit, limit, zero);
        }
        b.to_integer(zero, zero);
        let kept = Constant::Kept;
        Quantizer { scale: Some(kept(scale)), limits: [lo, hi].map(kept), zero: Some(kept(zero)) }
    }

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
