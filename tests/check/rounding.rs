//! Values that cancel: what remains is rounding, which is no fault, however large it is beside the
//! result. Wrong layers beside it are still found.

use resnetc::check::{Check, CheckReport, Finding, Subject};
use resnetc::compile::compile_scheduled;
use resnetc::ir::op::Binary;
use resnetc::ir::{Graph, Op, Patch, Tensor};
use resnetc::passes::{Need, PassSelection};
use resnetc::{Error, Model, Network, Options};

use crate::planted::*;

/// Normalization of the rows of images, and a layer after it.
const NORMALIZED: &str = r#"
    %0 = input : f32[2, 3, 8, 7] "x"
    %1 = reduce_mean(%0) axes=[3] keep_dims "mean"
    %2 = sub(%0, %1) "centred"
    %3 = mul(%2, %2) "square"
    %4 = reduce_mean(%3) axes=[3] keep_dims "variance"
    %5 = constant [1e-5] : f32[] "epsilon"
    %6 = add(%4, %5) "above_zero"
    %7 = sqrt(%6) "deviation"
    %8 = div(%2, %7) "normalized"
    %9 = relu(%8) "positive"
    output "y" = %9"#;

/// Images of one number each, or with a first row that varies.
fn images(varies: bool) -> Tensor {
    let value = |i: usize| match varies && i % 56 < 7 {
        true => (i % 7) as f32 / 7.0 - 0.4,
        false => 0.3 + 0.1 * (i / 56) as f32,
    };
    Tensor::new([2, 3, 8, 7], (0..2 * 3 * 56).map(value).collect()).expect("its size")
}

fn compare(network: &Network, input: Tensor, subject: Subject<'_>) -> CheckReport {
    let inputs = [input];
    let check = Check::new(network, &inputs).expect("inputs").subject(subject);
    check.compare(&mut |_, _| {}).expect("it can be compared")
}

#[test]
fn normalization_of_what_is_constant_is_no_fault() {
    for passes in [PassSelection::All, PassSelection::None] {
        let network = network(NORMALIZED, options().passes(passes));
        for varies in [false, true] {
            let report = compare(&network, images(varies), Subject::default());
            let first = report.first_above();
            assert!(report.passed(), "{varies}: {:?}, {first:?}", report.findings);
        }
        // That needs an explanation.
        let report = compare(&network, images(false), Subject::default());
        let relative = report.outputs[0].difference.relative();
        assert!(relative > report.tolerance, "{relative}");
    }
}

/// Multiplies the result of a layer before compiling.
fn enlarged(mut graph: Graph, options: &Options, layer: &str, by: f32) -> Result<Model, Error> {
    let found = graph
        .topo()
        .into_iter()
        .find(|&n| graph.node(n).name == layer && !matches!(graph.node(n).op, Op::Reorder(_)));
    if let Some(node) = found {
        let n = graph.node(node);
        let (op, layout) = (n.op.clone(), n.ty.layout);
        let operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let mut patch = Patch::new("enlarge");
        let factor = patch.constant("factor", Tensor::scalar(by));
        let right = patch.add("right", op, &operands);
        let wrong = patch.add(layer, Op::Binary(Binary::Mul), &[right, factor]);
        patch.set_layout(right, layout);
        patch.set_layout(wrong, layout);
        patch.replace(node, wrong);
        graph.apply(patch).expect("the shapes stay");
    }
    compile_scheduled(graph, options)
}

#[test]
fn wrong_layers_of_a_normalization_are_found() {
    let network = network(NORMALIZED, options().passes(PassSelection::None));
    for varies in [false, true] {
        for layer in ["mean", "variance", "above_zero", "deviation", "normalized"] {
            let compile = |graph: Graph, options: &Options| enlarged(graph, options, layer, 1.01);
            let subject = Subject { compile: &compile, ..Subject::default() };
            let report = compare(&network, images(varies), subject);
            // Nothing is seen of a factor of what is 0, which the variance is without the first row.
            if !varies && ["variance", "normalized"].contains(&layer) {
                continue;
            }
            assert_eq!(report.findings, [Finding::Layer], "{varies}, {layer}");
            assert_eq!(report.guilty.expect("a layer").layer.name, layer, "{varies}");
        }
    }
}

#[test]
fn a_wrong_pass_after_a_normalization_is_found() {
    let network = network(NORMALIZED, options());
    let steps = wrong_pipeline::<0>(Need::Optional);
    let subject = Subject { pipeline: &steps, ..Subject::default() };
    let report = compare(&network, images(true), subject);
    assert_eq!(report.findings, [Finding::Passes]);
}

/// A difference of two large sums that are nearly equal.
const CANCELLED: &str = r#"
    %0 = input : f32[1, 16, 4, 4] "x"
    %1 = constant [0.1] : f32[] "tenth"
    %2 = mul(%0, %1) "small"
    %3 = constant [1000.0] : f32[] "offset"
    %4 = add(%2, %3) "large"
    %5 = sub(%4, %3) "back"
    %6 = mul(%5, %3) "enlarged"
    output "y" = %6"#;

#[test]
fn a_difference_of_large_numbers_is_as_exact_as_they_are() {
    let network = network(CANCELLED, options().passes(PassSelection::None));
    let value = |i: usize| (i as f32 / 255.0 - 0.5) * 0.01;
    let input = || Tensor::new([1, 16, 4, 4], (0..256).map(value).collect()).expect("its size");
    let report = compare(&network, input(), Subject::default());
    assert!(report.passed(), "{:?}, {:?}", report.findings, report.first_above());
    assert!(report.outputs[0].difference.relative() > 100.0 * report.tolerance);
    // An error above rounding is no rounding.
    for (layer, by) in [("large", 1.00002), ("back", 1.5), ("enlarged", 0.0)] {
        let compile = |graph: Graph, options: &Options| enlarged(graph, options, layer, by);
        let subject = Subject { compile: &compile, ..Subject::default() };
        let report = compare(&network, input(), subject);
        assert!(!report.passed(), "{layer}");
    }
}

/// Writes nothing but zeros.
#[test]
fn a_layer_that_computes_nothing_is_found() {
    let network = network(NORMALIZED, options().passes(PassSelection::None));
    let compile = |graph: Graph, options: &Options| enlarged(graph, options, "normalized", 0.0);
    let subject = Subject { compile: &compile, ..Subject::default() };
    assert_eq!(compare(&network, images(true), subject).findings, [Finding::Layer]);
}
