//! Merges a Pad of height and width into the padding of the convolution or pool behind it.
//!
//! Before:
//! ```text
//! ```
//!
//! After:
//! ```text
//! ```
//!
//! A convolution pads with 0. An average pool does too, if padding counts. A maximum pool pads with what never
//! wins, so the padded value must be negative infinity, or not above a source that is never negative.

use resnetc_ir::infer::WindowAxis;
use resnetc_ir::op::{Activation, Op, PadMode, Pads, Pool, Unary, Window};
use resnetc_ir::{Graph, NodeId, Patch};

use super::Pass;
use super::remarks::{NearMisses, describe};

/// Switched off by the name `merge_pad`.
pub const PASS: Pass = Pass {
    name: "merge_pad",
    doc: "merge a Pad into the padding of the convolution or pool behind it",
    sweep: |_| Box::new(rewrite),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let pad = graph.operand(node, 0)?;
    if !matches!(graph.node(pad).op, Op::Pad { .. }) {
        return None;
    }
    match merged(graph, node, pad) {
        Ok(op) => {
            let mut operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
            *operands.first_mut()? = graph.operand(pad, 0)?.into();
            let label = format!("merge {} into {}", describe(graph, pad), describe(graph, node));
            let mut patch = Patch::new(label);
            let merged = patch.add(graph.node(node).name.clone(), op, &operands);
            patch.replace(node, merged);
            Some(patch)
        }
        Err("") => None,
        Err(reason) => {
            near.note(graph, node, reason);
            None
        }
    }
}

/// The operator with the padding merged, or the reason why it cannot be; empty if it is none that pads.
fn merged(graph: &Graph, node: NodeId, pad: NodeId) -> Result<Op, &'static str> {
    let mut op = graph.node(node).op.clone();
    if !matches!(op, Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool { .. }) {
        return Err("");
    }
    let (extra, value) = spatial(&graph.node(pad).op)?;
    match &mut op {
        Op::Conv(conv) => {
            if value != 0.0 {
                return Err("the Pad writes something else than 0");
            }
            if !finite_weights(graph, node) {
                return Err("the weights are not known to be finite, and infinity times 0 is not 0");
            }
            widen(&mut conv.window, extra);
        }
        Op::MaxPool(pool) => {
            let never_wins = value == f32::NEG_INFINITY || value <= 0.0 && is_nonnegative(graph, pad);
            if !never_wins {
                return Err("the padded value could be a maximum");
            }
            if pool.ceil_mode {
                return Err("the number of windows would be rounded otherwise");
            }
            widen(&mut pool.window, extra);
            check_pool(pool)?;
        }
        Op::AveragePool { pool, count_include_pad } => {
            if value != 0.0 {
                return Err("the Pad writes something else than 0");
            }
            if pool.ceil_mode {
                return Err("the number of windows would be rounded otherwise");
            }
            if !*count_include_pad && pool.window.pads != Pads::default() {
                return Err("one padding counts, the other does not");
            }
            widen(&mut pool.window, extra);
            check_pool(pool)?;
            *count_include_pad = true;
        }
        _ => return Err(""),
    }
    Ok(op)
}

/// The extents and the value of a constant Pad of height and width.
fn spatial(pad: &Op) -> Result<(Pads, f32), &'static str> {
    let Op::Pad { before, after, mode } = pad else { return Err("") };
    let PadMode::Constant(value) = *mode else { return Err("the Pad mirrors its operand") };
    match (&before[..], &after[..]) {
        (&[0, 0, top, left], &[0, 0, bottom, right]) => {
            Ok((Pads { top, left, bottom, right }, value))
        }
        _ => Err("the Pad also pads the batch or the channels"),
    }
}

fn widen(window: &mut Window, extra: Pads) {
    window.pads.top += extra.top;
    window.pads.left += extra.left;
    window.pads.bottom += extra.bottom;
    window.pads.right += extra.right;
}

/// A pool's window must not fit into its padding, see [`resnetc_ir::infer`].
fn check_pool(pool: &Pool) -> Result<(), &'static str> {
    for axis in WindowAxis::pair(&pool.window) {
        if axis.dilation != 1 {
            return Err("the pool is dilated");
        }
        if axis.before.max(axis.after) >= axis.span() {
            return Err("a window would lie in the padding");
        }
    }
    Ok(())
}

fn finite_weights(graph: &Graph, conv: NodeId) -> bool {
    let weights = graph.operand(conv, 1).and_then(|w| graph.constant_of(w));
    weights.is_some_and(|w| w.data().iter().all(|x| x.is_finite()))
}

/// Whether what `pad` pads is a result of a ReLU.
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
