//! Random graphs have the same meaning before and after every single pass and after the whole
//! pipeline.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use resnetc::passes::{
    Pass, PassOptions, PassSelection, PipelineStep, Remarks, Verify, pipeline, run, run_pass,
};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{Binary, Conv, ConvGradient, Pool, SliceAxis, Unary, Window};
use resnetc_ir::quantized::LEAST_STEP;
use resnetc_ir::{Expression, Graph, NodeId, Op, Tensor};

use crate::examples::all;
use resnetc_testing::bound::{OutputBound, bounds};
use resnetc_testing::close::is_close;
use resnetc_testing::random_graph::{RandomGraph, random_graph, random_integer_graph};

/// Passes that compute no constants and reorder no sum: the interpreter must agree bit for bit.
pub(crate) const EXACT: &[&str] = &[
    "cse",
    "dead_code",
    "fuse_activation",
    // On steps that are powers of two; the others have their own tests.
    "fuse_bytes",
    "fuse_channel_sums",
    "fuse_measured",
    "fuse_pointwise",
    "fuse_quantized",
    "fuse_quantizers",
    "fuse_strided_shortcut",
    "layout",
    "measure_ranges",
    "merge_border",
    "remove_identity",
    "split_conv_weights",
    "update_in_place",
];

/// Passes that compute no rounded constants, but make the interpreter add in another order.
pub(crate) const REORDERING: &[&str] = &[
    "cancel_transposes",
    "fuse_residual",
    "lower_conv_source",
    "lower_cross_entropy",
    "merge_pad",
    "merge_scales",
    "reduce_mean_to_pool",
    "ungroup",
];

/// Passes that compute constants and round them once.
const ROUNDING: &[&str] = &[
    "fold_affine",
    "fold_batch_norm",
    "fold_constants",
    "fuse_projection",
    "lower_batch_norm",
    "lower_gemm",
    "merge_affine",
    "merge_branches",
];

/// The minimum percentage of cases that each pass must change.
const SHARE: usize = 4;

const CASES: u32 = 1000;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
}

/// How much outputs may differ.
#[derive(Clone, Copy)]
enum Tolerance {
    Exact,
    Reordered,
    Rounded,
}

fn compare(
    before: &[Value],
    after: &[Value],
    bounds: &[OutputBound],
    tolerance: Tolerance,
) -> Result<(), TestCaseError> {
    for ((before, after), bound) in before.iter().zip(after).zip(bounds) {
        prop_assert_eq!(&before.shape, &after.shape);
        for (i, (x, y)) in before.data.iter().zip(&after.data).enumerate() {
            let limit = match tolerance {
                Tolerance::Exact => 0.0,
                Tolerance::Reordered => bound.magnitude[i] * 1e-12,
                Tolerance::Rounded => bound.tolerance[i],
            };
            prop_assert!(
                is_close(*y, *x, limit),
                "element {i}: {x} became {y}, allowed is {limit}"
            );
        }
    }
    Ok(())
}

/// The outputs of the original graph.
struct Outputs {
    values: Vec<Value>,
    bounds: Vec<OutputBound>,
}

impl Outputs {
    fn of(graph: &Graph, inputs: &[Value]) -> Self {
        let values = eval(graph, inputs).expect("a random graph can be evaluated");
        Outputs { values, bounds: bounds(graph, inputs).expect("its magnitudes can be evaluated") }
    }

    /// Whether the comparison is meaningful: outputs are not mostly zero, and the bound is far
    /// below them.
    fn tell(&self) -> bool {
        let elements = || self.values.iter().flat_map(|v| &v.data);
        let nonzero = elements().filter(|&&x| x != 0.0 && x.is_finite()).count();
        let limits = self.bounds.iter().flat_map(|b| &b.tolerance);
        let sharp = elements().zip(limits).filter(|(x, limit)| **limit < x.abs() * 0.01).count();
        2 * nonzero > elements().count() && 2 * sharp > nonzero
    }
}

/// A graph with things that the generator avoids: a dead operator, a constant computation, a
/// duplicate operator, a repeated border, a quantized convolution and one of a value that a run
/// quantizes.
fn with_waste(random: &RandomGraph) -> Graph {
    let mut graph = random.graph.clone();
    let Some(&input) = graph.inputs().first() else { return graph };
    let mut last: Vec<SliceAxis> = (graph.node(input).ty.shape.iter())
        .map(|&len| SliceAxis { start: 0, step: 1, len })
        .collect();
    last[2] = SliceAxis { start: last[2].len - 1, step: 1, len: 1 };
    let mut add = |name: &str, op: Op, operands: &[NodeId]| {
        graph.add(name, op, operands).expect("it type-checks")
    };
    let dead = add("dead", Op::Identity, &[input]);
    add("deader", Op::Identity, &[dead]);
    let last = add("last", Op::Slice(last), &[input]);
    let joined = add("joined", Op::Concat { axis: 2 }, &[input, last]);
    let window = Window { kernel: [2, 1], ..Window::square(1, 1, 0) };
    let pooled = add("pooled", Op::MaxPool(Pool { window, ceil_mode: false }), &[joined]);
    graph.output("pooled", pooled);
    let [a, b] = [0.75, 0.1].map(|x| graph.constant("", Tensor::scalar(x)));
    for name in ["one", "the same"] {
        let constant = graph.add(name, Op::Binary(Binary::Div), &[a, b]).expect("numbers divide");
        let scaled = graph.add(name, Op::Binary(Binary::Mul), &[input, constant]);
        graph.output(name, scaled.expect("a number broadcasts"));
    }
    add_quantized(&mut graph, input);
    add_measured(&mut graph, input);
    add_training(&mut graph, input);
    graph
}

/// Adds what training steps are made of: gradients of a convolution with groups, sums of functions
/// over channels, a loss, and state.
fn add_training(graph: &mut Graph, image: NodeId) {
    let [n, c, h, w] = graph.node(image).ty.shape[..] else { return };
    let weights = Tensor::new([2 * c, 3, 1, 1], vec![0.5; 6 * c]).expect("as many");
    let weights = graph.constant("", weights);
    let mut add =
        |op: Op, operands: &[NodeId]| graph.add("", op, operands).expect("it type-checks");
    let dy = add(Op::Concat { axis: 1 }, &[image, image]);
    let window = Window::square(1, 1, 0);
    let gradient = ConvGradient { window, groups: 2, image: [h, w] };
    let dx = add(Op::ConvSource(gradient.into()), &[dy, weights]);
    let dw = add(Op::ConvWeights(gradient), &[dy, dx]);
    let magnitude = add(Op::Unary(Unary::Abs), &[image]);
    let sums = Op::ChannelSums(Expression::identity());
    let [first, second] = [image, magnitude].map(|x| add(sums.clone(), &[x]));
    let flat = Op::Reshape { shape: vec![n, c * h * w] };
    let scores = add(flat, &[image]);
    let loss = add(Op::CrossEntropy, &[scores, scores]);
    let pool = Pool { window, ceil_mode: false };
    let next = add(Op::MaxPool(pool), &[image]);
    for (name, node) in [("dw", dw), ("first", first), ("second", second), ("loss", loss)] {
        graph.output(name, node);
    }
    graph.carry(image, next);
}

/// Adds a convolution and a function of a quantized image, with steps that are powers of two.
fn add_quantized(graph: &mut Graph, image: NodeId) {
    let [source, weight, result] =
        [0.5, 0.25, 2.0].map(|step| graph.constant("", Tensor::scalar(step)));
    let channels = graph.node(image).ty.shape[1];
    let weights = Tensor::new([1, channels, 1, 1], vec![3.0; channels]).expect("as many");
    let weights = graph.constant("", weights);
    let mut add =
        |op: Op, operands: &[NodeId]| graph.add("", op, operands).expect("it type-checks");
    let quantized = |add: &mut dyn FnMut(Op, &[NodeId]) -> NodeId, x, step| {
        let steps = add(Op::Binary(Binary::Div), &[x, step]);
        let rounded = add(Op::Unary(Unary::Round), &[steps]);
        add(Op::Unary(Unary::Clip { lo: -128.0, hi: 127.0 }), &[rounded])
    };
    let bytes = quantized(&mut add, image, source);
    let image = add(Op::Binary(Binary::Mul), &[bytes, source]);
    let weights = add(Op::Binary(Binary::Mul), &[weights, weight]);
    let conv = add(Op::Conv(Conv::new(Window::square(1, 1, 0), 1)), &[image, weights]);
    let bytes = quantized(&mut add, conv, result);
    let magnitude = add(Op::Unary(Unary::Abs), &[image]);
    let magnitude = quantized(&mut add, magnitude, result);
    graph.output("quantized", bytes);
    graph.output("magnitude", magnitude);
}

/// Adds a convolution of an image that is quantized by its range, which is 255 quarters: as
/// importers write it.
fn add_measured(graph: &mut Graph, image: NodeId) {
    let mut number = |value: f32| graph.constant("", Tensor::scalar(value));
    let [sign, most_byte, least_step, factor] = [-1.0, 255.0, LEAST_STEP, 0.5].map(&mut number);
    let mut shape = graph.node(image).ty.shape.clone();
    shape[1] = 1;
    let count = shape.iter().product();
    let ends = [-16.0, 47.75].map(|end| {
        let end = Tensor::new(shape.clone(), vec![end; count]).expect("as many");
        graph.constant("", end)
    });
    let channels = graph.node(image).ty.shape[1] + 2;
    let weights = Tensor::new([1, channels, 1, 1], vec![3.0; channels]).expect("as many");
    let weights = graph.constant("", weights);
    let mut add =
        |op: Op, operands: &[NodeId]| graph.add("", op, operands).expect("it type-checks");
    let limited = add(Op::Unary(Unary::Clip { lo: -16.0, hi: 47.75 }), &[image]);
    let x = add(Op::Concat { axis: 1 }, &[limited, ends[0], ends[1]]);
    let negative = add(Op::Binary(Binary::Mul), &[x, sign]);
    let [above, below] = [x, negative].map(|x| {
        let most = add(Op::ReduceMax { axes: vec![0, 1, 2, 3], keep_dims: false }, &[x]);
        add(Op::Unary(Unary::Relu), &[most])
    });
    let range = add(Op::Binary(Binary::Add), &[above, below]);
    let scale = add(Op::Binary(Binary::Div), &[range, most_byte]);
    let scale = add(Op::Binary(Binary::Max), &[scale, least_step]);
    let empty = add(Op::Binary(Binary::Less), &[range, least_step]);
    let scale = add(Op::Binary(Binary::Max), &[scale, empty]);
    let mut rounded = |x| {
        let steps = add(Op::Binary(Binary::Div), &[x, scale]);
        add(Op::Unary(Unary::Round), &[steps])
    };
    let [zero, q] = [below, x].map(&mut rounded);
    let byte = Op::Unary(Unary::Clip { lo: 0.0, hi: 255.0 });
    let zero = add(byte.clone(), &[zero]);
    let q = add(Op::Binary(Binary::Add), &[q, zero]);
    let q = add(byte, &[q]);
    let centred = add(Op::Binary(Binary::Sub), &[q, zero]);
    let conv = add(Op::Conv(Conv::new(Window::square(1, 1, 0), 1)), &[centred, weights]);
    let factor = add(Op::Binary(Binary::Mul), &[scale, factor]);
    let result = add(Op::Binary(Binary::Mul), &[conv, factor]);
    graph.output("measured", result);
}

/// Runs a pass and compares. Returns the outputs afterwards, or `None` if the pass found nothing to
/// do.
fn step(
    graph: &mut Graph,
    pass: &Pass,
    inputs: &[Value],
    before: &[Value],
    bounds: &[OutputBound],
) -> Result<Option<Vec<Value>>, TestCaseError> {
    let fail = |message: String| TestCaseError::fail(format!("{}: {message}", pass.name));
    let remarks = run_pass(graph, pass, Verify::EachPatch).map_err(|e| fail(e.to_string()))?;
    if remarks.count(pass.name) == 0 {
        return Ok(None);
    }
    let tolerance = match pass.name {
        name if EXACT.contains(&name) => Tolerance::Exact,
        name if REORDERING.contains(&name) => Tolerance::Reordered,
        name if ROUNDING.contains(&name) => Tolerance::Rounded,
        name => panic!("{name} is in none of the lists"),
    };
    let after = eval(graph, inputs).map_err(|e| fail(e.to_string()))?;
    compare(before, &after, bounds, tolerance).map_err(|e| fail(e.to_string()))?;
    Ok(Some(after))
}

/// A new pass must say how exact it is; otherwise its rounding would be tolerated by default.
#[test]
fn every_pass_has_a_tolerance() {
    let mut listed: Vec<&str> = [EXACT, REORDERING, ROUNDING].concat();
    listed.sort_unstable();
    let mut passes: Vec<&str> = all().iter().map(|pass| pass.name).collect();
    passes.sort_unstable();
    assert_eq!(listed, passes);
}

/// Each pass on the original graph, and on the result of the passes before it in the pipeline.
#[test]
fn every_pass_keeps_meaning() {
    let fired: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let telling = Cell::new(0);
    let test = |random: RandomGraph| {
        let original = with_waste(&random);
        let inputs = random.inputs();
        let outputs = Outputs::of(&original, &inputs);
        telling.set(telling.get() + usize::from(outputs.tell()));
        let mut seen = BTreeSet::new();
        let (mut graph, mut values) = (original.clone(), outputs.values.clone());
        for PipelineStep { pass, .. } in pipeline() {
            let mut alone = original.clone();
            let result = step(&mut alone, pass, &inputs, &outputs.values, &outputs.bounds)?;
            let in_turn = step(&mut graph, pass, &inputs, &values, &outputs.bounds)?;
            if result.is_some() || in_turn.is_some() {
                seen.insert(pass.name);
            }
            values = in_turn.unwrap_or(values);
        }
        for pass in seen {
            *fired.borrow_mut().entry(pass).or_default() += 1;
        }
        Ok(())
    };
    runner(CASES).run(&random_graph(2..10), test).unwrap_or_else(|e| panic!("{e}"));
    let count = |pass: &Pass| fired.borrow().get(pass.name).copied().unwrap_or(0);
    let counts: Vec<_> = all().iter().map(|pass| (pass.name, count(pass))).collect();
    let wanted = CASES as usize * SHARE / 100;
    assert!(counts.iter().all(|&(_, n)| n >= wanted), "{wanted} wanted of each: {counts:?}");
    assert!(telling.get() > CASES as usize / 2, "only {} cases tell something", telling.get());
}

/// A node only represents nodes of the description, and every output of the description is
/// represented by the node that computes it now. Changes of layout represent nothing: they are
/// looked through.
fn check_origins(before: &Graph, after: &Graph, remarks: &Remarks) -> Result<(), TestCaseError> {
    for node in after.nodes() {
        for origin in remarks.origins.of(node) {
            prop_assert!(before.contains(origin), "{node} stands for {origin}");
        }
    }
    for (described, output) in before.outputs().iter().zip(after.outputs()) {
        let mut node = output.node;
        while matches!(after.node(node).op, Op::Reorder(_)) {
            node = after.operand(node, 0).expect("a reorder has an operand");
        }
        let is_constant = before.constant_of(described.node).is_some();
        let found = remarks.origins.of(node).any(|origin| origin == described.node);
        prop_assert!(is_constant || found, "{node} does not stand for {}", described.node);
    }
    Ok(())
}

#[test]
fn the_pipeline_keeps_meaning() {
    let telling = Cell::new(0);
    let test = |random: RandomGraph| {
        let inputs = random.inputs();
        let outputs = Outputs::of(&random.graph, &inputs);
        telling.set(telling.get() + usize::from(outputs.tell()));
        for selection in [PassSelection::All, PassSelection::None] {
            let mut graph = random.graph.clone();
            let options =
                PassOptions { selection, verify: Verify::EachPatch, ..Default::default() };
            let remarks =
                run(&mut graph, &options).map_err(|e| TestCaseError::fail(e.to_string()))?;
            check_origins(&random.graph, &graph, &remarks)?;
            let after = eval(&graph, &inputs).map_err(|e| TestCaseError::fail(e.to_string()))?;
            compare(&outputs.values, &after, &outputs.bounds, Tolerance::Rounded)?;
            crate::layouts::check(&graph)?;
        }
        Ok(())
    };
    runner(CASES).run(&random_graph(2..14), test).unwrap_or_else(|e| panic!("{e}"));
    assert!(telling.get() > CASES as usize / 2, "only {} cases tell something", telling.get());
}

/// Integers have no tolerance: each pass alone and the whole pipeline leave them as they are.
#[test]
fn integers_stay_what_they_are() {
    let fired: RefCell<BTreeSet<&str>> = RefCell::default();
    let test = |random: RandomGraph| {
        let inputs = random.inputs();
        let fail = |message: String| TestCaseError::fail(message);
        let before = eval(&random.graph, &inputs).map_err(|e| fail(e.to_string()))?;
        for PipelineStep { pass, .. } in pipeline() {
            let mut alone = random.graph.clone();
            let failed = |e: String| fail(format!("{}: {e}", pass.name));
            let remarks = run_pass(&mut alone, pass, Verify::EachPatch);
            let remarks = remarks.map_err(|e| failed(e.to_string()))?;
            if remarks.count(pass.name) > 0 {
                fired.borrow_mut().insert(pass.name);
                let after = eval(&alone, &inputs).map_err(|e| failed(e.to_string()))?;
                prop_assert_eq!(&before, &after, "{}", pass.name);
            }
        }
        for selection in [PassSelection::All, PassSelection::None] {
            let mut graph = random.graph.clone();
            let options =
                PassOptions { selection, verify: Verify::EachPatch, ..Default::default() };
            run(&mut graph, &options).map_err(|e| fail(e.to_string()))?;
            let after = eval(&graph, &inputs).map_err(|e| fail(e.to_string()))?;
            prop_assert_eq!(&before, &after);
        }
        Ok(())
    };
    runner(CASES).run(&random_integer_graph(2..12), test).unwrap_or_else(|e| panic!("{e}"));
    let fired = fired.into_inner();
    for pass in ["cancel_transposes", "fold_constants", "fuse_activation", "layout", "merge_pad"] {
        assert!(fired.contains(pass), "{pass} has changed nothing: {fired:?}");
    }
}
