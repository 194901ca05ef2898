//! The networks of the family with PyTorch's weights: a description, its weights, an input, and
//! PyTorch's output for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc::import::safetensors::{self, WeightMap};
use resnetc::spec::{Spec, Weights};
use resnetc::{Compiler, Options};
use resnetc_ir::{Graph, Tensor};

use crate::close::relative_error;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// An input, and PyTorch's output for it.
#[derive(Clone)]
pub struct Case {
    /// Its folder.
    pub name: String,
    /// Its description, for the height and width of the input.
    pub spec: Spec,
    /// Its weights, by the names of the description.
    pub weights: WeightMap,
    /// An input.
    pub input: Tensor,
    /// PyTorch's output.
    pub output: Tensor,
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
    pub fn described() -> Vec<Case> {
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
    pub fn exported() -> Vec<Case> {
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

    /// Its graph, for the input.
    pub fn graph(&self) -> Graph {
        let weights = Weights::Map(self.weights.clone());
        self.spec
            .build(&weights, self.input.shape()[0])
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Largest difference relative to the largest output.
    pub fn error(&self, got: impl Iterator<Item = f64>) -> f64 {
        relative_error(got, self.output.data().iter().map(|&x| f64::from(x)))
    }
}

/// The names of these two networks for tensors that the descriptions name differently.
pub fn renamed(network: &str, name: &str, shape: &[usize]) -> (String, Vec<usize>) {
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
