//! Which operators occur in random graphs.

use proptest::prelude::*;
use resnetc_ir::OpKind;

use crate::random_graph::{RandomGraph, random_graph, random_integer_graph};

/// The graphs that an operator occurs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// Those of [`random_graph`].
    Floats,
    /// Those of [`random_integer_graph`] only.
    Integers,
    /// None: separate tests cover it, or passes create it.
    Never,
}

/// Where a kind of operator occurs. A new kind does not compile until it has an arm here.
pub fn occurs(kind: OpKind) -> Occurs {
    match kind {
        OpKind::Input
        | OpKind::Constant
        | OpKind::Conv
        | OpKind::BatchNorm
        | OpKind::Unary
        | OpKind::Binary
        | OpKind::Where
        | OpKind::MaxPool
        | OpKind::AveragePool
        | OpKind::GlobalAveragePool
        | OpKind::ReduceMean
        | OpKind::Gemm
        | OpKind::MatMul
        | OpKind::Softmax
        | OpKind::Reshape
        | OpKind::Pad
        | OpKind::Slice
        | OpKind::Gather
        | OpKind::Interpolate
        | OpKind::Concat
        | OpKind::Transpose
        | OpKind::Identity => Occurs::Floats,
        // The order of nearly equal floats, and of NaN, has separate tests. Kernels convert nothing
        // yet.
        OpKind::ReduceMax | OpKind::TopK | OpKind::Convert => Occurs::Integers,
        // Gradients are made of them.
        OpKind::ConvSource
        | OpKind::ConvWeights
        | OpKind::MaxPoolSource
        | OpKind::CrossEntropy
        | OpKind::ChannelSums
        | OpKind::Moments
        // Passes create them.
        | OpKind::Pointwise
        | OpKind::QuantizedConv
        | OpKind::Quantize
        | OpKind::Measure
        | OpKind::QuantizeMeasured
        | OpKind::Dequantize
        | OpKind::OnBytes
        | OpKind::Lookup
        | OpKind::Reorder => Occurs::Never,
    }
}

/// Graphs of either kind, and the operators in them.
pub fn both(steps: std::ops::Range<usize>) -> impl Strategy<Value = (RandomGraph, Occurs)> {
    let floats = random_graph(steps.clone()).prop_map(|graph| (graph, Occurs::Floats));
    let integers = random_integer_graph(steps).prop_map(|graph| (graph, Occurs::Integers));
    prop_oneof![floats, integers]
}
