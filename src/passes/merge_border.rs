//! Merges a repeated border row or column into the padding of the max-pooling after it.
//!
//! Exporters write replicated padding as a Slice of the border and a Concat. A repeated element
//! cannot exceed the one that it repeats, so a maximum over windows that contain both does not need
//! it.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = slice(%0) start=[0, 0, 3, 0] len=[1, 2, 1, 4] "last row"
//! %2 = concat(%0, %1) axis=2 "rows"
//! %3 = slice(%2) start=[0, 0, 0, 3] len=[1, 2, 5, 1] "last column"
//! %4 = concat(%2, %3) axis=3 "columns"
//! %5 = max_pool(%4) kernel=[3, 3] strides=[2, 2] "pool"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = max_pool(%0) kernel=[3, 3] strides=[2, 2] pads=[0, 0, 1, 1] : f32[1, 2, 2, 2] "pool"
//! output "y" = %1
//! ```

use resnetc_ir::op::{Pads, SliceAxis};
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::operators;
use super::merge_pad::widen_pool;
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `merge_border`.
pub const PASS: Pass = Pass {
    name: "merge_border",
    doc: "merge a repeated border into the padding of the max-pooling after it",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::MaxPool(mut pool) = graph.node(node).op else { return None };
    let (image, border) = near.settle(graph, node, repeated(graph, node))?;
    near.settle(graph, node, widen_pool(&mut pool, border))?;
    let joined = graph.operand(node, 0)?;
    let label = format!("merge {} into {}", describe(graph, joined), describe(graph, node));
    let mut patch = Patch::new(label);
    let name = graph.node(node).name.clone();
    let merged = patch.add(name, Op::MaxPool(pool), &[image.into()]);
    patch.replace(node, merged);
    Some(patch)
}

/// The image to which one row or column is added before a pool, and on which side.
fn repeated(graph: &Graph, pool: NodeId) -> Result<(NodeId, Pads), Stop> {
    let joined = graph.operand(pool, 0).ok_or(Stop::Other)?;
    let Op::Concat { axis } = graph.node(joined).op else { return Err(Stop::Other) };
    let [first, second] = graph.operands(joined)[..] else { return Err(Stop::Other) };
    for (image, border, is_last) in [(first, second, true), (second, first, false)] {
        if is_border(graph, image, border, axis, is_last) {
            let mut pads = Pads::default();
            let side = match (axis, is_last) {
                (2, true) => &mut pads.bottom,
                (2, false) => &mut pads.top,
                (3, true) => &mut pads.right,
                (3, false) => &mut pads.left,
                _ => return Err(Stop::Other),
            };
            *side = 1;
            return Ok((image, pads));
        }
    }
    Err(Stop::Other)
}

/// Whether `border` is the last or the first slice of `image` along `axis`.
fn is_border(graph: &Graph, image: NodeId, border: NodeId, axis: usize, is_last: bool) -> bool {
    let Op::Slice(slice) = &graph.node(border).op else { return false };
    let shape = &graph.node(image).ty.shape;
    let fits = |(i, (taken, &extent)): (usize, (&SliceAxis, &usize))| match i == axis {
        true => taken.len == 1 && taken.start == if is_last { extent - 1 } else { 0 },
        false => *taken == SliceAxis { start: 0, step: 1, len: extent },
    };
    graph.operand(border, 0) == Some(image) && slice.iter().zip(shape).enumerate().all(fits)
}
