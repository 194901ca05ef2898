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

/// How the bytes of a value stand for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// With this zero point, which is known when the network is compiled, and a scale that is part
    /// of the factors.
    Known(i32),
    /// As an operand says, in which a run finds what [`measured`] gives.
    Measured,
}

/// The smallest scale other than 0 of a measured value. Denormals are less than half a step of it,
/// so they round to 0 whether they count as zero or not.
pub const LEAST_STEP: f32 = 2.0 * f32::MIN_POSITIVE;

/// The scale and the zero point with which unsigned bytes stand for numbers from `-below` to
/// `above`, neither of which is negative: [`Op::Measure`](crate::Op::Measure).
///
/// The scale is `(below + above) / 255`, at least [`LEAST_STEP`], and 1 for an empty range; the
/// zero point is `below / scale`, rounded, ties to even, and limited to bytes. NaN makes NaN.
/// Source: ONNX, DynamicQuantizeLinear; the scale of an empty range is that of ONNX Runtime.
pub fn measured(below: f32, above: f32) -> [f32; 2] {
    let range = below + above;
    let scale = match range {
        nan if nan.is_nan() => nan,
        empty if empty < LEAST_STEP => 1.0,
        range => (range / 255.0).max(LEAST_STEP),
    };
    [scale, (below / scale).round_ties_even().clamp(0.0, 255.0)]
}

/// How a measured value is quantized, given its scale and its zero point, of which the nearest byte
/// counts; that of NaN is 0.
pub fn quantizer([scale, zero]: [f32; 2]) -> Quantize {
    let whole = Requantize { to: DType::U8, zero: 0, lo: 0, hi: 255 };
    Quantize { scale, result: Requantize { zero: whole.apply(zero), ..whole } }
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
    /// The steps in f32, to which a residual in f32 is added, after an activation.
    FloatSum(Activation),
}

impl Ending {
    /// The element type of the result.
    pub fn dtype(&self) -> DType {
        match self {
            Ending::Bytes(bytes) => bytes.to,
            Ending::Sum(_, residual) => residual.sum.to,
            Ending::Floats(_) | Ending::FloatSum(_) => DType::F32,
        }
    }
}

/// Attributes of [`Op::QuantizedConv`](crate::Op::QuantizedConv).
///
/// Operands: `src [N, C, H, W]`, u8 or i8; `weights [K, C/groups, R, S]`, i8; `bias [K]`, i32;
/// `factor [K]`, f32; then, if there is one, the residual, of the result's shape, u8 or i8, and f32
/// for [`Ending::FloatSum`].
///
/// The sum of an output is `conv(src - zero, weights) + bias`, modulo 2^32, where padding
/// contributes nothing. Converted to f32 and multiplied with the factor of its channel, rounded
/// both times, it is the number of steps from which the [`Ending`] makes the result.
///
/// Where the source is [`Encoding::Measured`], its scale and zero point are an operand `[2]`, f32,
/// before the residual, and steps are numbers. The factor is multiplied with the scale first, and
/// the bias is f32: it is added to the product, not to the sum. All three are rounded to f32. The
/// result is f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedConv {
    /// Kernel, stride, dilation and padding; `kernel` equals the last two weight dimensions.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// How the source's bytes stand for numbers.
    pub src: Encoding,
    /// What becomes of the steps.
    pub ending: Ending,
}

impl QuantizedConv {
    /// Position of the source's scale and zero point, if they are an operand.
    pub fn encoding_operand(&self) -> Option<usize> {
        (self.src == Encoding::Measured).then_some(4)
    }

    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        let is_sum = matches!(self.ending, Ending::Sum(..) | Ending::FloatSum(_));
        is_sum.then_some(4 + usize::from(self.encoding_operand().is_some()))
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        let others = [self.encoding_operand(), self.residual_operand()];
        4 + others.iter().flatten().count()
    }
}
