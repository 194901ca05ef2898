//! Reads a parameterless shortcut directly from its source: every second pixel of it, with zeros
//! for new channels. The smaller image is never written, nor are the zeros.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 5, 4] "x"
//! %1 = constant seed=1 : f32[6, 2, 3, 3] "conv2.weight"
//! %2 = slice(%0) start=[0, 0, 0, 0] len=[1, 2, 3, 2] step=[1, 1, 2, 2] "shortcut.slice"
//! %3 = pad(%2) before=[0, 1, 0, 0] after=[0, 3, 0, 0] "shortcut.pad"
//! %4 = conv(%0, %1, %3) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] residual relu "conv2"
//! output "y" = %4
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 5, 4] "x"
//! %1 = constant fnv=cd7501a48c2963c2 : f32[6, 2, 3, 3] "conv2.weight"
//! %2 = conv(%0, %1, %0) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] residual residual_strides=[2, 2] residual_channel=1 relu : f32[1, 6, 3, 2] "conv2"
//! output "y" = %2
//! ```
//!
//! The operators between the source and the sum are removed one at a time, in any order: a Slice or
//! a pool of one pixel that skips pixels, a Pad or a Concat that adds channels of zeros. Zeros are
//! not added, so a sum of -0 stays -0.

use resnetc_ir::op::{Conv, PadMode, Pads, Pool, Residual, SliceAxis};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `fuse_strided_shortcut`.
pub const PASS: Pass = Pass {
    name: "fuse_strided_shortcut",
    doc: "read a parameterless shortcut directly from its source, skipping pixels and new channels",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::Conv(conv) = graph.node(node).op else { return None };
    let (residual, position) = (conv.residual?, conv.residual_operand()?);
    let shortcut = graph.operand(node, position)?;
    let taken = without(graph, shortcut, residual).and_then(|taken| {
        let shared = graph.sole_user(shortcut) != Some(node);
        if shared { Err(Stop::Near("the shortcut has two users")) } else { Ok(taken) }
    });
    let (source, residual) = near.settle(graph, node, taken)?;
    let mut operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
    *operands.get_mut(position)? = source.into();
    let label = format!("fuse {} into {}", describe(graph, shortcut), describe(graph, node));
    let mut patch = Patch::new(label);
    let conv = Op::Conv(Conv { residual: Some(residual), ..conv });
    let fused = patch.add(graph.node(node).name.clone(), conv, &operands);
    patch.replace(node, fused);
    Some(patch)
}

/// The residual if the operand of `shortcut` is read in its place.
fn without(
    graph: &Graph,
    shortcut: NodeId,
    residual: Residual,
) -> Result<(NodeId, Residual), Stop> {
    let source = graph.operand(shortcut, 0).ok_or(Stop::Other)?;
    let (from, to) = (&graph.node(source).ty.shape, &graph.node(shortcut).ty.shape);
    let strided = |steps: [usize; 2]| {
        let strides = [0, 1].map(|axis| residual.strides[axis] * steps[axis]);
        (source, Residual { strides, ..residual })
    };
    let padded = |source: NodeId, before: usize| {
        (source, Residual { channel: residual.channel + before, ..residual })
    };
    match &graph.node(shortcut).op {
        Op::Slice(axes) => skipped(axes, from).map(strided),
        Op::MaxPool(pool) | Op::AveragePool { pool, .. } => picked(pool, from, to).map(strided),
        Op::Pad { before, after, mode } => {
            new_channels(before, after, *mode).map(|before| padded(source, before))
        }
        Op::Concat { axis: 1 } => {
            joined(graph, shortcut).map(|(source, before)| padded(source, before))
        }
        _ => Err(Stop::Other),
    }
}

/// The steps of a slice that takes every n-th pixel of an image, from the first on.
fn skipped(axes: &[SliceAxis], from: &[usize]) -> Result<[usize; 2], Stop> {
    let &[image, channel, row, column] = axes else { return Err(Stop::Other) };
    let step = |axis: SliceAxis, extent: usize| {
        let step = usize::try_from(axis.step).ok().filter(|&step| step > 0)?;
        (axis.start == 0 && axis.len == extent.div_ceil(step)).then_some(step)
    };
    let steps = [(image, from[0]), (channel, from[1]), (row, from[2]), (column, from[3])]
        .map(|(axis, extent)| step(axis, extent));
    match steps {
        [Some(1), Some(1), Some(down), Some(across)] => Ok([down, across]),
        _ => Err(Stop::Near("the Slice does more than skip pixels")),
    }
}

/// The steps of a pool whose windows are single pixels of the image.
fn picked(pool: &Pool, from: &[usize], to: &[usize]) -> Result<[usize; 2], Stop> {
    let window = pool.window;
    let strides = window.strides;
    let pixels = [0, 1].map(|axis| from[2 + axis].div_ceil(strides[axis]));
    let picks = window.kernel == [1, 1] && window.pads == Pads::default() && pixels == to[2..];
    if picks { Ok(strides) } else { Err(Stop::Other) }
}

/// The channels before the image, if a Pad adds only channels of zeros.
fn new_channels(before: &[usize], after: &[usize], mode: PadMode) -> Result<usize, Stop> {
    match (mode, before, after) {
        (PadMode::Constant(0.0), &[0, channels, 0, 0], &[0, _, 0, 0]) => Ok(channels),
        (PadMode::Constant(_), &[0, _, 0, 0], &[0, _, 0, 0]) => {
            Err(Stop::Near("the new channels are not zero"))
        }
        _ => Err(Stop::Near("the Pad does more than add channels")),
    }
}

/// The only operand of a Concat of channels that is not constant, and the channels before it, if
/// all others are zero.
fn joined(graph: &Graph, concat: NodeId) -> Result<(NodeId, usize), Stop> {
    let mut found = None;
    let mut channels = 0;
    for operand in graph.operands(concat) {
        match graph.f32_constant_of(operand) {
            None if found.is_some() => return Err(Stop::Other),
            None => found = Some((operand, channels)),
            Some(tensor) if tensor.data().iter().any(|&x| x != 0.0) => {
                return Err(Stop::Near("the new channels are not zero"));
            }
            Some(_) => {}
        }
        channels += graph.node(operand).ty.shape.get(1).ok_or(Stop::Other)?;
    }
    found.filter(|&(value, _)| graph.node(value).ty.shape.len() == 4).ok_or(Stop::Other)
}
