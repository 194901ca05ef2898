//! Descriptions of networks: what they build, and what is said about wrong ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::spec::{Spec, SpecError, Weights};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Op, Tensor};

const SMALL: &str = "block = 'basic'\nlayers = [1, 1]\nchannels = [4, 8]\nclasses = 3\n\
    [input]\nheight = 16\nwidth = 16\n[stem]\nchannels = 4\nkernel = 3\nstride = 1\nmax_pool = false\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn value(tensor: &Tensor) -> Value {
    Value {
        shape: tensor.shape().to_vec(),
        data: tensor.data().iter().map(|&x| x.into()).collect(),
    }
}

fn small() -> Spec {
    Spec::from_toml(SMALL).unwrap()
}

/// A repeatable picture.
fn picture(graph: &Graph) -> Value {
    let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
    let count = shape.iter().product::<usize>();
    Value { shape, data: (0..count).map(|i| (i as f64 * 0.37).sin() * 1.7).collect() }
}

#[test]
fn fixtures_evaluate_to_the_answer_of_pytorch() {
    for name in ["resnet_basic_b", "resnet_bottleneck_v15", "cifar20_a"] {
        let folder = fixture(name);
        let spec = Spec::load(&folder.join("spec.toml")).unwrap();
        let weights = safetensors::load(&folder.join("weights.safetensors")).unwrap();
        let io = safetensors::load(&folder.join("io.safetensors")).unwrap();
        let (input, want) = (&io["input"], &io["output"]);
        let graph = spec.build(&Weights::Map(weights), input.shape()[0]).unwrap();
        let got = eval(&graph, &[value(input)]).unwrap().remove(0);
        let largest = want.data().iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
        assert!(largest > 0.01 && got.shape == want.shape(), "{name}");
        for (a, &b) in got.data.iter().zip(want.data()) {
            assert!((a - f64::from(b)).abs() <= 1e-6 * largest, "{name}: {a} is not {b}");
        }
    }
}

#[test]
fn built_in_networks_have_the_published_number_of_parameters() {
    let published = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("resnext50_32x4d", 25_028_904),
        ("resnext101_32x8d", 88_791_336),
        ("resnext101_64x4d", 83_455_272),
        ("wide_resnet50_2", 68_883_240),
        ("wide_resnet101_2", 126_886_696),
        ("cifar_resnet20", 269_722),
    ];
    for (name, count) in published {
        assert_eq!(Spec::builtin(name).unwrap().parameter_count().unwrap(), count, "{name}");
    }
    assert!(Spec::builtin("resnet19").is_none());
}

#[test]
fn every_built_in_network_is_within_the_limits() {
    for name in Spec::builtin_names() {
        let spec = Spec::builtin(name).unwrap();
        assert_eq!(spec.name, name);
        assert!(spec.parameters().is_ok(), "{name}");
    }
}

#[test]
fn resnet18_has_the_layers_of_the_paper() {
    let graph = Spec::builtin("resnet18").unwrap().build(&Weights::Random { seed: 0 }, 2).unwrap();
    let count = |f: fn(&Op) -> bool| graph.nodes().filter(|&n| f(&graph.node(n).op)).count();
    assert_eq!(count(|op| matches!(op, Op::Conv(_))), 20);
    assert_eq!(count(|op| matches!(op, Op::BatchNorm { .. })), 20);
    assert_eq!(count(|op| matches!(op, Op::Binary(_))), 8);
    assert_eq!(graph.node(graph.inputs()[0]).ty.shape, [2, 3, 224, 224]);
    let output = &graph.outputs()[0];
    assert_eq!(
        (output.name.as_str(), &graph.node(output.node).ty.shape[..]),
        ("output", &[2, 1000][..])
    );
}

/// Random weights would hide errors if activations died out, and overflow if they grew.
#[test]
fn random_activations_keep_their_size() {
    for (name, least, most) in
        [("resnet152", 0.05, 50.0), ("plain34", 0.01, 50.0), ("cifar_resnet110", 0.05, 50.0)]
    {
        let mut spec = Spec::builtin(name).unwrap();
        (spec.input.height, spec.input.width) = (32, 32);
        let graph = spec.build(&Weights::Random { seed: 7 }, 1).unwrap();
        let output = eval(&graph, &[picture(&graph)]).unwrap().remove(0).data;
        let mean = output.iter().sum::<f64>() / output.len() as f64;
        let deviation =
            (output.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / output.len() as f64).sqrt();
        assert!((least..most).contains(&deviation), "{name}: {deviation}");
    }
}

#[test]
fn random_weights_depend_on_the_seed_only() {
    let spec = small();
    let [a, b, c] = [1, 1, 2].map(|seed| spec.random_weights(seed).unwrap());
    assert_eq!(a, b);
    assert_ne!(a, c);
    // These numbers are the same on every platform.
    assert_eq!(a["conv1.weight"].data()[..3], FIRST);
    assert!(a.values().flat_map(|t| t.data()).all(|x| x.is_finite()));
}

const FIRST: [f32; 3] = [0.15420583, -0.2767862, -0.02722758];

#[test]
fn training_names_are_understood() {
    let spec = small();
    let rename = |(name, tensor): (String, Arc<Tensor>)| {
        let name = name.replace("downsample", "shortcut").replace("fc.", "linear.");
        (format!("module.model.{name}"), tensor)
    };
    let mut weights: WeightMap = spec.random_weights(3).unwrap().into_iter().map(rename).collect();
    weights.insert("module.model.bn1.num_batches_tracked".into(), Arc::new(Tensor::scalar(9.0)));
    let renamed = spec.build(&Weights::Map(weights), 1).unwrap();
    let plain = spec.build(&Weights::Random { seed: 3 }, 1).unwrap();
    let picture = [picture(&plain)];
    assert_eq!(eval(&renamed, &picture).unwrap(), eval(&plain, &picture).unwrap());
}

#[test]
fn all_wrong_weights_are_listed_at_once() {
    let spec = small();
    let mut weights = spec.random_weights(3).unwrap();
    weights.remove("bn1.weight");
    weights.remove("fc.bias");
    weights.insert("head.weight".into(), Arc::new(Tensor::scalar(0.0)));
    weights.insert("module.conv1.weight".into(), Arc::new(Tensor::scalar(0.0)));
    weights.insert("layer1.0.conv1.weight".into(), Arc::new(Tensor::scalar(0.0)));
    let error = spec.build(&Weights::Map(weights), 1).unwrap_err();
    let text = error.to_string();
    let SpecError::Weights { missing, unexpected, wrong_shape } = error else { panic!("{text}") };
    assert_eq!(missing, ["bn1.weight", "fc.bias"]);
    assert_eq!(unexpected.len(), 2, "{unexpected:?}");
    assert_eq!(wrong_shape[0].name, "layer1.0.conv1.weight");
    for part in ["2 missing: bn1.weight, fc.bias", "head.weight", "[4, 4, 3, 3]"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_wrong_text_is_named_with_its_line() {
    for (text, line, part) in [
        ("block = 'basic'\nlayer = [1]\n", 2, "layer"),
        ("block = 'basic'\nlayers = 3\nchannels = [4]\n", 2, "layers"),
        ("block = 'round'\nlayers = [1]\nchannels = [4]\n", 1, "round"),
        ("block = 'basic'\nlayers = [1]\nchannels = [4]\n[stem]\nkernal = 3\n", 5, "kernal"),
    ] {
        let error = Spec::from_toml(text).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(part), "{message}");
        let SpecError::Syntax { line: found, .. } = error else { panic!("{message}") };
        assert_eq!(found, Some(line), "{message}");
    }
    let error = Spec::from_json("{\n\"block\": \"basic\",\n\"size\": 3}").unwrap_err().to_string();
    assert!(error.contains("size") && error.contains("line 3"), "{error}");
    assert!(Spec::from_toml("block = 'basic'\n").unwrap_err().to_string().contains("layers"));
}

#[test]
fn json_and_toml_say_the_same() {
    let spec = small();
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(Spec::from_json(&json).unwrap(), spec);
    let toml = toml::to_string(&spec).unwrap();
    assert_eq!(Spec::from_toml(&toml).unwrap(), spec);
}

#[test]
fn values_out_of_range_name_their_key() {
    type Change = fn(&mut Spec);
    let cases: &[(&str, Change)] = &[
        ("layers", |s| s.layers = vec![]),
        ("layers", |s| s.layers = vec![1, usize::MAX]),
        ("layers", |s| s.layers = vec![0, 1]),
        ("channels", |s| s.channels = vec![4]),
        ("channels", |s| s.channels = vec![4, usize::MAX]),
        ("channels", |s| s.channels = vec![32768, 32768]),
        ("stem.kernel", |s| s.stem.kernel = 4),
        ("stem.stride", |s| s.stem.stride = 0),
        ("stem.channels", |s| s.stem.channels = 0),
        ("classes", |s| s.classes = 0),
        ("groups", |s| s.groups = 2),
        ("input.height", |s| s.input.height = usize::MAX),
        ("norm_epsilon", |s| s.norm_epsilon = f64::NAN),
        ("norm_epsilon", |s| s.norm_epsilon = -1.0),
        ("shortcut", |s| (s.shortcut, s.stem.channels) = (resnetc::spec::Shortcut::A, 64)),
    ];
    for (expected, change) in cases {
        let mut spec = small();
        change(&mut spec);
        match spec.build(&Weights::Random { seed: 0 }, 1).unwrap_err() {
            SpecError::Invalid { key, .. } => assert_eq!(key, *expected),
            other => panic!("{expected}: {other}"),
        }
    }
    for batch in [0, 1 << 40, usize::MAX] {
        assert!(small().build(&Weights::Random { seed: 0 }, batch).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any description gives a graph or an error.
    #[test]
    fn no_description_panics(
        bottleneck in any::<bool>(),
        layers in prop::collection::vec(0usize..4, 0..6),
        channels in prop::collection::vec(prop_oneof![0usize..40, Just(usize::MAX)], 0..6),
        (groups, width) in (0usize..5, prop_oneof![Just(64usize), 0usize..200]),
        (height, kernel, stride) in (0usize..40, 0usize..9, 0usize..4),
        shortcut in 0..4,
    ) {
        use resnetc::spec::{Block, Shortcut};
        let mut spec = small();
        spec.block = if bottleneck { Block::Bottleneck } else { Block::Basic };
        (spec.layers, spec.channels, spec.groups, spec.width_per_group) = (layers, channels, groups, width);
        (spec.input.height, spec.stem.kernel, spec.stem.stride) = (height, kernel, stride);
        spec.shortcut = [Shortcut::A, Shortcut::B, Shortcut::C, Shortcut::None][shortcut as usize];
        match spec.build(&Weights::Random { seed: 1 }, 1) {
            Ok(graph) => verify(&graph).unwrap(),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
