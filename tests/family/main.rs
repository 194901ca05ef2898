//! The family of networks: every description against PyTorch's numbers, every built-in name against
//! published ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc::compile::macs;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::spec::{Block, Shortcut, Spec, Weights};
use resnetc::{Compiler, Options};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::tensor::Elements;
use resnetc_ir::{Graph, Tensor};
use resnetc_testing::close::relative_error;

mod published;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// An input, and PyTorch's output for it.
#[derive(Clone)]
struct Case {
    name: String,
    spec: Spec,
    weights: WeightMap,
    input: Tensor,
    output: Tensor,
}

impl Case {
    fn new(name: &str, folder: &Path, spec: Spec, weights: WeightMap) -> Self {
        let io = safetensors::load(&folder.join("io.safetensors")).unwrap();
        let [input, output] = ["input", "output"].map(|key| (*io[key]).clone());
        let mut spec = spec;
        (spec.input.height, spec.input.width) = (input.shape()[2], input.shape()[3]);
        Case { name: name.into(), spec, weights, input, output }
    }

    /// Networks with their own descriptions.
    fn described() -> Vec<Case> {
        let mut folders: Vec<_> = std::fs::read_dir(fixtures().join("family"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        let case = |folder: &PathBuf| {
            let spec = Spec::load(&folder.join("spec.toml")).unwrap();
            let weights = safetensors::load(&folder.join("weights.safetensors")).unwrap();
            Case::new(&folder.file_name().unwrap().to_string_lossy(), folder, spec, weights)
        };
        folders.iter().map(case).collect()
    }

    /// Networks that are ONNX files, described here; their constants have PyTorch's names.
    fn exported() -> Vec<Case> {
        EXPORTED.iter().map(|(name, text)| Case::exported_as(name, text)).collect()
    }

    fn exported_as(name: &str, text: &str) -> Case {
        let folder = fixtures().join(name);
        let options = Options::default().batch(1);
        let network = Compiler::new(options).load(folder.join("model.onnx")).unwrap();
        let graph = network.graph();
        let mut weights = WeightMap::new();
        for id in graph.nodes() {
            if let Some(tensor) = graph.constant_of(id) {
                let (name, shape) = renamed(name, &graph.node(id).name, tensor.shape());
                let tensor = (**tensor).clone().reshaped(shape).unwrap();
                weights.insert(name, Arc::new(tensor));
            }
        }
        let spec = Spec::from_toml(text).unwrap();
        // An exporter adds its own constants.
        let known: Vec<String> = spec.parameters().unwrap().into_iter().map(|p| p.name).collect();
        weights.retain(|name, _| known.contains(&name.replace(".shortcut.", ".downsample.")));
        Case::new(name, &folder, spec, weights)
    }

    fn graph(&self) -> Graph {
        let weights = Weights::Map(self.weights.clone());
        self.spec
            .build(&weights, self.input.shape()[0])
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Largest difference relative to the largest output.
    fn error(&self, got: impl Iterator<Item = f64>) -> f64 {
        relative_error(got, self.output.data().iter().map(|&x| f64::from(x)))
    }
}

/// The names of these two networks for tensors that the descriptions name differently.
fn renamed(network: &str, name: &str, shape: &[usize]) -> (String, Vec<usize>) {
    let mut shape = shape.to_vec();
    let name = match network {
        "highway" => match *name.split('.').collect::<Vec<_>>() {
            ["stem", kind] => format!("conv1.{kind}"),
            ["h", i, kind] => format!("layer1.{i}.conv1.{kind}"),
            ["t", i, kind] => format!("layer1.{i}.gate.{kind}"),
            _ => name.to_owned(),
        },
        "resnetv2_preact" => {
            if name == "fc.weight" {
                shape.extend([1, 1]);
            }
            let mut name = name.replace("stem.weight", "stem.conv.weight");
            for (i, place) in
                ["0.blocks.0", "0.blocks.1", "1.blocks.0", "1.blocks.1"].iter().enumerate()
            {
                name = name.replace(&format!("stages.{i}.norm"), &format!("stages.{place}.norm"));
                name = name.replace(&format!("stages.{i}.conv"), &format!("stages.{place}.conv"));
                name = name.replace(&format!("stages.{i}.down"), &format!("stages.{place}.down"));
            }
            name.replace("downsample.", "downsample.conv.").replace("fc.", "head.fc.")
        }
        _ => name.to_owned(),
    };
    (name, shape)
}

/// The description of each exported network.
const EXPORTED: &[(&str, &str)] = &[
    (
        "cifar14_c",
        "block='basic'\nlayers=[2,2,2]\nchannels=[8,16,32]\nshortcut='C'\nclasses=10\n[stem]\nchannels=8\nkernel=3\nstride=1\npool='none'",
    ),
    (
        "cifar20_a",
        "block='basic'\nlayers=[3,3,3]\nchannels=[8,16,32]\nshortcut='A'\nclasses=10\n[stem]\nchannels=8\nkernel=3\nstride=1\npool='none'",
    ),
    (
        "cifar20_b",
        "block='basic'\nlayers=[3,3,3]\nchannels=[8,16,32]\nclasses=10\n[stem]\nchannels=8\nkernel=3\nstride=1\npool='none'",
    ),
    (
        "highway",
        "block='highway'\nnorm='none'\nlayers=[4]\nchannels=[12]\nclasses=10\n[stem]\nchannels=12\nkernel=3\nstride=1\npool='none'",
    ),
    (
        "plain20",
        "block='basic'\nlayers=[3,3,3]\nchannels=[8,16,32]\nshortcut='none'\nclasses=10\n[stem]\nchannels=8\nkernel=3\nstride=1\npool='none'",
    ),
    ("resnet_basic_b", "block='basic'\nlayers=[2,2,2,2]\nchannels=[8,16,32,64]\nclasses=10"),
    (
        "resnet_bottleneck_v1",
        "block='bottleneck'\nstride_in='1x1'\nlayers=[2,2]\nchannels=[8,16]\nclasses=10\n[stem]\nchannels=8",
    ),
    (
        "resnet_bottleneck_v15",
        "block='bottleneck'\nlayers=[1,2,1,1]\nchannels=[8,16,32,64]\nclasses=10",
    ),
    (
        "resnet_d",
        "block='bottleneck'\nprojection='average_pool'\nlayers=[1,1,1,1]\nchannels=[8,16,32,64]\nclasses=10\n[stem]\nchannels=16\nkernel=3\ndeep=[8,8]",
    ),
    (
        "resnet_dilated",
        "block='basic'\noutput_stride=8\nlayers=[1,1,1,1]\nchannels=[8,16,32,64]\nclasses=10",
    ),
    (
        "resnetblur",
        "block='basic'\ndownsampling='blur'\nlayers=[1,1,1,1]\nchannels=[8,16,32,64]\nclasses=10",
    ),
    (
        "resnetv2_preact",
        "block='bottleneck'\norder='pre'\nlayers=[2,2]\nchannels=[8,16]\nclasses=10\n[stem]\nchannels=16",
    ),
    (
        "resnext",
        "block='bottleneck'\ngroups=4\nwidth_per_group=32\nlayers=[1,1,1,1]\nchannels=[8,16,32,64]\nclasses=10",
    ),
    (
        "seresnet",
        "block='bottleneck'\nattention='se'\nlayers=[1,1,1,1]\nchannels=[8,16,32,64]\nclasses=10",
    ),
    (
        "vgg19_bn",
        "block='conv'\ndownsampling='max_pool'\nlayers=[2,2,4,4,4]\nchannels=[4,8,16,32,32]\nclasses=10\n[head]\nhidden=[64]",
    ),
];

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
