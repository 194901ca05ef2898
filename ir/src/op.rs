//! The closed set of operators.
//!
//! Every operator has a fixed operand list (given in its doc as `operands: a, b, [optional]`) and
//! one result. Semantics follow the ONNX operator of the same name, inference only; attributes are
//! already normalized (no `auto_pad`, no negative axes), so an operator means the same everywhere.

use std::sync::Arc;

pub use crate::activation::Activation;
use crate::dtype::DType;
use crate::expression::Expression;
pub use crate::quantized::{
    Dequantize, Encoding, Ending, Quantize, QuantizedConv, QuantizedResidual, Requantize,
};
pub use crate::window::{Pads, Window};

/// Index of a constant in its graph's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConstantId(pub(crate) u32);

impl ConstantId {
    /// Position in the graph's store.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a residual operand is added to a result: the shortcut without parameters of a block that
/// halves the image and has new channels (option A of He et al., "Deep Residual Learning for Image
/// Recognition", 2015).
///
/// To pixel `[y, x]` of the result's channel `channel + c`, pixel
/// `[y * strides[0], x * strides[1]]` of the residual's channel `c` is added. The result has as
/// many pixels as these steps find in the residual. Nothing is added to channels of the result
/// before and after those of the residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Residual {
    /// Step between the residual's pixels, `[height, width]`, at least 1.
    pub strides: [usize; 2],
    /// The result's channel to which the residual's first is added.
    pub channel: usize,
}

impl Residual {
    /// Every pixel, from the result's first channel on: how a residual of the result's shape is
    /// added.
    pub const PLAIN: Residual = Residual { strides: [1; 2], channel: 0 };
}

/// Attributes of [`Op::Conv`].
///
/// Operands: `src [N, C, H, W]`, `weights [K, C/groups, R, S]`, `[bias [K]]`, then those of a
/// shortcut, if there is one: `[residual]` or `[projected [N, D, I, J], projection [K, D, T, U]]`.
///
/// The result is `activation(conv(src, weights) + bias + shortcut)`. A residual is added as it is,
/// see [`Residual`]. A projection adds a second convolution, `conv(projected, projection)`, whose
/// result has the same shape. Neither a projection nor the convolution that has one may be grouped.
///
/// Elements are floats of one type; or each source and weight operand is u8 or i8, and bias,
/// residual and result are i32, with sums exact modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Kernel, stride, dilation and padding; `kernel` equals the last two weight dimensions.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether a bias operand is present.
    pub bias: bool,
    /// How the residual operand is added, if it is present.
    pub residual: Option<Residual>,
    /// The window of a projection, if its two operands are present; not together with a residual.
    pub projection: Option<Window>,
    /// Applied last.
    pub activation: Activation,
}

impl Conv {
    /// A plain convolution without bias, shortcut or activation.
    pub fn new(window: Window, groups: usize) -> Self {
        Conv {
            window,
            groups,
            bias: false,
            residual: None,
            projection: None,
            activation: Activation::None,
        }
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        let residual = usize::from(self.residual.is_some());
        self.shortcut() + residual + 2 * usize::from(self.projection.is_some())
    }

    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        self.residual.map(|_| self.shortcut())
    }

    /// Position of the operand that a projection reads, if there is one. Its weights follow.
    pub fn projected_operand(&self) -> Option<usize> {
        self.projection.map(|_| self.shortcut())
    }

    /// The position of the first operand of the shortcut.
    fn shortcut(&self) -> usize {
        2 + usize::from(self.bias)
    }
}

/// Attributes of the gradients of a convolution: those of the convolution, and the extents of what
/// the gradient is for, which its operands do not determine.
///
/// With `y = conv(src, weights)` and the gradient `dy` of a number with respect to `y`, they give
/// that number's gradients with respect to `src` and `weights` (Goodfellow et al., "Deep Learning",
/// 2016, section 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGradient {
    /// The window of the convolution.
    pub window: Window,
    /// Its groups.
    pub groups: usize,
    /// Height and width of its source.
    pub image: [usize; 2],
}

/// Attributes of [`Op::ConvSource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceGradient {
    /// The convolution, and the extents of its source.
    pub gradient: ConvGradient,
    /// Whether a residual operand of the result's shape is added.
    pub residual: bool,
}

impl SourceGradient {
    /// Position of the residual operand, if there is one.
    pub fn residual_operand(&self) -> Option<usize> {
        self.residual.then_some(2)
    }
}

impl From<ConvGradient> for SourceGradient {
    fn from(gradient: ConvGradient) -> Self {
        SourceGradient { gradient, residual: false }
    }
}

/// Every n-th row and column of the source of a convolution with strides: those that see the same
/// taps. See [`ConvGradient::phases`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phase {
    /// The first row and column; the others are strides apart.
    pub first: [usize; 2],
    /// How many rows and columns.
    pub size: [usize; 2],
    /// The last row and column of taps that they see; the others are strides before.
    pub tap: [usize; 2],
    /// The window, of stride 1, through which they see the gradient of the result. A kernel of 0
    /// rows or columns sees nothing.
    pub window: Window,
}

impl Phase {
    /// Whether any tap sees its pixels.
    pub fn is_seen(&self) -> bool {
        !self.window.kernel.contains(&0)
    }
}

/// Rows or columns of a phase.
struct PhaseAxis {
    size: usize,
    tap: usize,
    taps: usize,
    before: usize,
}

impl ConvGradient {
    /// Rows and columns of the convolution's result.
    pub fn outputs(&self) -> [usize; 2] {
        let Window { kernel, strides, dilations, pads } = self.window;
        let pads = [pads.top + pads.bottom, pads.left + pads.right];
        [0, 1].map(|axis| {
            let reach = dilations[axis] * (kernel[axis] - 1) + 1;
            (self.image[axis] + pads[axis]).saturating_sub(reach) / strides[axis] + 1
        })
    }

    /// The source's pixels by the taps that see them. The gradient with respect to those of a phase
    /// is a convolution of `dy` of stride 1, with its taps in reverse order and with the weights'
    /// inputs as outputs. `None` for more than one group, for dilations beside strides, and where
    /// no tap of a window sees its first pixels.
    pub fn phases(&self) -> Option<Vec<Phase>> {
        let Window { strides, dilations, .. } = self.window;
        if self.groups != 1 || strides != [1, 1] && dilations != [1, 1] {
            return None;
        }
        let mut phases = Vec::new();
        for row in 0..strides[0].min(self.image[0]) {
            for column in 0..strides[1].min(self.image[1]) {
                let first = [row, column];
                let (vertical, horizontal) = (self.phase(0, row)?, self.phase(1, column)?);
                let window = Window {
                    kernel: [vertical.taps, horizontal.taps],
                    strides: [1, 1],
                    dilations,
                    pads: Pads {
                        top: vertical.before,
                        left: horizontal.before,
                        bottom: self.after(0, &vertical),
                        right: self.after(1, &horizontal),
                    },
                };
                let size = [vertical.size, horizontal.size];
                phases.push(Phase { first, size, tap: [vertical.tap, horizontal.tap], window });
            }
        }
        Some(phases)
    }

    /// The window of the convolution that the gradient is, if it is a single one.
    pub fn turned(&self) -> Option<Window> {
        match &self.phases()?[..] {
            [phase] => Some(phase.window),
            _ => None,
        }
    }

    /// The phase of an axis that begins at `first`: taps `r` with `first + pad - r` a multiple of
    /// the stride see it, and its pixel `i` sees output `i + base - j` with its tap number `j`.
    fn phase(&self, axis: usize, first: usize) -> Option<PhaseAxis> {
        let Window { kernel, strides, dilations, pads } = self.window;
        let (stride, dilation) = (strides[axis], dilations[axis]);
        let pad = [pads.top, pads.left][axis];
        let size = (self.image[axis] - first).div_ceil(stride);
        let lowest = if stride == 1 { 0 } else { (first + pad) % stride };
        let taps = kernel[axis].saturating_sub(lowest).div_ceil(stride);
        let base = (first + pad - lowest) / stride;
        match taps {
            0 => Some(PhaseAxis { size, tap: 0, taps, before: 0 }),
            _ => {
                let tap = lowest + stride * (taps - 1);
                let before = ((taps - 1) * dilation).checked_sub(base)?;
                Some(PhaseAxis { size, tap, taps, before })
            }
        }
    }

    /// How far the windows of a phase reach beyond the last output.
    fn after(&self, axis: usize, phase: &PhaseAxis) -> usize {
        let reach = phase.taps.saturating_sub(1) * self.window.dilations[axis];
        (phase.size + reach).saturating_sub(phase.before + self.outputs()[axis])
    }
}

/// Attributes of [`Op::Gemm`].
///
/// Operands: `a`, `b`, `[c]`. With `A = a` or its transpose (`[M, K]`) and `B` likewise (`[K, N]`),
/// the result is `activation(alpha * A * B + beta * c)`, where `c` broadcasts to `[M, N]`. Element
/// types are those of [`Conv`]; for integers, `alpha` and `beta` must be 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Scale of the product.
    pub alpha: f32,
    /// Scale of `c`.
    pub beta: f32,
    /// `a` is given as `[K, M]`.
    pub transpose_a: bool,
    /// `b` is given as `[N, K]`.
    pub transpose_b: bool,
    /// Whether the `c` operand is present.
    pub bias: bool,
    /// Applied last.
    pub activation: Activation,
}

/// Element-wise functions of one operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `min(max(x, lo), hi)`; NaN stays NaN.
    Clip {
        /// Lower limit.
        lo: f32,
        /// Upper limit.
        hi: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`.
    Tanh,
    /// The error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`.
    Erf,
    /// `exp(x)`.
    Exp,
    /// The natural logarithm; NaN below 0, and negative infinity at 0.
    Log,
    /// The square root; NaN below 0.
    Sqrt,
    /// The magnitude.
    Abs,
    /// The nearest integer, ties to even.
    Round,
    /// The largest integer that is not above.
    Floor,
    /// The smallest integer that is not below.
    Ceil,
    /// 1 above 0, -1 below it, and 0 at zeros of either sign; NaN stays NaN.
    Sign,
}

impl Unary {
    /// The functions that have no attributes.
    pub const PLAIN: [Unary; 12] = [
        Unary::Relu,
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::Erf,
        Unary::Exp,
        Unary::Log,
        Unary::Sqrt,
        Unary::Abs,
        Unary::Round,
        Unary::Floor,
        Unary::Ceil,
        Unary::Sign,
    ];

    /// The function's name in text form and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Unary::Relu => "relu",
            Unary::Clip { .. } => "clip",
            Unary::Sigmoid => "sigmoid",
            Unary::Tanh => "tanh",
            Unary::Erf => "erf",
            Unary::Exp => "exp",
            Unary::Log => "log",
            Unary::Sqrt => "sqrt",
            Unary::Abs => "abs",
            Unary::Round => "round",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::Sign => "sign",
        }
    }
}

/// Element-wise functions of two operands, with NumPy broadcasting. Integers wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The larger of `a` and `b`; NaN where either is NaN.
    Max,
    /// `a` to the power `b`, with the special cases of C's `pow`: 1 where `b` is 0 or `a` is 1,
    /// whatever the other is, and NaN where `a` is negative and finite and `b` is not an integer.
    Pow,
    /// 1 where `a` and `b` are equal, else 0. NaN is equal to nothing.
    Equal,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessOrEqual,
}

impl Binary {
    /// All of them.
    pub const ALL: [Binary; 9] = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Max,
        Binary::Pow,
        Binary::Equal,
        Binary::Less,
        Binary::LessOrEqual,
    ];

    /// The function's name in text form and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Max => "max",
            Binary::Pow => "pow",
            Binary::Equal => "equal",
            Binary::Less => "less",
            Binary::LessOrEqual => "less_or_equal",
        }
    }
}

/// Attributes of [`Op::Interpolate`].
///
/// Element `i` of the result along the axis is the sum over `t` of `weights[i * taps + t]` times
/// element `indices[i * taps + t]` of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolate {
    /// The axis of the sums.
    pub axis: usize,
    /// The number of operand elements in each result element, at least 1.
    pub taps: usize,
    /// The positions of the operand elements, `taps` for each element of the result.
    pub indices: Arc<[usize]>,
    /// The weight of each, finite.
    pub weights: Arc<[f32]>,
}

/// Attributes of the windowed pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Kernel, stride, dilation and padding.
    pub window: Window,
    /// Whether to round the number of outputs up; a window that would start in the right or lower
    /// padding is dropped.
    pub ceil_mode: bool,
}

/// Attributes of [`Op::TopK`].
///
/// Elements along an axis are ordered largest first or smallest first; equal elements keep their
/// order. NaN is larger than every number and equal to NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopK {
    /// The axis along which elements are ordered.
    pub axis: usize,
    /// How many of them are taken, at least 1.
    pub k: usize,
    /// Whether the largest is first.
    pub largest: bool,
    /// Whether the result is their values or their positions.
    pub part: TopPart,
}

/// What [`Op::TopK`] returns of the first elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopPart {
    /// The elements.
    Values,
    /// Their positions along the axis.
    Indices,
}

/// What [`Op::Pad`] writes around its operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A fixed value.
    Constant(f32),
    /// The operand mirrored at its border, the border itself not repeated.
    Reflect,
}

/// Attributes of [`Op::OnBytes`]: an operator on floats between dequantizers and a quantizer.
///
/// Operands: those of the operator, some of them u8 or i8. These are dequantized, the operator is
/// applied, and its result is quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct OnBytes {
    /// The operator, one that [`OnBytes::takes`].
    pub op: Box<Op>,
    /// How each operand is dequantized; `None` for one of f32.
    pub from: Vec<Option<Dequantize>>,
    /// How the result is quantized; `None` if it is f32.
    pub to: Option<Quantize>,
}

impl OnBytes {
    /// Whether an operator may read and write bytes: element-wise functions and means.
    pub fn takes(op: &Op) -> bool {
        matches!(
            op,
            Op::Unary(_)
                | Op::Binary(_)
                | Op::AveragePool { .. }
                | Op::GlobalAveragePool
                | Op::ReduceMean { .. }
        )
    }
}

/// One axis of [`Op::Slice`]: elements `start`, `start + step`, ... (`len` of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceAxis {
    /// First element taken.
    pub start: usize,
    /// Distance between elements, negative to run backwards; never 0.
    pub step: isize,
    /// How many elements are taken; all of them are inside the operand.
    pub len: usize,
}

/// An operator. One node of a graph is one operator and its one result.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A value given by the caller. Operands: none.
    Input,
    /// A constant from the graph's store. Operands: none.
    Constant(ConstantId),
    /// Two-dimensional convolution. Operands:
    /// `src, weights, [bias], [residual] | [projected, projection]`.
    Conv(Conv),
    /// The gradient of a convolution with respect to its source, `[N, C, H, W]`: element
    /// `[n, c, h, w]` is the sum of `dy[n, k, p, q] * weights[k, c, r, s]` over all filters of the
    /// channel's group and all taps whose output `[p, q]` sees the element. Operands:
    /// `dy [N, K, P, Q], weights [K, C/groups, R, S], [residual [N, C, H, W]]`.
    ConvSource(SourceGradient),
    /// The gradient of a convolution with respect to its weights, `[K, C/groups, R, S]`: element
    /// `[k, c, r, s]` is the sum of `dy[n, k, p, q] * src[n, c', h, w]` over all images and outputs,
    /// where `[h, w]` is the element that tap `[r, s]` of the output sees, and `c'` the channel `c`
    /// of the filter's group. Taps on padding add nothing. Operands:
    /// `dy [N, K, P, Q], src [N, C, H, W]`.
    ConvWeights(ConvGradient),
    /// Two-dimensional convolution of quantized values. Operands:
    /// `src, weights, bias, factor, [encoding], [residual]`.
    QuantizedConv(QuantizedConv),
    /// From f32 to bytes.
    Quantize(Quantize),
    /// The scale and the zero point, `[2]`, with which unsigned bytes stand for the range of the
    /// elements and 0: [`measured`](crate::quantized::measured) of the largest magnitudes of
    /// negative and of positive elements. NaN where an element is. Operands: `x`, f32.
    Measure,
    /// From f32 to unsigned bytes, with a scale and a zero point that a run computes:
    /// [`quantizer`](crate::quantized::quantizer). Operands: `x, encoding [2]`, f32.
    QuantizeMeasured,
    /// From bytes to f32.
    Dequantize(Dequantize),
    /// An operator on floats whose operands and result may be bytes. Operands: those of the
    /// operator.
    OnBytes(OnBytes),
    /// A function of bytes: element `x` of the table for each `x`. Operands:
    /// `x, table [256]`, the first u8.
    Lookup {
        /// The element that stands for 0, as a quantizer's zero point; the result does not depend
        /// on it.
        zero: i32,
    },
    /// `(x - mean) / sqrt(variance + epsilon) * scale + shift`, per channel (axis 1).
    /// Operands: `x, scale [C], shift [C], mean [C], variance [C]`.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// Element-wise function. Operands: `x`.
    Unary(Unary),
    /// Element-wise function with broadcasting. Operands: `a, b`.
    Binary(Binary),
    /// `x` where the condition is not 0, else `y`, with broadcasting. Operands: `condition, x, y`.
    Where,
    /// A function of single elements, with broadcasting; the expression has one result. Operands:
    /// those of the expression, f32.
    Pointwise(Expression),
    /// Sums over everything but the channels (axis 1), `[M, C]`: row `m` is result `m` of the
    /// expression, of operands that broadcast to one shape, summed. Operands: those of the
    /// expression, f32.
    ChannelSums(Expression),
    /// The mean and the biased variance of each channel (axis 1), `[2, C]`. Operands: `x [N, C, ..]`.
    Moments,
    /// Maximum over windows; padding never wins, NaN always does. Operands: `x [N, C, H, W]`.
    MaxPool(Pool),
    /// The gradient of [`Op::MaxPool`] with respect to its operand: each element of `dy` is added to
    /// the first of the largest elements of its window, in row-major order (PyTorch), and to none in
    /// a window with NaN. Operands: `dy [N, C, P, Q], x [N, C, H, W]`.
    MaxPoolSource(Pool),
    /// Mean over windows. Operands: `x [N, C, H, W]`.
    AveragePool {
        /// The windows.
        pool: Pool,
        /// Whether padding counts as elements with value 0.
        count_include_pad: bool,
    },
    /// Mean over height and width, both kept as 1. Operands: `x [N, C, H, W]`.
    GlobalAveragePool,
    /// Mean over `axes` (sorted, not empty). Operands: `x`.
    ReduceMean {
        /// The axes that are averaged.
        axes: Vec<usize>,
        /// Whether they stay as dimensions of extent 1.
        keep_dims: bool,
    },
    /// Maximum over `axes` (sorted, not empty); NaN always wins. Operands: `x`.
    ReduceMax {
        /// The axes over which the maximum is taken.
        axes: Vec<usize>,
        /// Whether they stay as dimensions of extent 1.
        keep_dims: bool,
    },
    /// The first elements in an order, or their positions. Operands: `x`.
    TopK(TopK),
    /// General matrix product of two matrices. Operands: `a, b, [c]`.
    Gemm(Gemm),
    /// Matrix product over the last two axes, leading axes broadcast (NumPy). Operands: `a, b`,
    /// rank 2 or more.
    MatMul,
    /// `exp(x) / sum(exp(x))` along an axis. Operands: `x`.
    Softmax {
        /// The axis summed over.
        axis: usize,
    },
    /// The cross-entropy of a target distribution and the softmax of scores, `[N]`:
    /// `sum_k target[k] * (log(sum_j exp(x[j])) - x[k])`. Operands: `x [N, K], target [N, K]`.
    CrossEntropy,
    /// The same elements in row-major order under another shape. Operands: `x`.
    Reshape {
        /// The result's shape, without -1 or 0 placeholders.
        shape: Vec<usize>,
    },
    /// A border around the operand, one pair of extents per axis. Operands: `x`.
    Pad {
        /// Elements added before each axis.
        before: Vec<usize>,
        /// Elements added after each axis.
        after: Vec<usize>,
        /// What is written there.
        mode: PadMode,
    },
    /// A regular selection, one entry per axis. Operands: `x`.
    Slice(Vec<SliceAxis>),
    /// Any selection along an axis: element `i` of the result is element `indices[i]` of the
    /// operand. Operands: `x`.
    Gather {
        /// The axis of the selection.
        axis: usize,
        /// Positions in the operand, in any order, possibly repeated.
        indices: Arc<[usize]>,
    },
    /// Weighted sums of elements along an axis. Operands: `x`.
    Interpolate(Interpolate),
    /// Operands joined along an axis. Operands: one or more, equal in every other axis.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// Axes permuted: axis `i` of the result is axis `perm[i]` of the operand. Operands: `x`.
    Transpose {
        /// A permutation of the axes.
        perm: Vec<usize>,
    },
    /// Its operand as elements of another type, each converted by [`DType::convert`]. No other
    /// operator changes the element type implicitly. Operands: `x`.
    Convert {
        /// The type of the result's elements.
        to: DType,
    },
    /// Its operand. Operands: `x`.
    Identity,
    /// Its operand in another layout; the meaning is [`Op::Identity`]'s. Operands: `x`.
    Reorder(crate::Layout),
}

impl Op {
    /// Whether the value is computed from operands: neither given by the caller nor a constant.
    pub fn is_computed(&self) -> bool {
        !matches!(self, Op::Input | Op::Constant(_))
    }

    /// The operator that computes: that of an [`OnBytes`], else itself.
    pub fn computation(&self) -> &Op {
        match self {
            Op::OnBytes(on_bytes) => &on_bytes.op,
            _ => self,
        }
    }

    /// The operator's name in text form and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input => "input",
            Op::Constant(_) => "constant",
            Op::Conv(_) => "conv",
            Op::ConvSource(_) => "conv_source",
            Op::ConvWeights(_) => "conv_weights",
            Op::QuantizedConv(_) => "quantized_conv",
            Op::Quantize(_) => "quantize",
            Op::Measure => "measure",
            Op::QuantizeMeasured => "quantize_measured",
            Op::Dequantize(_) => "dequantize",
            Op::OnBytes(_) => "on_bytes",
            Op::Lookup { .. } => "lookup",
            Op::BatchNorm { .. } => "batch_norm",
            Op::Unary(unary) => unary.name(),
            Op::Binary(binary) => binary.name(),
            Op::Where => "where",
            Op::Pointwise(_) => "pointwise",
            Op::ChannelSums(_) => "channel_sums",
            Op::Moments => "moments",
            Op::MaxPool(_) => "max_pool",
            Op::MaxPoolSource(_) => "max_pool_source",
            Op::AveragePool { .. } => "average_pool",
            Op::GlobalAveragePool => "global_average_pool",
            Op::ReduceMean { .. } => "reduce_mean",
            Op::ReduceMax { .. } => "reduce_max",
            Op::TopK(TopK { part: TopPart::Values, .. }) => "top_values",
            Op::TopK(TopK { part: TopPart::Indices, .. }) => "top_indices",
            Op::Gemm(_) => "gemm",
            Op::MatMul => "matmul",
            Op::Softmax { .. } => "softmax",
            Op::CrossEntropy => "cross_entropy",
            Op::Reshape { .. } => "reshape",
            Op::Pad { .. } => "pad",
            Op::Slice(_) => "slice",
            Op::Gather { .. } => "gather",
            Op::Interpolate(_) => "interpolate",
            Op::Concat { .. } => "concat",
            Op::Transpose { .. } => "transpose",
            Op::Convert { .. } => "convert",
            Op::Identity => "identity",
            Op::Reorder(_) => "reorder",
        }
    }
}
