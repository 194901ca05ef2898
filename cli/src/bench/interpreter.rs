//! The interpreter as the lowest level: the time of the network without a compiler.

use std::time::{Duration, Instant};

use resnetc::compile::macs;
use resnetc::ir::eval::{Value, eval, eval_each};
use resnetc::ir::{Graph, NodeId, Tensor};
use resnetc::kernels::problem::ConvProblem;
use resnetc::{Network, RunError, check};

use super::agree::results;
use crate::failure::Failure;
use crate::inputs;
use crate::progress::Progress;

/// If it takes longer than this, it runs only on request.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The estimate is based on this convolution, which takes a few milliseconds.
const SAMPLE: &str = "conv n1 c32 h28 w28 k32 r3 s3 st1x1 p1,1,1,1";

/// One run of the interpreter.
pub(super) struct Interpreted {
    pub(super) time: Duration,
    /// Those that are compared.
    pub(super) outputs: Vec<Vec<f64>>,
}

/// Estimates how long it takes for a graph.
pub(super) fn estimate(graph: &Graph) -> Result<Duration, Failure> {
    let broken = |reason: String| Failure::new(format!("bug in timing the interpreter: {reason}"));
    let problem: ConvProblem =
        SAMPLE.parse().map_err(|e| broken(format!("its sample is not a convolution: {e}")))?;
    let weights =
        Tensor::new(problem.weight_shape(), vec![1.0; problem.weight_shape().iter().product()])
            .ok_or_else(|| broken("sizes of its sample differ".to_owned()))?;
    let sample = problem.graph(weights, None).map_err(|e| broken(e.to_string()))?;
    let values: Vec<Value> = check::random_values(&sample, 0)?.iter().map(Value::from).collect();
    let start = Instant::now();
    eval(&sample, &values).map_err(|e| broken(e.to_string()))?;
    Ok(start.elapsed().mul_f64(work(graph) as f64 / work(&sample).max(1) as f64))
}

/// Runs the network as it was described.
pub(super) fn run(network: &Network, seed: u64) -> Result<Interpreted, Failure> {
    let graph = network.graph();
    let inputs = inputs::steady(network, seed)?;
    let values = inputs.iter().map(|tensor| Value::of_tensor(tensor));
    let values = values.collect::<Result<Vec<_>, _>>().map_err(Failure::memory("inputs"))?;
    let mut bar = Progress::new("interpreting", work(graph));
    let mut done = 0;
    let start = Instant::now();
    let outputs = eval_each(graph, &values, &mut |node, _, _| {
        done += node_work(graph, node);
        bar.set(done);
    });
    let time = start.elapsed();
    let outputs = outputs.map_err(RunError::from)?;
    let mut outputs: Vec<_> = outputs.into_iter().map(|value| value.data).collect();
    let outputs = results(graph).into_iter().map(|i| std::mem::take(&mut outputs[i])).collect();
    Ok(Interpreted { time, outputs })
}

/// Multiply-adds and elements of all nodes.
fn work(graph: &Graph) -> u64 {
    graph.nodes().map(|node| node_work(graph, node)).sum()
}

fn node_work(graph: &Graph, node: NodeId) -> u64 {
    macs(graph, node).saturating_add(graph.node(node).ty.elements() as u64)
}
