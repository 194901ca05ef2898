//! The guilty layer as a separate network: it is wrong there, too, and only because of the planted
//! error.

use std::fs;
use std::path::Path;

use resnetc::check::{Case, Check, FINEST, Subject, random_values};
use resnetc::export::onnx::{self, Existing};
use resnetc::ir::op::{Activation, Conv};
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::{Compiler, Network, Options};

use crate::planted::*;

/// Checks a network that is compiled wrongly, and returns the layer that is named.
fn guilty(network: &Network, subject: Subject<'_>) -> Case {
    let inputs = random_values(network.graph(), 1).expect("it is small");
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    let report = check.compare(&mut |_, _| {}).expect("it can be compared");
    let case = report.guilty.expect("a guilty layer").case;
    assert!(check.reproduces(&case).expect("it can be checked"));
    let right = Check::new(network, &inputs).expect("inputs");
    assert!(!right.reproduces(&case).expect("it can be checked"), "nothing else is wrong");
    case
}

#[test]
fn a_fused_layer_goes_through_a_file_and_is_still_wrong() {
    let network = fixture("resnet_bottleneck_v1");
    let subject = Subject { compile: &forgets_activation, ..Subject::default() };
    let case = guilty(&network, subject);
    let ops: Vec<&str> = case.graph.topo().iter().map(|&n| case.graph.node(n).op.name()).collect();
    let computed = ops.iter().filter(|op| !["input", "constant"].contains(op));
    assert_eq!(computed.copied().collect::<Vec<_>>(), ["conv", "add", "relu"]);
    assert_eq!(case.inputs.len(), 2);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check");
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("layer.onnx");
    onnx::write(&case.graph, &file, Existing::Replace).expect("it can be written");
    let reread = Compiler::new(options()).load(&file).expect("it can be read");
    let compare = |subject| {
        let check = Check::new(&reread, &case.inputs).expect("inputs").subject(subject);
        check.compare(&mut |_, _| {}).expect("it can be compared")
    };
    assert!(compare(Subject::default()).passed());
    let wrong = compare(subject);
    assert!(!wrong.passed());
    let again = wrong.guilty.expect("a guilty layer").case;
    assert_eq!(again.expected, case.expected);
    assert_eq!(again.found, case.found, "the same kernel on the same values");
}

/// A layer that is extracted, described again and fused again is computed by the same kernel: the
/// result has the same bits.
#[test]
fn a_layer_alone_gives_the_bits_that_it_gives_in_its_network() {
    // With the finest tolerance, rounding makes the first convolution guilty.
    for name in ["resnet_bottleneck_v1", "cifar20_b"] {
        let network = fixture(name);
        let inputs = random_values(network.graph(), 2).expect("it is small");
        let check = Check::new(&network, &inputs).expect("inputs").tolerance(FINEST);
        let report = check.compare(&mut |_, _| {}).expect("it can be compared");
        let case = report.guilty.expect("rounding is above 0").case;
        let alone =
            Compiler::new(options()).graph(case.graph.clone()).expect(name).compile().expect(name);
        let mut context = alone.context().expect("memory");
        for (i, tensor) in case.inputs.iter().enumerate() {
            context.input_mut(i).expect("an input").copy_from_slice(tensor.data());
        }
        alone.run(&mut context).expect("it runs");
        assert_eq!(context.output::<f32>(0).expect("an output"), case.found.data(), "{name}");
    }
}

#[test]
fn a_projection_is_taken_out_with_its_shortcut() {
    let network = fixture("resnet_bottleneck_v15");
    let scheduled = {
        let mut graph = network.graph().clone();
        resnetc::compile::schedule(&mut graph, network.options()).expect("it can be scheduled");
        graph
    };
    let projected = |graph: &Graph, node: NodeId| matches!(&graph.node(node).op, Op::Conv(c) if c.projection.is_some());
    assert!(scheduled.nodes().any(|n| projected(&scheduled, n)), "the network has a projection");
    let compile = |graph: Graph, options: &Options| {
        compile_wrongly(graph, options, |_, _, conv| {
            let limit = Activation::Clip { lo: 0.0, hi: 0.01 };
            conv.projection.is_some().then_some(Conv { activation: limit, ..*conv })
        })
    };
    let case = guilty(&network, Subject { compile: &compile, ..Subject::default() });
    assert_eq!(case.inputs.len(), 2);
    let convs = case.graph.nodes().filter(|&n| matches!(case.graph.node(n).op, Op::Conv(_)));
    assert_eq!(convs.count(), 2);
}
