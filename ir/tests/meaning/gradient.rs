//! The operators of gradients on examples that were computed by hand.

use resnetc_ir::eval::eval_node;
use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::op::{Binary, ConvGradient, Pads, Pool, Window};
use resnetc_ir::{Op, TensorType, infer::infer};
use resnetc_testing::values::{iota, value};

/// A window of two taps at steps of two, over five elements: the last one is seen by no tap.
const HOW: ConvGradient = ConvGradient {
    window: Window {
        kernel: [1, 2],
        strides: [1, 2],
        dilations: [1; 2],
        pads: Pads { top: 0, left: 0, bottom: 0, right: 0 },
    },
    groups: 1,
    image: [1, 5],
};

#[test]
fn a_source_gets_what_its_taps_give() {
    let (dy, w) = (value(&[1, 1, 1, 2], &[3.0, 5.0]), value(&[1, 1, 1, 2], &[10.0, 100.0]));
    let dx = eval_node(&Op::ConvSource(HOW.into()), &[&dy, &w]).expect("it evaluates");
    assert_eq!(dx, value(&[1, 1, 1, 5], &[30.0, 300.0, 50.0, 500.0, 0.0]));
}

#[test]
fn weights_get_what_they_are_multiplied_with() {
    let (dy, x) = (value(&[1, 1, 1, 2], &[3.0, 5.0]), iota(&[1, 1, 1, 5]));
    let dw = eval_node(&Op::ConvWeights(HOW), &[&dy, &x]).expect("it evaluates");
    // Taps see 0 and 2, and 1 and 3.
    assert_eq!(dw, value(&[1, 1, 1, 2], &[10.0, 18.0]));
}

#[test]
fn the_first_of_the_largest_gets_the_gradient_of_its_window() {
    let pool = Pool { window: Window::square(2, 1, 0), ceil_mode: false };
    let dy = value(&[1, 1, 1, 2], &[3.0, 5.0]);
    let of = |x: &[f64]| {
        let x = value(&[1, 1, 2, 3], x);
        eval_node(&Op::MaxPoolSource(pool), &[&dy, &x]).expect("it evaluates").data
    };
    assert_eq!(of(&[1.0, 2.0, 1.0, 2.0, 2.0, 0.0]), [0.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
    // The NaN is in both windows.
    assert_eq!(of(&[4.0, 2.0, 1.0, 2.0, f64::NAN, 9.0]), [0.0; 6]);
    assert_eq!(of(&[f64::NAN, 2.0, 1.0, 2.0, 3.0, 9.0]), [0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
}

#[test]
fn cross_entropy_of_equal_and_of_far_scores() {
    let x = value(&[3, 2], &[7.0, 7.0, 1000.0, 0.0, 0.0, 1000.0]);
    let target = value(&[3, 2], &[1.0, 0.0, 1.0, 0.0, 0.25, 0.75]);
    let found = eval_node(&Op::CrossEntropy, &[&x, &target]).expect("it evaluates");
    assert_eq!(found, value(&[3], &[2f64.ln(), 0.0, 250.0]));
}

#[test]
fn moments_are_mean_and_biased_variance() {
    let x = value(&[2, 2, 2], &[1.0, 3.0, 10.0, 10.0, 5.0, 7.0, 10.0, 10.0]);
    let found = eval_node(&Op::Moments, &[&x]).expect("it evaluates");
    assert_eq!(found, value(&[2, 2], &[4.0, 10.0, 5.0, 0.0]));
}

#[test]
fn sums_of_channels_share_steps() {
    let x = value(&[2, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let y = value(&[2, 1, 1], &[10.0, 100.0]);
    let product = Step::Binary(Binary::Mul, [Term::Operand(0), Term::Operand(1)]);
    let sums = Expression {
        steps: vec![product],
        results: vec![Term::Step(0), Term::Operand(0), Term::Number(0.5)],
    };
    let found = eval_node(&Op::ChannelSums(sums), &[&x, &y]).expect("it evaluates");
    assert_eq!(found, value(&[3, 2], &[140.0, 2200.0, 14.0, 22.0, 2.0, 2.0]));
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let refused = |op: Op, shapes: [&[usize]; 2]| {
        let types = shapes.map(TensorType::planar);
        infer(&op, &[&types[0], &types[1]]).expect_err("they do not fit").to_string()
    };
    let dy: &[usize] = &[1, 1, 1, 3];
    let source = refused(Op::ConvSource(HOW.into()), [dy, &[1, 1, 1, 2]]);
    assert!(source.contains("not the shape of the result, [1, 1, 1, 2]"), "{source}");
    let weights = refused(Op::ConvWeights(HOW), [&[1, 1, 1, 2], &[1, 1, 1, 6]]);
    assert!(weights.contains("image [1, 5] differs from X [1, 1, 1, 6]"), "{weights}");
    let none = ConvGradient { groups: 0, ..HOW };
    assert!(refused(Op::ConvWeights(none), [dy, &[1, 1, 1, 5]]).contains("group"));
    assert!(refused(Op::ConvSource(none.into()), [dy, &[1, 1, 1, 2]]).contains("group"));
    let huge = ConvGradient { groups: usize::MAX, ..HOW };
    assert!(refused(Op::ConvSource(huge.into()), [dy, &[1, 2, 1, 2]]).contains("too large"));
    assert!(refused(Op::CrossEntropy, [&[2, 3], &[2, 4]]).contains("same shape"));
    let pool = Pool { window: Window::square(2, 1, 0), ceil_mode: false };
    assert!(refused(Op::MaxPoolSource(pool), [&[1, 1, 2, 2], &[1, 1, 2, 2]]).contains("dY"));
}
