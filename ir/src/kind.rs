//! Operators without their attributes.

use crate::op::{Binary, Op, Unary};

macro_rules! kinds {
    ($($kind:ident $pattern:pat => $names:expr,)*) => {
        /// An operator without its attributes, for iterating over all operators.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OpKind {
            $(
                #[doc = concat!("[`Op::", stringify!($kind), "`].")]
                $kind,
            )*
        }

        impl OpKind {
            /// All of them.
            pub const ALL: &[OpKind] = &[$(OpKind::$kind),*];

            /// The names of these operators in text form and in messages ([`Op::name`]).
            pub fn names(self) -> Vec<&'static str> {
                match self {
                    $(OpKind::$kind => $names),*
                }
            }
        }

        impl Op {
            /// Its kind.
            pub fn kind(&self) -> OpKind {
                match self {
                    $($pattern => OpKind::$kind),*
                }
            }
        }
    };
}

kinds! {
    Input Op::Input => vec!["input"],
    Constant Op::Constant(_) => vec!["constant"],
    Conv Op::Conv(_) => vec!["conv"],
    ConvSource Op::ConvSource(_) => vec!["conv_source"],
    ConvWeights Op::ConvWeights(_) => vec!["conv_weights"],
    QuantizedConv Op::QuantizedConv(_) => vec!["quantized_conv"],
    Quantize Op::Quantize(_) => vec!["quantize"],
    Measure Op::Measure => vec!["measure"],
    QuantizeMeasured Op::QuantizeMeasured => vec!["quantize_measured"],
    Dequantize Op::Dequantize(_) => vec!["dequantize"],
    OnBytes Op::OnBytes(_) => vec!["on_bytes"],
    Lookup Op::Lookup { .. } => vec!["lookup"],
    BatchNorm Op::BatchNorm { .. } => vec!["batch_norm"],
    Unary Op::Unary(_) => Unary::PLAIN.iter().map(Unary::name).chain(["clip"]).collect(),
    Binary Op::Binary(_) => Binary::ALL.into_iter().map(Binary::name).collect(),
    Where Op::Where => vec!["where"],
    Pointwise Op::Pointwise(_) => vec!["pointwise"],
    ChannelSums Op::ChannelSums(_) => vec!["channel_sums"],
    Moments Op::Moments => vec!["moments"],
    MaxPool Op::MaxPool(_) => vec!["max_pool"],
    MaxPoolSource Op::MaxPoolSource(_) => vec!["max_pool_source"],
    AveragePool Op::AveragePool { .. } => vec!["average_pool"],
    GlobalAveragePool Op::GlobalAveragePool => vec!["global_average_pool"],
    ReduceMean Op::ReduceMean { .. } => vec!["reduce_mean"],
    ReduceMax Op::ReduceMax { .. } => vec!["reduce_max"],
    TopK Op::TopK(_) => vec!["top_values", "top_indices"],
    Gemm Op::Gemm(_) => vec!["gemm"],
    MatMul Op::MatMul => vec!["matmul"],
    Softmax Op::Softmax { .. } => vec!["softmax"],
    CrossEntropy Op::CrossEntropy => vec!["cross_entropy"],
    Reshape Op::Reshape { .. } => vec!["reshape"],
    Pad Op::Pad { .. } => vec!["pad"],
    Slice Op::Slice(_) => vec!["slice"],
    Gather Op::Gather { .. } => vec!["gather"],
    Interpolate Op::Interpolate(_) => vec!["interpolate"],
    Concat Op::Concat { .. } => vec!["concat"],
    Transpose Op::Transpose { .. } => vec!["transpose"],
    Convert Op::Convert { .. } => vec!["convert"],
    Identity Op::Identity => vec!["identity"],
    Reorder Op::Reorder(_) => vec!["reorder"],
}

impl OpKind {
    /// The kind of the operators with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        OpKind::ALL.iter().copied().find(|kind| kind.names().contains(&name))
    }
}
