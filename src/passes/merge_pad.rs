//! Merges a Pad of height and width into the padding of the convolution or pool after it.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 1, 8, 8] "x"
//! %1 = pad(%0) before=[0, 0, 2, 2] after=[0, 0, 3, 3] "conv.pad"
//! %2 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %3 = conv(%1, %2) kernel=[1, 1] strides=[2, 2] "conv"
//! %4 = relu(%3) "relu"
//! %5 = pad(%4) before=[0, 0, 1, 1] after=[0, 0, 1, 1] "pool.pad"
//! %6 = max_pool(%5) kernel=[3, 3] strides=[2, 2] "pool"
//! output "y" = %6
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 1, 8, 8] "x"
//! %1 = constant [3, 5] : f32[2, 1, 1, 1] "conv.weight"
//! %2 = conv(%0, %1) kernel=[1, 1] strides=[2, 2] pads=[2, 2, 3, 3] : f32[1, 2, 7, 7] "conv"
//! %3 = relu(%2) : f32[1, 2, 7, 7] "relu"
//! %4 = max_pool(%3) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] : f32[1, 2, 4, 4] "pool"
//! output "y" = %4
//! ```
//!
//! A convolution pads with 0. So does an average pool, if padding counts. A max-pooling pads with a
//! value that never wins, so the padded value must be negative infinity, or at most 0 if the source
//! is never negative.

use resnetc_ir::infer::WindowAxis;
use resnetc_ir::op::{Activation, PadMode, Pads, Pool, Unary, Window};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `merge_pad`.
pub const PASS: Pass = Pass {
    name: "merge_pad",
    doc: "merge a Pad into the padding of the convolution or pool after it",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let pad = graph.operand(node, 0)?;
    if !matches!(graph.node(pad).op, Op::Pad { .. }) {
        return None;
    }
    let op = near.settle(graph, node, merged(graph, node, pad))?;
    let mut operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
    *operands.first_mut()? = graph.operand(pad, 0)?.into();
    let label = format!("merge {} into {}", describe(graph, pad), describe(graph, node));
    let mut patch = Patch::new(label);
    let merged = patch.add(graph.node(node).name.clone(), op, &operands);
    patch.replace(node, merged);
    Some(patch)
}

/// The operator with the padding merged.
fn merged(graph: &Graph, node: NodeId, pad: NodeId) -> Result<Op, Stop> {
    let mut op = graph.node(node).op.clone();
    if !matches!(op, Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool { .. }) {
        return Err(Stop::Other);
    }
    let (extra, value) = spatial(&graph.node(pad).op)?;
    match &mut op {
        Op::Conv(conv) => {
            check(value == 0.0, "the Pad writes a value other than 0")?;
            check(
                finite_weights(graph, node),
                "a weight may be infinite, so padding may not give 0",
            )?;
            widen(&mut conv.window, extra);
        }
        Op::MaxPool(pool) => {
            let below = value <= 0.0 && is_nonnegative(graph, pad);
            check(below || value == f32::NEG_INFINITY, "the padded value could be a maximum")?;
            widen_pool(pool, extra)?;
        }
        Op::AveragePool { pool, count_include_pad } => {
            let counts = *count_include_pad || pool.window.pads == Pads::default();
            check(value == 0.0, "the Pad writes a value other than 0")?;
            check(counts, "one padding counts, the other does not")?;
            widen_pool(pool, extra)?;
            *count_include_pad = true;
        }
        _ => return Err(Stop::Other),
    }
    Ok(op)
}

fn check(holds: bool, otherwise: &'static str) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Near(otherwise)) }
}

/// The extents and the value of a constant Pad of height and width.
fn spatial(pad: &Op) -> Result<(Pads, f32), Stop> {
    let Op::Pad { before, after, mode } = pad else { return Err(Stop::Other) };
    let PadMode::Constant(value) = *mode else {
        return Err(Stop::Near("the Pad mirrors its operand"));
    };
    match (&before[..], &after[..]) {
        (&[0, 0, top, left], &[0, 0, bottom, right]) => {
            Ok((Pads { top, left, bottom, right }, value))
        }
        _ => Err(Stop::Near("the Pad also pads the batch or the channels")),
    }
}

fn widen(window: &mut Window, extra: Pads) {
    window.pads.top += extra.top;
    window.pads.left += extra.left;
    window.pads.bottom += extra.bottom;
    window.pads.right += extra.right;
}

/// Widens the padding of a pool. Every window must contain an element, see [`resnetc_ir::infer`].
pub(super) fn widen_pool(pool: &mut Pool, extra: Pads) -> Result<(), Stop> {
    check(!pool.ceil_mode, "the number of windows would be rounded differently")?;
    widen(&mut pool.window, extra);
    for axis in WindowAxis::pair(&pool.window) {
        check(axis.dilation == 1, "the pool is dilated")?;
        let holds_one = axis.before.max(axis.after) < axis.span();
        check(holds_one, "a window would be entirely in the padding")?;
    }
    Ok(())
}

fn finite_weights(graph: &Graph, conv: NodeId) -> bool {
    let weights = graph.operand(conv, 1).and_then(|w| graph.constant_of(w));
    weights.is_some_and(|w| w.is_finite())
}

/// Whether the operand of `pad` is the result of a ReLU.
fn is_nonnegative(graph: &Graph, pad: NodeId) -> bool {
    let Some(source) = graph.operand(pad, 0) else { return false };
    let activation = match graph.node(source).op {
        Op::Unary(Unary::Relu) => Activation::Relu,
        Op::Unary(Unary::Clip { lo, hi }) => Activation::Clip { lo, hi },
        Op::Conv(conv) => conv.activation,
        _ => return false,
    };
    match activation {
        Activation::None => false,
        Activation::Relu => true,
        Activation::Clip { lo, hi } => lo >= 0.0 && hi >= 0.0,
    }
}
