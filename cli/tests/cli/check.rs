//! `resnetc check`: its verdicts, and the files that reproduce a difference.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::*;

/// Runs a check that must find a difference; returns its report and its stderr.
fn differs(args: &[&str]) -> (Value, String) {
    let output = resnetc(&[&["check"], args, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
    (serde_json::from_str(&stdout(&output)).unwrap(), stderr(&output))
}

#[test]
fn what_is_right_passes() {
    for name in ["resnet_bottleneck_v15", "seresnet"] {
        let (model, io) = fixture(name);
        let report = json(&["check", &model, "--input", &io, "--bisect", "--json"]);
        assert_eq!(report["passed"], true, "{name}");
        assert_eq!(report["findings"], serde_json::json!([]), "{name}");
        assert!(report["layers"].as_array().unwrap().len() > 20, "{name}");
        assert_eq!(report["bisection"]["outcome"]["kind"], "agrees", "{name}");
        let classes = &report["outputs"][0]["classes"];
        assert_eq!((&classes["top1"], &classes["top5"]), (&classes["rows"], &classes["rows"]));
        assert!(report["reproduction"].is_null() && report["first_above"].is_null());
    }
}

/// With the finest tolerance for f32, rounding is a difference, so every step can be tested without
/// a bug.
#[test]
fn the_first_wrong_layer_is_named_and_its_files_show_it_again() {
    let folder = folder("check");
    let (model, io) = fixture("cifar14_c");
    let case = folder.join("case");
    let check = |model: &str, input: &Path, case: &Path| {
        let (input, case) = (text(input), text(case));
        differs(&[model, "--input", input, "--tolerance", "6e-8", "--reproduce", case])
    };
    let (report, says) = check(&model, Path::new(&io), &case);
    assert!(says.starts_with("error: conv \"/conv1/Conv\" differs by"), "{says}");
    assert_eq!(report["first_above"], "/conv1/Conv");
    let guilty = &report["guilty"];
    assert_eq!((&guilty["name"], &guilty["op"]), (&"/conv1/Conv".into(), &"conv".into()));
    let files = ["expected.npy", "found.npy", "input.npy", "layer.onnx"];
    assert_eq!(names(&case), files);
    assert_eq!(report["reproduction"]["reproduces"], true);
    let command = report["reproduction"]["command"].as_str().unwrap();
    assert!(says.contains(command) && command.contains("layer.onnx"), "{says}");
    let (expected, found) =
        (npy_values(&case.join("expected.npy")), npy_values(&case.join("found.npy")));
    assert_eq!(
        expected.len(),
        guilty["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap()).product::<u64>()
            as usize
    );
    assert!(expected != found && expected.iter().any(|x| x.abs() > 0.1));
    let (layer, input) = (case.join("layer.onnx"), case.join("input.npy"));
    let (again, _) = check(text(&layer), &input, &folder.join("again"));
    assert_eq!(again["guilty"]["max_abs"], guilty["max_abs"], "the same kernel on the same values");
    let files = [&layer, &input].map(|f| fs::read(f).unwrap());
    fail(
        &["check", &model, "--tolerance", "6e-8", "--reproduce", text(&case)],
        &[text(&case), "exists"],
    );
    assert_eq!([&layer, &input].map(|f| fs::read(f).unwrap()), files);
    assert_eq!(names(&folder), ["again", "case"]);
}

/// A layer with a shortcut has two inputs, and several inputs are one file.
#[test]
fn a_layer_of_several_inputs_is_written_too() {
    let folder = folder("check_inputs");
    let model = folder.join("product.onnx");
    let mut graph = resnetc::ir::Graph::new();
    // Sums of this many products have an error of more than one rounding.
    let inputs = [graph.input("a", [2, 4, 1024]), graph.input("b", [2, 1024, 4])];
    let product = graph.add("product", resnetc::ir::Op::MatMul, &inputs).unwrap();
    graph.output("y", product);
    let existing = resnetc::export::onnx::Existing::Keep;
    resnetc::export::onnx::write(&graph, &model, existing).unwrap();
    let case = folder.join("case");
    let exact = ["--tolerance", "6e-8", "--batch", "2"];
    let (report, _) = differs(&[&[text(&model), "--reproduce", text(&case)], &exact[..]].concat());
    assert_eq!(report["guilty"]["name"], "product");
    assert_eq!(names(&case), ["expected.npy", "found.npy", "inputs.safetensors", "layer.onnx"]);
    let (layer, input) = (case.join("layer.onnx"), case.join("inputs.safetensors"));
    let (again, _) = differs(&[
        text(&layer),
        "--input",
        text(&input),
        "--tolerance",
        "6e-8",
        "--reproduce",
        text(&folder.join("again")),
    ]);
    assert_eq!(again["guilty"]["max_abs"], report["guilty"]["max_abs"]);
}

#[test]
fn without_a_name_the_folder_is_a_fresh_one_beside_the_user() {
    let folder = folder("check_fresh");
    let (model, _) = fixture("cifar14_c");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(model);
    for expected in
        [&["resnetc-check-model"][..], &["resnetc-check-model", "resnetc-check-model-2"]]
    {
        let mut command = command(&["check", text(&model), "--tolerance", "6e-8"]);
        let output = command.current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(names(&folder), expected);
        let said = stdout(&output);
        assert!(said.contains("The first wrong layer is conv \"/conv1/Conv\""), "{said}");
        assert!(said.contains(expected[expected.len() - 1]), "{said}");
    }
}

/// At such a tolerance a difference is not an error, so nothing is compared.
#[test]
fn a_tolerance_that_no_f32_can_hold_is_refused() {
    let (model, _) = fixture("cifar14_c");
    for tolerance in ["0", "1e-9", "-1", "NaN", "none"] {
        let output = resnetc(&["check", &model, "--tolerance", tolerance]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{tolerance}: {said}");
        assert!(said.contains("'--tolerance <T>': it must be"), "{tolerance}: {said}");
        assert_eq!(stdout(&output), "");
    }
}
