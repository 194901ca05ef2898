//! Multiplies two factors of an image with each other before they are multiplied with it.
//!
//! A normalization's scale and a learned factor after it, or a gate and a gain: each has one number
//! per channel, the image has thousands, and every product is a pass over the image.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = input : f32[1, 2, 1, 1] "gate"
//! %2 = mul(%0, %1) "gated"
//! %3 = constant [2, 4] : f32[2, 1, 1] "gain"
//! %4 = mul(%2, %3) "scaled"
//! output "y" = %4
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = input : f32[1, 2, 1, 1] "gate"
//! %2 = constant [2, 4] : f32[2, 1, 1] "gain"
//! %3 = mul(%1, %2) : f32[1, 2, 1, 1] "scaled.factor"
//! %4 = mul(%0, %3) : f32[1, 2, 4, 4] "scaled"
//! output "y" = %4
//! ```

use resnetc_ir::op::Binary;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::Measure;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `merge_scales`.
pub const PASS: Pass = Pass {
    name: "merge_scales",
    doc: "multiply two small factors of a large value with each other first",
    sweep: |_| Box::new(rewrite),
    measure: Some(elements),
};

/// The number of elements that operators compute.
fn elements(graph: &Graph) -> Measure {
    let computed = graph.nodes().filter(|&node| graph.node(node).op.is_computed());
    [computed.map(|node| graph.node(node).ty.elements() as u64).sum(), 0, 0]
}

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let [outer, swapped] = factors(graph, node)?;
    let found = [outer, swapped].into_iter().find_map(|(product, second)| {
        let [inner, swapped] = factors(graph, product)?;
        let fits = |&(large, first): &(NodeId, NodeId)| {
            shape(graph, large) == shape(graph, node) && are_small(graph, [first, second], node)
        };
        let (large, first) = [inner, swapped].into_iter().find(fits)?;
        Some((product, large, [first, second]))
    });
    let (product, large, small) = found?;
    if graph.sole_user(product) != Some(node) {
        near.note(graph, node, format!("{} has two users", describe(graph, product)));
        return None;
    }
    let names = [product, node].map(|n| describe(graph, n));
    let mut patch = Patch::new(format!("merge the factors of {} and {}", names[0], names[1]));
    let name = &graph.node(node).name;
    let mul = Op::Binary(Binary::Mul);
    let factor = patch.add(format!("{name}.factor"), mul.clone(), &small.map(Into::into));
    let scaled = patch.add(name.clone(), mul, &[large.into(), factor]);
    patch.replace(node, scaled);
    Some(patch)
}

/// The factors of a product, in both orders.
fn factors(graph: &Graph, node: NodeId) -> Option<[(NodeId, NodeId); 2]> {
    if graph.node(node).op != Op::Binary(Binary::Mul) {
        return None;
    }
    let (a, b) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    Some([(a, b), (b, a)])
}

fn shape(graph: &Graph, node: NodeId) -> &[usize] {
    &graph.node(node).ty.shape
}

/// Whether the product of the factors is smaller than `whole`, and computed at run time: constants
/// are left to [`merge_affine`](super::merge_affine), which merges more than two.
fn are_small(graph: &Graph, factors: [NodeId; 2], whole: NodeId) -> bool {
    let whole = shape(graph, whole);
    let extent = |axis: usize| {
        // Axes are counted from the last one, as for broadcasting.
        let of = |factor| shape(graph, factor).iter().rev().nth(axis).copied().unwrap_or(1);
        factors.map(of).into_iter().fold(1, usize::max)
    };
    let elements: usize = (0..whole.len()).map(extent).product();
    elements < whole.iter().product()
        && factors.iter().any(|&factor| graph.constant_of(factor).is_none())
}
