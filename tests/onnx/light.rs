//! The standard's light models: networks of the old model zoo, as Caffe2 wrote them, whose weights
//! are constants.

use std::path::PathBuf;

use prost::Message;
use resnetc::import::onnx::proto::TensorProto;
use resnetc::{Compiler, Options};

use crate::case::value;
use resnetc_testing::close::is_close;

/// Runs a model on the inputs of the standard's runner, `i / n` for element `i` of `n`, and
/// compares as the runner does.
fn check(name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/light");
    let bytes = std::fs::read(folder.join(format!("{name}_output_0.pb"))).expect("the answer");
    let want = value(&TensorProto::decode(&bytes[..]).expect("a tensor"));
    let options = Options::default().threads(2);
    let network = Compiler::new(options).onnx(&folder.join(format!("{name}.onnx")));
    let model = network.and_then(|n| n.compile()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut context = model.context().expect("there is memory");
    let input = context.input_mut::<f32>(0).expect("an input");
    let count = input.len() as f64;
    input.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64 / count) as f32);
    model.run(&mut context).expect("it runs");
    let got = context.output::<f32>(0).expect("an output");
    assert_eq!(got.len(), want.data.len());
    for (i, (&got, want)) in got.iter().zip(&want.data).enumerate() {
        let near = is_close(f64::from(got), *want, 1e-7 + 1e-3 * want.abs());
        assert!(near, "{name}: element {i} is {got}, not {want}");
    }
}

#[test]
fn resnet50() {
    check("light_resnet50");
}

#[test]
fn densenet121() {
    check("light_densenet121");
}

#[test]
fn squeezenet() {
    check("light_squeezenet");
}

#[test]
#[ignore = "its weights need 575 MB of memory"]
fn vgg19() {
    check("light_vgg19");
}
