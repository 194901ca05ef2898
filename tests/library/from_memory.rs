//! Networks without a file system: everything is in the program.

use resnetc::spec::Spec;
use resnetc::{Compiler, Error, ErrorCode, Network, Options};

const SPEC: &str = include_str!("../fixtures/resnet_basic_b/spec.toml");
const WEIGHTS: &[u8] = include_bytes!("../fixtures/resnet_basic_b/weights.safetensors");

fn network(options: Options, weights: &[u8]) -> Result<Network, Error> {
    let spec = Spec::from_toml(SPEC)?;
    Compiler::new(options).spec_with_weights(&spec, weights)
}

#[test]
fn a_spec_with_weights_is_the_network_of_the_files() {
    let options = || Options::default().batch(2).outputs(vec!["layer1".to_owned()]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/resnet_basic_b");
    let weights = format!("{folder}/weights.safetensors");
    let file = Compiler::new(options().weights(Some(weights.into())));
    let file = file.load(format!("{folder}/spec.toml")).expect("a fixture");
    let memory = network(options(), WEIGHTS).expect("the same bytes");
    assert_eq!(memory.random_weights(), None);
    let bytes = |network: &Network| network.to_onnx().expect("it can be written");
    assert!(bytes(&file) == bytes(&memory));
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let code = |options, weights: &[u8]| network(options, weights).expect_err("refused").code();
    let all = Options::default;
    assert_eq!(code(all().seed(3), WEIGHTS), ErrorCode::NoEffect);
    assert_eq!(code(all().weights(Some("w.safetensors".into())), WEIGHTS), ErrorCode::NoEffect);
    assert_ne!(code(all(), &WEIGHTS[..WEIGHTS.len() / 2]), ErrorCode::NoEffect);
    assert_ne!(code(all(), &[]), ErrorCode::NoEffect);
    let empty = b"\x08\0\0\0\0\0\0\0{}      ";
    let error = network(all(), empty).expect_err("no tensors").to_string();
    assert!(error.contains("conv1.weight"), "{error}");
}
