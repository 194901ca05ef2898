//! Which layer is named.

use resnetc::check::{Check, CheckReport, Finding, Subject, random_values};
use resnetc::compile::compile_scheduled;
use resnetc::ir::op::{Activation, Conv, Unary};
use resnetc::ir::{Graph, NodeId, Op, Patch, Tensor};
use resnetc::passes::{Need, PassSelection, pipeline};
use resnetc::{Error, Model, Network, Options};

use crate::planted::*;

fn compare(network: &Network, subject: Subject<'_>) -> CheckReport {
    let inputs = random_values(network.graph(), 1).expect("it is small");
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    check.compare(&mut |_, _| {}).expect("it can be compared")
}

#[test]
fn what_is_right_passes_and_the_scores_agree() {
    for name in ["cifar14_c", "seresnet", "resnetv2_preact"] {
        let report = compare(&fixture(name), Subject::default());
        assert!(report.passed(), "{name}: {:?}", report.findings);
        assert!(report.guilty.is_none() && report.first_above().is_none(), "{name}");
        let output = &report.outputs[0];
        let classes = output.classes.expect("an output that looks like scores");
        assert_eq!((classes.rows, classes.top1), (output.shape[0], output.shape[0]), "{name}");
        assert!(output.difference.ulp() < 100.0, "{name}: {}", output.difference.ulp());
        let passes = &report.passes[0].difference;
        assert!(passes.largest > 0.0 && passes.relative() < 1e-6, "{name}: {passes:?}");
    }
}

#[test]
fn a_wrong_pass_accuses_no_layer() {
    let network = fixture("resnet_basic_b");
    let steps = wrong_pipeline::<2>(Need::Optional);
    let subject = Subject { pipeline: &steps, ..Subject::default() };
    let report = compare(&network, subject);
    assert_eq!(report.findings, [Finding::Passes]);
    assert!(report.guilty.is_none());
    assert!(report.layers.iter().all(|l| !l.difference.is_above(report.tolerance)));
    let off = report.outputs[0].difference.relative();
    let meaning = report.passes[0].difference.relative();
    assert!(off > 1e-3 && (off - meaning).abs() < 1e-5, "{off} {meaning}");
}

/// Every layer after the wrong one is wrong, too.
#[test]
fn of_all_layers_that_are_off_the_wrong_one_is_named() {
    let network = fixture("resnet_basic_b");
    let graph = {
        let mut graph = network.graph().clone();
        resnetc::compile::schedule(&mut graph, network.options()).expect("it can be scheduled");
        graph
    };
    let convs: Vec<NodeId> =
        graph.topo().into_iter().filter(|&n| matches!(graph.node(n).op, Op::Conv(_))).collect();
    assert!(convs.len() > 4);
    for &conv in convs.iter().step_by(3) {
        let name = &graph.node(conv).name;
        let compile = |graph: Graph, options: &Options| {
            compile_wrongly(graph, options, |graph, node, conv| {
                let limit = Activation::Clip { lo: -0.02, hi: 0.02 };
                let wrong = graph.node(node).name == *name;
                wrong.then_some(Conv { activation: limit, ..*conv })
            })
        };
        let subject = Subject { pipeline: pipeline(), compile: &compile };
        let report = compare(&network, subject);
        assert_eq!(report.findings, [Finding::Layer], "{name}");
        let suspect = report.guilty.as_ref().expect("a guilty layer");
        assert_eq!((&suspect.layer.name, suspect.layer.op), (name, "conv"));
        assert_eq!(suspect.case.found.shape(), graph.node(conv).ty.shape);
        assert_eq!(report.first_above().map(|c| &c.name), Some(name));
    }
}

/// A convolution whose error is within the tolerance, and a subtraction that makes it a hundred
/// times larger.
const AMPLIFIED: &str = r#"
    %0 = input : f32[1, 16, 4, 4] "x"
    %1 = constant fill=0.0625 : f32[16, 16, 1, 1] "mean.weight"
    %2 = conv(%0, %1) kernel=[1, 1] "mean"
    %3 = constant [-0.99] : f32[] "offset"
    %4 = add(%2, %3) "amplified"
    %5 = relu(%4) "relu"
    output "y" = %5"#;

fn slightly_wrong(graph: Graph, options: &Options) -> Result<Model, Error> {
    compile_wrongly(graph, options, |_, _, conv| {
        Some(Conv { activation: Activation::Clip { lo: 0.0, hi: 0.99995 }, ..*conv })
    })
}

#[test]
fn a_layer_that_is_off_by_what_came_before_it_is_not_accused() {
    let network = network(AMPLIFIED, options().passes(PassSelection::None));
    let ones = [Tensor::new([1, 16, 4, 4], vec![1.0; 256]).expect("it fits")];
    let check = |subject| {
        let check = Check::new(&network, &ones).expect("inputs").subject(subject);
        check.compare(&mut |_, _| {}).expect("it can be compared")
    };
    assert!(check(Subject::default()).passed());
    let report = check(Subject { compile: &slightly_wrong, ..Subject::default() });
    assert_eq!(report.first_above().map(|c| c.name.as_str()), Some("amplified"));
    assert_eq!(report.findings, [Finding::Carried]);
    assert!(report.guilty.is_none());
    // With a finer tolerance the convolution itself is wrong, and guilty.
    let subject = Subject { compile: &slightly_wrong, ..Subject::default() };
    let finer = Check::new(&network, &ones).expect("inputs").subject(subject).tolerance(1e-5);
    let report = finer.compare(&mut |_, _| {}).expect("it can be compared");
    assert_eq!(report.guilty.map(|s| s.layer.name), Some("mean".to_owned()));
}

/// Wrong only where a value is not also an output, like a plan that reuses its place too early.
fn overwrites(mut graph: Graph, options: &Options) -> Result<Model, Error> {
    if graph.outputs().len() == 1 && graph.len() > 10 {
        let output = graph.outputs()[0].node;
        let conv = graph.topo().into_iter().find(|&n| graph.node(n).op.name() == "conv");
        let conv = conv.filter(|&n| n != output).expect("a convolution");
        let mut patch = Patch::new("overwrite");
        let clip = Op::Unary(Unary::Clip { lo: 0.0, hi: 0.01 });
        let value = patch.add("overwritten", clip, &[conv.into()]);
        patch.set_layout(value, graph.node(conv).ty.layout);
        patch.replace(conv, value);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

#[test]
fn a_network_that_is_wrong_only_as_it_stands_accuses_the_places() {
    let network = fixture("resnet_basic_b");
    let report = compare(&network, Subject { compile: &overwrites, ..Subject::default() });
    assert_eq!(report.findings, [Finding::Places]);
    assert!(report.guilty.is_none());
}

#[test]
fn reports_are_data() {
    let network = fixture("cifar14_c");
    let subject = Subject { compile: &wrong_everywhere, ..Subject::default() };
    let json = serde_json::to_value(compare(&network, subject)).expect("plain data");
    assert_eq!(json["findings"], serde_json::json!(["layer"]));
    assert_eq!(json["guilty"]["op"], "conv");
    for value in [&json["guilty"], &json["layers"][1], &json["outputs"][0], &json["passes"][0]] {
        for key in ["name", "op", "shape", "max_abs", "relative", "ulp", "largest"] {
            assert!(!value[key].is_null(), "{key}: {value}");
        }
    }
    assert_eq!(json["outputs"][0]["classes"]["rows"], 1);
}

#[test]
fn wrong_inputs_are_refused() {
    let network = fixture("cifar14_c");
    let refused =
        |inputs: &[Tensor]| Check::new(&network, inputs).expect_err("wrong inputs").to_string();
    assert!(refused(&[]).contains("[1, 3, 32, 32]"));
    assert!(refused(&[Tensor::vector(vec![0.0; 3072])]).contains("[3072]"));
}
