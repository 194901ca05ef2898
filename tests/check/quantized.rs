//! Quantized networks, where a value in the middle between two steps may be rounded to either:
//! correct ones pass, and wrong ones are found with the usual tolerance.

use std::path::PathBuf;

use resnetc::check::{Cause, Check, CheckReport, Finding, Outcome, Subject, random_values};
use resnetc::compile::compile_scheduled;
use resnetc::ir::op::{
    Activation, Binary, Conv, Dequantize, Ending, OnBytes, Quantize, QuantizedConv,
    QuantizedResidual, Requantize, Unary, Window,
};
use resnetc::ir::{Graph, NodeId, Op, Patch, Tensor};
use resnetc::isa::IntegerDot;
use resnetc::passes::{Need, PassSelection};
use resnetc::{Compiler, Error, Model, Network, Options};

use crate::planted::*;

/// Networks of `tests/cases` that round, as exporters and ONNX Runtime write them, some of them
/// channels last.
const ROUNDING: &[&str] = &[
    "onnx_runtime_saved_dynamic",
    "onnx_runtime_saved_qdq",
    "qdq_resnet_d",
    "qoperator_concat",
    "qoperator_leaky",
    "qoperator_se",
    "quantized_pool_1d",
    "quantized_resize_moved",
    "quantized_resize_bytes",
];

fn case(name: &str) -> Network {
    case_with(name, options())
}

fn case_with(name: &str, options: Options) -> Network {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    Compiler::new(options).load(folder.join("model.onnx")).expect(name)
}

fn compare(network: &Network, seed: u64, subject: Subject<'_>) -> CheckReport {
    let inputs = random_values(network.graph(), seed).expect("it is small");
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    check.compare(&mut |_, _| {}).expect("it can be compared")
}

#[test]
fn right_networks_pass_whatever_lies_on_a_tie() {
    for name in ROUNDING {
        let network = case(name);
        for seed in 0..3 {
            let report = compare(&network, seed, Subject::default());
            let first = report.first_above();
            assert!(report.passed(), "{name}, seed {seed}: {:?}, {first:?}", report.findings);
        }
    }
}

/// No byte stands for NaN: a quantizer makes the smallest one of it, and arithmetic on floats keeps
/// it. Neither is to blame.
#[test]
fn nobody_is_blamed_where_nan_is_quantized() {
    for name in ["qdq_resnet_d", "qoperator_concat", "qoperator_leaky", "qoperator_se"] {
        let network = case(name);
        let mut inputs = random_values(network.graph(), 1).expect("it is small");
        for input in &mut inputs {
            let mut data = input.data().to_vec();
            (0..data.len()).step_by(7).for_each(|i| data[i] = f32::NAN);
            *input = Tensor::new(input.shape(), data).expect("as many");
        }
        let check = Check::new(&network, &inputs).expect("inputs");
        let report = check.compare(&mut |_, _| {}).expect("it can be compared");
        let first = report.first_above();
        assert!(report.passed(), "{name}: {:?}, {first:?}", report.findings);
    }
}

/// The scheduled operators of a network that are of one kind.
fn scheduled(network: &Network, kind: impl Fn(&Op) -> bool) -> Vec<String> {
    let mut graph = network.graph().clone();
    resnetc::compile::schedule(&mut graph, network.options()).expect("it can be scheduled");
    let of_kind = graph.topo().into_iter().filter(|&n| kind(&graph.node(n).op));
    of_kind.map(|n| graph.node(n).name.clone()).collect()
}

/// Replaces operators of one name by another operator on the same operands before compiling.
fn compile_instead(
    mut graph: Graph,
    options: &Options,
    other: impl Fn(&str, &Op) -> Option<Op>,
) -> Result<Model, Error> {
    for node in graph.topo() {
        let n = graph.node(node);
        let Some(op) = other(&n.name, &n.op) else { continue };
        let layout = n.ty.layout;
        let mut patch = Patch::new("miscompile");
        let operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let value = patch.add(n.name.clone(), op, &operands);
        patch.set_layout(value, layout);
        patch.replace(node, value);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

/// Errors that a quantized network may have, and where.
fn wrong(op: &Op) -> Option<Op> {
    Some(match op {
        // No rounding at all.
        Op::Unary(Unary::Round) => Op::Unary(Unary::Abs),
        // Half of the range lost.
        Op::Unary(Unary::Clip { lo, hi }) => {
            Op::Unary(Unary::Clip { lo: *lo, hi: f32::midpoint(*lo, *hi) })
        }
        Op::Binary(Binary::Div) => Op::Binary(Binary::Mul),
        Op::Conv(conv) => {
            let limit = Activation::Clip { lo: -20.0, hi: 20.0 };
            Op::Conv(Conv { activation: limit, ..*conv })
        }
        // Steps of another length.
        Op::Quantize(op) => Op::Quantize(Quantize { scale: 1.5 * op.scale, ..*op }),
        Op::Dequantize(op) => Op::Dequantize(Dequantize { scale: 1.5 * op.scale, ..*op }),
        Op::OnBytes(on_bytes) => {
            let from = on_bytes
                .from
                .iter()
                .map(|from| from.map(|from| Dequantize { scale: 1.5 * from.scale, ..from }));
            Op::OnBytes(OnBytes { from: from.collect(), ..on_bytes.clone() })
        }
        Op::QuantizedConv(conv) => {
            let half =
                |bytes: Requantize| Requantize { hi: i32::midpoint(bytes.lo, bytes.hi), ..bytes };
            let ending = match conv.ending {
                Ending::Bytes(bytes) => Ending::Bytes(half(bytes)),
                Ending::Sum(bytes, residual) => {
                    Ending::Sum(bytes, QuantizedResidual { sum: half(residual.sum), ..residual })
                }
                Ending::Floats(_) => Ending::Floats(Activation::Clip { lo: -20.0, hi: 20.0 }),
                Ending::FloatSum(_) => Ending::FloatSum(Activation::Clip { lo: -20.0, hi: 20.0 }),
            };
            Op::QuantizedConv(QuantizedConv { ending, ..*conv })
        }
        _ => return None,
    })
}

#[test]
fn wrong_arithmetic_of_quantized_networks_is_named() {
    let passes = PassSelection::without(["fuse_quantizers", "fuse_quantized", "fuse_bytes"]);
    let found = named(
        &options().passes(passes),
        &[
            |op| matches!(op, Op::Unary(Unary::Round)),
            |op| matches!(op, Op::Unary(Unary::Clip { .. })),
            |op| matches!(op, Op::Binary(Binary::Div)),
            |op| matches!(op, Op::Conv(_)),
        ],
    );
    assert!(found.iter().all(|&n| n > 0), "{found:?}");
}

#[test]
fn wrong_layers_on_bytes_are_named() {
    let found = named(
        &options(),
        &[
            |op| matches!(op, Op::Quantize(_)),
            |op| matches!(op, Op::Dequantize(_)),
            |op| matches!(op, Op::OnBytes(_)),
            |op| matches!(op, Op::QuantizedConv(_)),
        ],
    );
    let dot = options().isa.resolve().expect("it is available").target().dot;
    let expected = if dot >= IntegerDot::Lanes { 4 } else { 3 };
    assert!(found[..expected].iter().all(|&n| n > 0), "{found:?}");
}

/// For each kind of operator, how many wrong ones were named.
fn named(options: &Options, kinds: &[fn(&Op) -> bool]) -> Vec<usize> {
    let mut found = vec![0; kinds.len()];
    for name in ["qdq_resnet_d", "qoperator_se"] {
        let network = case_with(name, options.clone());
        for (kind, found) in kinds.iter().zip(&mut found) {
            let names = scheduled(&network, kind);
            // One node in the middle, and the last one.
            let chosen = [names.len() / 2, names.len().saturating_sub(1)];
            for bad in chosen.into_iter().filter_map(|i| names.get(i)) {
                let compile = |graph: Graph, options: &Options| {
                    compile_instead(graph, options, |name, op| {
                        if name == bad && kind(op) { wrong(op) } else { None }
                    })
                };
                let subject = Subject { compile: &compile, ..Subject::default() };
                let report = compare(&network, 1, subject);
                // A limit that no value reaches may be wrong.
                let Some(guilty) = report.guilty.as_ref() else {
                    assert!(report.passed(), "{name}, {bad}: {:?}", report.findings);
                    continue;
                };
                assert_eq!(report.findings, [Finding::Layer], "{name}, {bad}");
                assert_eq!(guilty.layer.name, *bad, "{name}");
                *found += 1;
            }
        }
    }
    found
}

/// Half a step between two roundings: a value on a tie may go to either side, and no other value
/// may.
const TIES: &str = r#"
    %0 = input : f32[1, 16, 4, 4] "x"
    %1 = relu(%0) "positive"
    %2 = constant [10.0] : f32[] "steps"
    %3 = mul(%1, %2) "scaled"
    %4 = round(%3) "first"
    %5 = constant [0.5] : f32[] "half"
    %6 = mul(%4, %5) "halves"
    %7 = round(%6) "second"
    output "y" = %7"#;

/// Rounds halves up rather than to even, which is still a valid rounding.
fn half_up(graph: Graph, options: &Options) -> Result<Model, Error> {
    shifted(graph, options, 1e-5)
}

/// Adds this much before rounding.
fn shifted(mut graph: Graph, options: &Options, by: f32) -> Result<Model, Error> {
    let of_name = |graph: &Graph, name: &str| -> NodeId {
        graph.topo().into_iter().find(|&n| graph.node(n).name == name).expect("a layer")
    };
    if !graph.topo().into_iter().any(|n| graph.node(n).name == "second") {
        return compile_scheduled(graph, options);
    }
    let node = of_name(&graph, "second");
    let operand = graph.operand(node, 0).expect("an operand");
    let mut patch = Patch::new("shift");
    let shift = patch.constant("shift", resnetc::ir::Tensor::scalar(by));
    let sum = patch.add("shifted", Op::Binary(Binary::Add), &[operand.into(), shift]);
    let value = patch.add("second", Op::Unary(Unary::Round), &[sum]);
    let layout = graph.node(node).ty.layout;
    patch.set_layout(sum, layout);
    patch.set_layout(value, layout);
    patch.replace(node, value);
    graph.apply(patch).expect("the shapes stay");
    compile_scheduled(graph, options)
}

#[test]
fn either_side_of_a_tie_is_right_and_nothing_else() {
    let network = network(TIES, options());
    let report = compare(&network, 1, Subject { compile: &half_up, ..Subject::default() });
    assert!(report.passed(), "{:?}", report.findings);
    let far = |graph: Graph, options: &Options| shifted(graph, options, 0.6);
    let report = compare(&network, 1, Subject { compile: &far, ..Subject::default() });
    assert_eq!(report.findings, [Finding::Layer]);
    assert_eq!(report.guilty.expect("a guilty layer").layer.name, "second");
}

#[test]
fn a_wrong_pass_in_a_quantized_network_is_named() {
    let network = network(&format!("{TIES}\noutput \"z\" = %1"), options());
    let steps = wrong_pipeline::<0>(Need::Optional);
    let subject = Subject { pipeline: &steps, ..Subject::default() };
    let inputs = random_values(network.graph(), 1).expect("it is small");
    let check = Check::new(&network, &inputs).expect("inputs").subject(subject);
    let report = check.compare(&mut |_, _| {}).expect("it can be compared");
    assert_eq!(report.findings, [Finding::Passes]);
    let bisection = check.bisect(&mut |_, _| {}).expect("it can be bisected");
    let Outcome::Patch(patch) = bisection.outcome else { panic!("{:?}", bisection.outcome) };
    assert_eq!((patch.pass, patch.cause), (WRONG, Cause::Pass));
}

#[test]
fn nobody_is_blamed_at_a_tolerance_that_no_f32_can_hold() {
    for name in ["resnet_basic_b", "seresnet"] {
        let network = fixture(name);
        let inputs = random_values(network.graph(), 1).expect("it is small");
        for tolerance in [0.0, 1e-12, 1e-9] {
            let check = Check::new(&network, &inputs).expect("inputs").tolerance(tolerance);
            let report = check.compare(&mut |_, _| {}).expect("it can be compared");
            assert_eq!(report.findings, [Finding::Tolerance], "{name}, {tolerance}");
            assert!(report.guilty.is_none());
            let bisection = check.bisect(&mut |_, _| {}).expect("it can be bisected");
            assert!(matches!(bisection.outcome, Outcome::TooFine), "{:?}", bisection.outcome);
        }
        // Between that and the precision of f32 sums, no pass is blamed for constants in f32.
        let check = Check::new(&network, &inputs).expect("inputs").tolerance(1e-7);
        let report = check.compare(&mut |_, _| {}).expect("it can be compared");
        assert!(!report.findings.contains(&Finding::Passes), "{name}: {:?}", report.findings);
    }
}

/// A convolution whose weights are quantized in the graph, as quantization-aware training leaves
/// them. The largest one is at 127.5 steps, or next to that in f32.
fn weights_quantized_in_the_graph(seed: u32) -> Network {
    let weight = |i: u32| ((i * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.4;
    let weights: Vec<f32> = (0..8 * 4 * 9).map(weight).collect();
    let greatest = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let scale = Tensor::vector(vec![2.0 * greatest / 255.0]);
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 4, 6, 6]);
    let weights = graph.constant("w", Tensor::new([8, 4, 3, 3], weights).expect("its size"));
    let scale = graph.constant("scale", scale);
    let mut add =
        |name: &str, op, operands: &[NodeId]| graph.add(name, op, operands).expect("fits");
    let steps = add("steps", Op::Binary(Binary::Div), &[weights, scale]);
    let rounded = add("rounded", Op::Unary(Unary::Round), &[steps]);
    let weights = add("weights", Op::Binary(Binary::Mul), &[rounded, scale]);
    let y = add("y", Op::Conv(Conv::new(Window::square(3, 1, 0), 1)), &[x, weights]);
    graph.output("y", y);
    Compiler::new(options()).graph(graph).expect("it is a graph")
}

#[test]
fn weights_on_a_tie_are_no_fault() {
    for seed in 0..20 {
        let network = weights_quantized_in_the_graph(seed);
        let report = compare(&network, seed.into(), Subject::default());
        assert!(report.passed(), "seed {seed}: {:?}", report.findings);
    }
}
