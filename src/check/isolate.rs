//! One operator as a separate network, in two equivalent forms.

use std::collections::HashMap;
use std::sync::Arc;

use resnetc_ir::op::{Activation, Binary, Conv, Gemm, PadMode, Residual, SliceAxis, Unary};
use resnetc_ir::{DType, Graph, GraphError, Layout, NodeId, Op, Patch, TensorType};

use super::CheckError;

/// The name of the result.
const OUTPUT: &str = "output";

/// An operator of a graph by itself: computed operands become inputs, constants stay constants.
struct Alone {
    graph: Graph,
    operands: Vec<NodeId>,
}

impl Alone {
    /// A graph with the operands. Computed ones are inputs of f32 that pass through `form` and are
    /// then converted to their type.
    fn new(
        from: &Graph,
        node: NodeId,
        form: impl Fn(&mut Graph, NodeId, NodeId) -> Result<NodeId, CheckError>,
    ) -> Result<Self, CheckError> {
        let mut graph = Graph::new();
        let inputs = inputs_of(from, node);
        let mut made = HashMap::new();
        for (i, &operand) in inputs.iter().enumerate() {
            let name = if inputs.len() == 1 { "input".into() } else { format!("input{i}") };
            let ty = from.node(operand).ty.to_planar();
            let input = graph.input_of(name, TensorType { dtype: DType::F32, ..ty });
            let input = form(&mut graph, operand, input)?;
            made.insert(operand, converted(&mut graph, input, from.node(operand).ty.dtype)?);
        }
        for operand in from.operands(node) {
            if let Some(tensor) = from.constant_of(operand) {
                let name = from.node(operand).name.clone();
                let constant = || graph.constant(name, Arc::clone(tensor));
                made.entry(operand).or_insert_with(constant);
            }
        }
        let operands = from.operands(node).iter().filter_map(|o| made.get(o).copied()).collect();
        Ok(Alone { graph, operands })
    }
}

/// The computed operands of a node, each once: the inputs of its network, in this order.
pub(super) fn inputs_of(graph: &Graph, node: NodeId) -> Vec<NodeId> {
    let mut inputs = Vec::new();
    for operand in graph.operands(node) {
        if graph.constant_of(operand).is_none() && !inputs.contains(&operand) {
            inputs.push(operand);
        }
    }
    inputs
}

/// A node of a scheduled graph as it is, with every operand and the result in the same layout, so
/// that the same kernel computes it.
pub(super) fn scheduled(from: &Graph, node: NodeId) -> Result<Graph, CheckError> {
    let Alone { mut graph, operands } = Alone::new(from, node, |graph, operand, input| {
        let found = from.node(operand);
        match (found.ty.layout, &found.op) {
            // A planar copy can have a border, unlike an input.
            (layout @ Layout::Blocked, _) | (layout, Op::Reorder(_)) => {
                Ok(graph.add("", Op::Reorder(layout), &[input])?)
            }
            (Layout::Planar, _) => Ok(input),
        }
    })?;
    let found = from.node(node);
    let result = graph.add(found.name.clone(), found.op.clone(), &operands)?;
    let mut patch = Patch::new("the layout of the result");
    patch.set_layout(result, found.ty.layout);
    graph.apply(patch)?;
    let output = planar(&mut graph, result)?;
    graph.output(OUTPUT, output);
    Ok(graph)
}

/// The same numbers as elements of another type, in the same layout.
fn converted(graph: &mut Graph, value: NodeId, to: DType) -> Result<NodeId, CheckError> {
    let TensorType { dtype, layout, .. } = graph.node(value).ty;
    if dtype == to {
        return Ok(value);
    }
    let result = graph.add("check", Op::Convert { to }, &[value])?;
    let mut patch = Patch::new("the layout of the operand");
    patch.set_layout(result, layout);
    graph.apply(patch)?;
    Ok(result)
}

/// A value in the form of an output: f32, planar, and without the border that a planar copy may
/// have.
pub(super) fn planar(graph: &mut Graph, value: NodeId) -> Result<NodeId, CheckError> {
    let value = converted(graph, value, DType::F32)?;
    let found = graph.node(value);
    match (found.ty.layout, &found.op) {
        (Layout::Blocked, _) | (_, Op::Reorder(_)) => {
            Ok(graph.add("check", Op::Reorder(Layout::Planar), &[value])?)
        }
        (Layout::Planar, _) => Ok(value),
    }
}

/// A node as a description would have it: without layouts, and with a fused operator split into
/// those from which it was fused. The passes fuse them into the same operator again.
pub(super) fn described(from: &Graph, node: NodeId) -> Result<Graph, CheckError> {
    let Alone { mut graph, operands } = Alone::new(from, node, |_, _, input| Ok(input))?;
    let found = from.node(node);
    let result = match &found.op {
        Op::Conv(conv) => describe_conv(&mut graph, &found.name, conv, &operands)?,
        Op::Gemm(gemm) => {
            let plain = Gemm { activation: Activation::None, ..*gemm };
            let product = graph.add(found.name.clone(), Op::Gemm(plain), &operands)?;
            activate(&mut graph, &found.name, gemm.activation, product)?
        }
        other => graph.add(found.name.clone(), other.clone(), &operands)?,
    };
    let result = converted(&mut graph, result, DType::F32)?;
    graph.output(OUTPUT, result);
    Ok(graph)
}

fn describe_conv(
    graph: &mut Graph,
    name: &str,
    conv: &Conv,
    operands: &[NodeId],
) -> Result<NodeId, GraphError> {
    let plain = Conv { bias: conv.bias, ..Conv::new(conv.window, conv.groups) };
    let mut result = graph.add(name, Op::Conv(plain), &operands[..plain.operand_count()])?;
    let mut shortcut = match (conv.residual, conv.residual_operand()) {
        (Some(residual), Some(i)) => {
            let shape = graph.node(result).ty.shape.clone();
            Some(describe_residual(graph, name, &residual, operands[i], &shape)?)
        }
        _ => None,
    };
    if let (Some(window), Some(first)) = (conv.projection, conv.projected_operand()) {
        let projection = Op::Conv(Conv::new(window, 1));
        shortcut = Some(graph.add(format!("{name}.projection"), projection, &operands[first..])?);
    }
    if let Some(shortcut) = shortcut {
        result = graph.add(format!("{name}.sum"), Op::Binary(Binary::Add), &[result, shortcut])?;
    }
    activate(graph, name, conv.activation, result)
}

/// A residual as a value with the shape of the value to which it is added.
fn describe_residual(
    graph: &mut Graph,
    name: &str,
    residual: &Residual,
    mut value: NodeId,
    shape: &[usize],
) -> Result<NodeId, GraphError> {
    let extents = graph.node(value).ty.shape.clone();
    let steps = [[1; 2], residual.strides].concat();
    if extents[2..] != shape[2..] {
        let axis = |(&extent, &step): (&usize, &usize)| SliceAxis {
            start: 0,
            step: step as isize,
            len: extent.div_ceil(step),
        };
        let axes = extents.iter().zip(&steps).map(axis).collect();
        value = graph.add(format!("{name}.slice"), Op::Slice(axes), &[value])?;
    }
    if extents[1] != shape[1] {
        let before = vec![0, residual.channel, 0, 0];
        let after = vec![0, shape[1] - residual.channel - extents[1], 0, 0];
        let pad = Op::Pad { before, after, mode: PadMode::Constant(0.0) };
        value = graph.add(format!("{name}.pad"), pad, &[value])?;
    }
    Ok(value)
}

fn activate(
    graph: &mut Graph,
    name: &str,
    activation: Activation,
    value: NodeId,
) -> Result<NodeId, GraphError> {
    let op = match activation {
        Activation::None => return Ok(value),
        Activation::Relu => Unary::Relu,
        Activation::Clip { lo, hi } => Unary::Clip { lo, hi },
    };
    graph.add(format!("{name}.activation"), Op::Unary(op), &[value])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use resnetc_ir::eval::{Value, eval, eval_node};
    use resnetc_ir::verify::verify;

    use super::*;
    use crate::check::{Difference, random_values};
    use crate::{Compiler, Options, compile};

    fn scheduled_fixture(name: &str) -> Graph {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let network = Compiler::default().load(folder.join("model.onnx")).expect(name);
        let mut graph = network.graph().clone();
        compile::schedule(&mut graph, &Options::default()).expect(name);
        graph
    }

    /// The operators that are computed, except reorders.
    fn operators(graph: &Graph) -> Vec<NodeId> {
        let is_one = |n: &NodeId| {
            let op = &graph.node(*n).op;
            op.is_computed() && !matches!(op, Op::Reorder(_))
        };
        graph.topo().into_iter().filter(is_one).collect()
    }

    #[test]
    fn an_operator_alone_means_the_same_in_both_forms_and_is_fused_again() {
        // Residuals, a projection that is folded, strided shortcuts, gates, pre-activation.
        for name in
            ["resnet_bottleneck_v1", "cifar20_a", "seresnet", "cifar14_c", "resnetv2_preact"]
        {
            let graph = scheduled_fixture(name);
            for node in operators(&graph) {
                let n = graph.node(node);
                let about = format!("{name}: {} \"{}\"", n.op.name(), n.name);
                let alone = scheduled(&graph, node).expect(&about);
                assert_eq!(verify(&alone), Ok(()), "{about}");
                let described = described(&graph, node).expect(&about);
                let inputs: Vec<Value> =
                    random_values(&described, 3).expect("small").iter().map(Value::from).collect();
                let sources = inputs_of(&graph, node);
                let operand = |o: NodeId| match graph.constant_of(o) {
                    Some(tensor) => Value::from(&**tensor),
                    None => inputs[sources.iter().position(|&s| s == o).expect("an input")].clone(),
                };
                let operands: Vec<Value> = graph.operands(node).into_iter().map(operand).collect();
                let expected = eval_node(&n.op, &operands.iter().collect::<Vec<_>>());
                let expected = expected.expect(&about);
                assert_eq!(eval(&alone, &inputs).expect(&about)[0], expected, "{about}");
                let found = eval(&described, &inputs).expect(&about).remove(0);
                let off = Difference::between(found.data, expected.data);
                // The interpreter adds a shortcut in another order.
                assert!(off.max_abs < 1e-10, "{about}");
                let mut fused = described;
                compile::schedule(&mut fused, &Options::default()).expect(&about);
                assert!(operators(&fused).iter().any(|&f| fused.node(f).op == n.op), "{about}");
            }
        }
    }

    #[test]
    fn an_operand_that_is_used_twice_is_one_input() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 2]);
        let one = graph.constant("one", resnetc_ir::Tensor::scalar(1.0));
        let square = graph.add("square", Op::Binary(Binary::Mul), &[x, x]).expect("it fits");
        let sum = graph.add("sum", Op::Binary(Binary::Add), &[square, one]).expect("it fits");
        graph.output("y", sum);
        assert_eq!(inputs_of(&graph, square), [x]);
        assert_eq!(inputs_of(&graph, sum), [square]);
        let alone = described(&graph, square).expect("it can be");
        assert_eq!(alone.inputs().len(), 1);
        let input = Value::from_f32([1, 2], &[3.0, -4.0]);
        assert_eq!(eval(&alone, &[input]).expect("it can be")[0].data, [9.0, 16.0]);
    }
}
