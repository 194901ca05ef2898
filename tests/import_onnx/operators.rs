//! What operators mean, where versions and exporters differ.

use crate::model::Attr::{Float, Int, Ints, Text};
use crate::model::{Model, conv, node, opset, single};
use resnetc::import::onnx::proto::{AttributeProto, DataType, FunctionProto, TensorProto};
use resnetc::import::onnx::{self, Bindings};
use resnetc_ir::Op;
use resnetc_ir::eval::{Value, eval};

fn shape(model: &Model) -> Vec<usize> {
    let graph = model.graph();
    graph.node(graph.outputs()[0].node).ty.shape.clone()
}

/// The pads of a model's only window: top, left, bottom, right.
fn pads(model: &Model) -> [usize; 4] {
    let graph = model.graph();
    let window = graph.nodes().find_map(|n| match &graph.node(n).op {
        Op::Conv(c) => Some(c.window),
        Op::MaxPool(p) => Some(p.window),
        _ => None,
    });
    let p = window.unwrap().pads;
    [p.top, p.left, p.bottom, p.right]
}

#[test]
fn automatic_padding_is_resolved() {
    let with = |mode, stride| conv(&[("auto_pad", Text(mode)), ("strides", Ints(vec![stride; 2]))]);
    assert_eq!(pads(&with("SAME_UPPER", 2)), [1, 1, 1, 1]);
    assert_eq!(pads(&with("VALID", 2)), [0; 4]);
    let pool = |mode| {
        let attributes = [
            ("auto_pad", Text(mode)),
            ("kernel_shape", Ints(vec![2, 3])),
            ("strides", Ints(vec![1, 2])),
        ];
        pads(&single("MaxPool", &[1, 1, 4, 6], &["x"], &attributes))
    };
    assert_eq!(pool("SAME_UPPER"), [0, 0, 1, 1]);
    assert_eq!(pool("SAME_LOWER"), [1, 1, 0, 0]);
}

#[test]
fn convolutions_take_their_kernel_from_the_weights() {
    let model = conv(&[("pads", Ints(vec![0, 1, 2, 3])), ("dilations", Ints(vec![2, 1]))]);
    assert_eq!(shape(&model), [1, 2, 5 + 2 - 4, 5 + 4 - 2]);
    assert_eq!(pads(&model), [0, 1, 2, 3]);
}

#[test]
fn ceil_mode_adds_the_last_window() {
    let pool = |ceil| {
        let attributes = [
            ("kernel_shape", Ints(vec![2, 2])),
            ("strides", Ints(vec![2, 2])),
            ("ceil_mode", Int(ceil)),
        ];
        shape(&single("AveragePool", &[1, 1, 5, 5], &["x"], &attributes))
    };
    assert_eq!((pool(0), pool(1)), (vec![1, 1, 2, 2], vec![1, 1, 3, 3]));
}

#[test]
fn softmax_before_version_13_spans_all_later_axes() {
    let old = single("Softmax", &[2, 2, 3], &["x"], &[]).opset(11).run();
    let sums: Vec<f64> = old.data.chunks(6).map(|c| c.iter().sum()).collect();
    assert!(sums.iter().all(|s| (s - 1.0).abs() < 1e-12), "{sums:?}");
    let new = single("Softmax", &[2, 2, 3], &["x"], &[]).run();
    let sums: Vec<f64> = new.data.chunks(3).map(|c| c.iter().sum()).collect();
    assert!(sums.iter().all(|s| (s - 1.0).abs() < 1e-12), "{sums:?}");
}

#[test]
fn clip_has_attributes_then_operands() {
    let old = single("Clip", &[5], &["x"], &[("min", Float(1.0)), ("max", Float(3.0))]).opset(7);
    let new = single("Clip", &[5], &["x", "lo", "hi"], &[]).floats("lo", &[], &[1.0]).floats(
        "hi",
        &[],
        &[3.0],
    );
    assert_eq!(old.run().data, [1.0, 1.0, 2.0, 3.0, 3.0]);
    assert_eq!(old.run(), new.run());
}

#[test]
fn max_and_min_against_a_number_are_a_clip() {
    let model = Model::new(&[5])
        .floats("one", &[], &[1.0])
        .floats("three", &[1], &[3.0])
        .node("Max", &["one", "x"], &["a"], &[])
        .node("Min", &["a", "three"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [1.0, 1.0, 2.0, 3.0, 3.0]);
}

#[test]
fn slices_run_backwards() {
    let model = single("Slice", &[5], &["x", "s", "e", "a", "t"], &[])
        .ints("s", &[-1])
        .ints("e", &[i64::MIN])
        .ints("a", &[-1])
        .ints("t", &[-2]);
    assert_eq!(model.run().data, [4.0, 2.0, 0.0]);
}

#[test]
fn padding_repeats_edges() {
    let model =
        single("Pad", &[2, 2], &["x", "p"], &[("mode", Text("edge"))]).ints("p", &[1, 0, 0, 2]);
    let result = model.run();
    assert_eq!(result.shape, [3, 4]);
    assert_eq!(result.data, [0., 1., 1., 1., 0., 1., 1., 1., 2., 3., 3., 3.]);
}

#[test]
fn negative_padding_crops_before_anything_is_added() {
    let pad = |pads: &[i64], mode| {
        single("Pad", &[2, 3], &["x", "p"], &[("mode", Text(mode))]).ints("p", pads).run()
    };
    // 0 1 2 / 3 4 5 without its first column.
    assert_eq!(pad(&[0, -1, 0, 0], "constant").data, [1., 2., 4., 5.]);
    assert_eq!(pad(&[0, -1, 1, 0], "constant").data, [1., 2., 4., 5., 0., 0.]);
    assert_eq!(pad(&[0, -1, 0, 1], "edge").data, [1., 2., 2., 4., 5., 5.]);
    assert_eq!(pad(&[0, -1, 0, 1], "reflect").data, [1., 2., 1., 4., 5., 4.]);
    assert_eq!(pad(&[-1, -1, 0, -1], "constant").data, [4.]);
}

#[test]
fn padding_was_an_attribute_before_version_11() {
    let pads = ("pads", Ints(vec![1, 0, 0, 0]));
    let filled = single("Pad", &[2, 2], &["x"], &[pads, ("value", Float(7.0))]).opset(10);
    assert_eq!(filled.run().data, [7., 7., 0., 1., 2., 3.]);
    let pads = ("pads", Ints(vec![0, 1, 0, 0]));
    let plain = single("Pad", &[2, 2], &["x"], &[pads]).opset(7);
    assert_eq!(plain.run().data, [0., 0., 1., 0., 2., 3.]);
}

#[test]
fn splits_were_an_attribute_before_version_13() {
    let model = Model::new(&[6])
        .node("Split", &["x"], &["a", "y", "b"], &[("split", Ints(vec![1, 3, 2]))])
        .output("y");
    assert_eq!(model.opset(12).run().data, [1., 2., 3.]);
    let equal = Model::new(&[6]).node("Split", &["x"], &["a", "y", "b"], &[]).output("y");
    assert_eq!(equal.opset(7).run().data, [2., 3.]);
}

#[test]
fn slopes_broadcast_to_a_larger_result() {
    let model = single("PRelu", &[1, 2, 1, 1], &["x", "s"], &[]).floats("s", &[3], &[1., 2., 3.]);
    assert_eq!(model.run().shape, [1, 2, 1, 3]);
    assert_eq!(model.run().data, [0., 0., 0., 1., 1., 1.]);
}

#[test]
fn a_vector_of_zeros_has_a_norm() {
    // Rows 0 0 / 3 4.
    let model = Model::new(&[2, 2])
        .floats("w", &[2, 2], &[0., 0., 3., 4.])
        .node("Mul", &["x", "w"], &["a"], &[])
        .floats("two", &[2, 2], &[1., 1., 2., 3.])
        .node("Div", &["a", "two"], &["b"], &[])
        .node("LpNormalization", &["b"], &["y"], &[("p", Int(2))])
        .output("y");
    let found = model.run().data;
    assert_eq!(found[..2], [0., 0.]);
    assert!((found[2] - 0.6).abs() < 1e-7 && (found[3] - 0.8).abs() < 1e-7, "{found:?}");
}

#[test]
fn padding_may_repeat_the_value_several_times() {
    let pad = |mode, pads: &[i64]| {
        single("Pad", &[3], &["x", "p"], &[("mode", Text(mode))]).ints("p", pads).run().data
    };
    assert_eq!(pad("wrap", &[4, 5]), [2., 0., 1., 2., 0., 1., 2., 0., 1., 2., 0., 1.]);
    assert_eq!(pad("reflect", &[5, 3]), [1., 0., 1., 2., 1., 0., 1., 2., 1., 0., 1.]);
    assert_eq!(pad("edge", &[200, 1])[199..], [0., 0., 1., 2., 2.]);
    let one = single("Pad", &[1], &["x", "p"], &[("mode", Text("reflect"))]).ints("p", &[2, 1]);
    assert_eq!(one.run().data, [0.; 4]);
}

#[test]
fn parts_are_gathered_by_their_places() {
    let model = |dims: &[i64], data: &[i64]| {
        let mut index =
            TensorProto { name: Some("i".into()), dims: dims.into(), ..Default::default() };
        index.data_type = Some(DataType::Int64 as i32);
        index.int64_data = data.into();
        Model::new(&[2, 3, 2]).tensor(index)
    };
    let whole = model(&[2, 1, 3], &[1, 2, 1, 0, -1, 0]);
    let run = |model: Model, batch| {
        model.node("GatherND", &["x", "i"], &["y"], &[("batch_dims", Int(batch))]).output("y").run()
    };
    let found = run(whole, 0);
    assert_eq!((found.shape, found.data), (vec![2, 1], vec![11., 4.]));
    let rows = run(model(&[1, 2], &[1, -2]), 0);
    assert_eq!((rows.shape, rows.data), (vec![1, 2], vec![8., 9.]));
    let each = run(model(&[2, 1], &[2, 0]), 1);
    assert_eq!((each.shape, each.data), (vec![2, 2], vec![4., 5., 6., 7.]));
    let outside = model(&[1, 2], &[1, 3]).node("GatherND", &["x", "i"], &["y"], &[]).output("y");
    assert!(outside.error().contains("outside"), "{}", outside.error());
}

#[test]
fn any_number_of_elements_is_gathered_by_one_operator() {
    let indices: Vec<i64> = (0..3000).map(|i| i * i % 7).collect();
    let model = single("Gather", &[2, 7], &["x", "i"], &[("axis", Int(1))]).ints("i", &indices);
    let found = model.run();
    assert_eq!(found.shape, [2, 3000]);
    assert!(found.data.iter().zip(indices.iter().cycle()).all(|(&x, &i)| x % 7. == i as f64));
    assert!(model.graph().nodes().count() <= 3);
    let none = single("Gather", &[2, 7], &["x", "i"], &[]).ints("i", &[]);
    assert!(none.error().contains("0 elements"), "{}", none.error());
}

#[test]
fn truth_values_are_no_numbers() {
    let compared = Model::new(&[3]).floats("c", &[], &[1.0]).node("Less", &["x", "c"], &["t"], &[]);
    let not = compared.clone().node("Not", &["t"], &["y"], &[]).output("y");
    assert_eq!(not.run().data, [0., 1., 1.]);
    let sum = compared.clone().node("Add", &["t", "c"], &["y"], &[]).output("y");
    assert!(sum.error().contains("Bool"), "{}", sum.error());
    let number = compared.node("Not", &["x"], &["y"], &[]).output("y");
    assert!(number.error().contains("it must be bool"), "{}", number.error());
    let cast = single("Cast", &[3], &["x"], &[("to", Int(9))]).node("Not", &["y"], &["z"], &[]);
    assert_eq!(cast.run().data, [0., 1., 1.]);
}

#[test]
fn what_is_resized_of_constants_is_constant() {
    let model = Model::new(&[1, 1, 4, 4])
        .floats("w", &[1, 1, 2, 2], &[1., 2., 3., 4.])
        .floats("roi", &[0], &[])
        .floats("s", &[4], &[1., 1., 2., 2.])
        .node("Resize", &["w", "roi", "s"], &["r"], &[("mode", Text("linear"))])
        .node("Add", &["x", "r"], &["y"], &[])
        .output("y");
    // Half pixels: in between, 1/4 and 3/4 of each neighbour.
    assert_eq!(model.run().data[..4], [1.0, 1.25 + 1.0, 1.75 + 2.0, 2.0 + 3.0]);
}

#[test]
fn sizes_beyond_all_bounds_are_refused() {
    let resize = |scale: f32| {
        single("Resize", &[1, 1, 4, 4], &["x", "", "s"], &[])
            .floats("s", &[4], &[1., 1., scale, 1.])
            .error()
    };
    for scale in [1e30, f32::INFINITY, f32::NAN, -1.0, 0.0, 0.2, 1e8] {
        assert!(!resize(scale).is_empty());
    }
    let tile = single("Tile", &[2, 2], &["x", "r"], &[]);
    assert!(!tile.clone().ints("r", &[i64::MAX, i64::MAX]).error().is_empty());
    assert!(!tile.clone().ints("r", &[1 << 38, 1]).error().is_empty());
    assert!(tile.clone().ints("r", &[0, 1]).error().contains("0 times"));
    assert!(!tile.ints("r", &[2]).error().is_empty());
    let wrap = single("Pad", &[2], &["x", "p"], &[("mode", Text("wrap"))]);
    assert!(!wrap.ints("p", &[i64::MAX, i64::MAX]).error().is_empty());
}

#[test]
fn padding_has_axes_since_version_18() {
    let model = single("Pad", &[2, 2], &["x", "p", "v", "a"], &[])
        .ints("p", &[1, 0])
        .floats("v", &[], &[9.0])
        .ints("a", &[-1])
        .opset(18);
    assert_eq!(model.run().data, [9., 0., 1., 9., 2., 3.]);
}

#[test]
fn reductions_have_attributes_then_operands() {
    let old =
        single("ReduceMean", &[2, 3], &["x"], &[("axes", Ints(vec![-1])), ("keepdims", Int(0))]);
    let new = single("ReduceMean", &[2, 3], &["x", "a"], &[("keepdims", Int(0))])
        .ints("a", &[1])
        .opset(18);
    assert_eq!(old.run().data, [1.0, 4.0]);
    assert_eq!(old.run(), new.run());
    let all = single("ReduceMean", &[2, 3], &["x"], &[]).opset(18);
    assert_eq!((all.run().shape, all.run().data), (vec![1, 1], vec![2.5]));
    let none = single("ReduceMean", &[2, 3], &["x"], &[("noop_with_empty_axes", Int(1))]).opset(18);
    assert_eq!(none.run().data, [0., 1., 2., 3., 4., 5.]);
}

#[test]
fn splits_become_slices() {
    let equal = Model::new(&[5])
        .node("Split", &["x"], &["a", "b"], &[("num_outputs", Int(2))])
        .node("Concat", &["b", "a"], &["y"], &[("axis", Int(0))])
        .output("y")
        .opset(18);
    assert_eq!(equal.run().data, [3., 4., 0., 1., 2.]);
}

#[test]
fn sums_of_many_are_chains() {
    let model = single("Sum", &[3], &["x", "x", "b", "x"], &[]).floats("b", &[1], &[10.0]);
    assert_eq!(model.run().data, [10., 13., 16.]);
}

#[test]
fn shape_arithmetic_leaves_no_trace() {
    let model = Model::new(&[-1, 2, 3])
        .ints("zero", &[0])
        .ints("rest", &[-1])
        .node("Shape", &["x"], &["s"], &[])
        .node("Gather", &["s", "zero"], &["n"], &[("axis", Int(0))])
        .node("Concat", &["n", "rest"], &["t"], &[("axis", Int(0))])
        .node("Reshape", &["x", "t"], &["y"], &[])
        .output("y");
    let bindings = Bindings { batch: Some(4), ..Bindings::default() };
    let graph = onnx::parse(&model.bytes(), None, &bindings).unwrap();
    assert_eq!(graph.len(), 2);
    assert_eq!(graph.node(graph.outputs()[0].node).op, Op::Reshape { shape: vec![4, 6] });
}

#[test]
fn sixteen_bit_weights_behind_casts_are_constants() {
    let raw: Vec<u8> =
        [1.0f32, -2.5].iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect();
    let tensor = TensorProto {
        name: Some("h".into()),
        dims: vec![2],
        data_type: Some(DataType::Float16 as i32),
        raw_data: Some(raw.into()),
        ..Default::default()
    };
    let model = Model::new(&[2])
        .tensor(tensor)
        .node("Cast", &["h"], &["f"], &[("to", Int(1))])
        .node("Mul", &["x", "f"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [0.0, -2.5]);
    assert_eq!(model.graph().len(), 3);
}

#[test]
fn a_shared_constant_stays_one() {
    let model = Model::new(&[2])
        .floats("c", &[2], &[1.0, 2.0])
        .node("Add", &["x", "c"], &["a"], &[])
        .node("Identity", &["c"], &["d"], &[])
        .node("Mul", &["a", "d"], &["y"], &[])
        .output("y");
    assert_eq!(
        model.graph().nodes().filter(|&n| model.graph().constant_of(n).is_some()).count(),
        1
    );
}

#[test]
fn nodes_may_come_in_any_order_and_initializers_may_be_inputs() {
    let model = Model::new(&[2])
        .node("Relu", &["a"], &["y"], &[])
        .node("Add", &["x", "c"], &["a"], &[])
        .floats("c", &[2], &[-1.0, 2.0])
        .input("c", &[2])
        .output("y");
    assert_eq!(model.run().data, [0.0, 3.0]);
    assert_eq!(model.graph().inputs().len(), 1);
}

#[test]
fn nodes_and_outputs_keep_their_names() {
    let mut relu = node("Relu", &["x"], &["r"], &[]);
    relu.name = Some("/layer1/relu".into());
    let model =
        Model::new(&[2]).add(relu).node("Sigmoid", &["r"], &["y"], &[]).output("y").output("r");
    let graph = model.graph();
    let names: Vec<&str> = graph.outputs().iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["y", "r"]);
    assert_eq!(graph.node(graph.outputs()[1].node).name, "/layer1/relu");
    assert_eq!(graph.node(graph.outputs()[0].node).name, "y");
}

#[test]
fn functions_of_the_model_are_put_in_line() {
    let mut clip = node("Clip", &["scaled"], &["b"], &[]);
    let reference = |name: &str, to: &str| AttributeProto {
        name: Some(name.into()),
        ref_attr_name: Some(to.into()),
        ..Default::default()
    };
    clip.attribute = vec![reference("max", "limit"), reference("min", "absent")];
    let function = FunctionProto {
        name: Some("ScaledClip".into()),
        domain: Some("mine".into()),
        input: vec!["a".into(), "scale".into()],
        output: vec!["b".into()],
        attribute: vec!["limit".into(), "absent".into()],
        node: vec![node("Mul", &["a", "scale"], &["scaled"], &[]), clip],
        opset_import: vec![opset("", 7)],
        ..Default::default()
    };
    let mut first = node("ScaledClip", &["x", "two"], &["a"], &[("limit", Float(5.0))]);
    let mut second = node("ScaledClip", &["a", "two"], &["y"], &[("limit", Float(7.0))]);
    first.domain = Some("mine".into());
    second.domain = Some("mine".into());
    let mut model = Model::new(&[4]).floats("two", &[], &[2.0]).add(first).add(second).output("y");
    model.0.functions.push(function);
    assert_eq!(model.run().data, [0.0, 4.0, 7.0, 7.0]);
}

#[test]
fn harmless_extra_results_are_accepted() {
    let dropout = Model::new(&[2]).node("Dropout", &["x"], &["y", "mask"], &[]).output("y");
    assert_eq!(dropout.run().data, [0.0, 1.0]);
}

#[test]
fn an_epsilon_is_the_decimal_that_was_meant() {
    let parts = ["x", "c", "c", "c", "c"];
    let model = Model::new(&[1, 1, 1, 1])
        .floats("c", &[1], &[1.0])
        .node("BatchNormalization", &parts, &["y"], &[("epsilon", Float(1e-3))])
        .output("y");
    let graph = model.graph();
    assert_eq!(graph.node(graph.outputs()[0].node).op, Op::BatchNorm { epsilon: 1e-3 });
}

#[test]
fn constants_are_normalized_by_their_own_statistics() {
    // Channel 0 is 1, 3, 5, 7: mean 4, variance 5. Channel 1 is 0, 0, 0, 8: mean 2, variance 12.
    let model = Model::new(&[2, 2, 2])
        .floats("w", &[2, 2, 2], &[1., 3., 0., 0., 5., 7., 0., 8.])
        .floats("scale", &[2], &[3.0, 2.0])
        .floats("shift", &[2], &[0.0, 1.0])
        .node(
            "BatchNormalization",
            &["w", "scale", "shift", "shift", "scale"],
            &["s", "mean", "var"],
            &[("training_mode", Int(1)), ("epsilon", Float(4.0))],
        )
        .node("Add", &["x", "s"], &["y"], &[]);
    let graph = model.clone().output("y").graph();
    assert!(graph.nodes().all(|n| !matches!(graph.node(n).op, Op::BatchNorm { .. })));
    assert_eq!(model.clone().output("y").run().data, [-3., 0., 2., 3., 5., 8., 6., 11.]);
    assert!(model.output("mean").error().contains("\"mean\""));
}

#[test]
fn a_kernel_that_is_flat_along_the_third_axis_is_one_of_two_axes() {
    let (dims, kernel) = ([1, 1, 4, 5, 3], [2, 1, 3, 2, 1]);
    let attributes = [
        ("strides", Ints(vec![2, 1, 1])),
        ("dilations", Ints(vec![1, 2, 1])),
        ("pads", Ints(vec![1, 2, 0, 0, 1, 0])),
    ];
    let model = Model::new(&dims)
        .weights("w", &kernel)
        .node("Conv", &["x", "w"], &["y"], &attributes)
        .output("y");
    // Each slice across the third axis separately.
    let slices: Vec<_> = (0..3)
        .map(|i| {
            let attributes = [
                ("strides", Ints(vec![2, 1])),
                ("dilations", Ints(vec![1, 2])),
                ("pads", Ints(vec![1, 2, 0, 1])),
            ];
            Model::new(&dims)
                .weights("w", &kernel[..4])
                .ints("i", &[i])
                .ints("axis", &[4])
                .node("Gather", &["x", "i"], &["slice"], &[("axis", Int(4))])
                .node("Squeeze", &["slice", "axis"], &["picture"], &[])
                .node("Conv", &["picture", "w"], &["y"], &attributes)
                .output("y")
                .run()
        })
        .collect();
    let result = model.run();
    assert_eq!(result.shape, [1, 2, 2, 6, 3]);
    for (i, slice) in slices.iter().enumerate() {
        let found: Vec<f64> = result.data.iter().skip(i).step_by(3).copied().collect();
        assert_eq!(found, slice.data);
        assert!(found.iter().any(|&v| v != 0.0));
    }
}

#[test]
fn a_unit_matrix_has_the_shape_of_its_operand() {
    let eye = |k| {
        let model = Model::new(&[2, 3]).node("EyeLike", &["x"], &["e"], &[("k", Int(k))]).node(
            "Mul",
            &["x", "e"],
            &["y"],
            &[],
        );
        model.output("y").run().data
    };
    assert_eq!(eye(0), [0., 0., 0., 0., 4., 0.]);
    assert_eq!(eye(1), [0., 1., 0., 0., 0., 5.]);
    assert_eq!(eye(-1), [0., 0., 0., 3., 0., 0.]);
    assert_eq!(eye(i64::MAX), [0.; 6]);
    assert!(single("EyeLike", &[2], &["x"], &[]).error().contains("not a matrix"));
}

#[test]
fn run_time_values_are_expanded_along_several_axes() {
    // More pixels along an axis than a node may have operands, and a new leading axis.
    let expanded = single("Expand", &[2, 3, 1, 1], &["x", "s"], &[]).ints("s", &[2, 1, 1, 5000, 2]);
    let found = expanded.run();
    assert_eq!(found.shape, [2, 2, 3, 5000, 2]);
    assert!(found.data.iter().enumerate().all(|(i, &x)| x == (i / 10_000 % 6) as f64));
}

/// The only output of a graph for a list of floats.
fn of(model: &Model, x: &[f64]) -> Vec<f64> {
    let graph = model.graph();
    let shape = graph.node(graph.inputs()[0]).ty.shape.clone();
    let outputs = eval(&graph, &[Value::new(shape, x.to_vec())]).expect("it evaluates");
    outputs[0].data.clone()
}

/// Compares by class: all NaN are one class, and zeros have signs.
fn assert_same(found: &[f64], wanted: &[f64]) {
    let class = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    let classes = |values: &[f64]| values.iter().map(class).collect::<Vec<_>>();
    assert_eq!(classes(found), classes(wanted), "{found:?}, and {wanted:?} is expected");
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn roots_and_their_reciprocals_have_the_exceptions_of_powers() {
    let x = [4.0, 0.0, -0.0, -1.0, -INF, INF, NAN];
    let power = |p: f32| of(&single("Pow", &[7], &["x", "p"], &[]).floats("p", &[], &[p]), &x);
    assert_same(&power(0.5), &x.map(|x| x.powf(0.5)));
    assert_same(&power(-0.5), &x.map(|x| x.powf(-0.5)));
    for p in [-3.0f32, -2.0, -1.0, 1.0, 2.0, 3.0] {
        assert_same(&power(p), &x.map(|x| x.powf(p.into())));
    }
}

#[test]
fn a_logarithm_of_a_sum_is_infinite_with_its_greatest() {
    let model = single("ReduceLogSumExp", &[5, 2], &["x", "axes"], &[("keepdims", Int(0))])
        .ints("axes", &[1])
        .opset(18);
    let found = of(&model, &[INF, 0.0, -INF, -INF, -INF, 1.0, NAN, INF, INF, INF]);
    assert_same(&found, &[INF, -INF, 1.0, NAN, INF]);
}

#[test]
fn extremes_of_constants_are_nan_where_one_is() {
    for op in ["ReduceMax", "ReduceMin"] {
        let model = single(op, &[1], &["c", "axes"], &[("keepdims", Int(0))])
            .floats("c", &[3, 2], &[1.0, f32::NAN, f32::NAN, 2.0, 3.0, 3.0])
            .ints("axes", &[1])
            .opset(18);
        assert_same(&of(&model, &[0.0]), &[NAN, NAN, 3.0]);
    }
}

#[test]
fn a_slope_says_nothing_of_what_is_positive() {
    let x = [-2.0, 3.0, INF, -INF, NAN];
    let slope =
        |slope: f32| of(&single("PRelu", &[5], &["x", "s"], &[]).floats("s", &[1], &[slope]), &x);
    assert_same(&slope(f32::INFINITY), &[-INF, 3.0, INF, -INF, NAN]);
    assert_same(&slope(f32::NAN), &[NAN, 3.0, INF, NAN, NAN]);
    assert_same(&slope(0.5), &[-1.0, 3.0, INF, -INF, NAN]);
    // A slope that the network computes may have any value.
    let computed = single("PRelu", &[5], &["x", "x"], &[]);
    assert_same(&of(&computed, &x), &[4.0, 3.0, INF, INF, NAN]);
}
