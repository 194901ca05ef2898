//! The family of networks: every description against PyTorch's numbers, every built-in name against
//! published ones.

use std::sync::Arc;

use resnetc::compile::macs;
use resnetc::spec::{Block, Shortcut, Spec, Weights};
use resnetc::{Compiler, Options};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::tensor::Elements;
use resnetc_ir::{Graph, Tensor};
use resnetc_testing::family::Case;

mod published;

/// Both are computed in f64 from f32 weights, and the stored output is rounded to f32.
#[test]
fn descriptions_mean_what_pytorch_computes() {
    let cases = [Case::exported(), Case::described()].concat();
    assert!(cases.len() >= 31);
    for case in &cases {
        let input = Value::from_f32(case.input.shape().to_vec(), case.input.data());
        let got = eval(&case.graph(), &[input]).unwrap().remove(0);
        assert_eq!(got.shape, case.output.shape(), "{}", case.name);
        let error = case.error(got.data.into_iter());
        assert!(error <= 1e-6, "{}: {error:e}", case.name);
    }
}

#[test]
fn built_in_networks_have_the_published_number_of_parameters() {
    for &(name, count) in published::PARAMETERS {
        assert_eq!(Spec::builtin(name).unwrap().parameter_count().unwrap(), count, "{name}");
    }
    for name in Spec::builtin_names() {
        assert!(
            published::PARAMETERS.iter().any(|p| p.0 == name),
            "{name} has no published number"
        );
    }
}

/// Tensors without numbers.
struct Nothing;

impl Elements for Nothing {
    fn read(&self, _: usize, out: &mut [f32]) {
        out.fill(0.0);
    }
}

fn without_numbers(spec: &Spec) -> Graph {
    let tensor = |shape: Vec<usize>| Arc::new(Tensor::deferred(shape, Arc::new(Nothing)).unwrap());
    let weights = spec.parameters().unwrap().into_iter().map(|p| (p.name, tensor(p.shape)));
    spec.build(&Weights::Map(weights.collect()), 1).unwrap()
}

/// Published in billions, with two decimals.
#[test]
fn built_in_networks_have_the_published_number_of_multiply_adds() {
    for &(name, published) in published::MULTIPLY_ADDS {
        let graph = without_numbers(&Spec::builtin(name).unwrap());
        let count: u64 = graph.nodes().map(|node| macs(&graph, node)).sum();
        let count = count as f64 / 1e9;
        assert!((count - published).abs() <= 0.0051, "{name}: {count} for {published}");
    }
}

/// Every name gives a network with as many outputs as it has classes.
#[test]
fn every_built_in_network_can_be_built() {
    for name in Spec::builtin_names() {
        let spec = Spec::builtin(name).unwrap();
        assert_eq!(spec.name, name);
        let graph = without_numbers(&spec);
        resnetc_ir::verify::verify(&graph).unwrap();
        let output = graph.outputs()[0].node;
        assert_eq!(graph.node(output).ty.shape, [1, spec.classes], "{name}");
    }
}

/// The paper's figure 5: a bottleneck between 256 channels, and two 3x3 convolutions with 256
/// channels.
#[test]
fn a_bottleneck_needs_the_weights_that_the_paper_counts() {
    let convolutions = |spec: Spec, block: &str| -> usize {
        let parameters = spec.parameters().unwrap().into_iter();
        let own = parameters.filter(|p| p.name.starts_with(block) && p.name.contains("conv"));
        own.map(|p| p.shape.iter().product::<usize>()).sum()
    };
    let bottleneck = Spec::new(Block::Bottleneck, [2], [64]);
    assert_eq!(convolutions(bottleneck, "layer1.1."), 69_632);
    let basic = Spec::new(Block::Basic, [2], [256]);
    assert_eq!(convolutions(basic, "layer1.1."), 1_179_648);
}

/// Identity shortcuts have no weights, so a plain network has as many as its residual twin with
/// shortcut A.
#[test]
fn shortcuts_without_weights_have_none() {
    for (plain, residual) in [("plain34", "resnet34_a"), ("cifar_plain56", "cifar_resnet56")] {
        let [plain, residual] = [plain, residual].map(|name| Spec::builtin(name).unwrap());
        assert_eq!(residual.shortcut, Shortcut::A);
        assert_eq!(plain.parameters().unwrap().len(), residual.parameters().unwrap().len());
    }
}

/// A quarter of Rust's default stack; a recursion with one call per layer would need more.
const SMALL_STACK: usize = 512 << 10;

/// 1202 layers of few shapes: code is shared by shape, and recursion does not get deeper.
#[test]
fn the_deepest_network_needs_neither_much_code_nor_a_large_stack() {
    let compile = || {
        let options = Options::default().threads(1);
        let network = Compiler::new(options).load("cifar_resnet1202").unwrap();
        let model = network.compile().unwrap();
        let mut cx = model.context().unwrap();
        cx.input_mut::<f32>(0).unwrap().fill(0.5);
        model.run(&mut cx).unwrap();
        assert!(cx.output::<f32>(0).unwrap().iter().all(|x| x.is_finite()));
        (model.report().code_bytes, model.report().kernels)
    };
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(compile).unwrap();
    let (code_bytes, kernels) = thread.join().unwrap();
    // A region of its own for each layer, a few kilobytes; kernels are shared.
    assert!(code_bytes < 6 << 20, "{code_bytes}");
    assert!(kernels < 64, "{kernels}");
}
