//! ONNX files are imported with their meaning, or refused. Those in `tests/fixtures` are compared
//! with their frameworks in `tests/fixtures/main.rs`.

mod batch;
mod engines;
mod external;
mod folder;
mod foreign;
mod fuzz;
mod hostile;
mod limits;
mod microsoft;
mod model;
mod names;
mod needed;
mod operators;
mod padding;
mod pools;
mod quantized;
mod rebatch;
mod refused;
mod resized;
mod scales;
mod top;
mod types;

use std::path::{Path, PathBuf};

use resnetc::import::onnx::{self, Bindings};
use resnetc::import::safetensors;
use resnetc::{Compiler, Options};
use resnetc_ir::Tensor;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::text::print;
use resnetc_ir::verify::verify;
use resnetc_testing::close::relative_error;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn value(tensor: &Tensor) -> Value {
    Value::from(tensor)
}

/// The largest difference to PyTorch's answer, relative to that answer's largest number.
fn difference(model: &Path, io: &Path) -> f64 {
    let input = safetensors::load_tensor(io, Some("input")).unwrap();
    let want = safetensors::load_tensor(io, Some("output")).unwrap();
    let bindings = Bindings { batch: Some(input.shape()[0]), ..Bindings::default() };
    let graph = onnx::load(model, &bindings).unwrap();
    verify(&graph).unwrap();
    let got = eval(&graph, &[value(&input)]).unwrap().remove(0);
    assert_eq!(got.shape, want.shape());
    relative_error(got.data, want.data().iter().map(|&x| f64::from(x)))
}

#[test]
fn the_bundled_model_evaluates_to_the_answer_of_pytorch() {
    let models = root().join("cli/models");
    let io = models.join("resnet20-fashion-mnist_io.safetensors");
    let difference = difference(&models.join("resnet20-fashion-mnist.onnx"), &io);
    assert!(difference < 1e-6, "{difference:e}");
}

#[test]
fn a_mapped_model_is_the_one_that_was_read() {
    let path = root().join("cli/models/resnet20-fashion-mnist.onnx");
    let read = onnx::load(&path, &Bindings::default()).unwrap();
    let mapped = Compiler::new(Options::default()).load(&path).unwrap();
    // The text has every small constant, and a checksum of every large one.
    assert_eq!(print(mapped.graph()), print(&read));
}

#[test]
fn a_model_describes_its_inputs() {
    let path = root().join("cli/models/resnet20-fashion-mnist.onnx");
    let inputs = onnx::describe(&path).unwrap();
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].name, "image");
    let fixed = [1, 28, 28].map(onnx::Dim::Fixed);
    let dims = inputs[0].dims.as_ref().unwrap();
    assert_eq!(dims[0], onnx::Dim::Symbol("batch".into()));
    assert_eq!(dims[1..], fixed);
}
