//! Gradients against central differences, in one random direction of all inputs at once.

use resnetc::gradient::gradients;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::Binary;
use resnetc_ir::random::SplitMix;
use resnetc_ir::{Graph, NodeId, Op, Tensor};

/// What came out of a comparison.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Equal,
    /// The function has a corner here, so that there is no gradient.
    Corner,
    Different {
        gradient: f64,
        difference: f64,
        allowed: f64,
    },
}

/// The steps of the differences, for values of about unit size. A corner between the ends of a large
/// one may be outside of a small one.
const STEPS: [f64; 3] = [1e-5, 1e-6, 1e-7];

/// A number between -1 and 1.
pub(crate) fn number(random: &mut SplitMix) -> f64 {
    (random.draw() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// A value with every element moved a little, so that no two of them are equal.
fn jittered(value: &Value, random: &mut SplitMix) -> Value {
    let data = value.data.iter().map(|x| x + 0.01 * number(random)).collect();
    Value::new(value.shape.clone(), data)
}

/// The graph with an input in place of each constant, and values of all inputs that are near those
/// of the graph.
pub(crate) fn opened(graph: &Graph, inputs: &[Value], seed: u64) -> (Graph, Vec<Value>) {
    let mut open = Graph::new();
    let mut values = inputs.to_vec();
    let mut known = std::collections::HashMap::new();
    for &id in graph.inputs() {
        let node = graph.node(id);
        known.insert(id, open.input_of(node.name.clone(), node.ty.clone()));
    }
    for id in graph.topo() {
        let node = graph.node(id);
        let new = match &node.op {
            Op::Input => continue,
            Op::Constant(_) => {
                values.push(Value::from(&**graph.constant_of(id).expect("its data")));
                open.input_of(node.name.clone(), node.ty.clone())
            }
            op => {
                let operands: Vec<NodeId> = graph.operands(id).iter().map(|o| known[o]).collect();
                open.add(node.name.clone(), op.clone(), &operands).expect("as in the graph")
            }
        };
        known.insert(id, new);
    }
    let mut random = SplitMix(seed);
    let values = values.iter().map(|value| jittered(value, &mut random)).collect();
    for output in graph.outputs() {
        open.output(output.name.clone(), known[&output.node]);
    }
    (open, values)
}

/// Adds the sum of the means of all outputs, each times random weights, so that no two elements
/// count alike.
fn loss(graph: &mut Graph, random: &mut SplitMix) -> NodeId {
    let outputs: Vec<NodeId> = graph.outputs().iter().map(|output| output.node).collect();
    let mut sum = None;
    for output in outputs {
        let shape = graph.node(output).ty.shape.clone();
        let data = (0..shape.iter().product()).map(|_| number(random) as f32).collect();
        let weights = Tensor::new(shape.clone(), data).expect("its shape");
        let weights = graph.constant("weights", weights);
        let mut add = |op, operands: &[NodeId]| graph.add("loss", op, operands).expect("it fits");
        let mut term = add(Op::Binary(Binary::Mul), &[output, weights]);
        if !shape.is_empty() {
            let axes = (0..shape.len()).collect();
            term = add(Op::ReduceMean { axes, keep_dims: false }, &[term]);
        }
        sum = Some(sum.map_or(term, |sum| add(Op::Binary(Binary::Add), &[sum, term])));
    }
    sum.expect("an output")
}

/// Compares the gradient of a graph with respect to all of its inputs.
pub(crate) fn compare(graph: &Graph, values: &[Value], seed: u64) -> Found {
    let mut random = SplitMix(seed);
    let mut number_graph = graph.clone();
    let loss = loss(&mut number_graph, &mut random);
    number_graph.keep_outputs(&[]);
    number_graph.output("loss", loss);
    let mut with_gradients = number_graph.clone();
    let inputs = with_gradients.inputs().to_vec();
    let found = gradients(&mut with_gradients, loss, &inputs).expect("every operator has a rule");
    with_gradients.keep_outputs(&[]);
    found.into_iter().for_each(|gradient| with_gradients.output("gradient", gradient));
    resnetc_ir::verify::verify(&with_gradients).expect("a valid graph");

    let direction: Vec<Value> = values.iter().map(|value| moved(value, &mut random)).collect();
    let at = |t: f64| {
        let along = |(x, v): (&Value, &Value)| {
            let data = x.data.iter().zip(&v.data).map(|(x, v)| x + t * v).collect();
            Value::new(x.shape.clone(), data)
        };
        let moved: Vec<Value> = values.iter().zip(&direction).map(along).collect();
        eval(&number_graph, &moved).expect("it evaluates")[0].data[0]
    };
    let gradients = eval(&with_gradients, values).expect("it evaluates");
    let terms = || {
        let pairs = gradients.iter().zip(&direction);
        pairs.flat_map(|(g, v)| g.data.iter().zip(&v.data).map(|(g, v)| g * v))
    };
    let (gradient, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
    let (level, mut found) = (at(0.0), Found::Equal);
    for step in STEPS {
        let slope = |step: f64| (at(step) - at(-step)) / (2.0 * step);
        let (coarse, difference) = (slope(step), slope(step / 2.0));
        // The error of central differences falls with the square of the step, so that of the finer
        // one is a third of their difference; 2^-24 for numbers in rules, and rounding in f64 over
        // the step.
        let rounding = 1e-13 / step * (1.0 + level.abs());
        let allowed = (coarse - difference).abs() + 1e-6 * size + rounding;
        if (gradient - difference).abs() <= allowed {
            return Found::Equal;
        }
        let [left, right] = [-step, step].map(|step| (at(step) - level) / step);
        found = match (left - right).abs() > 1e-3 * size {
            true => Found::Corner,
            false => Found::Different { gradient, difference, allowed },
        };
    }
    found
}

fn moved(value: &Value, random: &mut SplitMix) -> Value {
    let data = value.data.iter().map(|_| number(random)).collect();
    Value::new(value.shape.clone(), data)
}
