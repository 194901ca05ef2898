//! The rule of each operator.

use resnetc_ir::OpKind;

use super::scope::{Gradients, Scope};
use super::{convolution, elementwise, loss, movement, normalization, pooling, product, reduction};

/// How the gradient of an operator's result becomes those of its operands.
pub(super) enum Rule {
    /// By this formula.
    Of(fn(&mut Scope<'_>) -> Gradients),
    /// Nothing passes: the result is constant almost everywhere.
    Zero,
    /// Not at all, for this reason.
    None(&'static str),
}

const QUANTIZED: &str = "integers have no gradient; train the network in f32";

const FUSED: &str = "passes fuse operators once the gradients are in the graph";

/// The rule of a kind of operator.
pub(super) fn rule(kind: OpKind) -> Rule {
    match kind {
        OpKind::Input | OpKind::Constant => Rule::Zero,
        OpKind::Conv => Rule::Of(convolution::conv),
        OpKind::ConvSource => Rule::Of(convolution::conv_source),
        OpKind::ConvWeights => Rule::Of(convolution::conv_weights),
        OpKind::BatchNorm => Rule::Of(normalization::batch_norm),
        OpKind::Moments => Rule::Of(normalization::moments),
        OpKind::ChannelSums => Rule::Of(reduction::channel_sums),
        OpKind::Pointwise => Rule::None(FUSED),
        OpKind::Unary => Rule::Of(elementwise::unary),
        OpKind::Binary => Rule::Of(elementwise::binary),
        OpKind::Where => Rule::Of(elementwise::choose),
        OpKind::MaxPool => Rule::Of(pooling::max),
        OpKind::AveragePool => Rule::Of(pooling::average),
        OpKind::GlobalAveragePool => Rule::Of(reduction::global_average),
        OpKind::ReduceMean => Rule::Of(reduction::mean),
        OpKind::ReduceMax => Rule::Of(reduction::max),
        OpKind::Softmax => Rule::Of(reduction::softmax),
        OpKind::CrossEntropy => Rule::Of(loss::cross_entropy),
        OpKind::Gemm => Rule::Of(product::gemm),
        OpKind::MatMul => Rule::Of(product::matmul),
        OpKind::Reshape => Rule::Of(movement::reshape),
        OpKind::Pad => Rule::Of(movement::pad),
        OpKind::Slice => Rule::Of(movement::slice),
        OpKind::Gather => Rule::Of(movement::gather),
        OpKind::Interpolate => Rule::Of(movement::interpolate),
        OpKind::Concat => Rule::Of(movement::concat),
        OpKind::Transpose => Rule::Of(movement::transpose),
        OpKind::Identity | OpKind::Reorder => Rule::Of(movement::identity),
        OpKind::MaxPoolSource => Rule::None("second derivatives of a maximum are not supported"),
        OpKind::TopK => Rule::None("the gradient of a selection by order is not supported"),
        OpKind::Convert => Rule::None("values of other types than f32 have no gradient"),
        OpKind::QuantizedConv
        | OpKind::Quantize
        | OpKind::Measure
        | OpKind::QuantizeMeasured
        | OpKind::Dequantize
        | OpKind::OnBytes
        | OpKind::Lookup => Rule::None(QUANTIZED),
    }
}
