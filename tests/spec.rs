//! Descriptions of networks: the graphs that they build, and the errors of wrong ones.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::spec::{
    ActivationKind, Attention, Block, Downsampling, Gain, Norm, Order, Projection, Shortcut, Spec,
    SpecErrorKind, StemPool, StrideIn, WeightStandardization, Weights,
};
use resnetc::{Array, Compiler, DType, Error, ErrorCode, Options};
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::text::print;
use resnetc_ir::verify::verify;
use resnetc_ir::{Graph, Op, Tensor};

const SMALL: &str = "block = 'basic'\nlayers = [1, 1]\nchannels = [4, 8]\nclasses = 3\n\
    [input]\nheight = 16\nwidth = 16\n[stem]\nchannels = 4\nkernel = 3\nstride = 1\npool = 'none'\n";

fn small() -> Spec {
    Spec::from_toml(SMALL).unwrap()
}

/// A reproducible image.
fn image(graph: &Graph) -> Value {
    let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
    let count = shape.iter().product::<usize>();
    Value::new(shape, (0..count).map(|i| (i as f64 * 0.37).sin() * 1.7).collect())
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

/// Random weights would hide errors if activations vanished, and overflow if they grew.
#[test]
fn random_activations_keep_their_size() {
    for (name, least, most) in
        [("resnet152", 0.05, 50.0), ("plain34", 0.01, 50.0), ("cifar_resnet110", 0.05, 50.0)]
    {
        let mut spec = Spec::builtin(name).unwrap();
        (spec.input.height, spec.input.width) = (32, 32);
        let graph = spec.build(&Weights::Random { seed: 7 }, 1).unwrap();
        let output = eval(&graph, &[image(&graph)]).unwrap().remove(0).data;
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
    let image = [image(&plain)];
    assert_eq!(eval(&renamed, &image).unwrap(), eval(&plain, &image).unwrap());
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
    let SpecErrorKind::Weights { missing, unexpected, wrong_shape, .. } = *error.kind else {
        panic!("{text}")
    };
    assert_eq!(missing, ["bn1.weight", "fc.bias"]);
    assert_eq!(unexpected.len(), 2, "{unexpected:?}");
    assert_eq!(wrong_shape[0].name, "layer1.0.conv1.weight");
    for part in ["2 missing: bn1.weight, fc.bias", "head.weight", "[4, 4, 3, 3]"] {
        assert!(text.contains(part), "{text}");
    }
}

/// The key to change is named if nothing else is wrong.
#[test]
fn weights_for_other_classes_or_pictures_name_the_key() {
    let spec = small();
    let error = |change: &dyn Fn(&mut Spec)| {
        let mut other = spec.clone();
        change(&mut other);
        let weights = other.random_weights(3).unwrap();
        spec.build(&Weights::Map(weights), 1).unwrap_err().to_string()
    };
    let classes = error(&|s| s.classes = 7);
    assert!(classes.contains("a network with 7 classes: a spec with `classes = 7`"), "{classes}");
    let channels = error(&|s| s.input.channels = 1);
    assert!(channels.contains("`channels = 1` under `[input]`"), "{channels}");
    let both = error(&|s| (s.classes, s.input.channels) = (7, 1));
    let deeper = error(&|s| s.layers[0] += 1);
    for other in [both, deeper] {
        assert!(!other.contains("a spec with"), "{other}");
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
        let SpecErrorKind::Syntax { line: found, .. } = *error.kind else { panic!("{message}") };
        assert_eq!(found, Some(line), "{message}");
    }
    let error = Spec::from_json("{\n\"block\": \"basic\",\n\"size\": 3}").unwrap_err().to_string();
    assert!(error.contains("size") && error.contains("line 3"), "{error}");
    assert!(Spec::from_toml("block = 'basic'\n").unwrap_err().to_string().contains("layers"));
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_one() {
    let start = "block = 'basic'\nlayers = [1]\nchannels = [4]\n";
    for (text, near) in [
        ("[stem]\nkernal = 3\n", "`kernel`"),
        ("output_strid = 8\n", "`output_stride`"),
        ("activation = 'hardswish'\n", "`hard_swish`"),
        ("shortcut = 'a'\n", "`A`"),
    ] {
        let error = Spec::from_toml(&format!("{start}{text}")).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean {near}?")), "{error}");
    }
    let json = r#"{"block": "basic", "layer": [1], "channels": [4]}"#;
    let error = Spec::from_json(json).unwrap_err().to_string();
    assert!(error.contains("did you mean `layers`?"), "{error}");
}

/// The documentation names every key and every value that a description may have.
#[test]
fn the_schema_is_current_and_all_of_it_is_described() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let shipped = std::fs::read_to_string(docs.join("spec.schema.json")).unwrap();
    let shipped: serde_json::Value = serde_json::from_str(&shipped).unwrap();
    let schema = Spec::json_schema();
    assert!(shipped == schema, "run `resnetc zoo schema > docs/spec.schema.json`");
    let text = std::fs::read_to_string(docs.join("SPEC.md")).unwrap();
    let objects = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for object in objects {
        let keys = object["properties"].as_object().into_iter().flat_map(|keys| keys.keys());
        let variants = object["oneOf"].as_array().into_iter().flatten();
        let values = variants.map(|variant| variant["const"].as_str().unwrap());
        for name in keys.map(String::as_str).chain(values) {
            let quoted = [format!("`{name}`"), format!("`\"{name}\"`")];
            assert!(quoted.iter().any(|q| text.contains(q)), "docs/SPEC.md lacks {name}");
        }
    }
}

/// The examples of the documentation are read verbatim.
#[test]
fn the_examples_of_the_documents_are_descriptions() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SPEC.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        Spec::from_toml(example)
            .unwrap_or_else(|e| panic!("{e}:\n{example}"))
            .parameters()
            .unwrap();
    }
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
        ("norm_groups", |s| s.norm_groups = 0),
        ("norm_groups", |s| s.norm_groups = 4),
        ("norm_groups", |s| (s.norm, s.norm_groups) = (Norm::Group, 3)),
        ("weight_epsilon", |s| s.weight_epsilon = 2.0),
        ("weight_epsilon", |s| s.weight_epsilon = 1e-6),
        ("weight_standardization", |s| s.weight_standardization = WeightStandardization::Channel),
        ("weight_standardization", |s| {
            (s.block, s.stem, s.norm) = (Block::Conv, Default::default(), Norm::Group);
            s.weight_standardization = WeightStandardization::Channel;
        }),
        ("stem.deep", |s| s.stem.deep = vec![4, 0]),
        ("stem.pool", |s| {
            (s.downsampling, s.stem.pool) = (Downsampling::Blur, StemPool::Conv);
        }),
        ("stem.pool", |s| {
            (s.downsampling, s.stem.pool) = (Downsampling::Blur, StemPool::ZeroPaddedMax);
        }),
        ("head.pool", |s| s.head.pool = 0),
        ("head.pool", |s| s.head.pool = 3),
        ("head.hidden", |s| s.head.hidden = vec![usize::MAX]),
        ("attention_reduction", |s| s.attention_reduction = 0),
        ("expansion", |s| s.expansion = 0),
        ("expansion", |s| s.expansion = usize::MAX),
        ("output_stride", |s| s.output_stride = Some(0)),
        ("output_stride", |s| s.output_stride = Some(3)),
        ("output_stride", |s| (s.output_stride, s.shortcut) = (Some(1), Shortcut::A)),
        ("output_stride", |s| {
            (s.output_stride, s.downsampling) = (Some(1), Downsampling::Blur);
        }),
        ("stem", |s| s.block = Block::Conv),
        ("order", |s| (s.block, s.order) = (Block::Highway, Order::Pre)),
        ("downsampling", |s| (s.downsampling, s.order) = (Downsampling::Blur, Order::Pre)),
        ("gain", |s| (s.block, s.gain) = (Block::Highway, Gain::Scalar)),
        ("attention", |s| (s.block, s.attention) = (Block::Highway, Attention::Se)),
        ("shortcut", |s| (s.shortcut, s.stem.channels) = (Shortcut::A, 64)),
    ];
    for (expected, change) in cases {
        let mut spec = small();
        change(&mut spec);
        let error = spec.build(&Weights::Random { seed: 0 }, 1).unwrap_err();
        match &*error.kind {
            SpecErrorKind::Invalid { key, .. } => assert_eq!(key, expected),
            _ => panic!("{expected}: {error}"),
        }
    }
}

/// A batch is not the spec's fault.
#[test]
fn an_impossible_batch_is_named() {
    let error = |batch| small().build(&Weights::Random { seed: 0 }, batch).unwrap_err();
    assert_eq!(error(0).code(), ErrorCode::GivenShape);
    for batch in [1 << 30, 1 << 40, usize::MAX] {
        let error = error(batch);
        assert_eq!(error.code(), ErrorCode::Limit);
        assert!(error.to_string().contains(&batch.to_string()), "{error}");
        assert!(error.to_string().contains("Options::batch"), "{error}");
    }
}

/// Values of a file that are refused have a code of their own, and the file and key are named.
#[test]
fn wrong_values_of_a_file_are_not_wrong_syntax() {
    let file = std::env::temp_dir().join(format!("resnetc-spec-{}.toml", std::process::id()));
    let error = |text: &str| {
        std::fs::write(&file, text).unwrap();
        match Compiler::default().load(&file) {
            Err(Error::Spec(error)) => error,
            other => panic!("{text}: {other:?}"),
        }
    };
    let start = "block = 'basic'\nlayers = [1]\nchannels = [64]\n";
    for (rest, code, part) in [
        ("classes = -3\n", ErrorCode::SpecValue, "`-3`, expected a whole number of 0 or more"),
        ("classes = 0\n", ErrorCode::SpecValue, "\"classes\": is 0"),
        ("attention_reduction = 4\n", ErrorCode::SpecValue, "attention = \"se\""),
        // This one depends on the size of the images, so it is only found when they are known.
        ("[head]\npool = 3\n", ErrorCode::SpecValue, "\"head.pool\": is 3"),
        ("classes = 1.5\n", ErrorCode::SpecSyntax, "`1.5`, expected a whole number"),
        ("classes = \n", ErrorCode::SpecSyntax, "line 4"),
        ("klasses = 3\n", ErrorCode::SpecSyntax, "unknown key `klasses`"),
    ] {
        let error = error(&format!("{start}{rest}"));
        let said = error.to_string();
        assert_eq!(error.code(), code, "{said}");
        assert_eq!(error.file.as_deref(), Some(file.as_path()), "{said}");
        assert!(said.starts_with(&file.display().to_string()) && said.contains(part), "{said}");
    }
    let none = error("block = 'basic'\nlayers = []\nchannels = []\n").to_string();
    assert!(none.contains("\"layers\": has 0 stages; it must have 1 to 8"), "{none}");
    std::fs::remove_file(&file).unwrap();
}

/// Mismatches of weights name the file of the weights.
#[test]
fn weights_that_do_not_fit_name_their_file() {
    let file = std::env::temp_dir().join(format!("resnetc-{}.safetensors", std::process::id()));
    let tensor = Tensor::scalar(1.0);
    safetensors::save(&file, [("evil\u{1b}[2Jname", &tensor)]).unwrap();
    let options = Options::default().weights(Some(file.clone()));
    let error = Compiler::new(options).load("cifar_resnet20").unwrap_err();
    std::fs::remove_file(&file).unwrap();
    let said = error.to_string();
    assert_eq!(error.code(), ErrorCode::SpecWeights);
    assert!(said.starts_with(&format!("{}: the weights do not fit", file.display())), "{said}");
    assert!(said.contains("evil\\u{1b}[2Jname"), "{said}");
}

/// The description with one key, or one key of a table, set back to its default; `None` if it has
/// the default already.
fn without_key(spec: &serde_json::Value, path: &[&str]) -> Option<serde_json::Value> {
    let default = serde_json::to_value(Spec::new(spec_block(spec), [], [])).unwrap();
    let pointer = format!("/{}", path.join("/"));
    let from = default.pointer(&pointer).cloned().unwrap_or_default();
    let mut changed = spec.clone();
    let place = changed.pointer_mut(&pointer)?;
    let differs = *place != from;
    *place = from;
    differs.then_some(changed)
}

fn spec_block(spec: &serde_json::Value) -> Block {
    serde_json::from_value(spec["block"].clone()).unwrap()
}

/// Every key of a description that has a default, as a path.
fn keys(spec: &serde_json::Value) -> Vec<Vec<&str>> {
    let tables = spec.as_object().unwrap().iter();
    let keys = tables.flat_map(|(key, value)| match value.as_object() {
        Some(table) => table.keys().map(|k| vec![key.as_str(), k.as_str()]).collect(),
        None => vec![vec![key.as_str()]],
    });
    keys.filter(|path| !["name", "block", "layers", "channels"].contains(&path[0])).collect()
}

/// A stage that dilates and keeps its channels has no projection, so there is nothing to average.
#[test]
fn a_projection_needs_a_shortcut_that_changes_shape() {
    let dilated = |channels: [usize; 2], shortcut| {
        let mut spec = small();
        (spec.layers, spec.channels) = (vec![1, 1], channels.to_vec());
        (spec.output_stride, spec.shortcut) = (Some(1), shortcut);
        spec.projection = Projection::AveragePool;
        spec.build(&Weights::Random { seed: 1 }, 1)
    };
    let error = dilated([32, 32], Shortcut::B).unwrap_err().to_string();
    assert!(error.contains("\"projection\": has no effect without a later stage"), "{error}");
    dilated([32, 64], Shortcut::B).unwrap();
    dilated([32, 32], Shortcut::C).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A key that is accepted has an effect: without it, the network is another one, or none.
    #[test]
    fn accepted_keys_have_an_effect(
        (block, stages) in (0usize..4, 1usize..4),
        choices in prop::collection::vec(prop_oneof![3 => Just(0usize), 1 => 0usize..6], 18),
    ) {
        let mut choices = choices.into_iter();
        let mut one_of = |n| choices.next().unwrap() % n;
        let mut spec = small();
        // With 32 channels no value is rounded to the one that stands for the default.
        (spec.layers, spec.channels) = (vec![1; stages], vec![32; stages]);
        (spec.input.height, spec.input.width) = (8, 8);
        spec.block = [Block::Basic, Block::Bottleneck, Block::Conv, Block::Highway][block];
        if spec.block == Block::Conv && one_of(4) > 0 {
            spec.stem = Default::default();
        }
        spec.stem.pool = [StemPool::None, StemPool::Max][one_of(2)];
        spec.shortcut = [Shortcut::B, Shortcut::A, Shortcut::None][one_of(3)];
        spec.projection = [Projection::Strided, Projection::AveragePool][one_of(2)];
        spec.stride_in = [StrideIn::Second, StrideIn::First][one_of(2)];
        spec.downsampling = [Downsampling::Stride, Downsampling::Blur, Downsampling::MaxPool][one_of(3)];
        spec.output_stride = [None, Some(1), Some(2), Some(4), Some(8)][one_of(5)];
        spec.order = [Order::Post, Order::Pre][one_of(2)];
        spec.norm = [Norm::Batch, Norm::Group, Norm::None][one_of(3)];
        spec.norm_groups = [32, 4][one_of(2)];
        spec.norm_epsilon = [1e-5, 1e-3][one_of(2)];
        spec.weight_standardization =
            [WeightStandardization::None, WeightStandardization::Channel][one_of(2)];
        spec.weight_epsilon = [1e-8, 1e-3][one_of(2)];
        spec.attention = [Attention::None, Attention::Se, Attention::Eca][one_of(3)];
        spec.attention_reduction = [16, 1][one_of(2)];
        spec.gain = [Gain::None, Gain::Scalar][one_of(2)];
        (spec.groups, spec.width_per_group) = [(1, 64), (2, 64), (1, 128)][one_of(3)];
        spec.expansion = [4, 2][one_of(2)];
        let weights = Weights::Random { seed: 1 };
        let Ok(graph) = spec.build(&weights, 1) else { return Ok(()) };
        let json = serde_json::to_value(&spec).unwrap();
        for path in keys(&json) {
            let Some(without) = without_key(&json, &path) else { continue };
            let without = serde_json::from_value::<Spec>(without).unwrap();
            // An output stride may be what the network has anyway, and blocks that keep their
            // shapes have the same shortcut with A and B.
            let residual = matches!(spec.block, Block::Basic | Block::Bottleneck);
            let is_vacuous = path[0] == "output_stride" || residual && path[0] == "shortcut";
            if let (Ok(other), false) = (without.build(&weights, 1), is_vacuous) {
                prop_assert!(print(&graph) != print(&other), "{path:?} has no effect in {json}");
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any description gives a graph or an error.
    #[test]
    fn no_description_panics(
        (layers, channels) in (
            prop::collection::vec(0usize..4, 0..6),
            prop::collection::vec(prop_oneof![0usize..40, Just(usize::MAX)], 0..6),
        ),
        (groups, width, expansion) in (0usize..5, prop_oneof![Just(64usize), 0usize..200], 0usize..5),
        (height, kernel, stride) in (0usize..40, 0usize..9, 0usize..4),
        (deep, hidden) in (prop::collection::vec(0usize..9, 0..3), prop::collection::vec(0usize..9, 0..3)),
        (head, reduction, output_stride) in (0usize..4, 0usize..9, prop::option::of(0usize..64)),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 13),
    ) {
        let mut choices = choices.into_iter();
        let mut spec = small();
        let pick = |from: &mut dyn Iterator<Item = prop::sample::Index>, n| from.next().unwrap().index(n);
        let mut one_of = |n| pick(&mut choices, n);
        spec.block = [Block::Basic, Block::Bottleneck, Block::Conv, Block::Highway][one_of(4)];
        spec.shortcut = [Shortcut::A, Shortcut::B, Shortcut::C, Shortcut::None][one_of(4)];
        spec.projection = [Projection::Strided, Projection::AveragePool][one_of(2)];
        spec.stride_in = [StrideIn::First, StrideIn::Second][one_of(2)];
        spec.downsampling = [Downsampling::Stride, Downsampling::Blur, Downsampling::MaxPool][one_of(3)];
        spec.order = [Order::Post, Order::Pre][one_of(2)];
        spec.activation = [ActivationKind::Relu, ActivationKind::Prelu, ActivationKind::Gelu][one_of(3)];
        spec.norm = [Norm::Batch, Norm::Group, Norm::None][one_of(3)];
        spec.norm_groups = if spec.norm == Norm::Group { [1, 2, 4][one_of(3)] } else { 32 };
        spec.weight_standardization =
            [WeightStandardization::None, WeightStandardization::Channel][one_of(2)];
        spec.attention = [Attention::None, Attention::Se, Attention::Eca][one_of(3)];
        spec.gain = [Gain::None, Gain::Scalar][one_of(2)];
        spec.stem.pool = [StemPool::None, StemPool::Max, StemPool::ZeroPaddedMax, StemPool::Conv][one_of(4)];
        if spec.block == Block::Conv {
            spec.stem = Default::default();
        } else {
            (spec.stem.kernel, spec.stem.stride, spec.stem.deep) = (kernel, stride, deep);
        }
        (spec.layers, spec.channels, spec.expansion) = (layers, channels, expansion);
        (spec.groups, spec.width_per_group) = (groups, width);
        (spec.head.pool, spec.head.hidden, spec.attention_reduction) = (head, hidden, reduction);
        (spec.input.height, spec.output_stride) = (height, output_stride);
        match spec.build(&Weights::Random { seed: 1 }, 1) {
            Ok(graph) => verify(&graph).unwrap(),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// Wherever the text has no lines to tell keys apart, messages name the key.
#[test]
fn wrong_values_name_their_key() {
    let start = r#""block": "basic", "channels": [4]"#;
    for (key, value) in [
        ("layers[1]", r#""layers": [1, -1]"#),
        ("shortcut", r#""layers": [1], "shortcut": "x""#),
        ("input.height", r#""layers": [1], "input": {"channels": 3, "height": -1, "width": 8}"#),
        ("classes", r#""layers": [1], "classes": "many""#),
    ] {
        let error = Spec::from_json(&format!("{{{start}, {value}}}")).unwrap_err().to_string();
        assert!(error.contains(&format!("key `{key}`: ")), "{error}");
    }
    let toml =
        "block = 'basic'\nlayers = [1]\nchannels = [4]\ninput = { channels = 3, height = -1 }";
    let error = Spec::from_toml(toml).unwrap_err().to_string();
    assert!(error.contains("key `input.height`: "), "{error}");
    assert!(Spec::from_json("{} {}").is_err(), "nothing may follow");
}

#[test]
fn weights_of_another_type_are_not_missing() {
    let spec = small();
    let weights = spec.random_weights(3).unwrap();
    let mut arrays: Vec<(&str, Array)> = weights
        .iter()
        .map(|(name, tensor)| (name.as_str(), Array::of(tensor, DType::F32).unwrap()))
        .collect();
    for (name, array) in &mut arrays {
        if *name == "conv1.weight" {
            *array = Array::of(&weights[*name], DType::I32).unwrap();
        }
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("integers.safetensors");
    safetensors::save_arrays(&file, arrays.iter().map(|(name, array)| (*name, array))).unwrap();
    let options = Options::default().weights(Some(file));
    let error = Compiler::new(options).spec(&spec).unwrap_err().to_string();
    assert!(error.contains("conv1.weight is I32") && error.contains("BF16"), "{error}");
    assert!(!error.contains("missing") && error.contains("integers.safetensors"), "{error}");
}
