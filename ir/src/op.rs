//! The closed set of operators.
//!
//! Every operator has a fixed operand list (given in its doc as `operands: a, b, [optional]`) and
//! one result. Semantics follow the ONNX operator of the same name, inference only; attributes are
//! already normalized (no `auto_pad`, no negative axes), so an operator means the same everywhere.

use std::sync::Arc;

pub use crate::activation::Activation;
pub use crate::conv::{Conv, ConvGradient, Phase, Residual, SourceGradient};
use crate::dtype::DType;
pub use crate::elementwise::{Binary, Unary};
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
