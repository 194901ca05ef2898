//! Padding consists of zeros that are multiplied: a weight that is infinite or NaN makes NaN of every
//! output for which its tap is outside the image. So say the standard's reference implementation,
//! ONNX Runtime without optimizations, and padding that is a separate operator.

use resnetc::Engine;

use crate::engines::{ENGINES, run};
use crate::model::Attr::{Int, Ints};
use crate::model::{Attr, Model};

/// A convolution: its operands' shapes and attributes, and how many outputs of the first channel
/// are NaN and infinite if its first weight is infinite, by ONNX Runtime 1.32.
struct Form {
    x: &'static [i64],
    w: &'static [i64],
    attributes: Vec<(&'static str, Attr)>,
    nan: usize,
    infinite: usize,
}

fn forms() -> Vec<Form> {
    let pads = |n: i64, axes: usize| ("pads", Ints(vec![n; 2 * axes]));
    let two = |name| (name, Ints(vec![2, 2]));
    let form = |x, w, attributes, nan, infinite| Form { x, w, attributes, nan, infinite };
    vec![
        form(&[1, 16, 6, 6], &[16, 16, 3, 3], vec![pads(1, 2)], 11, 25),
        form(&[1, 3, 6, 6], &[16, 3, 3, 3], vec![pads(1, 2)], 11, 25),
        form(&[1, 1, 6, 6], &[16, 1, 3, 3], vec![pads(1, 2)], 11, 25),
        form(&[1, 16, 7, 7], &[16, 16, 3, 3], vec![pads(1, 2), two("strides")], 7, 9),
        form(&[1, 16, 7, 7], &[16, 16, 3, 3], vec![pads(2, 2), two("dilations")], 24, 25),
        form(&[1, 16, 7, 7], &[16, 1, 3, 3], vec![pads(1, 2), ("group", Int(16))], 13, 36),
        form(&[1, 16, 7, 7], &[16, 4, 3, 3], vec![pads(1, 2), ("group", Int(4))], 13, 36),
        form(&[1, 16, 7], &[16, 16, 3], vec![pads(1, 1)], 1, 6),
        form(&[1, 16, 7, 7], &[16, 16, 1, 1], vec![pads(1, 2)], 32, 49),
    ]
}

fn numbers(count: i64) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 % 101) as f32 + 0.5) / 50.0 - 1.0).collect()
}

#[test]
fn a_weight_that_is_not_finite_meets_the_zeros_of_the_padding() {
    for Form { x, w, attributes, nan, infinite } in forms() {
        let input = numbers(x.iter().product());
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let mut weights = numbers(w.iter().product());
            weights[0] = bad;
            let model = Model::new(x)
                .floats("w", w, &weights)
                .node("Conv", &["x", "w"], &["y"], &attributes)
                .output("y");
            let found = ENGINES.map(|engine| run(&model, engine, &[&input]).remove(0));
            let kinds = found.clone().map(|y| {
                y.iter().map(|v| (v.is_nan(), v.is_infinite().then_some(*v))).collect::<Vec<_>>()
            });
            assert_eq!(kinds[0], kinds[1], "{x:?}, {w:?}, {bad}");
            for (engine, y) in ENGINES.iter().zip(&found) {
                let first = &y[..y.len() / 16];
                let count = |is: fn(f32) -> bool| first.iter().filter(|&&v| is(v)).count();
                let counts = (count(f32::is_nan), count(f32::is_infinite));
                let wanted = if bad.is_nan() { (nan + infinite, 0) } else { (nan, infinite) };
                assert_eq!(counts, wanted, "{engine:?}: {x:?}, {w:?}, {bad}");
            }
        }
    }
}

#[test]
fn padding_beside_a_convolution_is_the_padding_in_it() {
    let mut weights = numbers(16 * 16 * 9);
    weights[4] = f32::INFINITY;
    let image = || Model::new(&[1, 16, 6, 6]).floats("w", &[16, 16, 3, 3], &weights);
    let inside = image().node("Conv", &["x", "w"], &["y"], &[("pads", Ints(vec![1; 4]))]);
    let beside = image()
        .ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])
        .node("Pad", &["x", "pads"], &["p"], &[])
        .node("Conv", &["p", "w"], &["y"], &[]);
    let input = numbers(16 * 36);
    let nans = |model: Model, engine: Engine| {
        let y = run(&model.output("y"), engine, &[&input]).remove(0);
        y.iter().map(|v| v.is_nan()).collect::<Vec<_>>()
    };
    for engine in ENGINES {
        assert_eq!(nans(inside.clone(), engine), nans(beside.clone(), engine), "{engine:?}");
    }
}
