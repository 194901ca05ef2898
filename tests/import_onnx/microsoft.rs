//! ONNX Runtime's own operators, where `tests/cases` has no numbers of ONNX Runtime's: it has no
//! kernel for some of them on CPUs, and others are refused.

use resnetc::import::onnx::proto::{DataType, NodeProto, TensorProto};
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::{Floats, Int, Ints, Text};
use crate::model::{Attr, Model, node};

const MICROSOFT: &str = "com.microsoft";
const BLOCKED: &str = "com.microsoft.nchwc";

fn own(
    domain: &str,
    op: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[(&str, Attr)],
) -> NodeProto {
    NodeProto { domain: Some(domain.into()), ..node(op, inputs, &[output], attributes) }
}

fn run(model: &Model, shape: &[usize]) -> Value {
    let count = shape.iter().product::<usize>();
    let data = (0..count).map(|i| ((i * 5 + 2) % 13) as f64 - 6.0).collect();
    let x = Value::new(shape.to_vec(), data);
    eval(&model.graph(), &[x]).expect("it can be interpreted").remove(0)
}

#[test]
fn a_fused_convolution_with_channels_last_is_the_one_with_channels_first() {
    let fused = |op, operands: [&str; 4]| {
        own(
            MICROSOFT,
            op,
            &operands,
            "f",
            &[("activation", Text("Relu")), ("pads", Ints(vec![1; 4]))],
        )
    };
    let weights = |model: Model| model.weights("w", &[2, 3, 3, 3]).weights("b", &[2]);
    let first = weights(Model::new(&[1, 3, 4, 5]))
        .node("Slice", &["x", "zero", "two", "one"], &["z"], &[])
        .ints("zero", &[0])
        .ints("one", &[1])
        .ints("two", &[2])
        .add(fused("FusedConv", ["x", "w", "b", "z"]))
        .output("f");
    let last = weights(Model::new(&[1, 3, 4, 5]))
        .node("Transpose", &["x"], &["l"], &[("perm", Ints(vec![0, 2, 3, 1]))])
        .node("Slice", &["l", "zero", "two", "three"], &["z"], &[])
        .ints("zero", &[0])
        .ints("two", &[2])
        .ints("three", &[3])
        .add(fused("NhwcFusedConv", ["l", "w", "b", "z"]))
        .node("Transpose", &["f"], &["y"], &[("perm", Ints(vec![0, 3, 1, 2]))])
        .output("y");
    let shape = [1, 3, 4, 5];
    let first = run(&first, &shape);
    assert_eq!(first, run(&last, &shape));
    assert!(first.data.contains(&0.0) && first.data.iter().any(|&y| y > 0.0));
}

/// "q" is "x" in steps of a half around 3.
fn quantized(shape: &[i64]) -> Model {
    let three = TensorProto {
        name: Some("three".into()),
        data_type: Some(DataType::Uint8 as i32),
        int32_data: vec![3],
        ..Default::default()
    };
    Model::new(shape).floats("half", &[], &[0.5]).tensor(three).node(
        "QuantizeLinear",
        &["x", "half", "three"],
        &["q"],
        &[],
    )
}

#[test]
fn a_mean_of_quantized_values_is_the_mean_of_what_they_stand_for() {
    let operands = ["q", "half", "three", "half", "three"];
    let axes = [("axes", Ints(vec![-1])), ("keepdims", Int(0))];
    let model = quantized(&[2, 4])
        .add(own(MICROSOFT, "QLinearReduceMean", &operands, "m", &axes))
        .node("DequantizeLinear", &["m", "half", "three"], &["y"], &[])
        .output("y");
    let x = Value::new(vec![2, 4], vec![1.0, 2.0, 3.0, 4.0, -0.5, 0.5, 0.0, 7.0]);
    let means = eval(&model.graph(), &[x]).expect("it can be interpreted").remove(0);
    // 1.75 is in the middle between 1.5 and 2, three and four steps: four is even.
    assert_eq!((means.shape, means.data), (vec![2], vec![2.5, 2.0]));
}

#[test]
fn blocks_of_channels_are_no_matter_of_the_file() {
    let pool = [("kernel_shape", Ints(vec![2, 2]))];
    let blocked = |channels| {
        Model::new(&[1, 3, 4, 5])
            .add(own(BLOCKED, "ReorderInput", &["x"], "b", &[]))
            .add(own(BLOCKED, "MaxPool", &["b"], "p", &[("kernel_shape", Ints(vec![2, 2]))]))
            .add(own(BLOCKED, "ReorderOutput", &["p"], "y", &[("channels", Int(channels))]))
            .output("y")
    };
    let plain = Model::new(&[1, 3, 4, 5]).node("MaxPool", &["x"], &["y"], &pool).output("y");
    assert_eq!(run(&blocked(3), &[1, 3, 4, 5]), run(&plain, &[1, 3, 4, 5]));
    let error = blocked(8).error();
    assert!(error.contains("attribute channels: is 8"), "{error}");
}

#[test]
fn what_suits_one_machine_is_refused_with_what_to_do() {
    let error = |domain, op| {
        let model = Model::new(&[1, 3, 4, 5]).weights("w", &[16, 3, 1, 1]);
        model.add(own(domain, op, &["x", "w"], "y", &[])).output("y").error()
    };
    let blocked = error(BLOCKED, "Conv");
    assert!(blocked.contains("save the model with ORT_ENABLE_EXTENDED"), "{blocked}");
    let unknown = error(MICROSOFT, "MatMulNBits");
    assert!(unknown.contains("save the model with ORT_ENABLE_BASIC"), "{unknown}");
    let internal = error("com.ms.internal.nhwc", "Conv");
    assert!(internal.contains("CPUExecutionProvider"), "{internal}");
    assert!(error("org.example", "Conv").contains("in a domain that is not supported"));
}

#[test]
fn fused_operators_say_what_is_wrong_with_them() {
    let conv = |attributes: &[(&str, Attr)], operands: &[&str]| {
        Model::new(&[1, 3, 4, 5])
            .weights("w", &[3, 3, 1, 1])
            .add(own(MICROSOFT, "FusedConv", operands, "y", attributes))
            .output("y")
            .error()
    };
    let operands = ["x", "w"];
    let unknown = conv(&[("activation", Text("Cube"))], &operands);
    assert!(unknown.contains("attribute activation: \"Cube\" is not supported"), "{unknown}");
    let few = conv(&[("activation", Text("Clip"))], &operands);
    assert!(few.contains("activation_params: has 0 entries; Clip needs 2"), "{few}");
    let nan = [("activation", Text("LeakyRelu")), ("activation_params", Floats(vec![f32::NAN]))];
    assert!(conv(&nan, &operands).contains("activation_params: has a NaN"));
    let other = conv(&[("strides", Ints(vec![2, 2]))], &["x", "w", "", "x"]);
    assert!(
        other.contains("the added value is [1, 3, 4, 5], but the result is [1, 3, 2, 3]"),
        "{other}"
    );
    let operands = ["half", "three", "q", "half"];
    let concat = own(MICROSOFT, "QLinearConcat", &operands, "y", &[("axis", Int(0))]);
    let short = quantized(&[2]).add(concat).output("y").error();
    assert!(short.contains("every value needs a scale and a zero point"), "{short}");
}
