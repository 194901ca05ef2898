//! A network that ONNX Runtime quantized, in each of its forms: the results match ONNX Runtime's.
//!
//! `quantize.py` wrote the files.

use std::path::PathBuf;

use prost::Message;
use resnetc::import::onnx::proto::TensorProto;
use resnetc::{Compiler, Options};
use resnetc_ir::eval::{Value, eval};

use crate::case::value;
use resnetc_testing::close::relative_error;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/quantized")
}

fn stored(name: &str) -> Value {
    let bytes = std::fs::read(folder().join(name)).expect("the file is there");
    value(&TensorProto::decode(&bytes[..]).expect("a tensor"))
}

/// The largest differences from ONNX Runtime's answer, relative to its largest number: interpreted
/// and compiled.
fn distances(network: &str, form: &str) -> [f64; 2] {
    let input = stored(&format!("{network}_input.pb"));
    let want = stored(&format!("{network}_{form}_output.pb"));
    let file = folder().join(format!("{network}_{form}.onnx"));
    let options = Options::default().threads(2);
    let network = Compiler::new(options).onnx(&file).unwrap_or_else(|e| panic!("{e}"));
    let interpreted = eval(network.graph(), std::slice::from_ref(&input)).expect("it evaluates");
    let model = network.compile().expect("it compiles");
    let mut context = model.context().expect("there is memory");
    context.input_mut(0).expect("an input").copy_from_slice(&input.to_f32());
    model.run(&mut context).expect("it runs");
    let compiled = context.output::<f32>(0).expect("an output");
    let distance = |got: Vec<f64>| relative_error(got, want.data.iter().copied());
    let compiled = compiled.iter().map(|&x| x.into()).collect();
    [distance(interpreted[0].data.clone()), distance(compiled)]
}

/// An answer of 8 bits has 255 steps. A value in the middle between two steps may go either way,
/// which changes the answer by less than a step.
const STEP: f64 = 1.0 / 128.0;

#[test]
fn every_form_gives_the_answer_of_onnx_runtime() {
    for form in ["qdq", "qoperator", "dynamic"] {
        let distances = distances("resnet_bottleneck_v1", form);
        assert!(distances.iter().all(|&d| d < STEP), "{form}: {distances:?}");
    }
}
