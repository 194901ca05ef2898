//! Decides the layout of every value, and inserts the necessary reorders. Required: the planner and
//! the kernels rely on these marks.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 3, 8, 8] "x"
//! %1 = constant fill=0.5 : f32[32, 3, 3, 3] "conv1.weight"
//! %2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1] relu "conv1"
//! %3 = constant fill=0.25 : f32[32, 32, 1, 1] "conv2.weight"
//! %4 = conv(%2, %3, %2) kernel=[1, 1] residual "conv2"
//! %5 = global_average_pool(%4) "pool"
//! %6 = reshape(%5) shape=[1, 32] "flatten"
//! %7 = constant fill=0.5 : f32[10, 32] "fc.weight"
//! %8 = gemm(%6, %7) transpose_b "fc"
//! %9 = softmax(%8) axis=1 "softmax"
//! output "y" = %9
//! output "features" = %6
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 3, 8, 8] "x"
//! %1 = reorder(%0) to=planar : f32[1, 3, 8, 8] "x"
//! %2 = constant fill=0.5 : f32[32, 3, 3, 3] "conv1.weight"
//! %3 = conv(%1, %2) kernel=[3, 3] pads=[1, 1, 1, 1] relu : f32[1, 32, 8, 8] nchw16c "conv1"
//! %4 = constant fill=0.25 : f32[32, 32, 1, 1] "conv2.weight"
//! %5 = conv(%3, %4, %3) kernel=[1, 1] residual : f32[1, 32, 8, 8] nchw16c "conv2"
//! %6 = global_average_pool(%5) : f32[1, 32, 1, 1] nchw16c "pool"
//! %7 = reshape(%6) shape=[1, 32] : f32[1, 32] nchw16c "flatten"
//! %8 = constant fill=0.5 : f32[10, 32] "fc.weight"
//! %9 = gemm(%7, %8) transpose_b : f32[1, 10] nchw16c "fc"
//! %10 = softmax(%9) axis=1 : f32[1, 10] nchw16c "softmax"
//! %11 = reorder(%10) to=planar : f32[1, 10] "softmax"
//! %12 = reorder(%7) to=planar : f32[1, 32] "flatten"
//! output "y" = %11
//! output "features" = %12
//! ```
//!
//! | operator | operands | result |
//! |---|---|---|
//! | input, constant | | planar |
//! | conv, conv_source | blocked; planar if it is a stem, see below | blocked |
//! | conv_weights | blocked; the source as for the convolution | planar |
//! | max_pool_source | blocked | blocked |
//! | moments, channel_sums | blocked; numbers of channels planar | planar |
//! | pointwise | as binary; numbers of channels planar | that of the operands |
//! | pools | blocked | blocked |
//! | gemm | any | blocked |
//! | unary, binary, where, quantize and the like, pad, slice, gather, interpolate, concat of rank 2 or 4 | blocked if any is | that of the operands |
//! | measure | any | planar |
//! | softmax of rank 2 along axis 1 | any | that of the operand |
//! | reshape `[N, C, 1, 1]` to `[N, C]` or back | any | that of the operand |
//! | all else | planar | planar |
//!
//! Constant operands of element-wise operators stay planar: kernels read them once per channel. An
//! output that would be blocked gets a reorder after it, and so does an output that is a constant.
//!
//! A **stem** is a convolution without groups of a planar value with fewer channels than a block:
//! the graph's input, or the result of pre-processing it. Blocks would be mostly empty there, so it
//! reads rows. If it pads, it reads a copy, which has space for the border. So does a convolution of
//! bytes if there is no space around the value itself: it reads beyond the end of a row.

use std::collections::HashMap;

use resnetc_ir::op::{ConvGradient, Pads, Window};
use resnetc_ir::patch::Value;
use resnetc_ir::ty::BLOCK;
use resnetc_ir::{Graph, Layout, NodeId, Op, Patch};

use super::Pass;
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "layout",
    doc: "mark every value with its layout and insert reorders between layouts",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

/// The form in which an operator needs an operand.
#[derive(Clone, Copy, PartialEq)]
enum Want {
    /// In the layout that its producer chose.
    AsIs,
    /// In this layout.
    In(Layout),
    /// As a planar copy: nothing is written around the value itself.
    PlanarCopy,
}

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let found = graph.node(node);
    let decision = decide(graph, node);
    let layout = decision.as_ref().map_or(found.ty.layout, |&(_, result)| result);
    let mut patch = Patch::new(format!("{} is {layout}", describe(graph, node)));
    let mut value = Value::Old(node);
    if let Some((wants, _)) = decision {
        let operands = in_wanted_forms(graph, &mut patch, node, &wants);
        if !graph.operands(node).into_iter().map(Value::Old).eq(operands.iter().copied()) {
            value = patch.add(found.name.clone(), found.op.clone(), &operands);
        }
        patch.set_layout(value, layout);
    }
    let marked = value;
    // Outputs are read from the arena, in which a constant has no place.
    let is_constant = matches!(found.op, Op::Constant(_));
    if graph.is_output(node) && (layout == Layout::Blocked || is_constant) {
        value = patch.add(found.name.clone(), Op::Reorder(Layout::Planar), &[marked]);
    }
    if value != Value::Old(node) {
        patch.replace(node, value);
        return Some(patch);
    }
    (layout != found.ty.layout).then_some(patch)
}

/// The layouts of the operands and the result; `None` for operators that are never changed.
fn decide(graph: &Graph, node: NodeId) -> Option<(Vec<Want>, Layout)> {
    let operands = graph.operands(node);
    let all = |want: Want| vec![want; operands.len()];
    let same = |layout: Layout| (all(Want::In(layout)), layout);
    let made = operands.first().map(|&o| produced(graph, o));
    Some(match graph.node(node).op.computation() {
        Op::Input | Op::Constant(_) | Op::Reorder(_) | Op::OnBytes(_) => return None,
        Op::Conv(conv) => {
            let mut wants = all(Want::AsIs);
            *wants.first_mut()? = source(graph, *operands.first()?, conv.groups, &conv.window)?;
            for shortcut in conv.residual_operand().into_iter().chain(conv.projected_operand()) {
                *wants.get_mut(shortcut)? = Want::In(Layout::Blocked);
            }
            (wants, Layout::Blocked)
        }
        Op::ConvSource(_) => {
            let mut wants = all(Want::In(Layout::Blocked));
            *wants.get_mut(1)? = Want::In(Layout::Planar);
            (wants, Layout::Blocked)
        }
        Op::ConvWeights(gradient) => {
            let ConvGradient { window, groups, .. } = gradient;
            let source = source(graph, *operands.get(1)?, *groups, window)?;
            (vec![Want::In(Layout::Blocked), source], Layout::Planar)
        }
        Op::MaxPoolSource(_) => same(Layout::Blocked),
        Op::Moments => (all(Want::In(Layout::Blocked)), Layout::Planar),
        Op::ChannelSums(_) => {
            let want = |&o: &NodeId| match is_per_channel(graph, o) {
                true => Want::AsIs,
                false => Want::In(Layout::Blocked),
            };
            (operands.iter().map(want).collect(), Layout::Planar)
        }
        Op::Pointwise(_) => {
            let images: Vec<NodeId> =
                operands.iter().copied().filter(|&o| !is_per_channel(graph, o)).collect();
            let layout = common_layout(graph, node, &images);
            let want = |&o: &NodeId| match is_per_channel(graph, o) {
                true => Want::AsIs,
                false => Want::In(layout),
            };
            (operands.iter().map(want).collect(), layout)
        }
        Op::QuantizedConv(conv) => {
            let mut wants = all(Want::AsIs);
            let image = *operands.first()?;
            let origin = origin(graph, image);
            let is_planar = graph.node(origin).ty.layout == Layout::Planar;
            *wants.first_mut()? = match is_planar && is_stem_of_bytes(graph, node, image) {
                false => Want::In(Layout::Blocked),
                true if is_dense(&graph.node(origin).op) => Want::PlanarCopy,
                true => Want::AsIs,
            };
            if let Some(residual) = conv.residual_operand() {
                *wants.get_mut(residual)? = Want::In(Layout::Blocked);
            }
            if let Some(encoding) = conv.encoding_operand() {
                *wants.get_mut(encoding)? = Want::In(Layout::Planar);
            }
            (wants, Layout::Blocked)
        }
        Op::MaxPool(_) | Op::AveragePool { .. } | Op::GlobalAveragePool => same(Layout::Blocked),
        Op::Gemm(_) => (all(Want::AsIs), Layout::Blocked),
        // Few channels: quantized as they are, four taps of a row in a step.
        Op::Quantize(_) | Op::QuantizeMeasured | Op::Convert { .. }
            if is_read_by_stem(graph, node) =>
        {
            same(Layout::Planar)
        }
        Op::QuantizeMeasured => {
            let layout = common_layout(graph, node, &operands[..1]);
            (vec![Want::In(layout), Want::In(Layout::Planar)], layout)
        }
        // The result has another shape, whatever the operand's layout is.
        Op::Measure => (all(Want::AsIs), Layout::Planar),
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Dequantize(_)
        | Op::Lookup { .. } => {
            let layout = common_layout(graph, node, &operands);
            let want = |&o: &NodeId| match graph.constant_of(o) {
                Some(_) => Want::AsIs,
                None => Want::In(layout),
            };
            (operands.iter().map(want).collect(), layout)
        }
        Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. } => same(common_layout(graph, node, &operands)),
        Op::Softmax { axis: 1 } if graph.node(node).ty.shape.len() == 2 => same(made?),
        Op::Reshape { .. } if keeps_channels(graph, node, *operands.first()?) => same(made?),
        Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::BatchNorm { .. }
        | Op::CrossEntropy
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::MatMul
        | Op::Transpose { .. }
        | Op::Identity => same(Layout::Planar),
    })
}

/// Whether a convolution of bytes reads a planar image: one of a few channels, whose rows it can
/// read in fours.
fn is_stem_of_bytes(graph: &Graph, node: NodeId, source: NodeId) -> bool {
    let Op::QuantizedConv(conv) = graph.node(node).op else { return false };
    let few = graph.node(source).ty.shape.get(1).is_some_and(|&channels| channels < BLOCK);
    let is_source =
        graph.operand(node, 0) == Some(source) && !graph.operands(node)[1..].contains(&source);
    few && is_source && conv.groups == 1 && conv.window.dilations[1] == 1
}

/// Whether nothing can be written around the result of an operator, because its place is its
/// operand's, the caller's, or traversed as if it were a vector.
fn is_dense(op: &Op) -> bool {
    matches!(
        op,
        Op::Input
            | Op::Constant(_)
            | Op::Identity
            | Op::Reshape { .. }
            | Op::MatMul
            | Op::ReduceMean { .. }
            | Op::ReduceMax { .. }
            | Op::Measure
    )
}

/// Whether bytes that are made of a planar value are read by such convolutions only.
fn is_read_by_stem(graph: &Graph, node: NodeId) -> bool {
    let is_planar = graph.operand(node, 0).is_some_and(|x| produced(graph, x) == Layout::Planar);
    let users = graph.users(node);
    is_planar
        && !users.is_empty()
        && !graph.is_output(node)
        && users.iter().all(|&(user, _)| is_stem_of_bytes(graph, user, node))
}

/// Whether a value has one number, or one for each channel, or is a constant: kernels read it as it
/// is stored, once per channel.
fn is_per_channel(graph: &Graph, value: NodeId) -> bool {
    let ty = &graph.node(value).ty;
    let is_vector = matches!(ty.nchw(), Some([1, _, 1, 1])) && ty.shape.len() == 4;
    let is_small = is_vector || ty.elements() == 1;
    graph.constant_of(value).is_some() || is_small && produced(graph, value) == Layout::Planar
}

/// The form of the source of a convolution, and of its gradient of weights.
fn source(graph: &Graph, value: NodeId, groups: usize, window: &Window) -> Option<Want> {
    let origin = origin(graph, value);
    let channels = *graph.node(origin).ty.shape.get(1)?;
    let is_planar = graph.node(origin).ty.layout == Layout::Planar;
    let is_stem = is_planar && groups == 1 && channels < BLOCK;
    Some(match (is_stem, window.pads == Pads::default()) {
        (false, _) => Want::In(Layout::Blocked),
        (true, true) => Want::In(Layout::Planar),
        (true, false) => Want::PlanarCopy,
    })
}

/// The layout of an operator that works in both: blocked if any operand is, provided that blocks
/// mean the same for all of them.
fn common_layout(graph: &Graph, node: NodeId, operands: &[NodeId]) -> Layout {
    let rank = graph.node(node).ty.shape.len();
    let mut computed = operands.iter().filter(|&&o| graph.constant_of(o).is_none());
    let same_rank = computed.clone().all(|&o| graph.node(o).ty.shape.len() == rank);
    let blocked = computed.any(|&o| produced(graph, o) == Layout::Blocked);
    match (rank == 2 || rank == 4) && same_rank && blocked {
        true => Layout::Blocked,
        false => Layout::Planar,
    }
}

/// Whether a reshape is between `[N, C, 1, 1]` and `[N, C]`, so that it keeps the order of elements
/// in both layouts.
fn keeps_channels(graph: &Graph, node: NodeId, source: NodeId) -> bool {
    let (from, to) = (&graph.node(source).ty, &graph.node(node).ty);
    let is_vector = |shape: Option<[usize; 4]>| matches!(shape, Some([_, _, 1, 1]));
    is_vector(from.nchw()) && from.nchw() == to.nchw()
}

/// The value from which a chain of reorders starts.
fn origin(graph: &Graph, mut value: NodeId) -> NodeId {
    while let Op::Reorder(_) = graph.node(value).op
        && let Some(source) = graph.operand(value, 0)
    {
        value = source;
    }
    value
}

/// The layout that the producer of a value chose.
fn produced(graph: &Graph, value: NodeId) -> Layout {
    graph.node(origin(graph, value)).ty.layout
}

/// The operands of a node in the wanted forms; a new reorder is added only if nothing else has that
/// form.
fn in_wanted_forms(graph: &Graph, patch: &mut Patch, node: NodeId, wants: &[Want]) -> Vec<Value> {
    let mut added: HashMap<(NodeId, Layout), Value> = HashMap::new();
    let operands = graph.operands(node).into_iter().zip(wants);
    let mut wanted = |(operand, want): (NodeId, &Want)| {
        let origin = origin(graph, operand);
        match existing(graph, origin, *want) {
            Ok(value) => value.into(),
            Err(layout) => *added.entry((origin, layout)).or_insert_with(|| {
                let name = graph.node(origin).name.clone();
                patch.add(name, Op::Reorder(layout), &[origin.into()])
            }),
        }
    };
    operands.map(&mut wanted).collect()
}

/// The node that holds `origin` in the wanted form, or the layout of the reorder that is missing.
fn existing(graph: &Graph, origin: NodeId, want: Want) -> Result<NodeId, Layout> {
    let layout = match want {
        Want::AsIs => return Ok(origin),
        Want::In(layout) if layout == graph.node(origin).ty.layout => return Ok(origin),
        Want::In(layout) => layout,
        Want::PlanarCopy => Layout::Planar,
    };
    let mut users = graph.users(origin).into_iter().map(|(user, _)| user);
    users.find(|&user| graph.node(user).op == Op::Reorder(layout)).ok_or(layout)
}
