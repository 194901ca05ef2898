//! Quantized values: their meaning to the operators around them, and which operators may read them.

use resnetc::import::onnx::proto::{DataType, TensorProto};
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::Int;
use crate::model::{Model, node, single};

/// A tensor of 8-bit integers.
pub(crate) fn bytes(name: &str, dims: &[i64], ty: DataType, data: &[i32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.into(),
        data_type: Some(ty as i32),
        int32_data: data.into(),
        ..Default::default()
    }
}

/// "x" in steps of a half around 3.
fn quantized(input: &[i64]) -> Model {
    Model::new(input)
        .floats("half", &[], &[0.5])
        .tensor(bytes("three", &[], DataType::Uint8, &[3]))
        .node("QuantizeLinear", &["x", "half", "three"], &["q"], &[])
}

#[test]
fn quantization_rounds_to_even_and_saturates() {
    let model = Model::new(&[4])
        .floats("four", &[], &[4.0])
        .tensor(bytes("zero", &[], DataType::Int8, &[126]))
        .node("QuantizeLinear", &["x", "four", "zero"], &["y"], &[])
        .output("y");
    let graph = model.graph();
    let x = Value::new(vec![4], vec![2.0, 6.0, -6.0, -2000.0]);
    // 0.5 rounds to 0 and 1.5 to 2, both around 126; the limits are 127 and -128.
    assert_eq!(eval(&graph, &[x]).unwrap()[0].data, [126.0, 127.0, 124.0, -128.0]);
}

#[test]
fn what_moves_elements_moves_quantized_ones() {
    let model = quantized(&[2, 3])
        .ints("flat", &[-1])
        .node("Transpose", &["q"], &["t"], &[])
        .node("Reshape", &["t", "flat"], &["r"], &[])
        .node("DequantizeLinear", &["r", "half", "three"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn arithmetic_on_quantized_values_is_refused() {
    let model = quantized(&[2]).node("Add", &["q", "x"], &["y"], &[]).output("y");
    let error = model.error();
    assert!(error.contains("Add \"y\": its operand is Uint8"), "{error}");
    let mixed =
        quantized(&[2]).node("Concat", &["q", "x"], &["y"], &[("axis", Int(0))]).output("y");
    assert!(mixed.error().contains("different types"), "{}", mixed.error());
    let floats = Model::new(&[2])
        .floats("half", &[], &[0.5])
        .node("DequantizeLinear", &["x", "half"], &["y"], &[])
        .output("y");
    assert!(floats.error().contains("not a quantized value"), "{}", floats.error());
}

#[test]
fn an_input_of_bytes_is_given_as_floats() {
    let mut model = Model::new(&[3])
        .floats("half", &[], &[0.5])
        .node("DequantizeLinear", &["x", "half"], &["y"], &[])
        .output("y");
    let ty = model.graph_proto().input[0].r#type.as_mut().unwrap();
    ty.tensor_type.as_mut().unwrap().elem_type = Some(DataType::Uint8 as i32);
    assert_eq!(model.run().data, [0.0, 0.5, 1.0]);
}

#[test]
fn scales_may_differ_by_channel() {
    let weights = bytes("w", &[2, 1, 1, 1], DataType::Int8, &[10, -10]);
    let model = Model::new(&[1, 1, 1, 1])
        .tensor(weights)
        .floats("s", &[2], &[0.5, 0.25])
        .tensor(bytes("z", &[2], DataType::Int8, &[0, 2]))
        .node("DequantizeLinear", &["w", "s", "z"], &["d"], &[("axis", Int(0))])
        .node("Add", &["x", "d"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [5.0, -3.0]);
    let blocks = Model::new(&[1])
        .tensor(bytes("w", &[4], DataType::Int8, &[1; 4]))
        .floats("s", &[2], &[1.0; 2])
        .node("DequantizeLinear", &["w", "s"], &["d"], &[("axis", Int(0)), ("block_size", Int(2))])
        .node("Add", &["x", "d"], &["y"], &[])
        .output("y");
    assert!(blocks.error().contains("block_size"), "{}", blocks.error());
}

#[test]
fn sums_of_products_may_be_floats_again() {
    let model = quantized(&[1, 2])
        .tensor(bytes("w", &[2, 2], DataType::Int8, &[1, 2, 3, 4]))
        .node("MatMulInteger", &["q", "w", "three"], &["i"], &[])
        .node("Cast", &["i"], &["y"], &[("to", Int(1))])
        .output("y");
    // 0 and 1 are 0 and 2 steps from the zero point.
    assert_eq!(model.run().data, [6.0, 8.0]);
    let narrow = quantized(&[1]).node("Cast", &["q"], &["y"], &[("to", Int(3))]).output("y");
    assert!(narrow.error().contains("attribute to"), "{}", narrow.error());
}

#[test]
fn operators_of_onnx_runtime_are_in_its_domain() {
    let inputs = ["q", "half", "three", "q", "half", "three", "half", "three"];
    let mut add = node("QLinearAdd", &inputs, &["s"], &[]);
    add.domain = Some("com.microsoft".into());
    let tail = |add| {
        quantized(&[3])
            .add(add)
            .node("DequantizeLinear", &["s", "half", "three"], &["y"], &[])
            .output("y")
    };
    assert_eq!(tail(add.clone()).run().data, [0.0, 2.0, 4.0]);
    add.domain = None;
    assert!(tail(add).error().contains("QLinearAdd \"s\": the operator is not supported"));
}

#[test]
fn a_group_normalization_scales_groups_before_version_21_and_channels_since() {
    let with = |version: i64, parameters: i64| {
        single("GroupNormalization", &[1, 4, 2], &["x", "s", "b"], &[("num_groups", Int(2))])
            .weights("s", &[parameters])
            .weights("b", &[parameters])
            .opset(version)
    };
    for (version, parameters) in [(18, 2), (21, 4)] {
        let result = with(version, parameters).run();
        assert_eq!(result.shape, [1, 4, 2]);
        // The weights are -2, 5, 1, -3; every group is 0, 1, 2, 3 and a multiple of 4.
        let deviation = (1.25f64 + 1e-5).sqrt();
        let parameter = |i: usize| match parameters {
            2 => [-2.0, 5.0][i / 4],
            _ => [-2.0, 5.0, 1.0, -3.0][i / 2],
        };
        for (i, got) in result.data.iter().enumerate() {
            let normal = ((i % 4) as f64 - 1.5) / deviation;
            let want = normal * parameter(i) + parameter(i);
            assert!((got - want).abs() < 1e-5, "{version}: {got} for {want}");
        }
        assert!(with(version, 6 - parameters).error().contains("scale and bias"));
    }
}

/// Quantizers leave the value of a pad, or a limit, as an integer and its scale.
#[test]
fn constants_may_be_quantized_where_they_are_wanted() {
    let model = Model::new(&[2])
        .floats("half", &[], &[0.5])
        .floats("low", &[], &[1.3])
        .tensor(bytes("three", &[], DataType::Uint8, &[3]))
        .node("QuantizeLinear", &["low", "half", "three"], &["q"], &[])
        .node("DequantizeLinear", &["q", "half", "three"], &["value"], &[])
        .ints("pads", &[1, 2])
        .node("Pad", &["x", "pads", "value"], &["padded"], &[])
        .node("Clip", &["padded", "value"], &["y"], &[])
        .output("y");
    assert_eq!(model.run().data, [1.5, 1.5, 1.5, 1.5, 1.5]);
    let computed = Model::new(&[1])
        .ints("pads", &[1, 2])
        .node("Pad", &["x", "pads", "x"], &["y"], &[])
        .output("y");
    assert!(computed.error().contains("computed at run time"), "{}", computed.error());
}

/// A convolution of bytes with these weights' type, scales, zero points and its own zero points.
fn convolution(weights: DataType, scales: &[f32], zeros: &[i32], of_zeros: DataType) -> Model {
    let count = |n: usize| if n == 1 { vec![] } else { vec![n as i64] };
    quantized(&[1, 2, 3, 3])
        .tensor(bytes("w", &[4, 2, 1, 1], weights, &[1, 2, 3, 4, 5, 6, 7, 8]))
        .floats("ws", &count(scales.len()), scales)
        .tensor(bytes("wz", &count(zeros.len()), of_zeros, zeros))
        .node("QLinearConv", &["q", "half", "three", "w", "ws", "wz", "half", "three"], &["r"], &[])
        .node("DequantizeLinear", &["r", "half", "three"], &["y"], &[])
        .output("y")
}

#[test]
fn scales_and_zero_points_that_do_not_fit_are_refused_by_what_is_wrong() {
    use DataType::{Int8, Int32, Uint8};
    let four = [0.5; 4];
    for (weights, scales, zeros, of_zeros, says) in [
        (Int8, &four[..], &[0; 4][..], Int8, ""),
        (Int8, &four, &[0], Int8, ""),
        (Int8, &four, &[0; 3], Int8, "3 scales or zero points along axis 0, which has 4 positions"),
        (Int8, &four[..3], &[0; 3], Int8, "along axis 0, which has 4 positions"),
        (Int8, &four[..1], &[0; 4], Int8, "1 scales and 4 zero points"),
        (Int8, &four, &[0; 4], Uint8, "the zero point of operand 3 has another type, not Int8"),
        (Int32, &four, &[0; 4], Int32, "operand 3 is not a quantized value of 8 or 16 bits"),
    ] {
        let model = convolution(weights, scales, zeros, of_zeros);
        match says {
            "" => assert_eq!(model.run().shape, [1, 4, 3, 3]),
            _ => assert!(model.error().contains(says), "{says}: {}", model.error()),
        }
    }
}

/// An f32 holds the integers up to 2^24 only.
#[test]
fn sums_of_integers_are_outputs_if_floats_hold_them() {
    let sum = |channels: i64| {
        Model::new(&[1, channels, 1, 1])
            .floats("half", &[], &[0.5])
            .tensor(bytes("three", &[], DataType::Uint8, &[3]))
            .node("QuantizeLinear", &["x", "half", "three"], &["q"], &[])
            .tensor(bytes("w", &[1, channels, 1, 1], DataType::Int8, &vec![127; channels as usize]))
            .node("ConvInteger", &["q", "w"], &["s"], &[])
    };
    assert_eq!(sum(500).output("s").run().shape, [1, 1, 1, 1]);
    let error = sum(600).output("s").error();
    assert!(error.contains("\"s\": its sums of integers are an output"), "{error}");
    let cast = sum(600).node("Cast", &["s"], &["y"], &[("to", Int(1))]).output("y");
    assert_eq!(cast.run().shape, [1, 1, 1, 1]);
}
