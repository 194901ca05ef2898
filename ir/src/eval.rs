//! The interpreter: plain loops in f64.

use crate::graph::Graph;

/// A value in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

/// Why a graph cannot be evaluated on these inputs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

/// The outputs of `graph` for `inputs`, in the graph's order.
///
/// # Errors
/// If the number or a shape of the inputs differs from the graph's.
pub fn eval(graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>, EvalError> {
    let _ = (graph, inputs);
    Err(EvalError("not here yet".into()))
}
