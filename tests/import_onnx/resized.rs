//! Linear interpolation of integers, as ONNX Runtime's quantizer leaves it: sums in floats, whose
//! fractions are dropped.

use resnetc::import::onnx::proto::DataType;

use crate::engines::{ENGINES, run};
use crate::model::Attr::{Int, Text};
use crate::model::{Attr, Model};
use crate::quantized::bytes;

/// "x" in steps of 1 around a zero point, resized by these factors.
fn resized(ty: DataType, zero: i32, attributes: &[(&str, Attr)]) -> Model {
    Model::new(&[1, 1, 2, 3])
        .opset(18)
        .floats("one", &[], &[1.0])
        .floats("scales", &[4], &[1.0, 1.0, 1.7, 2.0])
        .tensor(bytes("z", &[], ty, &[zero]))
        .node("QuantizeLinear", &["x", "one", "z"], &["q"], &[])
        .node("Resize", &["q", "", "scales"], &["r"], attributes)
        .output("r")
}

/// A type, a zero point, and ONNX Runtime's result.
const CASES: [(DataType, i32, [f32; 18]); 2] = [
    (
        DataType::Uint8,
        20,
        [
            20.0, 21.0, 25.0, 50.0, 96.0, 120.0, 31.0, 28.0, 21.0, 33.0, 66.0, 83.0, 50.0, 38.0,
            14.0, 8.0, 20.0, 26.0,
        ],
    ),
    (
        DataType::Int8,
        -9,
        [
            -9.0, -7.0, -3.0, 21.0, 67.0, 91.0, 2.0, 0.0, -7.0, 4.0, 37.0, 54.0, 21.0, 9.0, -14.0,
            -20.0, -8.0, -2.0,
        ],
    ),
];

#[test]
fn sums_of_integers_lose_their_fractions() {
    let x = [0.0, 7.0, 100.0, 31.0, -18.0, 4.0];
    for (ty, zero, wanted) in CASES {
        let model = resized(ty, zero, &[("mode", Text("linear"))]);
        for engine in ENGINES {
            let found = run(&model, engine, &[&x]).remove(0);
            assert_eq!(found.len(), wanted.len());
            for (&got, want) in found.iter().zip(wanted) {
                // A sum that is an integer may be rounded to just below it.
                let is_near = got == got.trunc() && (got - want).abs() <= 1.0;
                assert!(is_near, "{engine:?}, {ty:?}: {found:?} for {wanted:?}");
            }
            let same = found.iter().zip(wanted).filter(|&(&got, want)| got == want).count();
            assert!(same + 2 >= wanted.len(), "{engine:?}, {ty:?}: {found:?} for {wanted:?}");
        }
    }
}

#[test]
fn other_sums_of_integers_are_refused() {
    for attributes in
        [vec![("mode", Text("linear")), ("antialias", Int(1))], vec![("mode", Text("cubic"))]]
    {
        let error = resized(DataType::Uint8, 3, &attributes).error();
        assert!(error.contains("its input is Uint8; integers of up to 32 bits"), "{error}");
    }
}
