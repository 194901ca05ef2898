//! How large values and gradients are, by depth.

use resnetc_ir::{Graph, GraphError, NodeId, Op};

use super::names;
use super::scope::{Added, Scope};

/// How large the values of a block are in a step, and the gradients with respect to them. Each is
/// the root of the mean over the images of squared Euclidean norms.
#[derive(Clone, Debug, PartialEq)]
pub struct Norms {
    /// The block's name, such as `layer1.0`.
    pub block: String,
    /// Of its result, `x_l`.
    pub value: f32,
    /// Of the gradient of an image's loss with respect to its result, `dE/dx_l`.
    pub gradient: f32,
}

/// Adds norms of blocks' results and of their gradients to the results of a step.
pub(super) fn add(
    graph: &mut Graph,
    values: &[NodeId],
    gradients: &[NodeId],
) -> Result<(), GraphError> {
    let kinds = [(names::VALUE_NORMS, values, false), (names::GRADIENT_NORMS, gradients, true)];
    for (name, nodes, is_gradient) in kinds {
        if nodes.is_empty() {
            continue;
        }
        let mut scope = Scope { graph, name: name.to_owned() };
        let norms = nodes.iter().map(|&node| norm(&mut scope, node, is_gradient));
        let norms: Vec<NodeId> = norms.collect::<Result<_, _>>()?;
        let all = scope.add(Op::Concat { axis: 0 }, &norms)?;
        graph.output(name, all);
    }
    Ok(())
}

/// The norm of an image's value, `[1]`. The loss is the mean of those of `N` images, so the gradient
/// of an image's own loss is `N` times as large.
fn norm(scope: &mut Scope<'_>, node: NodeId, is_gradient: bool) -> Added {
    let shape = scope.graph.node(node).ty.shape.clone();
    let images = shape.first().copied().unwrap_or(1);
    let elements: usize = shape.iter().skip(1).product();
    let own = if is_gradient { scope.times(node, images as f64)? } else { node };
    let square = scope.product(own, own)?;
    let axes = (0..shape.len()).collect();
    let mean = scope.add(Op::ReduceMean { axes, keep_dims: false }, &[square])?;
    let mean = scope.reshaped(mean, &[1])?;
    let sum = scope.times(mean, elements as f64)?;
    scope.root(sum)
}
