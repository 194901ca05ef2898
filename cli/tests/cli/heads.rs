//! `classify` on networks with every kind of head and input, compared with ONNX Runtime on pictures
//! that Pillow prepared; `cli/tests/classify/make.py` stored both.

use std::fs;

use serde_json::Value;

use crate::support::*;

/// The tolerance of a probability: some roundings of f32.
const NEAR: f64 = 1e-5;

fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|s| s.as_str().unwrap()).collect()
}

#[test]
fn every_head_is_understood() {
    let cases = fs::read_to_string("tests/classify/cases.json").unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let folder = folder("heads");
    for case in &cases {
        let model = format!("tests/classify/{}.onnx", case["model"].as_str().unwrap());
        let picture = case["picture"].as_str().unwrap_or("tests/pictures/odd.png");
        let mut args = vec!["classify", &model, picture, "--json", "--top", "100"];
        args.extend(strings(&case["options"]));
        let labels = folder.join("labels.txt");
        if case["labels"].is_array() {
            fs::write(&labels, strings(&case["labels"]).join("\n")).unwrap();
            args.extend(["--labels", text(&labels)]);
        }
        match case["error"].is_array() {
            true => refused(&args, &strings(&case["error"])),
            false => answered(&args, case),
        }
    }
}

fn refused(args: &[&str], says: &[&str]) {
    let output = resnetc(args);
    let error = stderr(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}: {error}");
    assert_eq!(stdout(&output), "", "{args:?}");
    let said = error.split("\nhelp: ").next().unwrap();
    for part in says {
        assert!(said.contains(part), "{args:?}: no {part} in {error}");
    }
}

fn answered(args: &[&str], case: &Value) {
    let output = resnetc(args);
    let notes = stderr(&output);
    assert!(output.status.success(), "{args:?}: {notes}");
    let says = strings(&case["says"]);
    let notes: Vec<&str> = notes.lines().filter(|l| !is_summary(l)).collect();
    assert_eq!(notes.len(), usize::from(!says.is_empty()), "{args:?}: {notes:?}");
    assert!(says.iter().all(|part| notes[0].contains(part)), "{args:?}: {notes:?}");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let top = report["pictures"][0]["top"].as_array().unwrap();
    let (key, wanted) = match case["values"].as_array() {
        Some(values) => ("value", values),
        None => ("probability", case["probabilities"].as_array().unwrap()),
    };
    assert_eq!(top.len(), wanted.len(), "{args:?}: {top:?}");
    assert!(top.is_sorted_by(|a, b| a[key].as_f64() >= b[key].as_f64()), "{top:?}");
    for guess in top {
        let class = guess["class"].as_u64().unwrap() as usize;
        let (got, wanted) = (guess[key].as_f64().unwrap(), wanted[class].as_f64().unwrap());
        assert!((got - wanted).abs() < NEAR, "{args:?}, class {class}: {got} for {wanted}");
        if let Some(label) = case["labels"].get(class) {
            assert!(
                case["labels"].as_array().unwrap().len() < top.len() || &guess["label"] == label
            );
        }
    }
}
