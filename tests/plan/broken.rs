//! One broken plan for each condition of a correct plan.

use resnetc::PassSelection;
use resnetc::codegen::region::Base;
use resnetc::codegen::vir::Target;
use resnetc::ir::eval::{Value, eval};
use resnetc::ir::op::{Activation, Binary, Conv, Gemm, Op, Pads, Residual, Unary, Window};
use resnetc::ir::text::parse;
use resnetc::ir::{Graph, Layout, NodeId, Tensor};
use resnetc::kernels::Algorithm;
use resnetc::kernels::geometry::{Place, Zero};
use resnetc::kernels::sink::ALIGN;
use resnetc::plan::verify::{PlanError, verify};
use resnetc::plan::{Plan, PlanStep};

use super::planned::Planned;

/// `a * b^T`
const GEMM: Gemm = Gemm {
    alpha: 1.0,
    beta: 1.0,
    transpose_a: false,
    transpose_b: true,
    bias: false,
    activation: Activation::None,
};

/// A convolution of single pixels, and the value that is added to it.
const WITH_RESIDUAL: Conv = Conv {
    window: Window {
        kernel: [1; 2],
        strides: [1; 2],
        dilations: [1; 2],
        pads: Pads { top: 0, left: 0, bottom: 0, right: 0 },
    },
    groups: 1,
    bias: false,
    residual: Some(Residual::PLAIN),
    projection: None,
    activation: Activation::None,
};

fn weights(graph: &mut Graph, shape: &[usize]) -> NodeId {
    let data = (0..shape.iter().product()).map(|i| (i % 5) as f32 - 2.0).collect();
    graph.constant("w", Tensor::new(shape.to_vec(), data).expect("sizes agree"))
}

fn conv(graph: &mut Graph, name: &str, window: Window, operand: NodeId) -> NodeId {
    let [k, c] = [32, graph.node(operand).ty.shape[1]];
    let w = weights(graph, &[k, c, window.kernel[0], window.kernel[1]]);
    let conv = Conv { activation: Activation::Relu, ..Conv::new(window, 1) };
    graph.add(name, Op::Conv(conv), &[operand, w]).expect("valid")
}

/// Two inputs, a block with an identity shortcut, and a classifier, of which two values are
/// outputs. Whole blocks of channels, for which convolutions on tiles keep the range of their
/// results.
pub(crate) fn network() -> Graph {
    let mut graph = Graph::new();
    let g = &mut graph;
    let (x, mask) = (g.input("x", [2, 32, 7, 6]), g.input("mask", [2, 9]));
    let a = conv(g, "a", Window::square(3, 1, 1), x);
    let b = conv(g, "b", Window::square(3, 1, 1), a);
    let w = weights(g, &[32, 32, 1, 1]);
    let c = g.add("c", Op::Conv(WITH_RESIDUAL), &[b, w, a]).expect("valid");
    let d = g.add("d", Op::Unary(Unary::Sigmoid), &[c]).expect("valid");
    let e = conv(g, "e", Window::square(3, 2, 0), d);
    let pool = g.add("pool", Op::GlobalAveragePool, &[e]).expect("valid");
    let flat = g.add("flat", Op::Reshape { shape: vec![2, 32] }, &[pool]).expect("valid");
    let w = weights(g, &[9, 32]);
    let fc = g.add("fc", Op::Gemm(GEMM), &[flat, w]).expect("valid");
    let masked = g.add("masked", Op::Binary(Binary::Mul), &[fc, mask]).expect("valid");
    let y = g.add("y", Op::Softmax { axis: 1 }, &[masked]).expect("valid");
    g.output("y", y);
    g.output("features", flat);
    graph
}

pub(crate) fn fixed(able: &[Algorithm]) -> Algorithm {
    *able.iter().find(|a| a.name() == "fixed_point").unwrap_or(&able[0])
}

fn planned(graph: Graph, target: Target, pick: fn(&[Algorithm]) -> Algorithm) -> Planned {
    let planned = Planned::new(graph, target, PassSelection::All, pick);
    assert_eq!(verify(&planned.graph, &planned.plan), Ok(()));
    planned
}

fn plain() -> Planned {
    planned(network(), Target::AVX2, |able| able[0])
}

/// Breaks the plan. One of the errors must be the expected one; it may cause others.
#[track_caller]
fn refused(planned: &Planned, expected: impl Fn(&PlanError) -> bool, how: impl FnOnce(&mut Plan)) {
    let mut plan = planned.plan.clone();
    how(&mut plan);
    assert_ne!(plan, planned.plan, "nothing was broken");
    let errors = verify(&planned.graph, &plan).expect_err("the plan is broken");
    assert!(errors.iter().any(expected), "{errors:?}");
}

/// The same for an exact error.
#[track_caller]
fn refused_as(planned: &Planned, expected: &PlanError, how: impl FnOnce(&mut Plan)) {
    refused(planned, |error| error == expected, how);
}

fn place(plan: &mut Plan, node: NodeId) -> &mut Place {
    plan.places.get_mut(&node).expect("it has a place")
}

/// Puts a value where another one is, without other changes.
fn put(plan: &mut Plan, node: NodeId, onto: NodeId) {
    place(plan, node).offset = plan.places[&onto].offset;
}

/// Makes a step run in place of an operand.
fn take_place(plan: &mut Plan, at: usize, operand: NodeId) {
    let (node, from) = (plan.steps[at].node, plan.places[&operand].clone());
    plan.steps[at].in_place = Some(operand);
    plan.places.insert(node, from);
}

fn leave_out(plan: &mut Plan, at: usize) {
    plan.steps.remove(at);
}

#[test]
fn what_is_overwritten_before_its_last_reader_is_lost() {
    let p = plain();
    // "c" adds "a", and "b" comes between.
    let (a, b, c) = (p.node("a"), p.node("b"), p.node("c"));
    let lost = PlanError::Lost { step: p.step("c"), node: c, operand: a, by: Some(b) };
    refused_as(&p, &lost, |plan| put(plan, b, a));
}

#[test]
fn what_is_not_computed_before_its_reader_is_lost() {
    let p = plain();
    let (b, c, end) = (p.node("b"), p.node("c"), p.plan.steps.len());
    let lost = |step, node, operand| PlanError::Lost { step, node, operand, by: None };
    let early = lost(p.step("b"), c, b);
    refused_as(&p, &early, |plan| leave_out(plan, p.step("b")));
    refused_as(&p, &early, |plan| plan.steps.swap(p.step("b"), p.step("c")));
    for output in p.graph.outputs().iter().map(|output| output.node) {
        let at = p.plan.steps.iter().position(|step| step.node == output).expect("a step");
        let missing = lost(end - 1, output, output);
        refused_as(&p, &missing, |plan| leave_out(plan, at));
    }
}

#[test]
fn callers_find_inputs_and_outputs_as_they_were() {
    let p = plain();
    let (end, pool) = (p.plan.steps.len(), p.node("pool"));
    let lost = |node, by| PlanError::Lost { step: end, node, operand: node, by: Some(by) };
    for &input in p.graph.inputs() {
        refused_as(&p, &lost(input, pool), |plan| put(plan, pool, input));
    }
    let outputs = [0, 1].map(|i| p.graph.outputs()[i].node);
    let at = |node| p.plan.steps.iter().position(|step| step.node == node);
    let is_in_order = at(outputs[0]) < at(outputs[1]);
    let [first, last] = if is_in_order { outputs } else { [outputs[1], outputs[0]] };
    refused_as(&p, &lost(first, last), |plan| put(plan, last, first));
}

#[test]
fn outputs_do_not_lie_on_inputs() {
    let p = plain();
    for (&input, output) in p.graph.inputs().iter().zip(p.graph.outputs()) {
        let exposed = PlanError::Exposed { node: output.node, input };
        refused_as(&p, &exposed, |plan| put(plan, output.node, input));
    }
    // An input that is directly an output is a different case.
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3]);
    let y = graph.add("y", Op::Unary(Unary::Relu), &[x]).expect("valid");
    graph.output("same", x);
    graph.output("y", y);
    planned(graph, Target::AVX2, |able| able[0]);
}

#[test]
fn a_result_on_what_its_step_reads_is_torn() {
    let p = plain();
    let (a, b, c, d) = (p.node("a"), p.node("b"), p.node("c"), p.node("d"));
    let torn = PlanError::Torn { step: p.step("b"), node: b, operand: a };
    for shift in [0, ALIGN as i64] {
        refused_as(&p, &torn, |plan| {
            put(plan, b, a);
            place(plan, b).offset += shift;
        });
    }
    // A step that runs in place is marked so.
    let at = p.step("d");
    assert_eq!(p.plan.steps[at].in_place, Some(c), "the sigmoid runs in place");
    refused_as(&p, &PlanError::Torn { step: at, node: d, operand: c }, |plan| {
        plan.steps[at].in_place = None;
        plan.steps[at].fill_halo = true;
    });
}

/// A convolution whose source is also its residual, under two names. It cannot run in place: some
/// channels of its result are written before the others have read all channels.
#[test]
fn nothing_runs_in_place_of_what_it_reads_under_another_name() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 40]);
    let w = weights(&mut graph, &[40, 40]);
    let rows = graph.add("rows", Op::Gemm(GEMM), &[x, w]).expect("valid");
    let reshape = Op::Reshape { shape: vec![1, 40, 1, 1] };
    let [source, residual] = ["source", "residual"]
        .map(|name| graph.add(name, reshape.clone(), &[rows]).expect("valid"));
    let w = weights(&mut graph, &[40, 40, 1, 1]);
    let sum = graph.add("sum", Op::Conv(WITH_RESIDUAL), &[source, w, residual]).expect("valid");
    graph.output("y", sum);
    let data: Vec<f32> = (0..40).map(|i| (i % 7) as f32).collect();
    let inputs = [Value::from_f32([1, 40], &data)];
    let expected = eval(&graph, &inputs).expect("evaluates");
    let expected: Vec<u32> = expected[0].data.iter().map(|&x| (x as f32).to_bits()).collect();
    for target in [Target::V128, Target::AVX2, Target::AVX512] {
        // Without the pass that would merge the two names.
        let p = Planned::new(graph.clone(), target, PassSelection::None, |able| able[0]);
        assert_eq!(verify(&p.graph, &p.plan), Ok(()));
        assert_eq!(p.buffer(p.node("source")), p.buffer(p.node("residual")), "both are views");
        let got = p.run(&p.plan, &inputs).expect("it runs");
        assert_eq!(got, [&expected[..], &expected].concat());
        let (at, node) = (p.step("sum"), p.node("sum"));
        let torn = PlanError::Torn { step: at, node, operand: p.node("source") };
        refused_as(&p, &torn, |plan| take_place(plan, at, p.node("residual")));
    }
}

#[test]
fn what_is_not_computed_element_by_element_is_not_computed_in_place() {
    let p = plain();
    // The source of a convolution; a softmax.
    for (name, operand) in [("b", "a"), ("y", "masked")] {
        let (step, node, operand) = (p.step(name), p.node(name), p.node(operand));
        let moved = PlanError::Moved { step, node, operand };
        refused_as(&p, &moved, |plan| take_place(plan, step, operand));
    }
    // A residual that is also the source, under the same name.
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 32, 3, 3]);
    let a = conv(&mut graph, "a", Window::square(1, 1, 0), x);
    let w = weights(&mut graph, &[32, 32, 1, 1]);
    let sum = graph.add("sum", Op::Conv(WITH_RESIDUAL), &[a, w, a]).expect("valid");
    graph.output("y", sum);
    let p = planned(graph, Target::AVX2, |able| able[0]);
    let (step, node, operand) = (p.step("sum"), p.node("sum"), p.node("a"));
    let moved = PlanError::Moved { step, node, operand };
    refused_as(&p, &moved, |plan| take_place(plan, step, operand));
}

#[test]
fn what_takes_over_a_place_stays_there() {
    let p = plain();
    // A residual, a function, a view.
    for (name, operand) in [("c", "a"), ("d", "c"), ("flat", "pool")] {
        let (step, node, operand) = (p.step(name), p.node(name), p.node(operand));
        let how = &p.plan.steps[step];
        assert!(how.in_place == Some(operand) || how.is_view, "{name} takes over a place");
        let moved = PlanError::Moved { step, node, operand };
        refused_as(&p, &moved, |plan| {
            place(plan, node).offset = plan.peak as i64;
            plan.peak *= 2;
        });
        refused_as(&p, &moved, |plan| place(plan, node).geometry.halo.right += 1);
    }
    // An operator that computes something is not a view of its operand, and a constant has no place
    // that could be taken.
    let (step, node, operand) = (p.step("d"), p.node("d"), p.node("c"));
    refused_as(&p, &PlanError::Moved { step, node, operand }, |plan| {
        plan.steps[step].in_place = None;
        plan.steps[step].is_view = true;
    });
    let (step, node) = (p.step("fc"), p.node("fc"));
    let operand = p.graph.operand(node, 1).expect("weights");
    refused_as(&p, &PlanError::Moved { step, node, operand }, |plan| {
        plan.steps[step].in_place = Some(operand);
    });
}

#[test]
fn borders_are_as_wide_as_windows_reach() {
    let p = plain();
    let (a, b) = (p.node("a"), p.node("b"));
    let reach = PlanError::Reach { step: p.step("b"), node: b, operand: a };
    let sides: [fn(&mut Pads) -> &mut usize; 4] =
        [|p| &mut p.top, |p| &mut p.left, |p| &mut p.bottom, |p| &mut p.right];
    for side in sides {
        assert_eq!(*side(&mut p.plan.places[&a].geometry.halo.clone()), 1);
        refused_as(&p, &reach, |plan| *side(&mut place(plan, a).geometry.halo) = 0);
    }
}

/// A shortcut that two convolutions pad with another zero point each: the source, and the sum,
/// which would take its place.
const ZERO_POINTS: &str = r#"
    %0 = input : f32[1, 16, 5, 5] "x"
    %1 = quantize(%0) scale=0.01 to=u8 zero=3 limits=[0, 255] "source"
    %2 = constant seed=1 : i8[16, 16, 3, 3]
    %3 = constant fill=0 : i32[16]
    %4 = constant fill=0.01 : f32[16]
    %5 = quantized_conv(%1, %2, %3, %4) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=3 to=u8 zero=7 limits=[0, 255] "first"
    %6 = quantized_conv(%5, %2, %3, %4, %1) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=7 to=u8 limits=[0, 255] residual_factors=[1, 1] residual_zero=3 sum_to=u8 sum_zero=99 sum_limits=[0, 255] "sum"
    %7 = quantized_conv(%6, %2, %3, %4) kernel=[3, 3] pads=[1, 1, 1, 1] src_zero=99 floats "last"
    output "y" = %7"#;

#[test]
fn borders_are_of_the_zero_point_that_is_read_there() {
    let graph = parse(ZERO_POINTS).expect("valid");
    let inputs = [Value::from(
        &Tensor::new([1, 16, 5, 5], (0..400).map(|i| (i % 83) as f32 / 40.0).collect())
            .expect("as many"),
    )];
    let expected = eval(&graph, &inputs).expect("valid");
    let p = Planned::new(graph, Target::AVX2, PassSelection::All, |able| able[0]);
    let (first, sum) = (p.node("first"), p.node("sum"));
    let source = p.graph.operand(first, 0).expect("in blocks");
    let zero = |node: NodeId| p.plan.places[&node].geometry.zero;
    assert_eq!([source, first, sum].map(zero), [3, 7, 99].map(Zero::Byte));
    let found = p.run(&p.plan, &inputs).expect("it runs");
    let expected: Vec<u32> = expected[0].data.iter().map(|&x| (x as f32).to_bits()).collect();
    assert_eq!(found, [expected.clone(), expected].concat(), "two runs");
    let reach = PlanError::Reach { step: p.step("first"), node: first, operand: source };
    refused_as(&p, &reach, |plan| place(plan, source).geometry.zero = 99.into());
}

/// A measured image, pooled as bytes, around which two convolutions read the zero point.
const MEASURED: &str = r#"
    %0 = input : f32[1, 16, 5, 5] "x"
    %1 = measure(%0) "range"
    %2 = quantize_measured(%0, %1) "source"
    %3 = constant seed=1 : i8[16, 16, 3, 3]
    %4 = constant fill=0.5 : f32[16]
    %5 = quantized_conv(%2, %3, %4, %4, %1) kernel=[3, 3] pads=[1, 1, 1, 1] measured floats "first"
    %6 = max_pool(%2) kernel=[2, 2] "pool"
    %7 = quantized_conv(%6, %3, %4, %4, %1) kernel=[3, 3] pads=[2, 2, 2, 2] measured floats "last"
    output "y" = %5
    output "z" = %7"#;

#[test]
fn borders_are_of_the_zero_point_that_a_run_computes() {
    let graph = parse(MEASURED).expect("valid");
    let data = (0..400).map(|i| (i % 83) as f32 / 40.0 - 0.7).collect();
    let inputs = [Value::from(&Tensor::new([1, 16, 5, 5], data).expect("as many"))];
    let expected = eval(&graph, &inputs).expect("valid");
    let p = Planned::new(graph, Target::AVX2, PassSelection::All, |able| able[0]);
    let [range, first, last] = ["range", "first", "last"].map(|name| p.node(name));
    let [source, pool] = [first, last].map(|conv| p.graph.operand(conv, 0).expect("in blocks"));
    let zero = |node: NodeId| p.plan.places[&node].geometry.zero;
    assert_eq!([source, pool].map(zero), [Zero::Measured(range); 2]);
    let found = p.run(&p.plan, &inputs).expect("it runs");
    let expected: Vec<u32> =
        expected.iter().flat_map(|v| &v.data).map(|&x| (x as f32).to_bits()).collect();
    assert_eq!(found, [expected.clone(), expected].concat(), "two runs");
    let reach = PlanError::Reach { step: p.step("first"), node: first, operand: source };
    refused_as(&p, &reach, |plan| place(plan, source).geometry.zero = 3.into());
    refused_as(&p, &reach, |plan| place(plan, source).geometry.zero = Zero::Measured(source));
    // Steps whose operand it is not read the zero point, too, where they write a border of it.
    for value in [source, pool] {
        assert!(!p.graph.operands(value).contains(&range));
        let step = p.plan.steps.iter().position(|s| s.node == value).expect("a step");
        let torn = PlanError::Torn { step, node: value, operand: range };
        refused_as(&p, &torn, |plan| put(plan, range, value));
    }
}

#[test]
fn borders_are_filled_and_outputs_have_none() {
    let p = plain();
    let (a, at) = (p.node("a"), p.step("a"));
    refused_as(&p, &PlanError::Unfilled { node: a }, |plan| plan.steps[at].fill_halo = false);
    for node in p.graph.outputs().iter().map(|output| output.node) {
        refused_as(&p, &PlanError::Border { node }, |plan| place(plan, node).geometry.halo.top = 1);
    }
}

/// Widens the border of a value that is alone at the end of the arena.
fn widen(plan: &mut Plan, node: NodeId) {
    let end = plan.peak as i64;
    let place = place(plan, node);
    (place.geometry.halo.top, place.offset) = (1, end);
    let bytes = place.geometry.bytes().next_multiple_of(ALIGN);
    plan.peak += bytes;
    let at = plan.steps.iter().position(|step| step.node == node).expect("a step");
    plan.steps[at].fill_halo = true;
}

#[test]
fn borders_are_left_to_those_who_know_of_them() {
    let mut graph = Graph::new();
    let (x, y) = (graph.input("x", [1, 3, 4, 4]), graph.input("y", [1, 3, 2, 2]));
    let turned = Op::Transpose { perm: vec![0, 1, 3, 2] };
    let a = graph.add("a", turned.clone(), &[x]).expect("valid");
    let b = graph.add("b", Op::Unary(Unary::Sqrt), &[x]).expect("valid");
    let product = graph.add("product", Op::MatMul, &[a, b]).expect("valid");
    let root = graph.add("root", Op::Unary(Unary::Sqrt), &[product]).expect("valid");
    let mean = Op::ReduceMean { axes: vec![1], keep_dims: true };
    let mean = graph.add("mean", mean, &[root]).expect("valid");
    let most = Op::ReduceMax { axes: vec![2], keep_dims: true };
    let most = graph.add("most", most, &[mean]).expect("valid");
    let small = graph.add("small", turned, &[y]).expect("valid");
    let shaped = Op::Reshape { shape: vec![1, 2, 2, 3] };
    let shaped = graph.add("shaped", shaped, &[small]).expect("valid");
    for (name, node) in [("most", most), ("shaped", shaped)] {
        let end = graph.add(name.to_owned() + " root", Op::Unary(Unary::Sqrt), &[node]);
        graph.output(name, end.expect("valid"));
    }
    let p = planned(graph, Target::AVX2, |able| able[0]);
    for (name, operand) in [
        ("product", "a"),
        ("product", "b"),
        ("product", "product"),
        ("mean", "mean"),
        ("most", "most"),
        ("shaped", "shaped"),
    ] {
        let (step, node, operand) = (p.step(name), p.node(name), p.node(operand));
        let bordered = PlanError::Bordered { step, node, operand };
        refused_as(&p, &bordered, |plan| {
            plan.steps[step].is_view = false;
            widen(plan, operand);
        });
    }
}

#[test]
fn every_value_has_a_place_of_its_form_inside_the_arena() {
    let p = plain();
    for node in [p.graph.inputs()[0], p.node("b")] {
        let end = (p.plan.peak - p.plan.places[&node].geometry.bytes()) as i64;
        let breaks: [&dyn Fn(&mut Plan); 7] = [
            &|plan| drop(plan.places.remove(&node)),
            &|plan| place(plan, node).base = Base(1),
            &|plan| place(plan, node).offset = end + ALIGN as i64,
            &|plan| place(plan, node).offset = -(ALIGN as i64),
            // No kernel is wrong then, but none is fast.
            &|plan| place(plan, node).offset += 4,
            &|plan| place(plan, node).geometry.ty.shape.reverse(),
            &|plan| {
                let layout = &mut place(plan, node).geometry.ty.layout;
                *layout = if *layout == Layout::Planar { Layout::Blocked } else { Layout::Planar };
            },
        ];
        for how in breaks {
            refused_as(&p, &PlanError::Outside { node }, how);
        }
    }
    // Rows of a matrix have no border.
    let node = p.graph.inputs()[1];
    refused_as(&p, &PlanError::Outside { node }, |plan| place(plan, node).geometry.halo.left = 1);
}

/// The buffer of the only value that a step publishes.
fn published(step: &PlanStep) -> Option<usize> {
    step.published.first().map(|(_, buffer)| *buffer)
}

#[test]
fn what_a_step_has_beside_its_result_is_its_own_while_it_runs() {
    let p = planned(network(), Target::AMX, fixed);
    let [a, b] = ["a", "b"].map(|name| &p.plan.steps[p.step(name)]);
    let [scratch, range, known] =
        [b.scratch, published(b), published(a)].map(|buffer| buffer.expect("it has one"));
    let (a, b, step) = (a.node, b.node, p.step("b"));
    let (torn, at) = (|operand| PlanError::Torn { step, node: b, operand }, &p.plan.buffers);
    let start = |node: NodeId| p.plan.places[&node].offset as usize;
    let moves = [
        (scratch, start(a), a),
        (scratch, start(b), b),
        (scratch, at[known].offset, a),
        (scratch, at[range].offset, b),
        (range, start(a), a),
        (range, start(b), b),
        (range, at[known].offset, a),
        (p.buffer(b), at[known].offset, a),
    ];
    for (buffer, to, operand) in moves {
        refused_as(&p, &torn(operand), |plan| p.move_buffer(plan, buffer, to));
    }
    for buffer in [scratch, range] {
        refused_as(&p, &PlanError::Outside { node: b }, |plan| {
            plan.buffers[buffer].offset = plan.peak;
        });
    }
    refused_as(&p, &PlanError::Outside { node: b }, |plan| {
        plan.steps[step].scratch = Some(plan.buffers.len());
    });
}

/// The published range of "a" is read by two steps; the first one's scratch memory, its result and
/// its range come in between.
#[test]
fn ranges_are_kept_until_their_last_reader() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 32, 6, 6]);
    let a = conv(&mut graph, "a", Window::square(3, 1, 1), x);
    // Two windows, since equal operators are computed once.
    for (name, window) in [("b", Window::square(3, 1, 1)), ("c", Window::square(1, 1, 0))] {
        let other = conv(&mut graph, name, window, a);
        let last = conv(&mut graph, "last", window, other);
        graph.output(name, last);
    }
    let p = planned(graph, Target::AMX, fixed);
    let is_in_order = p.step("b") < p.step("c");
    let [first, second] = if is_in_order { ["b", "c"] } else { ["c", "b"] };
    let steps = [p.step("a"), p.step(first)].map(|at| &p.plan.steps[at]);
    let [known, scratch, range] = [published(steps[0]), steps[1].scratch, published(steps[1])]
        .map(|buffer| buffer.expect("it has one"));
    let [operand, by, node] = ["a", first, second].map(|name| p.node(name));
    let lost = PlanError::Lost { step: p.step(second), node, operand, by: Some(by) };
    let places = [p.plan.buffers[known].offset, p.plan.places[&operand].offset as usize];
    for (over, to) in
        [scratch, range, p.buffer(by)].into_iter().flat_map(|b| places.map(|to| (b, to)))
    {
        refused_as(&p, &lost, |plan| p.move_buffer(plan, over, to));
    }
}
