//! The graph on which a layer is timed: several convolutions of the same shape, each with its own
//! weights.
//!
//! In a network a layer finds its source in the cache, where the previous layer has just written
//! it, but its weights have been evicted, because all other layers' weights were read since. A
//! single convolution run repeatedly would find its weights in the cache and favour algorithms that
//! read more of them. So each copy has different weights; and where the shapes allow it, each reads
//! the result of the previous one, so that threads exchange values as they do in a network.

use resnetc_ir::graph::GraphError;
use resnetc_ir::op::{Op, Pool, Window};
use resnetc_ir::{DType, Graph, Layout, NodeId, Tensor, TensorType};

use crate::kernels::problem::ConvProblem;

/// Bytes of weights, as packed for direct convolution, that all copies together should have. Other
/// algorithms' transformed weights are up to four times as large, and all algorithms of a layer are
/// compiled at the same time.
const WEIGHT_BYTES: usize = 8 << 20;

/// Bytes of results that the copies may have, if each has its own result.
const RESULT_BYTES: usize = 64 << 20;

/// Multiply-adds of all copies: a few milliseconds.
const WORK: usize = 1 << 30;

/// The largest number of copies; each has its own code.
const COPIES: usize = 24;

/// How many copies of a layer, whose source has a layout, are timed together.
pub fn count(problem: &ConvProblem, layout: Layout) -> usize {
    let weights: usize = problem.weight_shape().iter().product();
    let work = weights.saturating_mul(pixels(problem));
    let wanted = WEIGHT_BYTES.div_ceil(4 * weights.max(1)).min(WORK / work.max(1));
    let limit = match has_own_result(problem, layout) {
        true => RESULT_BYTES / (4 * pixels(problem) * problem.outputs).max(1),
        false => COPIES,
    };
    wanted.min(limit).clamp(1, COPIES)
}

/// Pixels of the result, over all images.
fn pixels(problem: &ConvProblem) -> usize {
    let [h, w] = problem.result_size();
    problem.batch * h * w
}

/// Whether a copy can read the result of another, which is in blocks.
fn is_chain(problem: &ConvProblem, layout: Layout) -> bool {
    let same_type = problem.factors[0].is_float() && layout == Layout::Blocked;
    same_type && problem.inputs == problem.outputs && problem.size == problem.result_size()
}

/// Whether no other copy reads a copy's result.
fn has_own_result(problem: &ConvProblem, layout: Layout) -> bool {
    !is_chain(problem, layout) && problem.conv.residual.is_none()
}

/// A graph of `count` copies, and the operators that feed them. A planar source is an input.
///
/// # Errors
/// If the shapes do not fit each other.
pub fn graph(problem: &ConvProblem, layout: Layout, count: usize) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let [h, w] = problem.size;
    let [source, weight] = problem.factors;
    let shape = [problem.batch, problem.inputs, h, w];
    let ty = TensorType::of(source, shape);
    let mut src = match layout {
        Layout::Planar => graph.input_of("src", ty),
        Layout::Blocked => written(&mut graph, "src", ty)?,
    };
    let mut residual = None;
    for copy in 0..count {
        let shape = problem.weight_shape();
        let weights =
            graph.constant(format!("weights{copy}"), values(&TensorType::of(weight, shape), copy));
        let mut operands = vec![src, weights];
        if problem.conv.bias {
            let sum = if source.is_float() { source } else { DType::I32 };
            let bias = values(&TensorType::of(sum, [problem.outputs]), copy);
            operands.push(graph.constant(format!("bias{copy}"), bias));
        }
        if problem.conv.residual.is_some() {
            let earlier = match residual {
                Some(earlier) => earlier,
                None => shortcut(&mut graph, problem, &operands)?,
            };
            operands.push(earlier);
        }
        let result = graph.add(format!("copy{copy}"), Op::Conv(problem.conv), &operands)?;
        match is_chain(problem, layout) {
            true => (residual, src) = (Some(src), result),
            false => residual = Some(result),
        }
        if copy + 1 == count || has_own_result(problem, layout) {
            graph.output(format!("result{copy}"), result);
        }
    }
    graph.remove_dead();
    Ok(graph)
}

/// An input followed by an operator that writes it as a layer would: in blocks, with the border
/// that its readers need.
fn written(graph: &mut Graph, name: &str, ty: TensorType) -> Result<NodeId, GraphError> {
    let input = graph.input_of(name, ty);
    let copy = Pool { window: Window::square(1, 1, 0), ceil_mode: false };
    graph.add(format!("{name} written"), Op::MaxPool(copy), &[input])
}

/// The residual operand of the first copy.
fn shortcut(
    graph: &mut Graph,
    problem: &ConvProblem,
    operands: &[NodeId],
) -> Result<NodeId, GraphError> {
    let plain = resnetc_ir::op::Conv { residual: None, ..problem.conv };
    let like = graph.add("like", Op::Conv(plain), operands)?;
    let ty = graph.node(like).ty.clone();
    written(graph, "residual", ty)
}

/// Small numbers, different for each copy. Their magnitude does not matter: no instruction that
/// kernels use takes longer for large numbers or infinities, and denormals are flushed.
fn values(ty: &TensorType, copy: usize) -> Tensor {
    let count = ty.elements();
    let fan_in = (count / ty.shape[0].max(1)).max(1) as f64;
    let scale = if ty.dtype.is_float() { 1.0 / fan_in.sqrt() / 64.0 } else { 1.0 };
    let value = |i: usize| (((i * 37 + copy * 11) % 127) as f64 - 63.0) * scale;
    let data: Vec<f64> = (0..count).map(value).collect();
    // The sizes agree by construction, so the fallback is never taken.
    let tensor = Tensor::from_numbers(ty.dtype, &ty.shape[..], &data);
    tensor.unwrap_or_else(|| Tensor::scalar(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use resnetc_ir::eval::{Value, eval};
    use resnetc_ir::op::{Activation, Conv, Pads, Residual};
    use std::collections::HashSet;

    fn problem(n: [usize; 5], pads: [usize; 4], stride: usize, flags: [bool; 3]) -> ConvProblem {
        let [top, left, bottom, right] = pads;
        let pads = Pads { top, left, bottom, right };
        let window = Window { pads, strides: [stride; 2], ..Window::square(3, 1, 0) };
        let activation = if flags[2] { Activation::Relu } else { Activation::None };
        let conv = Conv {
            bias: flags[0],
            residual: flags[1].then_some(Residual::PLAIN),
            activation,
            ..Conv::new(window, 1)
        };
        // Half of the problems keep the number of channels.
        let outputs = if n[4].is_multiple_of(2) { n[1] } else { n[4] };
        let factors = ConvProblem::FLOATS;
        ConvProblem {
            batch: n[0],
            inputs: n[1],
            size: [n[2] + 2, n[3] + 2],
            outputs,
            factors,
            conv,
        }
    }

    proptest! {
        #[test]
        fn every_copy_is_the_layer_with_weights_of_its_own(
            n in prop::array::uniform5(1usize..7),
            pads in prop::array::uniform4(0usize..3),
            same in any::<bool>(),
            stride in 1usize..3,
            flags: [bool; 3],
            count in 1usize..5,
            planar in any::<bool>(),
        ) {
            let problem = problem(n, if same { [1; 4] } else { pads }, stride, flags);
            let layout = if planar { Layout::Planar } else { Layout::Blocked };
            let graph = graph(&problem, layout, count).expect("a valid problem");
            let convs: Vec<_> = graph.nodes().filter(|&n| ConvProblem::of(&graph, n).is_some()).collect();
            prop_assert_eq!(convs.len(), count);
            let mut weights = HashSet::new();
            for conv in convs {
                prop_assert_eq!(ConvProblem::of(&graph, conv), Some(problem));
                let tensor = graph.operand(conv, 1).and_then(|w| graph.constant_of(w)).expect("a constant");
                weights.insert(tensor.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            }
            prop_assert_eq!(weights.len(), count);
            let results = graph.node(graph.outputs()[0].node).ty.elements();
            prop_assert_eq!(results, pixels(&problem) * problem.outputs);
            let inputs = graph.inputs().iter().map(|&i| graph.node(i).ty.shape.clone());
            let inputs: Vec<Value> =
                inputs.map(|s| Value::from_f32(s.clone(), &vec![1.0; s.iter().product()])).collect();
            let values = eval(&graph, &inputs).expect("evaluates");
            prop_assert!(values.iter().flat_map(|v| &v.data).all(|x| x.is_finite()));
        }

        #[test]
        fn copies_are_bounded_whatever_the_layer(n in prop::array::uniform5(1usize..10_000), flags: [bool; 3]) {
            let problem = problem(n, [1; 4], 1, flags);
            let count = count(&problem, Layout::Blocked);
            prop_assert!((1..=COPIES).contains(&count));
            let weights: usize = problem.weight_shape().iter().product();
            prop_assert!(count == 1 || count * weights * 4 < WEIGHT_BYTES + weights * 4);
            prop_assert!(count == 1 || count * weights * pixels(&problem) <= WORK);
        }
    }
}
