//! Which outputs are computed, and the shapes that inputs are given.

use resnetc::import::ImportErrorKind;
use resnetc::import::onnx::{self, Bindings};
use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::Ints;
use crate::model::{Model, single};

/// "a" is twice "x"; "b" needs an unknown operator, an input of strings, and one without a shape.
fn model() -> Model {
    let mut model = Model::new(&[2])
        .input("odd", &[-1])
        .input("text", &[1])
        .node("Add", &["x", "x"], &["a"], &[])
        .node("Einsum", &["a", "text"], &["e"], &[])
        .node("Add", &["e", "odd"], &["b"], &[])
        .node("Relu", &["x"], &["c"], &[])
        .output("a")
        .output("b")
        .output("c");
    let input = model.graph_proto().input[2].r#type.as_mut();
    input.and_then(|t| t.tensor_type.as_mut()).expect("a tensor").elem_type = Some(8);
    model
}

fn import(model: &Model, outputs: &[&str]) -> Result<Graph, ImportErrorKind> {
    let outputs = outputs.iter().map(|name| name.to_string()).collect();
    let bindings = Bindings { outputs, ..Bindings::default() };
    onnx::parse(&model.bytes(), None, &bindings).map_err(|e| *e.kind)
}

#[test]
fn outputs_are_chosen_in_any_order_and_nothing_else_is_judged() {
    for chosen in [&["a"][..], &["c"], &["c", "a"], &["a", "c"]] {
        let graph = import(&model(), chosen).unwrap();
        let names: Vec<&str> = graph.outputs().iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, chosen);
        assert_eq!(graph.inputs().len(), 1, "inputs that only other outputs need are left out");
        let x = Value::new(vec![2], vec![-1.0, 2.0]);
        for (value, name) in eval(&graph, &[x]).unwrap().iter().zip(chosen) {
            let expected = if *name == "a" { [-2.0, 4.0] } else { [0.0, 2.0] };
            assert_eq!(value.data, expected, "{name}");
        }
    }
}

#[test]
fn what_the_chosen_outputs_need_is_judged() {
    assert!(model().error().contains("\"text\""));
    let needed = onnx::Model::parse(&model().bytes(), None).unwrap();
    let names = |outputs: &[&str]| -> Vec<String> {
        let outputs: Vec<String> = outputs.iter().map(|name| name.to_string()).collect();
        needed.inputs_of(&outputs).unwrap().into_iter().map(|input| input.name).collect()
    };
    assert_eq!(names(&["a", "c"]), ["x"]);
    assert!(needed.inputs_of(&["b".into()]).unwrap_err().to_string().contains("\"text\""));
    let mut without_text = model();
    without_text.graph_proto().input.pop();
    without_text.graph_proto().node[1].input.pop();
    let ImportErrorKind::Unsupported { nodes } = import(&without_text, &["a", "b"]).unwrap_err()
    else {
        panic!("an operator is not known");
    };
    assert_eq!(nodes.iter().map(|n| n.op.as_str()).collect::<Vec<_>>(), ["Einsum"]);
}

#[test]
fn outputs_that_are_not_there_are_refused_with_those_that_are() {
    let model =
        single("Relu", &[2], &["x"], &[]).node("Neg", &["x"], &["softmax"], &[]).output("softmax");
    let text = import(&model, &["y", "softmx"]).unwrap_err().to_string();
    let parts = ["\"softmx\"", "did you mean \"softmax\"", "\"y\", \"softmax\""];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    // The name of an inner value is not the name of an output.
    assert!(matches!(import(&model, &["x"]), Err(ImportErrorKind::UnknownOutput { .. })));
    assert!(import(&model, &["y", "y"]).unwrap_err().to_string().contains("twice"));
}

#[test]
fn values_inside_a_model_are_outputs_by_the_names_of_values_nodes_and_modules() {
    let mut model = Model::new(&[2])
        .node("Add", &["x", "x"], &["v0"], &[])
        .node("Relu", &["v0"], &["v1"], &[])
        .node("Neg", &["v1"], &["v2"], &[])
        .node("Sub", &["v2", "v0"], &["y"], &[])
        .output("y");
    let names = ["/stem/Add", "/body/body.0/relu/Relu", "/body/body.0/Neg", ""];
    for (node, name) in model.graph_proto().node.iter_mut().zip(names) {
        node.name = Some(name.to_owned());
    }
    let x = || Value::new(vec![2], vec![-1.0, 2.0]);
    for (name, expected) in [
        ("v1", [0.0, 4.0]),
        ("/body/body.0/relu/Relu", [0.0, 4.0]),
        ("body", [0.0, -4.0]),
        ("body.0", [0.0, -4.0]),
        ("stem", [-2.0, 4.0]),
    ] {
        let graph = import(&model, &["y", name]).unwrap();
        let names: Vec<&str> = graph.outputs().iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["y", name]);
        assert_eq!(eval(&graph, &[x()]).unwrap()[1].data, expected, "{name}");
    }
    // What only later values need is left out.
    assert_eq!(import(&model, &["v0"]).unwrap().nodes().count(), 2);
    model.graph_proto().node[3].input[1] = "v1".to_owned();
    let error = import(&model, &["body"]).unwrap_err();
    let ImportErrorKind::ManyValues { values, .. } = &error else { panic!("{error}") };
    assert_eq!(values, &["/body/body.0/relu/Relu", "/body/body.0/Neg"]);
}

fn shaped(model: &Model, shapes: &[(&str, &[usize])], bindings: Bindings) -> Result<Graph, String> {
    let shapes = shapes.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect();
    let bindings = Bindings { shapes, ..bindings };
    onnx::parse(&model.bytes(), None, &bindings).map_err(|e| e.to_string())
}

fn shape_of(graph: &Graph, input: usize) -> &[usize] {
    &graph.node(graph.inputs()[input]).ty.shape
}

#[test]
fn shapes_open_dimensions_and_fit_fixed_ones() {
    let model = single("Relu", &[-1, 3, -1, -1], &["x"], &[]).input("second", &[-1, 2]);
    let free = Bindings::default;
    let graph = shaped(&model, &[("x", &[5, 3, 8, 9])], free()).unwrap();
    assert_eq!(shape_of(&graph, 0), [5, 3, 8, 9]);
    assert_eq!(shape_of(&graph, 1), [5, 2], "both begin with the dimension d0");
    let named = Bindings { dims: [("d2".into(), 8)].into(), ..free() };
    assert!(shaped(&model, &[("x", &[5, 3, 8, 9])], named.clone()).is_ok());
    let says = |result: Result<Graph, String>, parts: &[&str]| {
        let text = result.unwrap_err();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    says(shaped(&model, &[("x", &[5, 3, 7, 9])], named), &["\"x\"", "d2", "7", "8"]);
    let both: [(&str, &[usize]); 2] = [("x", &[5, 3, 8, 9]), ("second", &[4, 2])];
    says(shaped(&model, &both, free()), &["d0", "5", "4"]);
    says(
        shaped(&model, &[("x", &[8, 9, 3])], free()),
        &["[d0, 3, d2, d3]", "[8, 9, 3]", "x.transpose(2, 0, 1)[None]"],
    );
    says(shaped(&model, &[("y", &[1])], free()), &["\"y\"", "\"x\", \"second\""]);
    says(shaped(&model, &[("x", &[5, 3, 0, 9])], free()), &["\"x\"", "extent 0"]);
    says(shaped(&model, &[("x", &[1, 3, usize::MAX, 9])], free()), &["\"x\""]);
}

#[test]
fn a_fixed_batch_is_changed_by_a_shape() {
    let model = single("Relu", &[1, 3], &["x"], &[]);
    let graph = shaped(&model, &[("x", &[4, 3])], Bindings::default()).unwrap();
    assert_eq!(shape_of(&graph, 0), [4, 3]);
    let reshaped = single("Transpose", &[1, 3], &["x"], &[("perm", Ints(vec![1, 0]))]);
    let error = shaped(&reshaped, &[("x", &[4, 3])], Bindings::default()).unwrap_err();
    assert!(error.contains("batch 4") && error.contains("transpose"), "{error}");
}

#[test]
fn an_input_without_a_shape_needs_one() {
    let mut model = single("Relu", &[-1], &["x"], &[]).input("z", &[-1, -1, 7]);
    let ty = |model: &mut Model| {
        let tensor = model.graph_proto().input[0].r#type.as_mut();
        tensor.and_then(|t| t.tensor_type.as_mut()).expect("a tensor").shape = None;
    };
    ty(&mut model);
    let error = model.error();
    let parts = ["\"x\"", "no declared shape", "\"d1\"", "axis 1 of input \"z\""];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    // An extent for an axis that the input does not have yet is not a shape.
    for name in ["x", "x.0", "x.1"] {
        let dims = [(name.to_owned(), 5)].into();
        let error = shaped(&model, &[], Bindings { dims, ..Bindings::default() }).unwrap_err();
        assert!(error.contains("\"x\" has no declared shape"), "{name}: {error}");
    }
    let inputs = onnx::Model::parse(&model.bytes(), None).unwrap().inputs().unwrap();
    assert_eq!(inputs[0].dims, None);
    for shape in [&[2, 3, 7][..], &[4], &[]] {
        let shapes: [(&str, &[usize]); 2] = [("x", shape), ("z", &[1, 6, 7])];
        let graph = shaped(&model, &shapes, Bindings::default()).unwrap();
        assert_eq!(shape_of(&graph, 0), shape);
        assert_eq!(shape_of(&graph, 1), [1, 6, 7]);
    }
}
