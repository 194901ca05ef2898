//! Quantized values: how floats become bytes and bytes become floats, and convolution of bytes.
//!
//! A quantized value `q` stands for `(q - zero) * scale`. Source: Jacob et al., "Quantization and
//! Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2017, sections 2.1
//! and 2.2; with a factor in f32 as in ONNX's QLinearConv.

use crate::activation::Activation;
use crate::dtype::DType;
use crate::window::Window;

/// How a number of steps becomes a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantize {
    /// The type of the byte, u8 or i8.
    pub to: DType,
    /// Its zero point.
    pub zero: i32,
    /// The smallest byte: that of the type, or of an activation.
    pub lo: i32,
    /// The largest byte.
    pub hi: i32,
}

impl Requantize {
    /// The byte for a number of steps of the result's scale: rounded to the nearest integer, ties
    /// to even, shifted by the zero point, and limited.
    pub fn apply(&self, steps: f32) -> i32 {
        let [lo, hi] = self.limits();
        steps.max(lo).min(hi).round_ties_even() as i32 + self.zero
    }

    /// The limits of the number of steps.
    pub fn limits(&self) -> [f32; 2] {
        [self.lo, self.hi].map(|limit| (limit - self.zero) as f32)
    }

    /// Whether zero point and limits are bytes of the type.
    pub fn fits(&self) -> bool {
        let is_byte = |x: i32| self.to.contains(x.into());
        matches!(self.to, DType::I8 | DType::U8)
            && [self.zero, self.lo, self.hi].into_iter().all(is_byte)
            && self.lo <= self.hi
    }
}

/// Attributes of [`Op::Quantize`](crate::Op::Quantize): from f32 to bytes.
///
/// `x / scale`, rounded to f32, is the number of steps that [`Requantize::apply`] makes a byte of.
/// NaN becomes the smallest byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantize {
    /// The step between two bytes; positive and normal.
    pub scale: f32,
    /// How steps become bytes.
    pub result: Requantize,
}

impl Quantize {
    /// The byte for a number.
    pub fn apply(&self, x: f32) -> i32 {
        self.result.apply(x / self.scale)
    }
}

/// Attributes of [`Op::Dequantize`](crate::Op::Dequantize): from bytes to f32,
/// `(q - zero) * scale`, rounded to f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dequantize {
    /// The step between two bytes; positive and normal.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: i32,
}

impl Dequantize {
    /// The number that a byte stands for.
    pub fn apply(&self, q: i32) -> f32 {
        (q - self.zero) as f32 * self.scale
    }
}

/// How a quantized residual is added to a result that is already quantized: steps of the sum are
/// `(q - zero of q) * own + (r - zero) * factor`, where both products and their sum are rounded to
/// f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedResidual {
    /// Steps of the sum for a step of the result.
    pub own: f32,
    /// Steps of the sum for a step of the residual.
    pub factor: f32,
    /// The residual's zero point.
    pub zero: i32,
    /// How the sum becomes a byte.
    pub sum: Requantize,
}

/// What becomes of the steps of a quantized convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// Bytes.
    Bytes(Requantize),
    /// Bytes, to which a residual is added.
    Sum(Requantize, QuantizedResidual),
    /// The steps in f32, after an activation.
    Floats(Activation),
}

impl Ending {
    /// The element type of the result.
    pub fn dtype(&self) -> DType {
        match self {
            Ending::Bytes(bytes) => bytes.to,
            Ending::Sum(_, residual) => residual.sum.to,
            Ending::Floats(_) => DType::F32,
        }
    }
}

/// Attributes of [`Op::QuantizedConv`](crate::Op::QuantizedConv).
///
/// Operands: `src [N, C, H, W]`, u8 or i8; `weights [K, C/groups, R, S]`, i8; `bias [K]`, i32;
/// `factor [K]`, f32; then, if there is one, the residual, u8 or i8, of the result's shape.
///
/// The sum of an output is `conv(src - src_zero, weights) + bias`, modulo 2^32, where padding
/// contributes nothing. Converted to f32 and multiplied with the factor of its channel, rounded
/// both times, it is the number of steps from which the [`Ending`] makes the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedConv {
    /// Kernel, stride, dilation and padding; `kernel` equals the last two weight dimensions.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The source's zero point.
    pub src_zero: i32,
    /// What becomes of the steps.
    pub ending: Ending,
}

impl QuantizedConv {
    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        matches!(self.ending, Ending::Sum(..)).then_some(4)
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        4 + usize::from(self.residual_operand().is_some())
    }
}
