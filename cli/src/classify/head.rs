//! Which output of a network holds classes, and what its numbers mean, as far as the graph tells.

use clap::ValueEnum;
use resnetc::DType;
use resnetc::ir::op::{Binary, Unary};
use resnetc::ir::{Graph, NodeId, Op};
use serde::Serialize;

use super::ranges::{Cone, Ranges};
use crate::failure::Failure;
use crate::output;
use crate::units::{self, shape};

/// The function that turns a network's numbers into probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    /// Nothing: the numbers as they are
    None,
    /// exp(x) / sum(exp(x)): the classes exclude each other
    Softmax,
    /// 1 / (1 + exp(-x)): each class by itself
    Sigmoid,
    /// exp(x), of logarithms.
    #[value(skip)]
    Exp,
}

/// The output that is taken for classes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Head {
    pub(super) output: String,
    /// The function that remains to be applied to its numbers.
    pub(super) activation: Activation,
    #[serde(skip)]
    pub(crate) index: usize,
    /// How many numbers it has for each picture.
    #[serde(skip)]
    pub(crate) values: usize,
    /// Whether the results are probabilities.
    #[serde(skip)]
    pub(super) is_probability: bool,
    /// The graph's final quantization, which is undone first.
    #[serde(skip)]
    quantized: Affine,
}

/// The function `factor * x + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Affine {
    factor: f64,
    shift: f64,
}

/// What the numbers of an output mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Numbers {
    Probabilities,
    Logarithms,
    /// A vector that is divided by its own length, or normalized otherwise.
    Embedding,
    /// The graph does not say.
    Scores,
}

/// An output of a graph.
struct Output<'a> {
    index: usize,
    name: &'a str,
    node: NodeId,
    shape: &'a [usize],
    dtype: DType,
    /// How many numbers it has for each picture, if they are a list.
    values: Option<usize>,
}

impl Head {
    /// Chooses an output of a graph that takes `batch` pictures, for this many `labels` if there
    /// are any: the only one, or the only one that fits. A choice among several is noted on stderr.
    pub(crate) fn of(
        graph: &Graph,
        batch: usize,
        labels: Option<usize>,
        activation: Option<Activation>,
    ) -> Result<Self, Failure> {
        let outputs = outputs(graph, batch);
        let output = match &outputs[..] {
            [] => return Err(Failure::new("the model has no output")),
            [only] => only,
            _ => chosen(graph, &outputs, labels)?,
        };
        let Some(values) = output.values else { return Err(unfit(output, batch)) };
        let (numbers, quantized) = numbers(graph, output.node);
        let activation = match (activation, numbers) {
            (Some(Activation::Softmax), _) if values == 1 => {
                return Err(Failure::usage(format!(
                    "--activation softmax: {} is one number per picture, whose softmax is always 1",
                    output.name()
                ))
                .help("use sigmoid"));
            }
            (Some(given), _) => given,
            (None, Numbers::Probabilities) => Activation::None,
            (None, Numbers::Logarithms) => Activation::Exp,
            (None, Numbers::Embedding) => return Err(embedding(output)),
            (None, Numbers::Scores) if values == 1 => Activation::Sigmoid,
            (None, Numbers::Scores) => Activation::Softmax,
        };
        Ok(Head {
            output: output.name.to_owned(),
            activation,
            index: output.index,
            values,
            is_probability: activation != Activation::None || numbers == Numbers::Probabilities,
            quantized,
        })
    }

    /// Whether there is one number, the probability of the second of two classes.
    pub(crate) fn is_binary(&self) -> bool {
        self.values == 1 && self.is_probability
    }

    /// How many classes the answers have.
    pub(crate) fn classes(&self) -> usize {
        if self.is_binary() { 2 } else { self.values }
    }

    /// The answer for one picture.
    pub(crate) fn answer(&self, row: &[f32]) -> Answer {
        let Affine { factor, shift } = self.quantized;
        let scores: Vec<f64> = row.iter().map(|&x| (f64::from(x) - shift) / factor).collect();
        let numbers = match self.activation {
            Activation::None => scores.clone(),
            Activation::Exp => scores.iter().map(|x| x.exp()).collect(),
            Activation::Sigmoid => scores.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            Activation::Softmax => softmax(&scores),
        };
        match (&numbers[..], self.is_binary()) {
            (&[p], true) => Answer::new(&[1.0 - p, p], &[1.0 - p, p]),
            _ => Answer::new(&numbers, &scores),
        }
    }
}

/// The answer of a network for a picture.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// One number for each class.
    pub(super) numbers: Vec<f32>,
    /// The classes, the best first.
    pub(crate) order: Vec<usize>,
}

impl Answer {
    /// Whether the answer is valid: NaN names no class.
    pub(crate) fn is_number(&self) -> bool {
        !self.numbers.iter().any(|x| x.is_nan())
    }

    /// Ranks by scores: the probabilities of large scores are all 0 or 1.
    fn new(numbers: &[f64], scores: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        Answer { numbers: numbers.iter().map(|&x| x as f32).collect(), order }
    }
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|&x| (x - greatest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

impl Output<'_> {
    fn name(&self) -> String {
        format!("output \"{}\" {}", units::name(self.name), shape(self.shape))
    }
}

fn outputs(graph: &Graph, batch: usize) -> Vec<Output<'_>> {
    let mut all = Vec::new();
    for (index, output) in graph.outputs().iter().enumerate() {
        let (name, node) = (&output.name[..], output.node);
        let (shape, dtype) = (&graph.node(node).ty.shape[..], output.dtype);
        let values = values(shape, batch).filter(|_| is_number(dtype));
        all.push(Output { index, name, node, shape, dtype, values });
    }
    all
}

/// How many numbers for each picture a value of this shape has, if it is a list: `[N, C]`, with
/// axes of extent 1 anywhere after the first, or without the first if the batch is 1.
fn values(shape: &[usize], batch: usize) -> Option<usize> {
    let rest = match shape {
        [n, rest @ ..] if *n == batch => rest,
        all if batch == 1 => all,
        _ => return None,
    };
    let mut long = rest.iter().copied().filter(|&extent| extent != 1);
    let values = long.next().unwrap_or(1);
    (long.next().is_none() && values > 0).then_some(values)
}

/// Whether elements of a type may be scores. Integers of more than 8 bits are indices of classes or
/// boxes.
fn is_number(dtype: DType) -> bool {
    dtype.is_float() || matches!(dtype, DType::U8 | DType::I8)
}

fn unfit(output: &Output<'_>, batch: usize) -> Failure {
    if !is_number(output.dtype) {
        let (name, dtype) = (output.name(), output.dtype);
        return Failure::new(format!("the model's {name} is {dtype}: it holds no class scores"))
            .help("choose another with --output-name, or export the model without ArgMax or TopK");
    }
    Failure::new(format!(
        "the model's {} is not a list of classes: that is [{batch}, classes], apart from axes of extent 1",
        output.name()
    ))
    .help("a detector or a segmentation network gives more than one answer per picture; `resnetc run` gives all values")
}

fn embedding(output: &Output<'_>) -> Failure {
    Failure::new(format!(
        "the model's {} is not a list of classes: it is normalized by its own values, as embeddings are",
        output.name()
    ))
    .help("`resnetc run` gives its values; --activation softmax treats them as classes")
}

fn list(outputs: &[Output<'_>]) -> String {
    let all: Vec<String> =
        outputs.iter().map(|o| format!("\"{}\" {}", units::name(o.name), shape(o.shape))).collect();
    all.join(", ")
}

/// The only output that fits the labels; without labels, the only one with a list of numbers, or
/// the only one of those that the graph restricts to probabilities.
fn chosen<'o, 'g>(
    graph: &Graph,
    outputs: &'o [Output<'g>],
    labels: Option<usize>,
) -> Result<&'o Output<'g>, Failure> {
    let fits = |o: &&Output<'_>| match (o.values, labels) {
        (None, _) => false,
        (Some(_), None) => true,
        // One number distinguishes two classes.
        (Some(1), Some(labels)) => labels <= 2,
        (Some(values), Some(labels)) => values == labels,
    };
    let fitting: Vec<&Output<'_>> = outputs.iter().filter(fits).collect();
    let is_head = |o: &&&Output<'_>| {
        matches!(numbers(graph, o.node).0, Numbers::Probabilities | Numbers::Logarithms)
    };
    let heads: Vec<&&Output<'_>> = fitting.iter().filter(is_head).collect();
    let (output, why) = match (&fitting[..], &heads[..]) {
        ([only], _) if labels.is_some() => (*only, "it has as many classes as there are labels"),
        ([only], _) => (*only, "no other is a list of numbers"),
        (_, [only]) => (**only, "no other holds probabilities"),
        _ => {
            let which = match (labels, fitting.is_empty()) {
                (Some(labels), true) => format!("none of them has {labels} classes"),
                (None, true) => "none of them is a list of classes".to_owned(),
                _ => "more than one may be the classes".to_owned(),
            };
            return Err(Failure::new(format!(
                "the model has the outputs {}: {which}",
                list(outputs)
            ))
            .help("choose one with --output-name, or give its --labels"));
        }
    };
    output::note(&format!(
        "of the outputs {}, \"{}\" is used: {why}",
        list(outputs),
        units::name(output.name)
    ));
    Ok(output)
}

/// What the numbers of a value mean, and how they were quantized.
fn numbers(graph: &Graph, node: NodeId) -> (Numbers, Affine) {
    let mut ranges = Ranges::new(graph);
    let mut walk = Walk { node, affine: Affine { factor: 1.0, shift: 0.0 }, is_rounded: false };
    loop {
        if ranges.of(walk.node).is_unit() {
            return (Numbers::Probabilities, walk.affine);
        }
        if is_log(graph, &mut ranges, walk.node) {
            return (Numbers::Logarithms, walk.affine);
        }
        if !walk.back(graph) {
            break;
        }
    }
    let quantized = if walk.is_rounded { walk.affine } else { Affine { factor: 1.0, shift: 0.0 } };
    (if is_normalized(graph, node) { Numbers::Embedding } else { Numbers::Scores }, quantized)
}

/// A path from an output towards its operands, through operators that rename, round and scale.
struct Walk {
    node: NodeId,
    /// The output as a function of the node's value.
    affine: Affine,
    is_rounded: bool,
}

impl Walk {
    /// Steps one operator back; `false` if it is not one of those.
    fn back(&mut self, graph: &Graph) -> bool {
        let scalar = |id: NodeId| {
            let tensor = graph.constant_of(id)?;
            (tensor.elements() == 1).then(|| f64::from(tensor.data()[0]))
        };
        let Affine { factor, shift } = self.affine;
        let operands = graph.operands(self.node);
        let (node, affine) = match (&graph.node(self.node).op, &operands[..]) {
            (op, &[x]) if renames(op) => (x, self.affine),
            (Op::Unary(Unary::Round), &[x]) => {
                self.is_rounded = true;
                (x, self.affine)
            }
            (Op::Unary(Unary::Clip { .. }), &[x]) => (x, self.affine),
            (Op::Binary(binary), &[a, b]) => match (binary, scalar(a), scalar(b)) {
                (Binary::Add, None, Some(c)) => (a, Affine { factor, shift: shift + factor * c }),
                (Binary::Add, Some(c), None) => (b, Affine { factor, shift: shift + factor * c }),
                (Binary::Sub, None, Some(c)) => (a, Affine { factor, shift: shift - factor * c }),
                (Binary::Mul, None, Some(c)) => (a, Affine { factor: factor * c, shift }),
                (Binary::Mul, Some(c), None) => (b, Affine { factor: factor * c, shift }),
                (Binary::Div, None, Some(c)) => (a, Affine { factor: factor / c, shift }),
                _ => return false,
            },
            _ => return false,
        };
        if !(affine.factor.is_normal() && affine.shift.is_finite()) {
            return false;
        }
        (self.node, self.affine) = (node, affine);
        true
    }
}

fn renames(op: &Op) -> bool {
    matches!(op, Op::Identity | Op::Reshape { .. } | Op::Transpose { .. } | Op::Reorder(_))
}

/// Whether a value is the logarithm of probabilities: as one operator, or as
/// `x - log(sum(exp(x)))`.
fn is_log(graph: &Graph, ranges: &mut Ranges<'_>, node: NodeId) -> bool {
    match (&graph.node(node).op, &graph.operands(node)[..]) {
        (Op::Unary(Unary::Log), &[x]) => ranges.of(x).is_unit(),
        (Op::Binary(Binary::Sub), &[x, log]) => {
            let cone = Cone::of(graph, log, |id| id == x);
            let has = |unary: Unary| cone.nodes().any(|id| graph.node(id).op == Op::Unary(unary));
            cone.reaches(x) && has(Unary::Log) && has(Unary::Exp)
        }
        _ => false,
    }
}

/// Whether a value is a vector divided by a root that is computed from it: its length, or its
/// standard deviation. Constants may scale and shift it afterwards.
fn is_normalized(graph: &Graph, mut node: NodeId) -> bool {
    loop {
        let operands = graph.operands(node);
        let is_constant = |id: NodeId| graph.constant_of(id).is_some();
        node = match (&graph.node(node).op, &operands[..]) {
            (op, &[x]) if renames(op) => x,
            (Op::Binary(Binary::Mul | Binary::Add), &[x, c] | &[c, x])
                if is_constant(c) && !is_constant(x) =>
            {
                x
            }
            (Op::Binary(Binary::Mul | Binary::Div), &[a, b]) => {
                let by = |x: NodeId, root: NodeId| {
                    let cone = Cone::of(graph, root, |id| id == x);
                    cone.reaches(x)
                        && cone.nodes().any(|id| graph.node(id).op == Op::Unary(Unary::Sqrt))
                };
                return by(a, b) || by(b, a);
            }
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranked_where_their_probabilities_vanish() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 4]);
        graph.output("y", x);
        for activation in [None, Some(Activation::Sigmoid), Some(Activation::None)] {
            let head = Head::of(&graph, 1, None, activation).unwrap();
            let answer = head.answer(&[-9000.0, 9000.0, -8000.0, -9001.0]);
            assert_eq!(answer.order, [1, 2, 0, 3], "{activation:?}");
        }
    }

    #[test]
    fn an_output_is_a_list_of_classes_by_its_shape() {
        for (shape, batch, wanted) in [
            (&[2, 10][..], 2, Some(10)),
            (&[2, 10, 1, 1], 2, Some(10)),
            (&[2, 1, 1, 10], 2, Some(10)),
            (&[2, 1], 2, Some(1)),
            (&[2], 2, Some(1)),
            (&[10], 1, Some(10)),
            (&[], 1, Some(1)),
            (&[1, 10, 7, 7], 1, None),
            (&[10], 2, None),
            (&[4, 10], 2, None),
        ] {
            assert_eq!(values(shape, batch), wanted, "{shape:?} of {batch}");
        }
    }
}
