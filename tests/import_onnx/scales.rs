//! Scales by which nothing can be divided: zero, denormals, and those of values that are zero
//! everywhere. Expected results are ONNX Runtime's. Compiled code counts denormals as zero, and
//! agrees with the interpreter, which does not.

use proptest::prelude::*;
use resnetc::import::onnx::proto::DataType;

use crate::engines::{ENGINES, run};
use crate::model::{Model, node};
use crate::quantized::bytes;

/// "x", dynamically quantized to "q" with "s" and "z", and dequantized to "y".
fn dynamic(count: usize) -> Model {
    let all = ["q", "s", "z"];
    let model = Model::new(&[count as i64]).node("DynamicQuantizeLinear", &["x"], &all, &[]).node(
        "DequantizeLinear",
        &all,
        &["y"],
        &[],
    );
    ["q", "s", "z", "y"].into_iter().fold(model, Model::output)
}

#[test]
fn a_value_of_zeros_is_quantized_to_zeros_with_a_scale_of_one() {
    for engine in ENGINES {
        for zeros in [[0.0, 0.0, 0.0], [0.0, -0.0, -0.0], [1e-40, -1e-40, 0.0], [1e-45, 0.0, 0.0]] {
            let found = run(&dynamic(3), engine, &[&zeros]);
            let wanted = [&[0.0; 3][..], &[1.0], &[0.0], &[0.0; 3]];
            assert_eq!(found, wanted, "{engine:?}, {zeros:?}");
        }
    }
}

#[test]
fn a_value_whose_steps_are_normal_numbers_is_quantized_as_by_onnx_runtime() {
    let cases: [([f32; 3], [f32; 3], f32); 3] = [
        ([3e-35, -1e-35, 0.0], [255.0, 0.0, 64.0], 64.0),
        ([-0.7, -0.7, -0.7], [0.0, 0.0, 0.0], 255.0),
        ([0.0, 0.0, 1e-30], [0.0, 0.0, 255.0], 0.0),
    ];
    for (x, q, z) in cases {
        for engine in ENGINES {
            let found = run(&dynamic(3), engine, &[&x]);
            assert_eq!((&found[0][..], found[2][0]), (&q[..], z), "{engine:?}, {x:?}");
        }
    }
}

/// Any magnitude that a float can have, and zeros.
fn magnitude() -> impl Strategy<Value = f32> {
    let some = (-45.0f64..37.0, any::<bool>());
    let some = some.prop_map(|(e, minus)| 10f64.powf(e) as f32 * if minus { -1.0 } else { 1.0 });
    prop_oneof![1 => Just(0.0f32), 1 => Just(-0.0), 4 => some]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_range_machine_code_agrees_with_the_interpreter(
        x in proptest::collection::vec(magnitude(), 1..5), unit in magnitude(), narrow in any::<bool>(),
    ) {
        // Numbers of any magnitude, or all of one magnitude.
        let x: Vec<f32> = x.iter().map(|x| if narrow { unit * x.abs().log10().clamp(-2.0, 2.0) } else { *x }).collect();
        let [exact, found] = ENGINES.map(|engine| run(&dynamic(x.len()), engine, &[&x]));
        prop_assert!(exact.iter().chain(&found).flatten().all(|v| v.is_finite()), "{x:?}: {exact:?} {found:?}");
        let range = x.iter().fold(0.0f64, |most, &x| most.max(x.into())) - x.iter().fold(0.0f64, |least, &x| least.min(x.into()));
        // The sum of a denormal and a small number is another one if denormals count as zero.
        let (scale, least) = (f64::from(exact[1][0]), f64::from(f32::MIN_POSITIVE));
        let is_edge = range < 512.0 * 2.0 * least && range > 0.0;
        if !is_edge {
            prop_assert!((f64::from(found[1][0]) - scale).abs() <= 1e-6 * scale, "{x:?}: {exact:?} {found:?}");
            for (a, b) in exact[0].iter().zip(&found[0]) {
                prop_assert!((a - b).abs() <= 1.0, "{x:?}: {exact:?} {found:?}");
            }
        }
        // Within half a step, plus the step by which a zero point on a tie may differ.
        let step = range / 255.0 + 4.0 * least;
        for results in [&exact, &found] {
            for (&x, &y) in x.iter().zip(&results[3]) {
                prop_assert!((f64::from(x) - f64::from(y)).abs() <= 1.51 * step, "{x} {y}: {results:?}");
            }
        }
    }
}

/// "x" in steps of "s" around 3.
fn fixed(ty: DataType, scale: Option<f32>) -> Model {
    let model = Model::new(&[3]).tensor(bytes("z", &[], ty, &[3]));
    let model = match scale {
        Some(scale) => model.floats("s", &[], &[scale]),
        None => model.input("s", &[]),
    };
    model.node("QuantizeLinear", &["x", "s", "z"], &["q"], &[]).output("q")
}

#[test]
fn a_quotient_of_zeros_is_the_lowest_integer_and_a_denormal_is_a_scale() {
    let (u8s, i8s) = (DataType::Uint8, DataType::Int8);
    let cases = [
        (u8s, 0.0, [0.0, 255.0, 0.0]),
        (i8s, 0.0, [-128.0, 127.0, -128.0]),
        (u8s, 1e-40, [3.0, 255.0, 0.0]),
        (i8s, 1e-40, [3.0, 127.0, -128.0]),
        (u8s, 1e-45, [3.0, 255.0, 0.0]),
        (i8s, -1e-40, [3.0, -128.0, 127.0]),
    ];
    for (ty, scale, wanted) in cases {
        for engine in ENGINES {
            let x = [0.0, 1.0, -1.0];
            let found = run(&fixed(ty, Some(scale)), engine, &[&x]);
            assert_eq!(found[0], wanted, "{engine:?}, {ty:?}, {scale}");
            // A scale that is computed counts as zero if it is a denormal.
            let lowest = if ty == u8s { 0.0 } else { -128.0 };
            if scale >= 0.0 {
                let found = run(&fixed(ty, None), engine, &[&x, &[scale]]);
                assert_eq!(found[0], [lowest, wanted[1], wanted[2]], "{engine:?}, {ty:?}, {scale}");
            }
        }
    }
}

#[test]
fn scales_of_channels_may_be_zero() {
    let model = Model::new(&[2, 3])
        .floats("s", &[3], &[0.5, 0.0, 1e-40])
        .tensor(bytes("z", &[3], DataType::Uint8, &[1, 2, 3]))
        .node("QuantizeLinear", &["x", "s", "z"], &["q"], &[])
        .node("DequantizeLinear", &["q", "s", "z"], &["y"], &[])
        .output("q")
        .output("y");
    for engine in ENGINES {
        let found = run(&model, engine, &[&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]);
        assert_eq!(found[0], [1.0, 0.0, 3.0, 3.0, 255.0, 255.0], "{engine:?}");
        assert_eq!(found[1][..4], [0.0, 0.0, 0.0, 1.0], "{engine:?}");
    }
}

#[test]
fn products_are_quantized_by_any_scale() {
    for (scale, zero) in [(0.0, 0.0), (1e-45, 0.0), (1e-40, 3.0)] {
        let model = Model::new(&[1, 3])
            .floats("one", &[], &[1.0])
            .floats("tenth", &[], &[0.1])
            .floats("s", &[], &[scale])
            .tensor(bytes("z", &[], DataType::Uint8, &[3]))
            .tensor(bytes("w", &[3, 3], DataType::Int8, &[1, 0, 0, 0, 1, 0, 0, 0, 1]))
            .tensor(bytes("zw", &[], DataType::Int8, &[0]))
            .node("QuantizeLinear", &["x", "one", "z"], &["a"], &[]);
        let operands = ["a", "tenth", "z", "w", "tenth", "zw", "s", "z"];
        let product = model.node("QLinearMatMul", &operands, &["q"], &[]).output("q");
        for engine in ENGINES {
            let found = run(&product, engine, &[&[0.0, 1.0, -1.0]]);
            assert_eq!(found[0], [zero, 255.0, 0.0], "{engine:?}, {scale}");
        }
    }
}

#[test]
fn products_of_a_dynamically_quantized_zero_are_zero() {
    let mut product = node("DynamicQuantizeMatMul", &["x", "w", "half", "zw"], &["y"], &[]);
    product.domain = Some("com.microsoft".into());
    let mut model = Model::new(&[2, 2])
        .floats("half", &[], &[0.5])
        .tensor(bytes("w", &[2, 2], DataType::Int8, &[1, 2, 3, 4]))
        .tensor(bytes("zw", &[], DataType::Int8, &[0]))
        .add(product)
        .output("y");
    model.0.opset_import.push(crate::model::opset("com.microsoft", 1));
    for engine in ENGINES {
        assert_eq!(run(&model, engine, &[&[0.0; 4]])[0], [0.0; 4], "{engine:?}");
        assert_eq!(run(&model, engine, &[&[1e-41; 4]])[0], [0.0; 4], "{engine:?}");
    }
}
