//! What must hold for every place, whenever it is used.

use std::collections::HashSet;

use resnetc_ir::op::{Encoding, Pads, Window};
use resnetc_ir::ty::Layout;
use resnetc_ir::{Graph, NodeId, Op};

use super::bytes::{Bytes, buffer, value};
use super::claims::Claims;
use super::error::PlanError;
use crate::kernels::geometry::{Geometry, Place, Zero};
use crate::kernels::sink::{ALIGN, ARENA};
use crate::plan::{Plan, PlanStep};

/// What is wrong with places and with how steps use them.
pub(super) fn check(graph: &Graph, plan: &Plan) -> Vec<PlanError> {
    let computed = plan.steps.iter().map(|step| step.node);
    let values = graph.inputs().iter().copied().chain(computed);
    let lost = values.filter(|&node| !has_place(graph, plan, node));
    let mut errors: Vec<PlanError> = lost.map(|node| PlanError::Outside { node }).collect();
    for (at, step) in plan.steps.iter().enumerate() {
        errors.extend(beside(plan, step));
        errors.extend(taken(graph, plan, at, step));
        errors.extend(border(plan, step));
        errors.extend(reach(graph, plan, at, step.node));
        errors.extend(bordered(graph, plan, at, step));
    }
    errors.extend(outputs(graph, plan));
    errors
}

/// Whether a value is placed in the arena, in its own form.
fn has_place(graph: &Graph, plan: &Plan, node: NodeId) -> bool {
    let Some(place) = plan.places.get(&node) else { return false };
    let Place { base, geometry, .. } = place;
    // Only images have gaps between rows.
    let is_image = geometry.ty.shape.len() == 4 || geometry.ty.layout == Layout::Blocked;
    *base == ARENA
        && geometry.ty == graph.node(node).ty
        && (geometry.is_dense() || is_image)
        && fits(plan, value(plan, node))
}

/// Whether a range of bytes is in the arena and begins at a cache line.
fn fits(plan: &Plan, bytes: Option<Bytes>) -> bool {
    let inside = |(start, end)| start >= 0 && end <= plan.peak as i64 && start % ALIGN as i64 == 0;
    bytes.is_some_and(inside)
}

/// What a step has beside its result must be in the arena, too.
fn beside(plan: &Plan, step: &PlanStep) -> Option<PlanError> {
    let wanted = step.scratch.into_iter().chain(step.published.iter().map(|(_, at)| *at));
    let lost = wanted.map(|index| buffer(plan, Some(index))).any(|bytes| !fits(plan, bytes));
    lost.then_some(PlanError::Outside { node: step.node })
}

/// A view is its operand, and a result computed in place is stored where its operand is.
fn taken(graph: &Graph, plan: &Plan, at: usize, step: &PlanStep) -> Option<PlanError> {
    let node = step.node;
    let first = graph.operand(node, 0);
    let operand = step.in_place.or(first.filter(|_| step.is_view))?;
    let moved = Some(PlanError::Moved { step: at, node, operand });
    let to = plan.places.get(&node)?;
    // Constants have no place in the arena.
    let Some(from) = plan.places.get(&operand) else { return moved };
    let keeps = match step.is_view {
        true => {
            matches!(graph.node(node).op, Op::Reshape { .. } | Op::Identity | Op::Reorder(_))
                && Some(operand) == first
                && is_same(&from.geometry, &to.geometry)
        }
        false => is_element_by_element(graph, node, operand) && from.geometry == to.geometry,
    };
    let stays = keeps && (from.base, from.offset) == (to.base, to.offset);
    if stays { None } else { moved }
}

/// Whether two values that have the same elements in the same order store each element at the same
/// byte.
fn is_same(from: &Geometry, to: &Geometry) -> bool {
    (from.halo, from.zero) == (to.halo, to.zero)
        && match (from.ty.layout, to.ty.layout) {
            (Layout::Planar, Layout::Planar) => from.is_dense() || from.ty.shape == to.ty.shape,
            (Layout::Blocked, Layout::Blocked) => from.nchw() == to.nchw(),
            _ => false,
        }
}

/// Whether an operator reads each element of an operand only for the element of its result at the
/// same place.
fn is_element_by_element(graph: &Graph, node: NodeId, operand: NodeId) -> bool {
    let reads = graph.operands(node);
    match graph.node(node).op.computation() {
        Op::Unary(_) | Op::Binary(_) | Op::Pointwise(_) => reads.contains(&operand),
        Op::Lookup { .. } => reads.first() == Some(&operand),
        Op::Conv(conv) => is_residual(&reads, conv.residual_operand(), operand),
        Op::QuantizedConv(conv) => is_residual(&reads, conv.residual_operand(), operand),
        Op::ConvSource(source) => is_residual(&reads, source.residual_operand(), operand),
        Op::Input
        | Op::Constant(_)
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::BatchNorm { .. }
        | Op::Where
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::Gemm(_)
        | Op::MatMul
        | Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::OnBytes(_)
        | Op::Identity
        | Op::Reorder(_) => false,
    }
}

/// Whether a convolution reads an operand as its residual and nowhere else.
fn is_residual(reads: &[NodeId], residual: Option<usize>, operand: NodeId) -> bool {
    reads.iter().enumerate().all(|(i, &o)| (Some(i) == residual) == (o == operand))
}

/// A border is written with its value, unless the value reuses a place that already has the border.
fn border(plan: &Plan, step: &PlanStep) -> Option<PlanError> {
    let place = plan.places.get(&step.node)?;
    let is_filled = step.fill_halo || step.is_view || step.in_place.is_some();
    (!place.geometry.is_dense() && !is_filled).then_some(PlanError::Unfilled { node: step.node })
}

/// Windows over an operand: which one, how many rows and columns there are, and what they expect to
/// stand for zero.
struct Windows {
    operand: usize,
    window: Window,
    outputs: [usize; 2],
    zero: Option<Zero>,
}

/// The windows through which an operator reads.
fn windows(graph: &Graph, node: NodeId) -> Vec<Windows> {
    let pixels = |node: NodeId| graph.node(node).ty.nchw().map_or([1; 2], |[.., h, w]| [h, w]);
    let floats = Some(Zero::Byte(0));
    let of = |operand: usize, window: Window, outputs: [usize; 2]| Windows {
        operand,
        window,
        outputs,
        zero: floats,
    };
    match &graph.node(node).op {
        Op::Conv(conv) => {
            let projected = conv.projected_operand().zip(conv.projection);
            let sums = [(0, conv.window)].into_iter().chain(projected);
            sums.map(|(operand, window)| of(operand, window, pixels(node))).collect()
        }
        Op::QuantizedConv(conv) => {
            let encoding = conv.encoding_operand().and_then(|i| graph.operand(node, i));
            let zero = match conv.src {
                // As stored: the low byte of a signed one.
                Encoding::Known(zero) => Some(Zero::Byte(zero as u8)),
                Encoding::Measured => encoding.map(Zero::Measured),
            };
            vec![Windows { zero, ..of(0, conv.window, pixels(node)) }]
        }
        Op::ConvSource(source) => {
            let phases = source.gradient.phases().unwrap_or_default();
            let seen = phases.iter().filter(|phase| phase.is_seen());
            seen.map(|phase| of(0, phase.window, phase.size)).collect()
        }
        // The windows of the result whose gradient it reads.
        Op::ConvWeights(gradient) => {
            let outputs = graph.operand(node, 0).map_or([1; 2], pixels);
            vec![of(1, gradient.window, outputs)]
        }
        _ => Vec::new(),
    }
}

/// Every tap of every window of a convolution must be on its source or on the border around it,
/// which must be what stands for zero.
fn reach(graph: &Graph, plan: &Plan, at: usize, node: NodeId) -> Vec<PlanError> {
    let is_zero = |operand: NodeId, zero: Option<Zero>| {
        let geometry = plan.places.get(&operand).map(|place| &place.geometry);
        geometry.is_none_or(|geometry| geometry.is_dense() || Some(geometry.zero) == zero)
    };
    let wrong = |windows: Windows| {
        let operand = graph.operand(node, windows.operand)?;
        let pads = windows.window.pads != Pads::default();
        let is_right = stays_inside(plan, operand, &windows.window, windows.outputs)
            && (!pads || is_zero(operand, windows.zero));
        (!is_right).then_some(PlanError::Reach { step: at, node, operand })
    };
    windows(graph, node).into_iter().filter_map(wrong).collect()
}

fn stays_inside(plan: &Plan, operand: NodeId, window: &Window, outputs: [usize; 2]) -> bool {
    let Some(place) = plan.places.get(&operand) else { return true };
    let ([.., h, w], halo) = (place.geometry.nchw(), place.geometry.halo);
    let stays = |axis: usize, pad: usize, before: usize, after: usize| {
        let windows = (outputs[axis] - 1) * window.strides[axis];
        let last = windows + (window.kernel[axis] - 1) * window.dilations[axis];
        // The last tap is counted from the first tap of the first window.
        pad <= before && last < pad + [h, w][axis] + after
    };
    stays(0, window.pads.top, halo.top, halo.bottom)
        && stays(1, window.pads.left, halo.left, halo.right)
}

/// Matrix products, reductions and reshapes traverse memory as if there were no borders, so their
/// results, and the operands of matrix products, must not have one.
fn bordered(graph: &Graph, plan: &Plan, at: usize, step: &PlanStep) -> Option<PlanError> {
    let node = step.node;
    let image = |node: &NodeId| plan.places.get(node).map(|place| place.geometry.nchw());
    let takes_for_dense = match *graph.node(node).op.computation() {
        Op::MatMul => graph.operands(node).into_iter().chain([node]).collect(),
        Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::Measure
        | Op::ChannelSums(_)
        | Op::Moments => vec![node],
        // The weights that a gradient is turned with are read as they are stored.
        Op::ConvWeights(_) => vec![node],
        // An image that only gets another shape is copied as an image.
        Op::Reshape { .. } if !step.is_view => {
            let is_same = graph.operand(node, 0).and_then(|from| image(&from)) == image(&node);
            if is_same { Vec::new() } else { vec![node] }
        }
        Op::Input
        | Op::Constant(_)
        | Op::Conv(_)
        | Op::ConvSource(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::Pointwise(_)
        | Op::QuantizedConv(_)
        | Op::BatchNorm { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::TopK(_)
        | Op::Gemm(_)
        | Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::OnBytes(_)
        | Op::Lookup { .. }
        | Op::Identity
        | Op::Reorder(_) => Vec::new(),
    };
    let has_border =
        |node: &NodeId| plan.places.get(node).is_some_and(|place| !place.geometry.is_dense());
    let operand = takes_for_dense.into_iter().find(has_border)?;
    Some(PlanError::Bordered { step: at, node, operand })
}

/// Callers see outputs as dense values, which nothing that callers write may change, unless it is
/// the input whose next value they are.
fn outputs(graph: &Graph, plan: &Plan) -> Vec<PlanError> {
    let mut errors = Vec::new();
    let mut inputs = Claims::new();
    for &input in graph.inputs() {
        value(plan, input).into_iter().for_each(|bytes| inputs.add(bytes, input));
    }
    let carried: HashSet<(NodeId, NodeId)> =
        graph.outputs().iter().filter_map(|o| Some((o.node, o.next_of?))).collect();
    for output in graph.outputs() {
        let node = output.node;
        if let Some(input) = output.next_of {
            // Callers see one value, before a run and after it.
            if plan.places.get(&node) != plan.places.get(&input) {
                errors.push(PlanError::Apart { node, input });
            }
            continue;
        }
        if plan.places.get(&node).is_some_and(|place| !place.geometry.is_dense()) {
            errors.push(PlanError::Border { node });
        }
        let under =
            |bytes| inputs.find(bytes, |input| input != node && !carried.contains(&(node, input)));
        let input = value(plan, node).and_then(under);
        errors.extend(input.map(|input| PlanError::Exposed { node, input }));
    }
    errors
}
