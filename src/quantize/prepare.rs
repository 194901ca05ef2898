//! The graph that is quantized: the network after the passes that fold constants, with weights and a
//! bias of its own for every layer.

use std::sync::Arc;

use resnetc_ir::memory::{NoMemory, filled};
use resnetc_ir::op::{Binary, Conv, Gemm, Unary};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::error::QuantizeError;
use crate::passes::{PassOptions, PipelineStep, pipeline, run_steps};

/// The passes that leave fewer operators and values to quantize, and nothing that ONNX lacks.
const PASSES: [&str; 12] = [
    "remove_identity",
    "fold_constants",
    "cse",
    "cancel_transposes",
    "reduce_mean_to_pool",
    "lower_gemm",
    "merge_pad",
    "merge_border",
    "fold_batch_norm",
    "fold_affine",
    "lower_batch_norm",
    "dead_code",
];

/// Prepares a network; with `biases`, each layer has a bias.
pub(super) fn prepare(graph: &Graph, biases: bool) -> Result<Graph, QuantizeError> {
    if let Some(node) = quantizer(graph) {
        let node = graph.node(node);
        let (op, name) = (node.op.name(), node.name.clone());
        return Err(QuantizeError::AlreadyQuantized { op, name });
    }
    let mut graph = graph.clone();
    let steps = pipeline().iter().filter(|step| PASSES.contains(&step.pass.name));
    let steps: Vec<PipelineStep> = steps.copied().collect();
    run_steps(&mut graph, &steps, &PassOptions::default())?;
    for layer in graph.topo().into_iter().filter(|&n| is_layer(&graph, n)).collect::<Vec<_>>() {
        let patch = separate(&graph, layer, biases)?;
        graph.apply(patch)?;
    }
    check_weights(&graph)?;
    Ok(graph)
}

/// An operator that makes integers of 8 or 16 bits.
fn quantizer(graph: &Graph) -> Option<NodeId> {
    const LIMITS: [(f32, f32); 4] =
        [(0.0, 255.0), (-128.0, 127.0), (0.0, 65_535.0), (-32_768.0, 32_767.0)];
    let is_one = |&node: &NodeId| {
        let Op::Unary(Unary::Clip { lo, hi }) = graph.node(node).op else { return false };
        let is = |node: NodeId, op: Op| graph.node(node).op == op;
        let Some(operand) = graph.operand(node, 0) else { return false };
        let rounded = match is(operand, Op::Binary(Binary::Add)) {
            true => graph.operand(operand, 0).unwrap_or(operand),
            false => operand,
        };
        LIMITS.contains(&(lo, hi)) && is(rounded, Op::Unary(Unary::Round))
    };
    graph.topo().into_iter().find(is_one)
}

/// Whether a node is a convolution or a matrix product whose weights and bias are constants.
pub(super) fn is_layer(graph: &Graph, node: NodeId) -> bool {
    let constant = |i| graph.operand(node, i).is_some_and(|n| graph.f32_constant_of(n).is_some());
    match &graph.node(node).op {
        Op::Conv(conv) => {
            let is_plain = Conv { bias: false, ..*conv } == Conv::new(conv.window, conv.groups);
            is_plain && constant(1) && (!conv.bias || constant(2))
        }
        // The form that `lower_gemm` brings them into.
        Op::Gemm(Gemm { transpose_a: false, transpose_b: true, bias, .. }) => {
            constant(1) && (!bias || constant(2))
        }
        _ => false,
    }
}

/// The layer with its own copies of its constants.
fn separate(graph: &Graph, layer: NodeId, biases: bool) -> Result<Patch, QuantizeError> {
    let node = graph.node(layer);
    let constant = |i| graph.operand(layer, i).and_then(|n| graph.f32_constant_of(n));
    let mut patch = Patch::new(format!("separate the constants of {}", node.name));
    let mut operands: Vec<Value> = graph.operand(layer, 0).into_iter().map(Value::from).collect();
    if let Some(weights) = constant(1) {
        operands.push(patch.constant(format!("{}.weight", node.name), Arc::clone(weights)));
    }
    let bias = match constant(2) {
        Some(bias) => Some(Arc::clone(bias)),
        None if biases => Some(Arc::new(zeros(graph.node(layer).ty.shape[1])?)),
        None => None,
    };
    let has_bias = bias.is_some();
    if let Some(bias) = bias {
        operands.push(patch.constant(format!("{}.bias", node.name), bias));
    }
    let op = match node.op.clone() {
        Op::Conv(conv) => Op::Conv(Conv { bias: has_bias, ..conv }),
        Op::Gemm(gemm) => Op::Gemm(Gemm { bias: has_bias, ..gemm }),
        other => other,
    };
    let copy = patch.add(node.name.clone(), op, &operands);
    patch.replace(layer, copy);
    Ok(patch)
}

fn zeros(count: usize) -> Result<Tensor, NoMemory> {
    Ok(Tensor::vector(filled(count, 0.0)?))
}

fn check_weights(graph: &Graph) -> Result<(), QuantizeError> {
    for layer in graph.topo().into_iter().filter(|&n| is_layer(graph, n)) {
        let constants = graph.operands(layer).into_iter().filter_map(|n| graph.f32_constant_of(n));
        if !constants.into_iter().all(|tensor| tensor.is_finite()) {
            let node = graph.node(layer);
            return Err(QuantizeError::Weights { op: node.op.name(), name: node.name.clone() });
        }
    }
    Ok(())
}
