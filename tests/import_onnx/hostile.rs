//! Wrong bytes, and models with false declarations.

use std::path::Path;

use crate::folder::{Folder, load_error};
use crate::model::Attr::{Int, Ints};
use crate::model::{Model, node, opset, single};
use resnetc::import::onnx::proto::{DataType, FunctionProto, TensorProto};
use resnetc::import::safetensors;
use resnetc_ir::Tensor;

#[test]
fn other_files_are_told_in_one_line() {
    let folder = Folder::new("other");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/models/resnet20-fashion-mnist.onnx");
    let model = std::fs::read(fixture).unwrap();
    let cases: [(&str, &[u8], &str); 7] = [
        ("text.onnx", b"hello, I am a model\n", "text"),
        ("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("page.onnx", b"<!DOCTYPE html><html>", "web page"),
        ("model.pt", b"PK\x03\x04rest", "PyTorch"),
        ("empty.onnx", b"", "empty"),
        ("half.onnx", &model[..model.len() / 2], "truncated"),
        ("noise.onnx", &[0xff; 100], "damaged"),
    ];
    for (name, bytes, part) in cases {
        let text = load_error(&folder.write(name, bytes));
        assert!(text.contains(name) && text.contains(part) && text.lines().count() == 1, "{text}");
    }
    let text = load_error(&folder.0.join("absent.onnx"));
    assert!(text.contains("absent.onnx: reading failed"), "{text}");
    assert!(load_error(&folder.0).contains("not a regular file"));
}

#[test]
fn versions_are_checked() {
    let model = single("Relu", &[2], &["x"], &[]);
    for (version, part) in
        [(6, "opset 6"), (29, "opset 29"), (i64::MIN, "opset -"), (i64::MAX, "7 to 28")]
    {
        let text = model.clone().opset(version).error();
        assert!(text.contains(part), "{text}");
    }
    for version in [7, 22, 28] {
        model.clone().opset(version).graph();
    }
    let mut old = model.clone();
    old.0.ir_version = Some(2);
    assert!(old.error().contains("IR version 2"));
    let mut silent = model.clone();
    silent.0.opset_import.clear();
    assert!(silent.error().contains("operator versions"), "{}", silent.error());
    let mut other = model;
    other.0.opset_import = vec![opset("com.microsoft", 1)];
    assert!(other.error().contains("operator versions"));
}

#[test]
fn cycles_are_found() {
    let model = Model::new(&[2])
        .node("Add", &["x", "b"], &["a"], &[])
        .node("Relu", &["a"], &["b"], &[])
        .node("Relu", &["b"], &["y"], &[])
        .output("y");
    let text = model.error();
    assert!(text.contains("cycle") && text.contains("\"a\", \"b\""), "{text}");
    assert!(single("Relu", &[2], &["y"], &[]).error().contains("cycle"));
}

#[test]
fn names_have_one_origin() {
    let twice = single("Relu", &[2], &["x"], &[]).node("Sigmoid", &["x"], &["y"], &[]);
    assert!(twice.error().contains("more than once: \"y\""), "{}", twice.error());
    let shadow = Model::new(&[2]).node("Relu", &["x"], &["x"], &[]).output("x");
    assert!(shadow.error().contains("more than once: \"x\""));
    let inputs = single("Relu", &[2], &["x"], &[]).input("x", &[2]);
    assert!(inputs.error().contains("more than once"));
    let tensors = single("Relu", &[2], &["x"], &[]).ints("c", &[1]).ints("c", &[2]);
    assert!(tensors.error().contains("more than once"));
    // Listing an output twice does not define it twice; ONNX Runtime gives it twice, too.
    let outputs = single("Relu", &[2], &["x"], &[]).output("y").graph();
    let [one, two] = outputs.outputs() else { panic!("{:?}", outputs.outputs()) };
    assert_eq!((one.name.as_str(), one), ("y", two));
    let dangling =
        Model::new(&[2]).node("Add", &["x", "nowhere"], &["y"], &[]).output("y").output("never");
    assert!(
        dangling.error().contains("never defined: \"never\", \"nowhere\""),
        "{}",
        dangling.error()
    );
    assert!(Model::new(&[2]).error().contains("no outputs"));
}

/// A tensor that claims a shape but has only a few bytes.
fn lying(dims: &[i64], ty: i32) -> TensorProto {
    TensorProto {
        name: Some("w".into()),
        dims: dims.into(),
        data_type: Some(ty),
        raw_data: Some(vec![0; 8].into()),
        ..Default::default()
    }
}

#[test]
fn tensors_that_lie_are_refused() {
    let float = DataType::Float as i32;
    for dims in [&[3][..], &[-2], &[i64::MAX, i64::MAX], &[1 << 32, 1 << 32], &[1 << 39], &[1; 9]] {
        let text = single("Add", &[2], &["x", "w"], &[]).tensor(lying(dims, float)).error();
        assert!(text.contains("\"w\""), "{text}");
    }
    for ty in [0, 8, 17, 22, 999, -1] {
        let text = single("Add", &[2], &["x", "w"], &[]).tensor(lying(&[2], ty)).error();
        assert!(text.contains("\"w\"") && text.contains("element type"), "{text}");
    }
    let empty = single("Add", &[2], &["x", "w"], &[])
        .tensor(TensorProto { raw_data: None, ..lying(&[1 << 30], float) });
    assert!(empty.error().contains("\"w\""));
}

#[test]
fn constant_arithmetic_is_bounded() {
    let huge = [i64::MAX, i64::MAX];
    let cases = [
        Model::new(&[1]).ints("s", &huge).node("ConstantOfShape", &["s"], &["c"], &[]),
        Model::new(&[1]).ints("s", &[1 << 35]).node("ConstantOfShape", &["s"], &["c"], &[]),
        Model::new(&[1]).ints("s", &[1 << 35]).ints("a", &[0]).node(
            "Expand",
            &["a", "s"],
            &["c"],
            &[],
        ),
        Model::new(&[1]).ints("s", &[0]).ints("e", &[i64::MAX]).ints("d", &[1]).node(
            "Range",
            &["s", "e", "d"],
            &["c"],
            &[],
        ),
        Model::new(&[1]).ints("s", &[i64::MAX]).node("Mul", &["s", "s"], &["c"], &[]),
        Model::new(&[1]).ints("s", &[0]).node("Div", &["s", "s"], &["c"], &[]),
        Model::new(&[1]).ints("s", &[i64::MIN]).node("Neg", &["s"], &["c"], &[]),
    ];
    for model in cases {
        let model = model.node("Reshape", &["x", "c"], &["y"], &[]).output("y");
        assert!(model.error().starts_with("1 node cannot be compiled"), "{}", model.error());
    }
    let mut many = Model::new(&[1]).ints("s", &[1 << 24]);
    for i in 0..64 {
        many =
            many.node("ConstantOfShape", &["s"], &[&format!("c{i}")], &[]).output(&format!("c{i}"));
    }
    assert!(many.error().contains("exceeds the importer's limit"));
}

#[test]
fn a_range_says_what_is_wrong_with_it() {
    let range = |start: i64, limit: i64, delta: i64| {
        let model = Model::new(&[1]).ints("s", &[start]).ints("e", &[limit]).ints("d", &[delta]);
        let model = model.node("Range", &["s", "e", "d"], &["c"], &[]);
        model.node("Reshape", &["x", "c"], &["y"], &[]).output("y").error()
    };
    for (start, limit) in [(0, 5), (5, 0), (5, 5), (0, i64::MAX)] {
        let said = range(start, limit, 0);
        assert!(said.contains("delta, the step, is 0") && !said.contains("limit of"), "{said}");
    }
    assert!(range(0, i64::MAX, 1).contains("exceeds the importer's limit"));
}

#[test]
fn long_lists_give_short_messages() {
    let mut model = Model::new(&[1]).ints("s", &vec![3; 1 << 20]);
    for i in 0..64 {
        model =
            model.node("Reshape", &["x", "s"], &[&format!("y{i}")], &[]).output(&format!("y{i}"));
    }
    assert!(model.error().len() < 64 * 500);
    let axes = single("Unsqueeze", &[1], &["x"], &[("axes", Ints((0..1 << 20).collect()))]);
    assert!(axes.error().len() < 500);
}

#[test]
fn activations_are_bounded() {
    let pad = single("Pad", &[2], &["x"], &[("pads", Ints(vec![i64::MAX, i64::MAX]))]).opset(7);
    assert!(pad.error().contains("cannot be compiled"));
    let shape = single("Reshape", &[4], &["x", "s"], &[]).ints("s", &[1 << 62, 1 << 62, -1]);
    assert!(shape.error().contains("cannot be compiled"));
    let rank = single("Unsqueeze", &[4], &["x"], &[("axes", Ints((0..20).collect()))]);
    assert!(rank.error().contains("rank"), "{}", rank.error());
    let flat = single("Flatten", &[1 << 20, 1 << 20], &["x"], &[("axis", Int(2))]);
    assert!(flat.error().contains("elements"), "{}", flat.error());
}

#[test]
fn functions_that_never_end_are_refused() {
    let call = |name: &str| {
        let mut call = node(name, &["a"], &["b"], &[]);
        call.domain = Some("mine".into());
        call
    };
    let function = |name: &str, body: Vec<_>| FunctionProto {
        name: Some(name.into()),
        domain: Some("mine".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: body,
        ..Default::default()
    };
    let mut top = call("F0");
    (top.input, top.output) = (vec!["x".into()], vec!["y".into()]);
    let mut model = Model::new(&[1]).add(top).output("y");
    model.0.functions = vec![function("F0", vec![call("F0")])];
    assert!(model.error().contains("mine.F0"), "{}", model.error());
    // Each function uses the next one a hundred times.
    model.0.functions = (0..12)
        .map(|i| function(&format!("F{i}"), vec![call(&format!("F{}", i + 1)); 100]))
        .collect();
    assert!(model.error().contains("too many nodes"), "{}", model.error());
}

#[test]
fn weight_files_are_written_whole_or_not_at_all() {
    let folder = Folder::new("save");
    let path = folder.write("out.safetensors", b"precious");
    let tensor = Tensor::new([2, 2], vec![1.0, -2.0, 3.5, f32::MIN_POSITIVE]).unwrap();
    let twice = safetensors::save(&path, [("a", &tensor), ("a", &tensor)]);
    assert!(twice.unwrap_err().to_string().contains("\"a\""));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    safetensors::save(&path, [("a", &tensor), ("b", &Tensor::scalar(7.0))]).unwrap();
    assert_eq!(safetensors::load_tensor(&path, Some("a")).unwrap(), tensor);
    let text = safetensors::load_tensor(&path, Some("c")).unwrap_err().to_string();
    assert!(
        text.contains("out.safetensors: no tensor \"c\"; the file holds \"a\", \"b\""),
        "{text}"
    );
    assert!(safetensors::load_tensor(&path, None).is_err());
    assert_eq!(safetensors::load(&path).unwrap().len(), 2);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "no temporary file is left");
    assert!(safetensors::save(&folder.0.join("absent/out"), [("a", &tensor)]).is_err());
    folder.write("text.safetensors", b"this is text, not tensors");
    assert!(
        safetensors::load(&folder.0.join("text.safetensors"))
            .unwrap_err()
            .to_string()
            .contains("text.safetensors")
    );
}
