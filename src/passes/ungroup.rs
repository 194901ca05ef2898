//! Applies to the image itself what exporters apply to groups of its channels, as in group
//! normalization.
//!
//! A reshape moves past the arithmetic until another one undoes it. Means over a group are means of
//! the channels' means. So an image stays blocked, in a layout from which each channel can be read,
//! while a view of its groups would have to be written element by element, twice.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 4, 2, 2] "x"
//! %1 = reshape(%0) shape=[1, 2, 8] "groups"
//! %2 = reduce_mean(%1) axes=[2] keep_dims "mean"
//! %3 = sub(%1, %2) "centred"
//! %4 = constant [2, 4] : f32[2, 1] "scale"
//! %5 = mul(%3, %4) "scaled"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 4, 2, 2] "x"
//! %1 = global_average_pool(%0) : f32[1, 4, 1, 1] "mean"
//! %2 = reshape(%1) shape=[1, 2, 2] : f32[1, 2, 2] "mean"
//! %3 = reduce_mean(%2) axes=[2] keep_dims : f32[1, 2, 1] "mean"
//! %4 = constant [1, 1] : f32[2] "mean.ones"
//! %5 = mul(%3, %4) : f32[1, 2, 2] "mean"
//! %6 = reshape(%5) shape=[1, 4, 1, 1] : f32[1, 4, 1, 1] "mean"
//! %7 = sub(%0, %6) : f32[1, 4, 2, 2] "centred"
//! %8 = constant [2, 2, 4, 4] : f32[1, 4, 1, 1] "scale"
//! %9 = mul(%7, %8) : f32[1, 4, 2, 2] "scaled"
//! %10 = reshape(%9) shape=[1, 2, 8] : f32[1, 2, 8] "scaled"
//! output "y" = %10
//! ```
//!
//! [`remove_identity`](super::remove_identity) removes reshapes that become adjacent.

use std::iter::repeat_n;

use resnetc_ir::memory::reserved;
use resnetc_ir::op::Binary;
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `ungroup`.
pub const PASS: Pass = Pass {
    name: "ungroup",
    doc: "do arithmetic and means of groups of channels on the image itself",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Arithmetic and means on groups that may be moved to images. New ones work on one number per
/// group, or on groups of single pixels, neither of which can be moved again.
fn remaining(graph: &Graph) -> Measure {
    let is_grouped = |&value: &NodeId| {
        let shape = &graph.node(value).ty.shape;
        shape.len() == 3 && shape[2] > 1 && graph.constant_of(value).is_none()
    };
    let is_of_means = |mean: NodeId| {
        let source = graph.operand(mean, 0).and_then(|rows| graph.operand(rows, 0));
        source.is_some_and(|source| graph.node(source).op == Op::GlobalAveragePool)
    };
    count(graph, |node| match &graph.node(node).op {
        Op::Unary(_) | Op::Binary(_) => graph.operands(node).iter().any(is_grouped),
        Op::ReduceMean { axes, .. } => axes[..] == [2] && !is_of_means(node),
        _ => false,
    })
}

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    match &graph.node(node).op {
        Op::Unary(_) | Op::Binary(_) => arithmetic(graph, node, near),
        Op::ReduceMean { axes, keep_dims } if axes[..] == [2] => mean(graph, node, *keep_dims),
        _ => None,
    }
}

/// An image `[N, C, H, W]` viewed as `[N, G, C / G * H * W]`.
#[derive(Clone, Copy)]
struct Grouped {
    image: NodeId,
    groups: usize,
    /// Channels of a group.
    channels: usize,
}

impl Grouped {
    fn of(graph: &Graph, value: NodeId) -> Option<Self> {
        let Op::Reshape { shape } = &graph.node(value).op else { return None };
        let image = graph.operand(value, 0)?;
        let (&[n, c, h, w], &[same, groups, _]) = (&graph.node(image).ty.shape[..], &shape[..])
        else {
            return None;
        };
        // An image of one pixel gains nothing: it already is a row of channels.
        let fits = same == n && c.is_multiple_of(groups) && h * w > 1;
        fits.then(|| Grouped { image, groups, channels: c / groups })
    }

    /// Whether both have the same groups, and images of the same shape.
    fn is_like(self, graph: &Graph, other: Grouped) -> bool {
        let shape = |grouped: Grouped| &graph.node(grouped.image).ty.shape;
        self.groups == other.groups && shape(self) == shape(other)
    }
}

/// An element-wise function of images with the same groups and of values with one number per group.
fn arithmetic(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let found = graph.node(node);
    let operands = graph.operands(node);
    let first = operands.iter().find_map(|&operand| {
        // If another operand broadcasts a single group or image to many, the result is not that
        // image any more.
        let is_whole = graph.node(operand).ty.shape == found.ty.shape;
        Grouped::of(graph, operand).filter(|_| is_whole)
    })?;
    let mut patch = Patch::new(format!("{} is done on the image", describe(graph, node)));
    let mut on_image = Vec::with_capacity(operands.len());
    for &operand in &operands {
        on_image.push(match Grouped::of(graph, operand) {
            Some(grouped) if grouped.is_like(graph, first) => grouped.image.into(),
            Some(_) => return None,
            None => spread(&mut patch, graph, operand, first, near)?,
        });
    }
    let result = patch.add(found.name.clone(), found.op.clone(), &on_image);
    let shape = found.ty.shape.clone();
    let seen = patch.add(found.name.clone(), Op::Reshape { shape }, &[result]);
    patch.replace(node, seen);
    Some(patch)
}

/// A value with one number per group, or one for all groups, in a shape that broadcasts over the
/// image.
fn spread(
    patch: &mut Patch,
    graph: &Graph,
    value: NodeId,
    to: Grouped,
    near: &mut NearMisses,
) -> Option<Value> {
    let found = graph.node(value);
    let mut shape = vec![1; 3usize.checked_sub(found.ty.shape.len())?];
    shape.extend(&found.ty.shape);
    let &[n, groups, 1] = &shape[..] else { return None };
    if [n, groups] == [1, 1] {
        return Some(value.into());
    }
    let times = if groups == 1 { 1 } else { to.channels };
    let shape = vec![n, groups * times, 1, 1];
    if let Some(constant) = graph.f32_constant_of(value) {
        let mut data = near.afford(graph, value, reserved(constant.elements() * times))?;
        constant.each(|x| data.extend(repeat_n(x as f32, times)));
        return Some(patch.constant(found.name.clone(), Tensor::new(shape, data)?));
    }
    let mut spread = Value::Old(value);
    if times > 1 {
        let ones = patch.constant(format!("{}.ones", found.name), Tensor::vector(vec![1.0; times]));
        spread = patch.add(found.name.clone(), Op::Binary(Binary::Mul), &[spread, ones]);
    }
    Some(patch.add(found.name.clone(), Op::Reshape { shape }, &[spread]))
}

/// The mean of each group, from the means of its channels.
fn mean(graph: &Graph, node: NodeId, keep_dims: bool) -> Option<Patch> {
    let found = graph.node(node);
    let grouped = Grouped::of(graph, graph.operand(node, 0)?)?;
    let n = *found.ty.shape.first()?;
    let mut patch = Patch::new(format!("{} is one of channels' means", describe(graph, node)));
    let mut add = |op, operand| patch.add(found.name.clone(), op, &[operand]);
    let means = add(Op::GlobalAveragePool, grouped.image.into());
    let mean = match grouped.channels {
        1 => add(Op::Reshape { shape: found.ty.shape.clone() }, means),
        channels => {
            let rows = add(Op::Reshape { shape: vec![n, grouped.groups, channels] }, means);
            add(Op::ReduceMean { axes: vec![2], keep_dims }, rows)
        }
    };
    patch.replace(node, mean);
    Some(patch)
}
