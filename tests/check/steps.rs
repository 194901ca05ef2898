//! Steps of training. Some gradients are sums that cancel, so nothing but rounding is left of them,
//! and some operators make that as large as any value. This is no fault; wrong layers still are.

use resnetc::check::{Check, CheckReport, Finding, Outcome, Subject, network_values};
use resnetc::compile::compile_scheduled;
use resnetc::ir::expression::{Expression, Step, Term};
use resnetc::ir::op::{Binary, Unary};
use resnetc::ir::{Graph, Op, Patch, Tensor};
use resnetc::passes::PassSelection;
use resnetc::spec::{Spec, Weights};
use resnetc::training::{Optimizer, Recipe};
use resnetc::{Error, Model, Network, Options};

use crate::planted::*;

/// The first step of a network of two blocks, with initial weights that are drawn from a seed.
fn step(block: &str, [batch, seed]: [usize; 2], optimizer: Optimizer, options: Options) -> Network {
    let stem = match block.contains("\"conv\"") {
        true => "downsampling = \"max_pool\"",
        false => "stem = { channels = 8, kernel = 3, stride = 1, pool = \"none\" }",
    };
    let spec = format!(
        "{block}\n{stem}\nlayers = [1, 1]\nchannels = [8, 16]\nclasses = 5\n\
         input = {{ channels = 3, height = 16, width = 16 }}"
    );
    let spec = Spec::from_toml(&spec).expect("a spec");
    let recipe = Recipe { optimizer, ..Recipe::new(batch) };
    let weights = spec.initial_weights(seed as u64).expect("they fit into memory");
    recipe.network(&spec, &Weights::Map(weights), options).expect("a step")
}

fn values(network: &Network, seed: usize) -> Vec<Tensor> {
    let values = network_values(network, seed as u64).expect("it is small");
    values.iter().map(|value| (**value).clone()).collect()
}

fn compare(network: &Network, seed: usize, subject: Subject<'_>) -> CheckReport {
    let values = values(network, seed);
    let check = Check::new(network, &values).expect("inputs").subject(subject);
    check.compare(&mut |_, _| {}).expect("it can be compared")
}

/// What batch normalization takes away again has no gradient.
const BIASED: &str = "block = \"conv\"";

/// With one image, the mean of a normalized channel is 0, and a ReLU decides by its sign.
const SQUEEZED: &str = "block = \"basic\"\nattention = \"se\"";

/// Gradients of any size, which AdamW divides by their own magnitudes.
const PLAIN: &str = "block = \"basic\"\nnorm = \"none\"";
const HIGHWAY: &str = "block = \"highway\"";

#[test]
fn what_is_only_rounding_is_no_fault() {
    for (block, [batch, seed], optimizer) in [
        (BIASED, [1, 0], Optimizer::PAPER),
        (BIASED, [1, 0], Optimizer::ADAM_W),
        (SQUEEZED, [1, 0], Optimizer::PAPER),
        (PLAIN, [3, 0], Optimizer::ADAM_W),
        (HIGHWAY, [2, 1], Optimizer::ADAM_W),
    ] {
        for passes in [PassSelection::All, PassSelection::None] {
            let network = step(block, [batch, seed], optimizer, options().passes(passes));
            let report = compare(&network, seed, Subject::default());
            let first = report.first_above();
            assert!(report.passed(), "{block}, {batch}: {:?}, {first:?}", report.findings);
            // That needs an explanation; how close a gradient is to 0 depends on the kernels.
            let layers = report.layers.iter().map(|layer| layer.difference.relative());
            let most = layers.fold(0.0, f64::max);
            assert!(most > report.tolerance || [PLAIN, HIGHWAY].contains(&block), "{block}");
        }
    }
}

#[test]
fn no_pass_is_blamed_for_rounding() {
    let network = step(PLAIN, [3, 0], Optimizer::ADAM_W, options());
    let values = values(&network, 0);
    let check = Check::new(&network, &values).expect("inputs");
    let found = check.bisect(&mut |_, _| {}).expect("it can be bisected");
    assert!(matches!(found.outcome, Outcome::Agrees), "{:?}", found.outcome);
}

/// Compiles another expression for a layer.
fn altered(
    mut graph: Graph,
    options: &Options,
    layer: &str,
    alter: impl Fn(&mut Expression),
) -> Result<Model, Error> {
    let mut patch = Patch::new("alter");
    for node in graph.topo() {
        let n = graph.node(node);
        let mut op = n.op.clone();
        let (Op::Pointwise(expression) | Op::ChannelSums(expression)) = &mut op else { continue };
        if n.name != layer {
            continue;
        }
        alter(expression);
        let operands: Vec<_> = graph.operands(node).into_iter().map(Into::into).collect();
        let wrong = patch.add(layer, op, &operands);
        patch.set_layout(wrong, n.ty.layout);
        patch.replace(node, wrong);
    }
    graph.apply(patch).expect("the shapes stay");
    compile_scheduled(graph, options)
}

/// Adds a thousandth of the magnitude of an expression's result.
fn add_a_thousandth(expression: &mut Expression) {
    let (result, first) = (expression.results[0], expression.steps.len());
    expression.steps.extend([
        Step::Unary(Unary::Abs, result),
        Step::Binary(Binary::Mul, [Term::Step(first), Term::Number(1e-3)]),
        Step::Binary(Binary::Add, [result, Term::Step(first + 1)]),
    ]);
    expression.results[0] = Term::Step(first + 2);
}

#[test]
fn a_sum_that_should_cancel_and_does_not_is_found() {
    for passes in [PassSelection::All, PassSelection::None] {
        let network = step(BIASED, [1, 0], Optimizer::PAPER, options().passes(passes));
        let compile = |graph: Graph, options: &Options| {
            altered(graph, options, "dfeatures.4", add_a_thousandth)
        };
        let report = compare(&network, 0, Subject { compile: &compile, ..Subject::default() });
        assert_eq!(report.findings, [Finding::Layer]);
        assert_eq!(report.guilty.expect("a layer").layer.name, "dfeatures.4");
    }
}

#[test]
fn a_wrong_update_beside_ones_of_rounding_is_found() {
    let network = step(PLAIN, [3, 0], Optimizer::ADAM_W, options());
    let layer = "layer2.0.conv2.weight";
    let compile =
        |graph: Graph, options: &Options| altered(graph, options, layer, add_a_thousandth);
    let report = compare(&network, 0, Subject { compile: &compile, ..Subject::default() });
    assert_eq!(report.findings, [Finding::Layer]);
    assert_eq!(report.guilty.expect("a layer").layer.name, layer);
}

#[test]
fn what_a_network_overwrites_beside_updates_of_rounding_is_found() {
    let network = step(PLAIN, [3, 0], Optimizer::ADAM_W, options());
    let outputs = network.graph().outputs().len();
    let layer = "layer2.0.conv2.weight";
    let compile = |graph: Graph, options: &Options| match graph.outputs().len() == outputs {
        true => altered(graph, options, layer, add_a_thousandth),
        false => compile_scheduled(graph, options),
    };
    let report = compare(&network, 0, Subject { compile: &compile, ..Subject::default() });
    assert_eq!(report.findings, [Finding::Places]);
}
