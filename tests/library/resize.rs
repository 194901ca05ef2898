//! One network for several sizes: results are those of separate compilations, and packed weights
//! are in memory once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use prost::Message;
use resnetc::import::onnx::proto::ModelProto;
use resnetc::{Compiler, Error, ErrorCode, Isa, IsaChoice, Model, Network, Numerics, Options};
use resnetc_testing::random_graph::random_graph;
use resnetc_testing::running::noise;

const BUNDLED: &str = "cli/models/resnet20-fashion-mnist.onnx";

fn run(model: &Model) -> Vec<Vec<u32>> {
    let mut context = model.context().expect("memory");
    context.poison();
    for (i, port) in model.inputs().iter().enumerate() {
        let values = noise(port.shape.iter().product(), i as u64);
        context.input_mut(i).expect("an input").copy_from_slice(&values);
    }
    model.run(&mut context).expect("its own context");
    let bits =
        |i| context.output::<f32>(i).expect("an output").iter().map(|x| x.to_bits()).collect();
    (0..model.outputs().len()).map(bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// The other model has all, some or none of the weights in the same form.
    #[test]
    fn shared_weights_are_the_same_weights(random in random_graph(1..12), narrow: bool, exact: bool) {
        let options = |narrow, exact| {
            let isa = if narrow { IsaChoice::Exactly(Isa::Baseline) } else { IsaChoice::Auto };
            let numerics = if exact { Numerics::Exact } else { Numerics::Fast };
            Options::default().isa(isa).numerics(numerics)
        };
        let compile = |options| Compiler::new(options).graph(random.graph.clone())?.compile();
        let Ok(first) = compile(options(false, false)) else { return Ok(()) };
        if first.inputs().iter().chain(first.outputs()).any(|port| !port.dtype.is_float()) {
            return Ok(());
        }
        let plain = compile(options(narrow, exact)).expect("the same graph");
        let second = compile(options(narrow, exact).share(first.clone())).expect("the same graph");
        if !narrow && !exact {
            prop_assert_eq!(second.report().shared_bytes, second.report().weight_bytes);
        }
        let expected = run(&plain);
        drop(first);
        prop_assert_eq!(run(&second), expected);
    }
}

#[test]
fn a_model_is_compiled_again_for_other_sizes() {
    let options = Options::default().threads(2);
    let one = Compiler::new(options.clone()).compile(BUNDLED).expect("it is bundled");
    for batch in [2, 5, 1] {
        let many = one.with_batch(batch).expect("any batch");
        let apart =
            Compiler::new(options.clone().batch(batch)).compile(BUNDLED).expect("any batch");
        assert_eq!((many.inputs(), many.outputs()), (apart.inputs(), apart.outputs()));
        assert_eq!(run(&many), run(&apart), "batch {batch}");
        assert_eq!(many.report().shared_bytes, many.report().weight_bytes, "batch {batch}");
        // And once more, from the one that was made from another.
        let more = many.with_batch(3).expect("any batch");
        assert_eq!(more.report().shared_bytes, more.report().weight_bytes, "batch {batch}");
    }
    let spec = Compiler::new(options).compile("cifar_resnet20").expect("built in");
    assert_eq!(spec.with_batch(4).expect("any batch").inputs()[0].shape, [4, 3, 32, 32]);
}

/// The network as an ONNX file whose pictures may have any size.
fn open_size(network: &Network) -> Vec<u8> {
    let bytes = network.to_onnx().expect("it can be written");
    let mut model = ModelProto::decode(&bytes[..]).expect("it was just written");
    let input = &mut model.graph.as_mut().expect("a graph").input[0];
    let ty = input.r#type.as_mut().and_then(|ty| ty.tensor_type.as_mut()).expect("a tensor");
    for (axis, dim) in ty.shape.as_mut().expect("a shape").dim.iter_mut().enumerate().skip(2) {
        dim.dim_value = None;
        dim.dim_param = Some(format!("size{axis}"));
    }
    model.encode_to_vec()
}

#[test]
fn other_pictures_take_what_their_layers_have_in_common() {
    let fixture = "tests/fixtures/resnet_basic_b/spec.toml";
    let network = Compiler::default().load(fixture).expect("a fixture");
    let error = network.compile().expect("it compiles").with_input(&[1, 3, 40, 56]);
    assert!(matches!(error, Err(Error::Import(_))), "the size is in the spec");
    // An ONNX file that leaves the size open has any.
    let folder = std::env::temp_dir().join(format!("resnetc-resize-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file: PathBuf = folder.join("open.onnx");
    let open = open_size(&Compiler::default().load(fixture).expect("a fixture"));
    std::fs::write(&file, &open).expect("our folder");
    let shapes = |h, w| BTreeMap::from([("input".to_owned(), vec![1, 3, h, w])]);
    let compile = |h, w| Compiler::new(Options::default().shapes(shapes(h, w))).compile(&file);
    let small = compile(32, 32).expect("any size");
    for (h, w) in [(48, 40), (64, 33), (32, 32)] {
        let other = small.with_input(&[1, 3, h, w]).expect("any size");
        let apart = compile(h, w).expect("any size");
        assert_eq!(run(&other), run(&apart), "{h}x{w}");
        assert!(other.report().shared_bytes > 0, "{h}x{w}");
    }
    std::fs::write(&file, &open[1..]).expect("our folder");
    let changed = small.with_batch(2).expect_err("the file is another one");
    assert_eq!(changed.code(), ErrorCode::ChangedOrigin);
    std::fs::remove_dir_all(&folder).expect("our folder");
}

#[test]
fn a_model_from_memory_says_what_to_do() {
    let bytes = std::fs::read(BUNDLED).expect("it is bundled");
    let one = Compiler::default().onnx_bytes(&bytes, None).expect("a model").compile();
    let one = one.expect("it compiles");
    let error = one.with_batch(2).expect_err("nobody has the bytes");
    assert_eq!(error.code(), ErrorCode::NoOrigin);
    assert!(error.to_string().contains("Options::share"), "{error}");
    let two = Compiler::new(Options::default().batch(2).share(one)).onnx_bytes(&bytes, None);
    let two = two.expect("a model").compile().expect("it compiles");
    assert_eq!(two.report().shared_bytes, two.report().weight_bytes);
}
