//! The interpreter: plain loops in f64, one operator at a time. It is the oracle of every pass and every kernel.
//!
//! What a graph means is what this module computes: ONNX inference semantics, where an operator of the graph adds
//! nothing of its own. Layout marks are ignored. Constants and inputs are f32 values, and so is what is computed from
//! constants alone, operator by operator: it is a constant, whoever computes it, and where it is rounded to an integer the
//! last bit decides. Everything after them is f64, so the result is as good as exact for a check of f32 code. NaN and infinities follow IEEE 754; NaN wins
//! through ReLU, clip and max pool. Padding of a convolution is not multiplied at all, so an infinite weight over
//! padding gives no NaN.

mod conv;
mod elementwise;
mod interpolate;
mod matrix;
mod pool;
mod reduce;
mod shape;
mod walk;

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, NodeId};
use crate::infer::infer;
use crate::op::Op;
use crate::tensor::Tensor;
use crate::ty::TensorType;

/// A value in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

impl Value {
    /// A value of `shape` from f32 elements in row-major order. Their number is checked when the value is used.
    pub fn from_f32(shape: impl Into<Vec<usize>>, data: &[f32]) -> Self {
        Value { shape: shape.into(), data: data.iter().map(|&x| f64::from(x)).collect() }
    }

    /// The elements rounded to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|&x| x as f32).collect()
    }

    fn round_to_f32(&mut self) {
        self.data.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    }

    /// The value rounded to a constant; `None` if the number of elements is not that of the shape.
    pub fn to_tensor(&self) -> Option<Tensor> {
        Tensor::new(self.shape.clone(), self.to_f32())
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Self {
        Value::from_f32(tensor.shape(), tensor.data())
    }
}

/// Why a graph or an operator cannot be evaluated on these values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

fn fail<T>(message: String) -> Result<T, EvalError> {
    Err(EvalError(message))
}

/// The outputs of `graph` for `inputs`, in the graph's order.
///
/// # Errors
/// If the number or a shape of the inputs differs from the graph's, the graph would not pass
/// [`verify`](crate::verify::verify), or a value does not fit into memory.
pub fn eval(graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>, EvalError> {
    eval_each(graph, inputs, &mut |_, _, _| {})
}

/// As [`eval`], and reports every node as soon as its value is known, operands before their users: the node, the
/// values of its operands, and its own. A value is dropped after its last use.
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

/// As [`eval_each`], and what is reported may be changed: its users get the changed value. Its shape must stay.
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
            value.round_to_f32();
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
        Some(value) => Ok(value.clone()),
        None => fail(format!("the output {id} is no node of the graph")),
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
        if node.ty.shape != value.shape {
            return fail(format!("input \"{}\" is {}, got {:?}", node.name, node.ty, value.shape));
        }
        check_length(value).map_err(|e| EvalError(format!("input \"{}\": {e}", node.name)))?;
    }
    Ok(())
}

fn check_length(value: &Value) -> Result<(), EvalError> {
    let elements = value.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match elements == Some(value.data.len()) {
        true => Ok(()),
        false => fail(format!("{:?} does not have {} elements", value.shape, value.data.len())),
    }
}

/// The value of one node, its operands being known.
fn compute<'a>(
    graph: &Graph,
    id: NodeId,
    operands: &[NodeId],
    values: &HashMap<NodeId, Value>,
    given: &mut impl Iterator<Item = &'a Value>,
) -> Result<Value, EvalError> {
    let node = graph.node(id);
    let located = |message: String| {
        EvalError(format!("{id} {} \"{}\": {message}", node.op.name(), node.name))
    };
    let value = match &node.op {
        Op::Input => match given.next() {
            Some(value) => value.clone(),
            None => return Err(located("is not one of the graph's inputs".into())),
        },
        Op::Constant(_) => match graph.constant_of(id) {
            Some(tensor) => Value::from(&**tensor),
            None => return Err(located("has no data".into())),
        },
        op => {
            let known: Option<Vec<&Value>> = operands.iter().map(|o| values.get(o)).collect();
            let known = known.ok_or_else(|| located("depends on its own result".into()))?;
            eval_node(op, &known).map_err(|e| located(e.0))?
        }
    };
    match value.shape == node.ty.shape {
        true => Ok(value),
        false => Err(located(format!("is {:?}, its type says {}", value.shape, node.ty))),
    }
}

/// The result of one operator on given operands. [`Op::Input`] and [`Op::Constant`] have none and are refused; a
/// constant's value is `Value::from(&tensor)`.
///
/// # Errors
/// If [`infer`] refuses the operator on these shapes, a value does not have as many elements as its shape says,
/// or the result does not fit into memory.
pub fn eval_node(op: &Op, operands: &[&Value]) -> Result<Value, EvalError> {
    for (i, value) in operands.iter().enumerate() {
        check_length(value).map_err(|e| EvalError(format!("operand {i}: {e}")))?;
    }
    let types: Vec<TensorType> =
        operands.iter().map(|v| TensorType::planar(&v.shape[..])).collect();
    let ty = infer(op, &types.iter().collect::<Vec<_>>()).map_err(|e| EvalError(e.0))?;
    let data = eval_data(op, operands, &ty.shape)?;
    debug_assert_eq!(data.len(), ty.elements(), "{op:?} computed another number of elements");
    Ok(Value { shape: ty.shape, data })
}

/// The elements of a result whose shape has been inferred. All the indexing below relies on that inference.
fn eval_data(op: &Op, operands: &[&Value], shape: &[usize]) -> Result<Vec<f64>, EvalError> {
    // Inference refuses every operator without operands.
    let Some(&x) = operands.first() else { return fail(format!("{} has no operands", op.name())) };
    match op {
        Op::Input | Op::Constant(_) => fail(format!("{} is not computed", op.name())),
        Op::Conv(op) => conv::conv(op, operands, shape),
        Op::BatchNorm { epsilon } => elementwise::batch_norm(*epsilon, operands),
        Op::Unary(op) => Ok(elementwise::unary(*op, x)),
        Op::Binary(op) => elementwise::binary(*op, x, operands[1], shape),
        Op::Where => elementwise::choose(x, operands[1], operands[2], shape),
        Op::MaxPool(op) => pool::max(op, x, shape),
        Op::AveragePool { pool: op, count_include_pad } => {
            pool::average(op, *count_include_pad, x, shape)
        }
        Op::GlobalAveragePool => reduce::mean(&[2, 3], x),
        Op::ReduceMean { axes, .. } => reduce::mean(axes, x),
        Op::ReduceMax { axes, .. } => reduce::max(axes, x),
        Op::TopK(op) => Ok(reduce::top(op, x)),
        Op::Gemm(op) => matrix::gemm(op, operands, shape),
        Op::MatMul => matrix::matmul(x, operands[1], shape),
        Op::Softmax { axis } => Ok(reduce::softmax(*axis, x)),
        Op::Reshape { .. } | Op::Identity | Op::Reorder(_) => Ok(x.data.clone()),
        Op::Pad { before, after, mode } => shape::pad(before, after, *mode, x),
        Op::Slice(axes) => shape::slice(axes, x),
        Op::Gather { axis, indices } => shape::gather(*axis, indices, x),
        Op::Interpolate(op) => interpolate::interpolate(op, x, shape),
        Op::Concat { axis } => shape::concat(*axis, operands, shape),
        Op::Transpose { perm } => Ok(shape::transpose(perm, x, shape)),
    }
}

/// As many copies of `value` as `shape` has elements. A graph can ask for far more than there is.
fn filled(shape: &[usize], value: f64) -> Result<Vec<f64>, EvalError> {
    let elements = shape.iter().product();
    let mut data = Vec::new();
    match data.try_reserve_exact(elements) {
        Ok(()) => {
            data.resize(elements, value);
            Ok(data)
        }
        Err(_) => fail(format!("{shape:?} does not fit into memory")),
    }
}
