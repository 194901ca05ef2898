//! Groups layers that kernels treat alike into classes.

use resnetc_ir::op::Window;
use resnetc_ir::{Graph, NodeId, Op};

/// The class of a step: `3x3 s1 56x56`, `1x1 28x28`, `7x7 stem`, `fc`, `pool`, ...
pub fn class(graph: &Graph, node: NodeId) -> String {
    match &graph.node(node).op {
        Op::Conv(conv) => conv_class(graph, node, &conv.window, conv.groups),
        Op::QuantizedConv(conv) => {
            format!("int8 {}", conv_class(graph, node, &conv.window, conv.groups))
        }
        Op::OnBytes(on_bytes) => format!("int8 {}", kind(&on_bytes.op)),
        other @ Op::Lookup { .. } => format!("int8 {}", kind(other)),
        other => kind(other).to_owned(),
    }
}

fn kind(op: &Op) -> &'static str {
    match op {
        Op::OnBytes(on_bytes) => kind(&on_bytes.op),
        Op::Conv(_) | Op::ConvSource(_) | Op::ConvWeights(_) | Op::QuantizedConv(_) => "conv",
        Op::Gemm(_) | Op::MatMul => "fc",
        Op::MaxPool(_)
        | Op::MaxPoolSource(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::Measure
        | Op::TopK(_)
        | Op::Interpolate(_) => "pool",
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Pointwise(_)
        | Op::BatchNorm { .. }
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::Lookup { .. } => "eltwise",
        Op::Softmax { .. } | Op::CrossEntropy => "softmax",
        Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Identity
        | Op::Reorder(_) => "movement",
        Op::Input | Op::Constant(_) => "none",
    }
}

/// Kernel, stride and extent of the result; a convolution of the network's input is its stem.
fn conv_class(graph: &Graph, node: NodeId, window: &Window, groups: usize) -> String {
    let [r, s] = window.kernel;
    if is_stem(graph, node) {
        return format!("{r}x{s} stem");
    }
    let [_, _, h, w] = graph.node(node).ty.nchw().unwrap_or([1; 4]);
    let mut class = format!("{r}x{s}");
    match window.strides {
        [1, 1] if [r, s] == [1, 1] => {}
        [y, x] if y == x => class += &format!(" s{y}"),
        [y, x] => class += &format!(" s{y}x{x}"),
    }
    class += &format!(" {h}x{w}");
    if groups > 1 {
        class += &format!(" g{groups}");
    }
    class
}

fn is_stem(graph: &Graph, node: NodeId) -> bool {
    let mut source = graph.operand(node, 0);
    while let Some(id) = source {
        match graph.node(id).op {
            Op::Input => return true,
            Op::Reorder(_) | Op::Pad { .. } => source = graph.operand(id, 0),
            _ => return false,
        }
    }
    false
}
