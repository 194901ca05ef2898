//! Discontinuous functions, selections and powers: their exceptional values by the standard, on
//! every engine.

use proptest::prelude::*;
use resnetc_ir::Layout::Planar;
use resnetc_ir::op::{Binary, Op, Pads, Unary};
use resnetc_testing::cases::with_cases;

use super::engine::{Engine, Source, engines, run};

const INF: f32 = f32::INFINITY;

/// Zeros, odd and even integers, halves, numbers without a fraction, the ends of the range, and
/// NaN.
const ODD: [f32; 27] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    -1.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.75,
    -2.25,
    8_388_607.5,
    -8_388_607.5,
    16_777_215.0,
    -16_777_217.0,
    1e-30,
    -1e30,
    f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    INF,
    -INF,
    f32::NAN,
    7.0,
];

const DENSE: (resnetc_ir::Layout, Pads) = (Planar, Pads { top: 0, left: 0, bottom: 0, right: 0 });

fn value(shape: &[usize], data: &[f32]) -> Source {
    Source::value(Planar, Pads::default(), shape, data)
}

/// The same number, with its sign if it is 0; or both NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Runs on every engine.
fn each(op: &Op, sources: &[Source], check: impl Fn(Engine, &[f32])) {
    for engine in engines() {
        let got = run(engine, op, sources, DENSE, None, 1).expect("the kernel exists");
        check(engine, &got);
    }
}

fn check_unary(unary: Unary, values: &[f32], function: impl Fn(f32) -> f32) {
    each(&Op::Unary(unary), &[value(&[values.len()], values)], |engine, got| {
        for (&x, &g) in values.iter().zip(got) {
            let e = function(x);
            assert!(same(g, e), "{engine:?} {unary:?} of {x:?}: {g:?} for {e:?}");
        }
    });
}

fn sign(x: f32) -> f32 {
    if x.is_nan() { x } else { f32::from(i8::from(x > 0.0) - i8::from(x < 0.0)) }
}

/// Every pair of numbers, as a table whose rows are the first ones.
fn check_binary(
    op: Binary,
    a: &[f32],
    b: &[f32],
    check: impl Fn(f32, f32, f32) -> Result<(), f32>,
) {
    let sources = [value(&[a.len(), 1], a), value(&[1, b.len()], b)];
    each(&Op::Binary(op), &sources, |engine, got| {
        for (i, &g) in got.iter().enumerate() {
            let (x, y) = (a[i / b.len()], b[i % b.len()]);
            if let Err(e) = check(x, y, g) {
                panic!("{engine:?} {op:?} of {x:?} and {y:?}: {g:?} for {e:?}");
            }
        }
    });
}

/// A power within its bound: four units in the last place for the logarithm and its product, times
/// their size, and eight for the exponential. Exceptional values are those of C's function.
fn check_power(x: f32, y: f32, got: f32) -> Result<(), f32> {
    let exact = f64::from(x).powf(f64::from(y));
    let exponent = (f64::from(y) * f64::from(x).abs().ln()).abs();
    let bound = (4.0 * exponent + 8.0) * f64::from(f32::EPSILON);
    let expected = exact as f32;
    let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
    // Within rounding of the ends of the range, either side is right.
    let at_the_end =
        !range.contains(&(exact.abs() * (1.0 - 1e-3))) || !range.contains(&(exact.abs() * 1.001));
    if expected.is_nan() || expected.is_infinite() && exponent > 90.0 || exact == 0.0 || x == 0.0 {
        return if same(got, expected) { Ok(()) } else { Err(expected) };
    }
    if at_the_end && exponent.is_finite() {
        // Denormal results may be 0.
        let small = exact.abs() < 1.0 && got.abs() <= 1.1 * f32::MIN_POSITIVE;
        let large = exact.abs() > 1.0 && got.abs() >= 0.99 * f32::MAX;
        let signed = got.is_sign_negative() == expected.is_sign_negative();
        return if (small || large) && signed { Ok(()) } else { Err(expected) };
    }
    let near = (f64::from(got) - exact).abs() <= bound * exact.abs();
    if same(got, expected) || near { Ok(()) } else { Err(expected) }
}

fn truth(holds: bool, got: f32) -> Result<(), f32> {
    let expected = if holds { 1.0 } else { 0.0 };
    if same(got, expected) { Ok(()) } else { Err(expected) }
}

#[test]
fn odd_values_jump_as_the_standard_says() {
    check_unary(Unary::Floor, &ODD, f32::floor);
    check_unary(Unary::Ceil, &ODD, f32::ceil);
    check_unary(Unary::Sign, &ODD, sign);
}

#[test]
fn odd_values_are_compared_as_ieee_754_has_it() {
    check_binary(Binary::Equal, &ODD, &ODD, |x, y, got| truth(x == y, got));
    check_binary(Binary::Less, &ODD, &ODD, |x, y, got| truth(x < y, got));
    check_binary(Binary::LessOrEqual, &ODD, &ODD, |x, y, got| truth(x <= y, got));
}

#[test]
fn powers_of_odd_values_are_those_of_c() {
    check_binary(Binary::Pow, &ODD, &ODD, check_power);
}

#[test]
fn choices_leave_odd_values_as_they_are() {
    let n = ODD.len();
    let sources = [value(&[n, 1], &ODD), value(&[1, n], &ODD), value(&[1], &[4.0])];
    each(&Op::Where, &sources, |engine, got| {
        for (i, &g) in got.iter().enumerate() {
            let (c, x) = (ODD[i / n], ODD[i % n]);
            let e = if c != 0.0 { x } else { 4.0 };
            assert!(same(g, e), "{engine:?}: {g:?} for {e:?} where {c:?}");
        }
    });
}

proptest! {
    #![proptest_config(with_cases(40))]

    #[test]
    fn numbers_jump(values in prop::collection::vec(-20.0f32..20.0, 1..70)) {
        check_unary(Unary::Floor, &values, f32::floor);
        check_unary(Unary::Ceil, &values, f32::ceil);
        check_unary(Unary::Sign, &values, sign);
    }

    #[test]
    fn powers_are_close(x in prop::collection::vec(-30.0f32..30.0, 1..20), y in prop::collection::vec(-20.0f32..20.0, 1..20)) {
        let positive: Vec<f32> = x.iter().map(|x| x.exp2()).collect();
        check_binary(Binary::Pow, &positive, &y, check_power);
        let whole: Vec<f32> = y.iter().map(|y| y.round()).collect();
        check_binary(Binary::Pow, &x, &whole, check_power);
    }
}
