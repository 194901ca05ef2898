//! Arrays in and out of `run`: element types, shapes, archives, and outputs that are left out.

use std::fs;
use std::path::Path;

use resnetc::import::{npy, safetensors};
use resnetc::ir::op::Binary;
use resnetc::ir::{Graph, Op, Tensor};
use resnetc::{Array, DType};

use crate::support::*;

fn case(name: &str) -> String {
    format!("../tests/cases/{name}/model.onnx")
}

/// An array that is stored beside a case.
fn stored(name: &str, array: &str) -> Array {
    let file = format!("../tests/cases/{name}/io.safetensors");
    let mut arrays = safetensors::load_arrays(file.as_ref()).unwrap();
    arrays.remove(array).unwrap()
}

fn write(path: &Path, array: &Array) -> String {
    fs::write(path, npy::encode(array).unwrap()).unwrap();
    text(path).to_owned()
}

/// The largest difference between two arrays of the same shape.
fn difference(a: &Array, b: &Array) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let [a, b] = [a, b].map(|array| array.values(DType::F32).unwrap());
    a.data().iter().zip(b.data()).fold(0.0, |most, (x, y)| (x - y).abs().max(most))
}

#[test]
fn inputs_and_outputs_have_the_types_that_the_model_declares() {
    let folder = folder("types");
    let out = folder.join("y.npy");
    let wanted =
        [("half_model", DType::F16), ("double_model", DType::F64), ("uint8_input", DType::F32)];
    for (name, dtype) in wanted {
        // Height, width and batch are those of the array; any type of floats is accepted.
        let input = stored(name, "input_0");
        let file = write(&folder.join("x.npy"), &input);
        let report =
            json(&["run", &case(name), "--input", &file, "--output", text(&out), "--json"]);
        let array = npy::read(&out).unwrap();
        assert_eq!(
            (array.dtype(), report["outputs"][0]["dtype"].as_str()),
            (dtype, Some(dtype.name()))
        );
        assert!(difference(&array, &stored(name, "output_0")) < 0.02, "{name}");
        let wide = Array::of(&input.values(DType::F32).unwrap(), DType::F64).unwrap();
        let file = write(&folder.join("x.npy"), &wide);
        succeed(&["run", &case(name), "--input", &file, "--output", text(&out)]);
        assert_eq!(npy::read(&out).unwrap(), array, "{name}");
    }
    // All outputs, in one file and in a folder.
    let io = folder.join("io.npz.safetensors");
    let named = ["picture", "mask", "shift"].into_iter().enumerate();
    let inputs: Vec<(&str, Array)> =
        named.map(|(i, name)| (name, stored("mask_and_shift", &format!("input_{i}")))).collect();
    safetensors::save_arrays(&io, inputs.iter().map(|(name, array)| (*name, array))).unwrap();
    let all = folder.join("all.safetensors");
    let model = case("mask_and_shift");
    succeed(&[
        "run",
        &model,
        "--input",
        text(&io),
        "--output",
        text(&all),
        "--output-dir",
        text(&folder),
    ]);
    let written = safetensors::load_arrays(&all).unwrap();
    assert_eq!(written["same"], inputs[2].1);
    assert_eq!(npy::read(&folder.join("same.npy")).unwrap(), inputs[2].1);
    assert!(succeed(&["info", &model]).contains("\"shift\" [1, 3, 1, 1] int64"));
}

#[test]
fn what_is_no_byte_does_not_go_into_an_input_of_bytes() {
    let folder = folder("bytes");
    let model = case("uint8_input");
    let right = stored("uint8_input", "input_0").values(DType::F32).unwrap();
    let with = |index: usize, value: f32| {
        let mut data = right.data().to_vec();
        data[index] = value;
        let tensor = Tensor::new(right.shape(), data).unwrap();
        write(&folder.join("x.npy"), &Array::of(&tensor, DType::F32).unwrap())
    };
    succeed(&["run", &model, "--input", &with(0, 255.0)]);
    for value in [0.37, 300.0, -5.0, f32::NAN] {
        let place = "[1, 2, 1, 4]";
        let file = with(((3 + 2) * 12 + 1) * 10 + 4, value);
        for command in ["run", "check"] {
            let says = ["x.npy", "\"bytes\"", "uint8", place, &format!("{value:?}"), "0 to 255"];
            fail(&[command, &model, "--input", &file], &says);
        }
    }
    // Random values are bytes, too.
    succeed(&["run", &model]);
    succeed(&["check", &model]);
}

#[test]
fn shapes_are_those_of_the_arrays() {
    let folder = folder("shapes");
    for name in ["shape_open", "shape_not_declared"] {
        let file = write(&folder.join("x.npy"), &stored(name, "input_0"));
        let out = folder.join("y.npy");
        succeed(&["run", &case(name), "--input", &file, "--output", text(&out)]);
        assert!(difference(&npy::read(&out).unwrap(), &stored(name, "output_0")) < 1e-4);
        succeed(&["check", &case(name), "--input", &file]);
        let info = json(&["info", &case(name), "--shape", "x=2,3,16,20", "--json"]);
        assert_eq!(info["inputs"][0]["shape"], serde_json::json!([2, 3, 16, 20]));
        fail(&["run", &case(name), "--input", &file, "--shape", "x=2,3,16,20"], &["[3, 3, 9, 14]"]);
    }
    let open = case("shape_open");
    fail(&["run", &open], &["\"height\"", "\"width\""]);
    fail(&["info", &case("shape_not_declared")], &["\"x\"", "shape"]);
    fail(&["info", &open, "--shape", "y=1,3,8,8"], &["\"y\"", "\"x\""]);
    let built_in = ["info", "cifar_resnet20", "--shape", "input=1,3,64,64"];
    fail(&built_in, &["[batch, 3, 32, 32]", "the size of its images is in the spec"]);
    // The declared shape reveals axes in the wrong order.
    let picture = Tensor::new([9, 14, 3], vec![0.5; 9 * 14 * 3]).unwrap();
    let file = write(&folder.join("picture.npy"), &Array::of(&picture, DType::F32).unwrap());
    fail(
        &["run", &open, "--input", &file],
        &["picture.npy", "[9, 14, 3]", "[N, 3, height, width]", "x.transpose(2, 0, 1)[None]"],
    );
}

#[test]
fn archives_are_read_by_member_or_by_the_names_of_inputs() {
    let folder = folder("archives");
    let mut graph = Graph::new();
    let [a, b] = ["a", "b"].map(|name| graph.input(name, [2, 3, 2]));
    let sum = graph.add("sum", Op::Binary(Binary::Add), &[a, b]).unwrap();
    graph.output("sum", sum);
    graph.output("again", b);
    let write_model = |graph: &Graph, name: &str| {
        let file = folder.join(name);
        fs::write(&file, resnetc::export::onnx::encode(graph).unwrap()).unwrap();
        text(&file).to_owned()
    };
    let two = write_model(&graph, "two.onnx");
    let mut single = Graph::new();
    let x = single.input("x", [2, 3, 2]);
    let double = single.add("double", Op::Binary(Binary::Add), &[x, x]).unwrap();
    single.output("double", double);
    let one = write_model(&single, "one.onnx");
    let out = folder.join("y.npy");
    let twice: Vec<f32> = (0..12).map(|i| 2.0 * i as f32).collect();
    for archive in ["stored", "packed"] {
        let archive = format!("../tests/arrays/{archive}.npz");
        succeed(&["run", &two, "--input", &archive, "--outputs", "sum", "--output", text(&out)]);
        assert_eq!(npy_values(&out), twice);
        for member in ["a", "b"] {
            let input = format!("{archive}:{member}");
            succeed(&["run", &one, "--input", &input, "--output", text(&out)]);
            assert_eq!(npy_values(&out), twice);
        }
        fail(&["run", &one, "--input", &format!("{archive}:c")], &["\"c\""]);
        fail(&["run", &one, "--input", &archive], &["\"x\""]);
    }
    let whole = fs::read("../tests/arrays/packed.npz").unwrap();
    for (name, bytes) in [
        ("cut.npz", whole[..whole.len() / 2].to_vec()),
        ("flipped.npz", {
            let mut bytes = whole.clone();
            bytes[80] ^= 1;
            bytes
        }),
        ("text.npz", b"no archive".to_vec()),
        ("none.npz", b"PK\x05\x06".iter().copied().chain([0; 18]).collect()),
    ] {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        fail(&["run", &two, "--input", text(&file)], &[name]);
    }
}

#[test]
fn outputs_can_be_left_out() {
    let folder = folder("outputs");
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 3, 4, 4]);
    let mean = graph.add("mean", Op::GlobalAveragePool, &[x]).unwrap();
    graph.output("mean", mean);
    graph.output("same", x);
    let file = folder.join("m.onnx");
    fs::write(&file, resnetc::export::onnx::encode(&graph).unwrap()).unwrap();
    let model = text(&file);
    let names = |arguments: &[&str]| -> Vec<String> {
        let info = json(&[&["info", model, "--json"], arguments].concat());
        let outputs = info["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["mean", "same"]);
    assert_eq!(names(&["--outputs", "mean"]), ["mean"]);
    assert_eq!(names(&["--outputs", "same,mean"]), ["same", "mean"]);
    for command in ["run", "check", "bench", "info"] {
        fail(&[command, model, "--outputs", "means"], &["\"means\"", "\"mean\"", "\"same\""]);
    }
    fail(&["info", "cifar_resnet20", "--outputs", "logits"], &["\"logits\"", "\"output\""]);
    let out = folder.join("y.npy");
    fail(&["run", model, "--output", text(&out)], &["2 outputs"]);
    succeed(&["run", model, "--outputs", "mean", "--output", text(&out)]);
    assert_eq!(npy_values(&out).len(), 3);
}
