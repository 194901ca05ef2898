//! Models that are well-formed, but not supported or not complete: the error messages.

use std::collections::BTreeMap;

use crate::model::Attr::{Float, Int, Ints, Text};
use crate::model::{Model, conv, node, single};
use resnetc::import::onnx::{self, Bindings, Dim};
use resnetc::import::{ImportErrorKind, RefusedNode};

fn refused(model: &Model) -> Vec<RefusedNode> {
    match *model.import().unwrap_err().kind {
        ImportErrorKind::Unsupported { nodes } => nodes,
        other => panic!("{other}"),
    }
}

#[test]
fn every_offending_node_is_listed_and_no_other() {
    let model = Model::new(&[1, 4, 5, 5])
        .weights("w", &[2, 4, 3, 3])
        .node("Resize", &["x"], &["a"], &[])
        .node("Conv", &["a", "w"], &["b"], &[("group", Int(0))])
        .node("Conv", &["x", "w"], &["c"], &[("group", Int(0))])
        .node("Einsum", &["b", "c"], &["d"], &[])
        .node("Relu", &["d"], &["y"], &[])
        .output("y");
    let nodes = refused(&model);
    let found: Vec<(&str, &str)> = nodes.iter().map(|n| (n.op.as_str(), n.name.as_str())).collect();
    assert_eq!(found, [("Resize", "a"), ("Conv", "c"), ("Einsum", "d")]);
    assert_eq!(nodes[1].attribute.as_deref(), Some("group"));
    let text = model.error();
    assert!(
        text.starts_with("3 nodes cannot be compiled\n")
            && text.contains("Conv \"c\": attribute group: is 0")
    );
}

/// Whether the error of a model says that a simplifier may help. It must say so both beside the
/// node and below, or not at all.
fn is_hinted(model: &Model) -> bool {
    let kind = model.import().unwrap_err().kind;
    let advice = kind.advice().is_some_and(|advice| advice.to_string().contains("simplifier"));
    let nodes = refused(model);
    assert_eq!(advice, nodes.iter().any(|node| node.is_removable), "{kind}");
    assert_eq!(advice, kind.to_string().contains(" (removable)"), "{kind}");
    advice
}

/// A program that folds constants removes what it can compute once: operators that it knows, on
/// constants and shapes.
#[test]
fn a_simplifier_is_recommended_only_where_it_may_help() {
    let model = || {
        Model::new(&[1, 2, 4, 4]).floats("c", &[2], &[1.0, 2.0]).floats(
            "k",
            &[1, 2, 1, 1],
            &[1.0, 2.0],
        )
    };
    let odd = |inputs: &[&str], output: &str, domain: &str| {
        let mut odd = node("Det", inputs, &[output], &[]);
        odd.domain = Some(domain.into());
        odd
    };
    // The node itself reads constants, or a shape, or the result of another refused node on those.
    for (model, says) in [
        (model().add(odd(&["c"], "y", "")), "Det \"y\""),
        (model().add(odd(&["c"], "y", "com.microsoft")), "com.microsoft.Det \"y\""),
        (model().node("Shape", &["x"], &["s"], &[]).add(odd(&["s"], "y", "")), "Det \"y\""),
        (
            model().add(odd(&["c"], "d", "")).node("Relu", &["d"], &["e"], &[]).add(odd(
                &["e"],
                "y",
                "",
            )),
            "Det \"d\"",
        ),
    ] {
        let model = model.output("y");
        assert!(is_hinted(&model), "{}", model.error());
        assert!(model.error().contains(says), "{}", model.error());
    }
    let training = |x: &str, outputs: &[&str]| {
        model()
            .add(node(
                "BatchNormalization",
                &[x, "c", "c", "c", "c"],
                outputs,
                &[("training_mode", Int(1))],
            ))
            .output(outputs.last().unwrap())
    };
    for model in [
        // It depends on the image.
        model().add(odd(&["x"], "y", "")).output("y"),
        model().add(odd(&["x", "c"], "y", "")).output("y"),
        model().node("Shape", &["x"], &["s"], &[]).add(odd(&["s", "x"], "y", "")).output("y"),
        // It depends on chance.
        model().node("RandomNormalLike", &["c"], &["y"], &[]).output("y"),
        // The operator is unknown.
        model().add(odd(&["c"], "y", "org.example")).output("y"),
        model().add(odd(&["c"], "d", "org.example")).add(odd(&["d"], "y", "")).output("y"),
        // It trains, on images or constants, which no simplifier does.
        training("x", &["y"]),
        training("x", &["a", "y"]),
        training("k", &["a", "y"]),
    ] {
        assert!(!is_hinted(&model), "{}", model.error());
    }
    // With several nodes, the hint is about those that are marked.
    let mixed = model().add(odd(&["x"], "d", "")).add(odd(&["c"], "e", "")).node(
        "Add",
        &["d", "e"],
        &["y"],
        &[],
    );
    let mixed = mixed.output("y");
    assert!(is_hinted(&mixed));
    let marked: Vec<bool> = refused(&mixed).iter().map(|node| node.is_removable).collect();
    assert_eq!(marked, [false, true]);
}

#[test]
fn nodes_that_no_output_needs_do_not_matter() {
    let model = single("Relu", &[2], &["x"], &[]).node("Einsum", &["x"], &["z"], &[]);
    assert_eq!(model.run().data, [0.0, 1.0]);
}

#[test]
fn wrong_attributes_are_named() {
    let cases: Vec<(&str, Model)> = vec![
        ("strides", conv(&[("strides", Ints(vec![-1, 1]))])),
        ("strides", conv(&[("strides", Ints(vec![0, 1]))])),
        ("strides", conv(&[("strides", Ints(vec![1]))])),
        ("strides", conv(&[("strides", Int(1))])),
        ("dilations", conv(&[("dilations", Ints(vec![i64::MAX, 1]))])),
        ("pads", conv(&[("pads", Ints(vec![-1, 0, 0, 0]))])),
        ("group", conv(&[("group", Int(-1))])),
        ("auto_pad", conv(&[("auto_pad", Text("SAME"))])),
        ("kernel_shape", conv(&[("kernel_shape", Ints(vec![5, 5]))])),
        ("kernel_shape", single("MaxPool", &[1, 1, 4, 4], &["x"], &[])),
        ("alpha", single("Gemm", &[2, 2], &["x", "x"], &[("alpha", Float(f32::NAN))])),
        ("axis", single("Flatten", &[2, 2], &["x"], &[("axis", Int(3))])),
        ("axis", single("Softmax", &[2, 2], &["x"], &[("axis", Int(i64::MIN))])),
        ("perm", single("Transpose", &[2, 2], &["x"], &[("perm", Ints(vec![0, 0]))])),
        (
            "mode",
            single("Pad", &[2, 2], &["x"], &[("pads", Ints(vec![0; 4])), ("mode", Text("ring"))]),
        ),
        ("pads", single("Pad", &[2, 2], &["x"], &[("pads", Ints(vec![0, -1, 0, -1]))]).opset(7)),
        ("pads", single("Pad", &[2], &["x"], &[("pads", Ints(vec![i64::MIN, 9]))]).opset(7)),
        ("blocksize", single("DepthToSpace", &[1, 6, 2, 2], &["x"], &[("blocksize", Int(2))])),
        (
            "blocksize",
            single("DepthToSpace", &[1, 4, 2, 2], &["x"], &[("blocksize", Int(1 << 40))]),
        ),
        ("blocksize", single("SpaceToDepth", &[1, 1, 4, 3], &["x"], &[("blocksize", Int(2))])),
        ("blocksize", single("SpaceToDepth", &[1, 1, 4, 4], &["x"], &[("blocksize", Int(0))])),
        ("to", single("Cast", &[2], &["x"], &[("to", Int(8))])),
        ("to", single("Cast", &[2], &["x"], &[("to", Int(1 << 40))])),
        ("axes", single("Squeeze", &[2, 1], &["x"], &[("axes", Ints(vec![0]))])),
    ];
    for (attribute, model) in cases {
        let nodes = refused(&model);
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].attribute.as_deref(), Some(attribute), "{}", nodes[0]);
    }
}

/// What newer versions of the standard pass as an input is not called an attribute.
#[test]
fn inputs_are_not_called_attributes() {
    let with = |op: &str, shape: &[i64], input: &str, values: &[i64]| {
        single(op, shape, &["x", input], &[]).ints(input, values)
    };
    let slice = single("Slice", &[4], &["x", "starts", "ends", "", "steps"], &[]);
    for (says, model) in [
        ("input pads: must have two entries", with("Pad", &[2, 2], "pads", &[1, 1, 1])),
        ("input axes: ", with("Squeeze", &[2, 1], "axes", &[0])),
        ("input k: ", with("TopK", &[4], "k", &[9])),
        ("input steps: has a 0", slice.ints("starts", &[0]).ints("ends", &[4]).ints("steps", &[0])),
    ] {
        let nodes = refused(&model);
        let said = nodes[0].to_string();
        assert!(said.contains(says) && nodes[0].attribute.is_none(), "{said}");
    }
}

#[test]
fn batch_normalization_needs_a_number_and_evaluation_mode() {
    let with = |attribute| {
        Model::new(&[1, 1, 2, 2])
            .floats("c", &[1], &[1.0])
            .node("BatchNormalization", &["x", "c", "c", "c", "c"], &["y"], &[attribute])
            .output("y")
    };
    assert_eq!(
        refused(&with(("epsilon", Float(f32::NAN))))[0].attribute.as_deref(),
        Some("epsilon")
    );
    assert_eq!(refused(&with(("epsilon", Float(-1.0))))[0].attribute.as_deref(), Some("epsilon"));
    assert!(with(("training_mode", Int(1))).error().contains("evaluation mode"));
}

/// Before version 14, the number of results says that statistics are taken from the batch.
#[test]
fn batch_normalization_with_more_results_is_for_training() {
    let with = |outputs: &[&str], version| {
        Model::new(&[2, 1, 2, 2])
            .floats("c", &[1], &[1.0])
            .add(node("BatchNormalization", &["x", "c", "c", "c", "c"], outputs, &[]))
            .output("y")
            .opset(version)
    };
    for version in 7..14 {
        let error = with(&["y", "m", "v", "sm", "sv"], version).error();
        assert!(error.contains("5 results") && error.contains("evaluation mode"), "{error}");
        assert!(with(&["y", "", "", "", "sv"], version).error().contains("evaluation mode"));
        let plain = with(&["y"], version).run();
        assert_eq!(with(&["y", "", "", "", ""], version).run(), plain);
    }
    // Since then it means nothing.
    assert_eq!(with(&["y", "m", "v"], 14).run(), with(&["y"], 14).run());
    let pixels = [("spatial", Int(0))];
    let model = Model::new(&[2, 1, 2, 2]).floats("c", &[1], &[1.0]);
    let model = model.node("BatchNormalization", &["x", "c", "c", "c", "c"], &["y"], &pixels);
    assert!(model.output("y").opset(7).error().contains("each pixel"));
}

#[test]
fn results_that_are_not_computed_may_not_be_used() {
    let pool = Model::new(&[1, 1, 4, 4])
        .node("MaxPool", &["x"], &["p", "i"], &[("kernel_shape", Ints(vec![2, 2]))])
        .node("Add", &["p", "i"], &["y"], &[])
        .output("y");
    assert!(refused(&pool)[0].reason.contains("\"i\""));
    let dropout = Model::new(&[2]).node("Dropout", &["x"], &["a", "y"], &[]).output("y");
    assert_eq!(refused(&dropout)[0].op, "Dropout");
}

#[test]
fn kernels_of_another_rank_than_the_image_are_refused() {
    for (image, weights) in [(&[1, 3, 8, 8][..], &[4, 3, 3][..]), (&[1, 3, 8], &[4, 3, 3, 3])] {
        let model = Model::new(image).weights("w", weights);
        let model = model.node("Conv", &["x", "w"], &["y"], &[]).output("y");
        let error = model.error();
        assert!(error.contains("must have the same rank"), "{error}");
    }
}

#[test]
fn three_dimensional_convolutions_are_refused() {
    let model = Model::new(&[1, 2, 9, 9, 9])
        .weights("w", &[2, 2, 3, 3, 3])
        .node("Conv", &["x", "w"], &["y"], &[])
        .output("y");
    assert!(model.error().contains("3 spatial dimension"), "{}", model.error());
}

#[test]
fn operators_of_other_domains_are_refused_with_their_domain() {
    let mut fused = node("FusedConv", &["x"], &["y"], &[]);
    fused.domain = Some("com.microsoft".into());
    let nodes = refused(&Model::new(&[2]).add(fused).output("y"));
    assert_eq!(nodes[0].op, "com.microsoft.FusedConv");
}

#[test]
fn shapes_computed_from_activations_are_refused() {
    let model = single("Reshape", &[4], &["x", "x"], &[]);
    assert!(model.error().contains("run time"), "{}", model.error());
}

#[test]
fn integers_are_no_operands_of_arithmetic() {
    let model = single("Add", &[2], &["x", "i"], &[]).ints("i", &[1, 2]);
    assert!(model.error().contains("\"i\" is an integer tensor"));
}

fn bind(
    model: &Model,
    batch: usize,
    dims: &[(&str, usize)],
) -> Result<Vec<usize>, ImportErrorKind> {
    let dims: BTreeMap<String, usize> =
        dims.iter().map(|(name, n)| (name.to_string(), *n)).collect();
    match onnx::parse(
        &model.bytes(),
        None,
        &Bindings { batch: Some(batch), dims, ..Bindings::default() },
    ) {
        Ok(graph) => Ok(graph.node(graph.inputs()[0]).ty.shape.clone()),
        Err(e) => Err(*e.kind),
    }
}

#[test]
fn symbolic_dimensions_need_sizes() {
    let model = single("Relu", &[-1, 3, -1, -1], &["x"], &[]);
    assert_eq!(bind(&model, 5, &[("d2", 7), ("d3", 8)]).unwrap(), [5, 3, 7, 8]);
    assert_eq!(bind(&model, 2, &[("d0", 2), ("d2", 7), ("d3", 8)]).unwrap(), [2, 3, 7, 8]);
    let two = bind(&model, 5, &[("d0", 2), ("d2", 7), ("d3", 8)]).unwrap_err().to_string();
    assert!(two.contains("a batch of 5 was requested, but 2 for \"d0\""), "{two}");
    let error = bind(&model, 1, &[("d2", 7)]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"d3\"") && text.contains("\"x\""), "{text}");
    let advice = error.advice().expect("it can be mended").to_string();
    assert!(advice.contains("Options::dims"), "{advice}");
    let ImportErrorKind::UnboundDims { dims, .. } = error else { panic!("{text}") };
    assert_eq!((dims.len(), dims[0].axis), (1, 3));
    let error = bind(&model, 1, &[("d2", 7), ("D3", 7)]).unwrap_err();
    assert!(matches!(error, ImportErrorKind::UnknownDim { name, .. } if name == "D3"));
    for bad in [0, usize::MAX] {
        assert!(bind(&model, 1, &[("d2", bad), ("d3", 1)]).is_err());
    }
}

#[test]
fn dimensions_without_a_name_go_by_input_and_axis() {
    let mut model = single("Relu", &[0, 3, 0], &["x"], &[]);
    assert_eq!(bind(&model, 2, &[("x.2", 7)]).unwrap(), [2, 3, 7]);
    model.graph_proto().input[0].name = Some("x".into());
    let inputs = onnx::Model::parse(&model.bytes(), None).unwrap().inputs().unwrap();
    assert_eq!(
        inputs[0].dims.as_deref().unwrap(),
        [Dim::Symbol("x.0".into()), Dim::Fixed(3), Dim::Symbol("x.2".into())]
    );
}

#[test]
fn inputs_of_other_types_are_refused() {
    let mut model = single("Relu", &[2], &["x"], &[]);
    if let Some(tensor) =
        model.graph_proto().input[0].r#type.as_mut().and_then(|t| t.tensor_type.as_mut())
    {
        tensor.elem_type = Some(8);
    }
    assert!(
        model.error().contains("String") && model.error().contains("\"x\""),
        "{}",
        model.error()
    );
}

/// Names are printed, and those from a file must not control a terminal. Inputs and outputs are
/// looked up by name.
#[test]
fn names_of_nodes_are_one_line() {
    let graph = Model::new(&[2])
        .node("Relu", &["x"], &["a\u{1b}[31m\nb"], &[])
        .node("Exp", &["a\u{1b}[31m\nb"], &["y\n"], &[])
        .output("y\n")
        .graph();
    let names: Vec<String> = graph.nodes().map(|n| graph.node(n).name.clone()).collect();
    assert_eq!(names, ["x", "a\\u{1b}[31m\\nb", "y\\n"]);
    assert_eq!(graph.outputs()[0].name, "y\n");
}
