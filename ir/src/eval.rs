//! The interpreter: plain loops in f64, one operator at a time. It is the oracle for every pass and
//! every kernel.
//!
//! This module defines what a graph means: ONNX inference semantics, where an operator of the graph
//! adds nothing of its own. Layout marks are ignored. Constants and inputs are elements of their
//! type. So are values that are computed from constants alone, operator by operator: such a value
//! is a constant, whoever computes it, and where it is rounded to an integer, the last bit decides.
//! Every other float is f64, so the result is as good as exact for a check of f32 code; only a
//! conversion rounds to the type that it converts to. NaN and infinities follow IEEE 754; NaN
//! propagates through ReLU, clip and max pool. Padding of a convolution consists of zeros that are
//! multiplied, so an infinite weight over padding gives NaN.
//!
//! Integers are exact, and wrap around where a result does not fit into its type. An f64 holds
//! every integer of up to 32 bits, and sums of up to 2^37 products of 8-bit integers, which is more
//! than the number of weights that any memory holds.

mod conv;
mod elements;
mod elementwise;
mod error;
mod expression;
mod gradient;
mod interpolate;
mod matrix;
mod pool;
mod quantized;
mod reduce;
mod rounding;
mod shape;
mod value;
mod walk;

pub use error::EvalError;
pub use rounding::eval_rounding;
pub use value::Value;

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, NodeId};
use crate::infer::infer;
use crate::memory::{NoMemory, collected, copied};
use crate::op::Op;
use crate::ty::TensorType;
use error::fail;

/// The outputs of `graph` for `inputs`, in the graph's order.
///
/// # Errors
/// If the number or a type of the inputs differs from the graph's, the graph would not pass
/// [`verify`](crate::verify::verify), or a value does not fit into memory.
pub fn eval(graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>, EvalError> {
    eval_each(graph, inputs, &mut |_, _, _| {})
}

/// As [`eval`], and reports every node as soon as its value is known, operands before their users:
/// the node, the values of its operands, and its own. A value is dropped after its last use.
///
/// # Errors
/// As [`eval`].
pub fn eval_each(
    graph: &Graph,
    inputs: &[Value],
    report: &mut dyn FnMut(NodeId, &[&Value], &Value),
) -> Result<Vec<Value>, EvalError> {
    eval_steered(graph, inputs, &mut |node, operands, value| report(node, operands, value))
}

/// As [`eval_each`], but the reported value may be changed: its users get the changed value. Its
/// type must stay the same.
///
/// # Errors
/// As [`eval`].
pub fn eval_steered(
    graph: &Graph,
    inputs: &[Value],
    report: &mut dyn FnMut(NodeId, &[&Value], &mut Value),
) -> Result<Vec<Value>, EvalError> {
    check_inputs(graph, inputs)?;
    let mut given = inputs.iter();
    // How often each value is still needed: by an operand position or as an output of the graph.
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for node in graph.nodes() {
        uses.insert(node, graph.users(node).len() + usize::from(graph.is_output(node)));
    }
    let mut values: HashMap<NodeId, Value> = HashMap::new();
    let mut constants: HashSet<NodeId> = HashSet::new();
    // The order begins with the inputs, as they were added.
    for id in graph.topo() {
        let operands = graph.operands(id);
        let mut value = compute(graph, id, &operands, &values, &mut given)?;
        if graph.node(id).op != Op::Input && operands.iter().all(|o| constants.contains(o)) {
            constants.insert(id);
            value.round();
        }
        let known: Vec<&Value> = operands.iter().filter_map(|o| values.get(o)).collect();
        report(id, &known, &mut value);
        for operand in &operands {
            let left = uses.entry(*operand).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                values.remove(operand);
            }
        }
        if uses.get(&id).is_some_and(|&n| n > 0) {
            values.insert(id, value);
        }
    }
    let output = |id: &NodeId| match values.get(id) {
        Some(value) => Ok(value.copy()?),
        None => fail(format!("the output {id} is not a node of the graph")),
    };
    graph.outputs().iter().map(|o| output(&o.node)).collect()
}

fn check_inputs(graph: &Graph, inputs: &[Value]) -> Result<(), EvalError> {
    let wanted = graph.inputs();
    if wanted.len() != inputs.len() {
        return fail(format!("the graph has {} inputs, got {}", wanted.len(), inputs.len()));
    }
    for (&id, value) in wanted.iter().zip(inputs) {
        let node = graph.node(id);
        if node.ty.to_planar() != value.ty() {
            return fail(format!("input {:?} is {}, got {}", node.name, node.ty, value.ty()));
        }
        check_elements(value).map_err(|e| e.at(&format!("input {:?}", node.name)))?;
    }
    Ok(())
}

/// Checks that the number of elements matches the shape, and that all are of the value's type.
fn check_elements(value: &Value) -> Result<(), EvalError> {
    let elements = value.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if elements != Some(value.data.len()) {
        return fail(format!("{:?} does not have {} elements", value.shape, value.data.len()));
    }
    let dtype = value.dtype;
    // Any number may stand for a float.
    let foreign = |(_, x): &(usize, &f64)| !dtype.contains(**x);
    match value.data.iter().enumerate().find(|found| !dtype.is_float() && foreign(found)) {
        None => Ok(()),
        Some((i, x)) => fail(format!("element {i} is {x}, which {} cannot hold", dtype.short())),
    }
}

/// The value of one node, whose operands are known.
fn compute<'a>(
    graph: &Graph,
    id: NodeId,
    operands: &[NodeId],
    values: &HashMap<NodeId, Value>,
    given: &mut impl Iterator<Item = &'a Value>,
) -> Result<Value, EvalError> {
    let node = graph.node(id);
    let located = |e: EvalError| e.at(&format!("{id} {} {:?}", node.op.name(), node.name));
    let wrong = |reason: String| located(EvalError::Invalid(reason));
    let scarce = |e: NoMemory| located(e.into());
    let value = match &node.op {
        Op::Input => match given.next() {
            Some(value) => value.copy().map_err(scarce)?,
            None => return Err(wrong("is not one of the graph's inputs".into())),
        },
        Op::Constant(_) => match graph.constant_of(id) {
            Some(tensor) => Value::of_tensor(tensor).map_err(scarce)?,
            None => return Err(wrong("has no data".into())),
        },
        op => {
            let known: Option<Vec<&Value>> = operands.iter().map(|o| values.get(o)).collect();
            let known = known.ok_or_else(|| wrong("depends on its own result".into()))?;
            eval_node(op, &known).map_err(located)?
        }
    };
    match value.ty() == node.ty.to_planar() {
        true => Ok(value),
        false => Err(wrong(format!("is {}, but its type says {}", value.ty(), node.ty))),
    }
}

/// The result of one operator on given operands. [`Op::Input`] and [`Op::Constant`] are not
/// computed, and are refused; a constant's value is `Value::from(&tensor)`.
///
/// # Errors
/// If [`infer`] refuses the operator on these types, the number of a value's elements does not
/// match its shape, an element is not of its type, or the result does not fit into memory.
pub fn eval_node(op: &Op, operands: &[&Value]) -> Result<Value, EvalError> {
    for (i, value) in operands.iter().enumerate() {
        check_elements(value).map_err(|e| e.at(&format!("operand {i}")))?;
    }
    let types: Vec<TensorType> = operands.iter().map(|v| v.ty()).collect();
    let ty = infer(op, &types.iter().collect::<Vec<_>>()).map_err(|e| EvalError::Invalid(e.0))?;
    let data = eval_data(op, operands, &ty).map_err(|e| match e {
        EvalError::Memory { bytes, .. } => {
            EvalError::Memory { what: format!("a value {ty}"), bytes }
        }
        other => other,
    })?;
    debug_assert_eq!(data.len(), ty.elements(), "{op:?} computed another number of elements");
    Ok(Value::of(ty.dtype, ty.shape, data))
}

/// The elements of a result whose type has been inferred. All the indexing below relies on that
/// inference.
fn eval_data(op: &Op, operands: &[&Value], ty: &TensorType) -> Result<Vec<f64>, EvalError> {
    let shape = &ty.shape[..];
    // Inference refuses every operator without operands.
    let Some(&x) = operands.first() else { return fail(format!("{} has no operands", op.name())) };
    match op {
        Op::Input | Op::Constant(_) => fail(format!("{} is not computed", op.name())),
        Op::Conv(op) => conv::conv(op, operands, ty),
        Op::ConvSource(op) => {
            let added = op.residual_operand().map(|i| operands[i]);
            gradient::conv_source(&op.gradient, [x, operands[1]], added, shape)
        }
        Op::ConvWeights(op) => gradient::conv_weights(op, [x, operands[1]], shape),
        Op::QuantizedConv(op) => quantized::conv(op, operands, ty),
        Op::Quantize(op) => quantized::quantize(op, x),
        Op::Measure => Ok(quantized::measure(x)),
        Op::QuantizeMeasured => quantized::quantize(&quantized::quantizer(operands[1]), x),
        Op::Dequantize(op) => quantized::dequantize(op, x),
        Op::OnBytes(on_bytes) => {
            let floats = quantized::floats(on_bytes, operands)?;
            let result = eval_node(&on_bytes.op, &floats.iter().collect::<Vec<_>>())?;
            match &on_bytes.to {
                Some(to) => quantized::quantize(to, &result),
                None => Ok(result.data),
            }
        }
        Op::Lookup { .. } => quantized::lookup(x, operands[1]),
        Op::BatchNorm { epsilon } => elementwise::batch_norm(*epsilon, operands),
        Op::Unary(op) => elementwise::unary(*op, x),
        Op::Binary(op) => elementwise::binary(*op, x, operands[1], shape),
        Op::Where => elementwise::choose(x, operands[1], operands[2], shape),
        Op::Pointwise(op) => expression::pointwise(op, operands, shape),
        Op::ChannelSums(op) => expression::channel_sums(op, operands),
        Op::Moments => expression::moments(x),
        Op::MaxPool(op) => pool::max(op, x, shape),
        Op::MaxPoolSource(op) => gradient::max_pool(op, [x, operands[1]]),
        Op::AveragePool { pool: op, count_include_pad } => {
            pool::average(op, *count_include_pad, x, shape)
        }
        Op::GlobalAveragePool => reduce::mean(&[2, 3], x),
        Op::ReduceMean { axes, .. } => reduce::mean(axes, x),
        Op::ReduceMax { axes, .. } => reduce::max(axes, x),
        Op::TopK(op) => reduce::top(op, x),
        Op::Gemm(op) => matrix::gemm(op, operands, ty),
        Op::MatMul => matrix::matmul(x, operands[1], ty),
        Op::Softmax { axis } => reduce::softmax(*axis, x),
        Op::CrossEntropy => gradient::cross_entropy([x, operands[1]]),
        Op::Convert { to } => {
            Ok(collected(x.data.iter().map(|&element| to.convert(element, x.dtype)))?)
        }
        Op::Reshape { .. } | Op::Identity | Op::Reorder(_) => Ok(copied(&x.data)?),
        Op::Pad { before, after, mode } => shape::pad(before, after, *mode, x),
        Op::Slice(axes) => shape::slice(axes, x),
        Op::Gather { axis, indices } => shape::gather(*axis, indices, x),
        Op::Interpolate(op) => interpolate::interpolate(op, x, shape),
        Op::Concat { axis } => shape::concat(*axis, operands, shape),
        Op::Transpose { perm } => shape::transpose(perm, x, shape),
    }
}
