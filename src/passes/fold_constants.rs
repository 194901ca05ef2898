//! Evaluates operators that depend only on constants at compile time, with the interpreter: in f64,
//! rounded to f32 once. Required: kernels pack weights when a network is compiled, and some files
//! compute weights from other constants (a reshape of one-dimensional weights, weight
//! normalization, spectral normalization).
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [1, 3] "scale"
//! %2 = constant [2] "half"
//! %3 = div(%1, %2) "quotient"
//! %4 = reshape(%3) shape=[2, 1, 1] "per channel"
//! %5 = mul(%0, %4) "mul"
//! output "y" = %5
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 1.5] : f32[2, 1, 1] "per channel"
//! %2 = mul(%0, %1) : f32[1, 2, 4, 4] "mul"
//! output "y" = %2
//! ```

use std::collections::HashSet;

use resnetc_ir::cost::macs;
use resnetc_ir::eval::{EvalError, Value, eval_node};
use resnetc_ir::memory::NoMemory;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off: kernels require weights to be constants, so everything computed from
/// constants alone becomes one.
pub const PASS: Pass = Pass {
    name: "fold_constants",
    doc: "compute operators of constant operands at compile time",
    sweep: |graph| {
        let weights = weights(graph);
        let mut budget = Budget::of(graph);
        Box::new(move |graph, node, near| rewrite(graph, node, near, &weights, &mut budget))
    },
    measure: Some(operators),
};

/// The largest number of elements of a constant that is created.
const MAX_ELEMENTS: usize = 64 << 20;

/// Results of at most this many elements are folded even if they are many times larger than their
/// operands.
const ALWAYS: usize = 1 << 16;

/// A result more than this many times larger than its operands costs more to store than to compute.
/// Weights are exempt: no kernel computes them.
const MAX_GROWTH: usize = 4;

/// How often all constants of a graph may be recomputed: normalizing a weight takes a few steps.
const TIMES: u64 = 32;

/// The additional work allowed, in multiply-adds and elements: a few seconds of the interpreter's
/// time. A small description can require any amount.
const WORK: u64 = 1 << 31;

/// The work that is left in a sweep.
struct Budget {
    work: u64,
}

impl Budget {
    fn of(graph: &Graph) -> Self {
        let constants = graph.nodes().filter_map(|node| graph.constant_of(node));
        let elements: u64 = constants.map(|tensor| tensor.elements() as u64).sum();
        Budget { work: elements.saturating_mul(TIMES).saturating_add(WORK) }
    }

    /// Takes the work of an operator, if that much is left.
    fn take(&mut self, graph: &Graph, node: NodeId) -> bool {
        let work = macs(graph, node).saturating_add(graph.node(node).ty.elements() as u64);
        let left = self.work.checked_sub(work);
        self.work = left.unwrap_or(self.work);
        left.is_some()
    }
}

/// All nodes from which weights, biases and parameters of operators are computed.
fn weights(graph: &Graph) -> HashSet<NodeId> {
    let is_weight = |node: NodeId, position: usize| match graph.node(node).op {
        Op::Conv(conv) => {
            let values = [conv.residual_operand(), conv.projected_operand()];
            position > 0 && !values.contains(&Some(position))
        }
        Op::Gemm(_) | Op::MatMul | Op::BatchNorm { .. } => position > 0,
        _ => false,
    };
    let operands = graph.nodes().flat_map(|node| {
        graph.operands(node).into_iter().enumerate().map(move |(i, operand)| (node, i, operand))
    });
    let mut work: Vec<NodeId> =
        operands.filter(|&(node, i, _)| is_weight(node, i)).map(|(.., operand)| operand).collect();
    let mut found = HashSet::new();
    while let Some(node) = work.pop() {
        if found.insert(node) {
            work.extend(graph.operands(node));
        }
    }
    found
}

fn rewrite(
    graph: &Graph,
    node: NodeId,
    near: &mut NearMisses,
    weights: &HashSet<NodeId>,
    budget: &mut Budget,
) -> Option<Patch> {
    let operands = graph.operands(node);
    if operands.is_empty() || !operands.iter().all(|&o| graph.constant_of(o).is_some()) {
        return None;
    }
    let given: usize = operands.iter().map(|&o| graph.node(o).ty.elements()).sum();
    let made = graph.node(node).ty.elements();
    let grows = made > ALWAYS && made / MAX_GROWTH > given && !weights.contains(&node);
    if made > MAX_ELEMENTS.max(given) || grows {
        near.note(graph, node, format!("its {made} elements are too many for a constant"));
        return None;
    }
    if !budget.take(graph, node) {
        near.note(graph, node, "the constants take too long to compute");
        return None;
    }
    let tensor = match compute(graph, node, &operands) {
        Ok(tensor) => tensor?,
        Err(EvalError::Memory { bytes, .. }) => {
            return near.afford(graph, node, Err(NoMemory { bytes }));
        }
        Err(error) => {
            near.note(graph, node, error.to_string());
            return None;
        }
    };
    let mut patch = Patch::new(format!("compute {}", describe(graph, node)));
    let folded = patch.constant(graph.node(node).name.clone(), tensor);
    patch.replace(node, folded);
    Some(patch)
}

/// The value of an operator with constant operands. A view of the same elements shares them.
fn compute(graph: &Graph, node: NodeId, operands: &[NodeId]) -> Result<Option<Tensor>, EvalError> {
    let mut constants = operands.iter().filter_map(|&o| graph.constant_of(o));
    let found = graph.node(node);
    if let Op::Identity | Op::Reshape { .. } = found.op {
        let source = constants.next().map(|tensor| (**tensor).clone());
        return Ok(source.and_then(|tensor| tensor.reshaped(found.ty.shape.clone())));
    }
    let values: Result<Vec<Value>, _> = constants.map(|tensor| Value::of_tensor(tensor)).collect();
    let value = eval_node(&found.op, &values?.iter().collect::<Vec<_>>())?;
    Ok(value.to_tensor()?)
}
