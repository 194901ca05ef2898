//! `ArgMax`, `ArgMin` and `TopK` in all their forms; the standard's own cases are in `tests/onnx`.

use resnetc::DType;
use resnetc_ir::eval::{Value, eval};

use crate::model::Attr::Int;
use crate::model::{Attr, Model, single};

/// The values of all outputs for a matrix of 2x4.
fn outputs(model: &Model, x: [f64; 8]) -> Vec<Value> {
    eval(&model.graph(), &[Value::new(vec![2, 4], x.to_vec())]).unwrap()
}

const NAN: f64 = f64::NAN;

/// Each row has its largest and its smallest value twice.
const TIES: [f64; 8] = [3.0, 1.0, 3.0, 1.0, 0.0, 5.0, 5.0, 0.0];

#[test]
fn the_place_of_an_extreme_in_all_forms() {
    type Case<'a> = (&'a str, &'a [(&'a str, Attr)], &'a [usize], &'a [f64]);
    let cases: [Case<'_>; 9] = [
        ("ArgMax", &[("axis", Int(1))], &[2, 1], &[0.0, 1.0]),
        ("ArgMax", &[("axis", Int(-1)), ("keepdims", Int(0))], &[2], &[0.0, 1.0]),
        ("ArgMax", &[("axis", Int(1)), ("select_last_index", Int(1))], &[2, 1], &[2.0, 2.0]),
        ("ArgMax", &[], &[1, 4], &[0.0, 1.0, 1.0, 0.0]),
        ("ArgMin", &[("axis", Int(1))], &[2, 1], &[1.0, 0.0]),
        (
            "ArgMin",
            &[("axis", Int(1)), ("select_last_index", Int(1)), ("keepdims", Int(0))],
            &[2],
            &[3.0, 3.0],
        ),
        ("ArgMin", &[("keepdims", Int(0))], &[4], &[1.0, 0.0, 0.0, 1.0]),
        (
            "ArgMin",
            &[("keepdims", Int(1)), ("select_last_index", Int(0))],
            &[1, 4],
            &[1.0, 0.0, 0.0, 1.0],
        ),
        (
            "ArgMax",
            &[("axis", Int(0)), ("keepdims", Int(0)), ("select_last_index", Int(1))],
            &[4],
            &[0.0, 1.0, 1.0, 0.0],
        ),
    ];
    for (op, attributes, shape, expected) in cases {
        let model = single(op, &[2, 4], &["x"], attributes).opset(13);
        assert_eq!(model.graph().outputs()[0].dtype, DType::I64);
        let found = outputs(&model, TIES).remove(0);
        assert_eq!((&found.shape[..], &found.data[..]), (shape, expected), "{op}");
    }
    // NaN counts as the extreme value, as in NumPy.
    for op in ["ArgMax", "ArgMin"] {
        for (last, expected) in [(0, [1.0, 0.0]), (1, [3.0, 0.0])] {
            let attributes = [("axis", Int(1)), ("select_last_index", Int(last))];
            let model = single(op, &[2, 4], &["x"], &attributes);
            let found = outputs(&model, [1.0, NAN, 9.0, NAN, NAN, -9.0, 3.0, 4.0]).remove(0);
            assert_eq!(found.data, expected, "{op}");
        }
    }
}

#[test]
fn the_first_elements_in_all_versions() {
    let old = Model::new(&[2, 4]).node("TopK", &["x"], &["v", "i"], &[("k", Int(2))]).opset(9);
    let new = |attributes: &[(&str, Attr)]| {
        Model::new(&[2, 4]).ints("k", &[2]).node("TopK", &["x", "k"], &["v", "i"], attributes)
    };
    let (greatest, places) = ([3.0, 3.0, 5.0, 5.0], [0.0, 2.0, 1.0, 2.0]);
    let (smallest, lowest) = ([1.0, 1.0, 0.0, 0.0], [1.0, 3.0, 0.0, 3.0]);
    for (model, values, indices) in [
        (old, greatest, places),
        (new(&[]).opset(10), greatest, places),
        (new(&[("axis", Int(1)), ("sorted", Int(0))]), greatest, places),
        (new(&[("largest", Int(0))]), smallest, lowest),
    ] {
        let model = model.output("v").output("i");
        let found = outputs(&model, TIES);
        assert_eq!((&found[0].data[..], &found[1].data[..]), (&values[..], &indices[..]));
        let types: Vec<DType> = model.graph().outputs().iter().map(|o| o.dtype).collect();
        assert_eq!(types, [DType::F32, DType::I64]);
    }
}

#[test]
fn places_can_be_computed_with_as_floats() {
    let model = single("ArgMax", &[2, 4], &["x"], &[("axis", Int(1))])
        .node("Cast", &["y"], &["narrow"], &[("to", Int(6))])
        .node("Cast", &["narrow"], &["float"], &[("to", Int(1))])
        .node("Add", &["x", "float"], &["sum"], &[])
        .output("narrow")
        .output("sum");
    let found = outputs(&model, TIES);
    assert_eq!(found[2].data, [3.0, 1.0, 3.0, 1.0, 1.0, 6.0, 6.0, 1.0]);
    assert_eq!(model.graph().outputs()[1].dtype, DType::I32);
    // Arithmetic on integers is refused, and the message names the type.
    let sum =
        single("ArgMax", &[2, 4], &["x"], &[]).node("Add", &["y", "y"], &["z"], &[]).output("z");
    assert!(sum.error().contains("Int64"), "{}", sum.error());
}

#[test]
fn wrong_counts_and_axes_are_named() {
    let top = |k: &[i64]| {
        Model::new(&[2, 4]).ints("k", k).node("TopK", &["x", "k"], &["y"], &[]).output("y")
    };
    for (model, says) in [
        (top(&[0]), "is 0"),
        (top(&[5]), "is 5"),
        (top(&[-1]), "is -1"),
        (top(&[1, 2]), "2 elements"),
        (single("TopK", &[2, 4], &["x"], &[]).opset(9), "k: is missing"),
        (single("TopK", &[2, 4], &["x", "x"], &[]), "run time"),
        (single("ArgMax", &[2, 4], &["x"], &[("axis", Int(2))]), "axis"),
        (single("ArgMin", &[2, 4], &["x"], &[("keepdims", Int(2))]), "keepdims"),
    ] {
        assert!(model.error().contains(says), "{}", model.error());
    }
}
