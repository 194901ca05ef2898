//! Which step of a random graph makes which operator.

use proptest::prelude::*;
use resnetc_ir::Op;
use resnetc_ir::op::{TopK, TopPart};

use crate::random_graph::{RandomGraph, random_graph, random_integer_graph};

/// Which graphs an operator occurs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// Those of [`random_graph`].
    Floats,
    /// Those of [`random_integer_graph`] only.
    Integers,
    /// None: tests of its own know it, or passes make it.
    Never,
}

macro_rules! operators {
    ($($pattern:pat => $name:literal $occurs:ident,)*) => {
        /// The rows, by the name of the operator.
        pub const OPERATORS: &[(&str, Occurs)] = &[$(($name, Occurs::$occurs)),*];

        /// The row of an operator. A new operator does not compile until it has one.
        pub fn row(op: &Op) -> (&'static str, Occurs) {
            match op {
                $($pattern => ($name, Occurs::$occurs)),*
            }
        }
    };
}

operators! {
    Op::Input => "input" Floats,
    Op::Constant(_) => "constant" Floats,
    Op::Conv(_) => "conv" Floats,
    Op::BatchNorm { .. } => "batch_norm" Floats,
    Op::Unary(_) => "unary" Floats,
    Op::Binary(_) => "binary" Floats,
    Op::Where => "where" Floats,
    Op::MaxPool(_) => "max_pool" Floats,
    Op::AveragePool { .. } => "average_pool" Floats,
    Op::GlobalAveragePool => "global_average_pool" Floats,
    Op::ReduceMean { .. } => "reduce_mean" Floats,
    // Its steps would be those of the mean, and its order of NaN has tests of its own.
    Op::ReduceMax { .. } => "reduce_max" Integers,
    // Of numbers that are nearly equal, which is first is up to the last bit.
    Op::TopK(TopK { part: TopPart::Values, .. }) => "top_values" Integers,
    Op::TopK(TopK { part: TopPart::Indices, .. }) => "top_indices" Integers,
    Op::Gemm(_) => "gemm" Floats,
    Op::MatMul => "matmul" Floats,
    Op::Softmax { .. } => "softmax" Floats,
    Op::Reshape { .. } => "reshape" Floats,
    Op::Pad { .. } => "pad" Floats,
    Op::Slice(_) => "slice" Floats,
    Op::Gather { .. } => "gather" Floats,
    Op::Interpolate(_) => "interpolate" Floats,
    Op::Concat { .. } => "concat" Floats,
    Op::Transpose { .. } => "transpose" Floats,
    // Kernels have no other type yet.
    Op::Convert { .. } => "convert" Integers,
    Op::Identity => "identity" Floats,
    Op::Reorder(_) => "reorder" Never,
}

/// Graphs of either kind, and what occurs in them.
pub fn both(steps: std::ops::Range<usize>) -> impl Strategy<Value = (RandomGraph, Occurs)> {
    let floats = random_graph(steps.clone()).prop_map(|graph| (graph, Occurs::Floats));
    let integers = random_integer_graph(steps).prop_map(|graph| (graph, Occurs::Integers));
    prop_oneof![floats, integers]
}
