//! Computes the projection of a shortcut in the convolution to which it is added: one sum over the
//! channels of both values, in the same registers. The projected value is never written.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [1, 2, 3, 4] : f32[2, 2, 1, 1] "shortcut.weight"
//! %2 = constant [1, -1] : f32[2] "shortcut.bias"
//! %3 = conv(%0, %1, %2) kernel=[1, 1] strides=[2, 2] "shortcut"
//! %4 = constant seed=2 : f32[2, 2, 3, 3] "conv2.weight"
//! %5 = conv(%0, %4) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] relu "conv2"
//! %6 = constant [5, 6, 7, 8] : f32[2, 2, 1, 1] "conv3.weight"
//! %7 = constant [0.5, 0.25] : f32[2] "conv3.bias"
//! %8 = conv(%5, %6, %7, %3) kernel=[1, 1] residual relu "conv3"
//! output "y" = %8
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant fnv=3182eb79eab7477f : f32[2, 2, 3, 3] "conv2.weight"
//! %2 = conv(%0, %1) kernel=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] relu : f32[1, 2, 2, 2] "conv2"
//! %3 = constant [5, 6, 7, 8] : f32[2, 2, 1, 1] "conv3.weight"
//! %4 = constant [1.5, -0.75] : f32[2] "conv3.bias"
//! %5 = constant [1, 2, 3, 4] : f32[2, 2, 1, 1] "shortcut.weight"
//! %6 = conv(%2, %3, %4, %0, %5) kernel=[1, 1] projection_kernel=[1, 1] projection_strides=[2, 2] relu : f32[1, 2, 2, 2] "conv3"
//! output "y" = %6
//! ```
//!
//! Only if both convolutions are 1x1: a 3x3 convolution of stride 1 may run by a faster algorithm
//! without such a sum, which saves more than this fusion. And only if both together have few
//! channels: the weights of one tile then stay in the first cache, as they do for each convolution
//! alone. With more channels, reading them from a farther cache for every tile costs more than
//! writing and reading the projected value.

use resnetc_ir::op::{Activation, Conv};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::affine::round;
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};

/// The largest total number of input channels of both convolutions. (64 + 64 channels gain 2 to 6
/// %, 128 + 256 lose as much.)
const MOST_CHANNELS: usize = 128;

/// Switched off by the name `fuse_projection`.
pub const PASS: Pass = Pass {
    name: "fuse_projection",
    doc: "compute the projection of a shortcut in the convolution that it is added to",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::Conv(main) = graph.node(node).op else { return None };
    let shortcut = graph.operand(node, main.residual_operand()?)?;
    let Op::Conv(projection) = graph.node(shortcut).op else { return None };
    let biases = check(graph, node, &main, shortcut, &projection);
    let biases = near.settle(graph, node, biases)?;
    Some(fuse(graph, (node, main), (shortcut, projection), biases))
}

/// The sum of both biases, if one convolution can compute both.
fn check(
    graph: &Graph,
    node: NodeId,
    main: &Conv,
    shortcut: NodeId,
    projection: &Conv,
) -> Result<Option<Tensor>, Stop> {
    let shared = graph.sole_user(shortcut) != Some(node);
    if projection.activation != Activation::None {
        // A convolution with other users is the previous block, and its shortcut the identity.
        let near = Stop::Near("the projection has an activation");
        return Err(if shared { Stop::Other } else { near });
    }
    if graph.node(shortcut).ty.shape != graph.node(node).ty.shape {
        return Err(Stop::Near("a part of the projection is added"));
    }
    if projection.residual.is_some() || projection.projection.is_some() {
        return Err(Stop::Near("the projection has its own shortcut"));
    }
    if shared {
        return Err(Stop::Near("the projection has two users"));
    }
    if main.groups != 1 || projection.groups != 1 {
        return Err(Stop::Near("there are groups"));
    }
    if main.window.kernel != [1, 1] || projection.window.kernel != [1, 1] {
        return Err(Stop::Near("one of the kernels is larger than a pixel"));
    }
    let channels = |conv: NodeId| {
        let source = graph.operand(conv, 0);
        source.and_then(|s| graph.node(s).ty.shape.get(1).copied()).unwrap_or(0)
    };
    if channels(node) + channels(shortcut) > MOST_CHANNELS {
        return Err(Stop::Near("there are too many channels"));
    }
    let constant = |conv: NodeId| graph.operand(conv, 1).and_then(|w| graph.f32_constant_of(w));
    if constant(node).is_none() || constant(shortcut).is_none() {
        return Err(Stop::Near("the weights are not constant"));
    }
    sum_of_biases(graph, [(node, main), (shortcut, projection)])
}

/// The biases of two convolutions added in f64; `None` if there are none.
fn sum_of_biases(graph: &Graph, convs: [(NodeId, &Conv); 2]) -> Result<Option<Tensor>, Stop> {
    let mut sum: Option<Vec<f64>> = None;
    for (node, _) in convs.iter().filter(|(_, conv)| conv.bias) {
        let bias = graph.operand(*node, 2).and_then(|b| graph.f32_constant_of(b));
        let bias = bias.ok_or(Stop::Near("a bias is not constant"))?;
        let sum = sum.get_or_insert_with(|| vec![0.0; bias.data().len()]);
        sum.iter_mut().zip(bias.data()).for_each(|(s, &b)| *s += f64::from(b));
    }
    let Some(sum) = sum else { return Ok(None) };
    let data: Vec<f32> = sum.into_iter().map(round).collect();
    if !data.iter().all(|x| x.is_finite()) {
        return Err(Stop::Near("the sum of the biases is not finite"));
    }
    let sum = Tensor::new([data.len()], data);
    sum.map(Some).ok_or(Stop::Near("a bias does not fit its shape"))
}

fn fuse(
    graph: &Graph,
    (node, main): (NodeId, Conv),
    (shortcut, projection): (NodeId, Conv),
    bias: Option<Tensor>,
) -> Patch {
    let name = graph.node(node).name.clone();
    let label = format!("fuse {} into {}", describe(graph, shortcut), describe(graph, node));
    let mut patch = Patch::new(label);
    let first = |node: NodeId| graph.operands(node).into_iter().take(2).map(Value::Old);
    let mut operands: Vec<Value> = first(node).collect();
    let fused =
        Conv { bias: bias.is_some(), residual: None, projection: Some(projection.window), ..main };
    operands.extend(bias.map(|sum| patch.constant(format!("{name}.bias"), sum)));
    operands.extend(first(shortcut));
    let value = patch.add(name, Op::Conv(fused), &operands);
    patch.replace(node, value);
    patch
}
