//! The contract between the layout pass and everything after it, as a check of a finished graph.

use proptest::prelude::*;
use resnetc_ir::op::Pads;
use resnetc_ir::ty::BLOCK;
use resnetc_ir::{Graph, Layout, NodeId, Op};

/// Whether every operand and result of a finished graph has a layout that kernels accept.
pub(crate) fn check(graph: &Graph) -> Result<(), TestCaseError> {
    for output in graph.outputs() {
        prop_assert_eq!(graph.node(output.node).ty.layout, Layout::Planar);
    }
    for node in graph.nodes() {
        let broken = broken(graph, node);
        prop_assert!(
            broken.is_none(),
            "{} {}: {}\n{}",
            node,
            graph.node(node).op.name(),
            broken.unwrap_or_default(),
            resnetc_ir::text::print(graph)
        );
    }
    Ok(())
}

fn broken(graph: &Graph, node: NodeId) -> Option<&'static str> {
    let found = graph.node(node);
    let operands = graph.operands(node);
    let layout = |position: usize| graph.node(operands[position]).ty.layout;
    let result = found.ty.layout;
    let computed: Vec<Layout> = operands
        .iter()
        .filter(|&&o| graph.constant_of(o).is_none())
        .map(|&o| graph.node(o).ty.layout)
        .collect();
    let unless = |holds: bool, message| (!holds).then_some(message);
    match found.op.computation() {
        Op::BatchNorm { .. } | Op::Identity | Op::OnBytes(_) => Some("is not lowered"),
        Op::Input | Op::Constant(_) => None,
        Op::Reorder(to) => unless(
            layout(0) != *to || *to == Layout::Planar && is_read_by_stem(graph, node),
            "reorders nothing",
        ),
        Op::Conv(conv) => {
            let padded = conv.window.pads != Pads::default();
            let stem = conv.groups == 1 && graph.node(operands[0]).ty.shape[1] < BLOCK;
            let copied = matches!(graph.node(operands[0]).op, Op::Reorder(_));
            let mut shortcut = conv.residual_operand().into_iter().chain(conv.projected_operand());
            let shortcut = shortcut.all(|r| layout(r) == Layout::Blocked);
            unless(
                result == Layout::Blocked
                    && shortcut
                    && (layout(0) == Layout::Blocked || stem)
                    && (layout(0) == Layout::Blocked || copied || !padded),
                "wants blocks, or a stem that can be padded",
            )
        }
        Op::QuantizedConv(conv) => {
            let residual = conv.residual_operand().is_none_or(|i| layout(i) == Layout::Blocked);
            let channels = graph.node(operands[0]).ty.shape[1];
            let stem = conv.groups == 1 && conv.window.dilations[1] == 1 && channels < BLOCK;
            let source = layout(0) == Layout::Blocked || stem;
            unless(result == Layout::Blocked && residual && source, "works on blocks")
        }
        Op::MaxPool(_) | Op::AveragePool { .. } | Op::GlobalAveragePool => {
            unless(result == Layout::Blocked && layout(0) == Layout::Blocked, "works on blocks")
        }
        Op::Gemm(gemm) => unless(
            result == Layout::Blocked
                && gemm.transpose_b
                && !gemm.transpose_a
                && (gemm.alpha, gemm.beta) == (1.0, 1.0)
                && operands[1..].iter().all(|&o| graph.constant_of(o).is_some()),
            "is not in normal form",
        ),
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::Lookup { .. } => unless(computed.iter().all(|&l| l == result), "mixes layouts"),
        Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. }
        | Op::Reshape { .. }
        | Op::Softmax { .. } => {
            unless((0..operands.len()).all(|i| layout(i) == result), "mixes layouts")
        }
        Op::Pointwise(_) => {
            let images = operands.iter().filter(|&&o| !is_per_channel(graph, o));
            let mut images = images.map(|&o| graph.node(o).ty.layout);
            unless(images.all(|l| l == result), "mixes layouts")
        }
        Op::ConvSource(_) | Op::MaxPoolSource(_) => {
            let weights = usize::from(matches!(found.op, Op::ConvSource(_)));
            let mut images = (0..operands.len()).filter(|&i| weights == 0 || i != weights);
            let blocked = images.all(|i| layout(i) == Layout::Blocked);
            unless(result == Layout::Blocked && blocked, "works on blocks")
        }
        Op::ConvWeights(_) => {
            let stem = graph.node(operands[1]).ty.shape[1] < BLOCK;
            let source = layout(1) == Layout::Blocked || stem;
            unless(
                result == Layout::Planar && layout(0) == Layout::Blocked && source,
                "gives planar weights of blocks",
            )
        }
        Op::ChannelSums(_) | Op::Moments => {
            let mut images = operands.iter().filter(|&&o| !is_per_channel(graph, o));
            let blocked = images.all(|&o| graph.node(o).ty.layout == Layout::Blocked);
            unless(result == Layout::Planar && blocked, "sums blocks")
        }
        Op::Measure => unless(result == Layout::Planar, "gives a planar value"),
        Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::MatMul
        | Op::CrossEntropy
        | Op::Transpose { .. } => unless(
            result == Layout::Planar && (0..operands.len()).all(|i| layout(i) == Layout::Planar),
            "works on planar values",
        ),
    }
}

/// Whether a value has one number for each channel.
fn is_per_channel(graph: &Graph, value: NodeId) -> bool {
    let ty = &graph.node(value).ty;
    graph.constant_of(value).is_some()
        || ty.layout == Layout::Planar
            && (ty.elements() == 1 || ty.shape.len() == 4 && ty.elements() == ty.shape[1])
}

/// A planar copy is made only for the border of a convolution.
fn is_read_by_stem(graph: &Graph, node: NodeId) -> bool {
    graph
        .users(node)
        .iter()
        .any(|&(user, _)| matches!(graph.node(user).op, Op::Conv(_) | Op::ConvWeights(_)))
}
