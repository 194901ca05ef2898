//! `resnetc quantize`: the file that it writes, what it prints, and what it refuses.

use std::fs;
use std::path::Path;

use resnetc::import::npy;
use resnetc::{Array, DType};
use serde_json::Value;

use crate::support::*;

const PICTURES: &str = "models/pictures";
const LABELS: &str = "models/fashion-mnist-labels.txt";

/// The arguments for the bundled network and its ten pictures.
fn bundled<'a>(output: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let first = ["quantize", BUNDLED, "--calibrate", PICTURES, "--preset", "fashion-mnist"];
    [&first[..], &["-o", text(output)], more].concat()
}

/// Writes an array of f32.
fn array(path: &Path, shape: &[usize], values: &[f32]) {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let array = Array::new(DType::F32, shape, bytes).unwrap();
    fs::write(path, npy::encode(&array).unwrap()).unwrap();
}

#[test]
fn a_quantized_file_names_the_same_pictures() {
    let folder = folder("quantize");
    let file = folder.join("m.int8.onnx");
    let report = json(&bundled(&file, &["--labels", LABELS, "--json"]));
    let bytes = fs::metadata(&file).unwrap().len();
    assert_eq!(report["bytes"].as_u64(), Some(bytes));
    assert!(bytes < fs::metadata(BUNDLED).unwrap().len() / 3, "{bytes}");
    // A picture is labelled by its own name where its folder names no class.
    let top1 = &report["top1"];
    assert_eq!([&top1["labelled"], &top1["right_f32"]], [10, 10]);
    assert!(top1["agree"].as_u64() >= Some(9), "{top1}");
    assert_eq!((&report["runs"], &report["method"]), (&10.into(), &"minmax".into()));
    let operators = report["operators"].as_array().unwrap();
    assert_eq!(operators.iter().filter(|o| o["weights"].as_u64() > Some(0)).count(), 20);
    assert!(operators.iter().all(|o| o["own_db"].as_f64() > Some(10.0)), "{operators:?}");
    // It is a network like any other.
    let answers = json(&[
        "classify",
        text(&file),
        PICTURES,
        "--preset",
        "fashion-mnist",
        "--labels",
        LABELS,
        "--json",
    ]);
    let right = answers["pictures"].as_array().unwrap().iter().filter(|p| p["right"] == true);
    assert!(right.count() >= 9, "{answers}");
    // Nothing is overwritten, unless that is requested; the same pictures give the same file.
    let before = fs::read(&file).unwrap();
    fail(&bundled(&file, &[]), &["m.int8.onnx", "exists", "[file-exists]"]);
    let said = succeed(&bundled(&file, &["--force", "--no-ranking"]));
    assert!(fs::read(&file).unwrap() == before);
    assert!(said.contains("20 layers") && said.contains("written to"), "{said}");
    fail(
        &[
            "quantize",
            text(&file),
            "--calibrate",
            PICTURES,
            "--preset",
            "fashion-mnist",
            "-o",
            text(&folder.join("again.onnx")),
        ],
        &["quantized already", "[already-quantized]"],
    );
    assert_eq!(names(&folder), ["m.int8.onnx"]);
}

#[test]
fn what_is_not_read_and_what_is_fixed_is_noted() {
    let folder = folder("quantize_notes");
    let file = folder.join("m.onnx");
    let notes = |args: &[&str]| stderr(&resnetc(args));
    let fixed = "note: input \"image\" has a batch of 1 in the quantized file";
    let said = notes(&bundled(&file, &["--no-ranking"]));
    assert!(said.contains(fixed) && !said.contains("beside arrays"), "{said}");
    let said = notes(&bundled(&file, &["--no-ranking", "--force", "--batch", "2"]));
    assert!(said.contains("has a batch of 2"), "{said}");
    let mixed = folder.join("mixed");
    fs::create_dir(&mixed).unwrap();
    array(&mixed.join("a.npy"), &[1, 1, 28, 28], &[0.5; 784]);
    fs::write(mixed.join("picture.png"), "").unwrap();
    let arguments = ["quantize", BUNDLED, "--calibrate", text(&mixed), "-o", text(&file)];
    let said = notes(&[&arguments[..], &["--no-ranking", "--force"]].concat());
    assert!(said.contains("mixed: 1 picture beside arrays, which alone are read"), "{said}");
    assert!(!said.contains("left out"), "{said}");
}

#[test]
fn options_choose_layers_methods_and_pictures() {
    let folder = folder("quantize_options");
    let file = folder.join("m.onnx");
    let with = |more: &[&str]| -> Value {
        json(&bundled(&file, &[&["--force", "--json", "--no-ranking"], more].concat()))
    };
    let reasons = |report: &Value| -> Vec<String> {
        let floats = report["floats"].as_array().unwrap().iter();
        floats.map(|f| f["reason"].as_str().unwrap().to_owned()).collect()
    };
    let report = with(&["--first-layer", "f32", "--last-layer", "f32", "--limit", "4"]);
    assert_eq!(reasons(&report), ["a first layer", "a last layer"]);
    assert_eq!(report["runs"], 4);
    let name = report["operators"][0]["name"].as_str().unwrap();
    let report = with(&["--keep", name, "--method", "percentile", "--percentile", "99.9"]);
    assert_eq!(reasons(&report), ["as requested"]);
    let report = with(&["--method", "entropy", "--no-bias-correction", "--evaluate", PICTURES]);
    assert_eq!((&report["method"], &report["bias_correction"]), (&"entropy".into(), &false.into()));
    assert_eq!(report["top1"]["separate"], true);
    fail(
        &bundled(&file, &["--force", "--keep", "/conv1/Comv"]),
        &["/conv1/Conv\"?", "[unknown-layer]"],
    );
    let output = resnetc(&bundled(&file, &["--force", "--keep", "fully_connected"]));
    assert!(stderr(&output).contains("\nhelp: similar names are \"/"), "{}", stderr(&output));
    let usage = |more: &[&str]| {
        let output = resnetc(&bundled(&file, more));
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", stderr(&output));
    };
    usage(&["--percentile", "99"]);
    usage(&["--method", "percentile", "--percentile", "20"]);
    usage(&["--limit", "0"]);
}

#[test]
fn arrays_calibrate_too() {
    let folder = folder("quantize_arrays");
    let inputs = folder.join("inputs");
    fs::create_dir(&inputs).unwrap();
    let values: Vec<f32> = (0..3 * 784).map(|i| (i % 255) as f32 / 127.0 - 1.0).collect();
    array(&inputs.join("a.npy"), &[3, 1, 28, 28], &values);
    array(&inputs.join("b.npy"), &[1, 1, 28, 28], &values[..784]);
    let file = folder.join("m.onnx");
    let first = ["quantize", BUNDLED, "--calibrate", text(&inputs), "-o", text(&file)];
    let again = [&first[..], &["--force", "--no-ranking"]].concat();
    let report = json(&[&first[..], &["--json", "--no-ranking"]].concat());
    assert_eq!((&report["runs"], &report["top1"]), (&4.into(), &Value::Null));
    array(&inputs.join("c.npy"), &[1, 1, 28, 27], &values[..756]);
    fail(&again, &["c.npy", "[1, 1, 28, 28]", "[1, 1, 28, 27]", "[input-shape]"]);
    array(&inputs.join("c.npy"), &[1, 1, 28, 28], &[f32::NAN; 784]);
    fail(&again, &["c.npy", "NaN", "[not-finite]"]);
    array(&inputs.join("c.npy"), &[0, 1, 28, 28], &[]);
    let output = resnetc(&again);
    assert!(output.status.success(), "an empty array has no runs: {}", stderr(&output));
    fs::write(inputs.join("c.npy"), "no array").unwrap();
    fail(&again, &["c.npy"]);
    for option in ["--preset", "--labels"] {
        let output = resnetc(&[&again[..], &[option, "caffe"]].concat());
        let said = stderr(&output);
        assert!(said.contains(option) && said.contains("[no-effect]"), "{said}");
    }
}

#[test]
fn what_cannot_be_quantized_is_refused_before_anything_is_written() {
    let folder = folder("quantize_refused");
    let (pictures, file) = (folder.join("pictures"), folder.join("m.onnx"));
    fs::create_dir(&pictures).unwrap();
    let with = |model: &str, calibrate: &Path, more: &[&str], says: &[&str]| {
        let first = ["quantize", model, "--calibrate", text(calibrate), "-o", text(&file)];
        fail(&[&first[..], more].concat(), says);
    };
    let preset = &["--preset", "fashion-mnist"][..];
    with(BUNDLED, &pictures, preset, &["no pictures in this folder", "[no-samples]"]);
    with(BUNDLED, &folder.join("none"), preset, &["none", "no such folder", "[no-samples]"]);
    fs::copy("models/pictures/bag.png", pictures.join("a.png")).unwrap();
    let whole = fs::read("models/pictures/coat.png").unwrap();
    fs::write(pictures.join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    with(BUNDLED, &pictures, preset, &["cut.png", "[picture]"]);
    // Pictures of another kind than the network takes.
    with(BUNDLED, Path::new(PICTURES), &[], &["the preset makes 3 channels"]);
    with("tests/classify/two_inputs.onnx", Path::new(PICTURES), &[], &["2 inputs"]);
    with("resnet5000", Path::new(PICTURES), &[], &["resnet5000", "[unknown-model]"]);
    let output = resnetc(&["quantize", BUNDLED, "--calibrate", PICTURES, "-o", "m.int8"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must end in .onnx"));
    // The network itself is not overwritten.
    let own = folder.join("own.onnx");
    fs::copy(BUNDLED, &own).unwrap();
    fail(
        &["quantize", text(&own), "--calibrate", PICTURES, "-o", text(&own), "--force"],
        &["own.onnx", "reads this file"],
    );
    assert_eq!(names(&folder), ["own.onnx", "pictures"]);
}
