//! Element-wise functions and maxima: close to the interpreter on numbers, exact on NaN and
//! infinities.

use proptest::prelude::*;
use resnetc_ir::Layout::Planar;
use resnetc_ir::op::{Binary, Op, Pads, TopK, TopPart, Unary};
use resnetc_testing::cases::with_cases;

use super::engine::{Source, engines, run};
use super::odd::{ODD, is_near};
use super::{EXPONENTIAL, arguments, assert_exact, reference, source};

const NONE: (resnetc_ir::Layout, Pads) = (Planar, Pads { top: 0, left: 0, bottom: 0, right: 0 });

/// Checks that every engine is within `bound` of the interpreter, relative to the result, on these
/// values and on special and extreme ones.
fn assert_relative(unary: Unary, values: &[f32], bound: f64) {
    let most = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, -f32::MIN_POSITIVE];
    let values = [values, &ODD, &most].concat();
    let sources = [Source::value(Planar, Pads::default(), &[values.len()], &values)];
    let op = Op::Unary(unary);
    let expected = reference(&op, &sources);
    for engine in engines() {
        let got = run(engine, &op, &sources, NONE, None, 1).expect("the kernel exists");
        for ((g, e), x) in got.iter().zip(&expected.data).zip(&values) {
            let near = is_near(&op, *g, *e, bound);
            assert!(near, "{engine:?} {unary:?} of {x:e}: {g:e} for {e:e}");
        }
    }
}

/// One unit in the last place, relative to the smallest number with that unit.
const ULP: f64 = f32::EPSILON as f64;

/// A number of a random magnitude between `2^low` and `2^high`, of either sign.
fn magnitudes(low: i32, high: i32) -> impl Strategy<Value = Vec<f32>> {
    let number = (low as f32..high as f32, any::<bool>());
    let signed = number.prop_map(|(e, negative)| if negative { -e.exp2() } else { e.exp2() });
    prop::collection::vec(signed, 1..70)
}

proptest! {
    #![proptest_config(with_cases(60))]

    #[test]
    fn odd_functions_are_close(values in magnitudes(-60, 60)) {
        // Two sums of five roundings each, and five more; the coefficients add up to one.
        assert_relative(Unary::Erf, &values, 6.0 * ULP);
        assert_relative(Unary::Tanh, &values, 6.0 * ULP);
    }

    #[test]
    fn exponentials_are_close(values in arguments()) {
        // Twice the error of the root, which is about two units in the last place.
        assert_relative(Unary::Exp, &values, EXPONENTIAL * ULP);
    }

    #[test]
    fn logarithms_are_close(values in magnitudes(-120, 120), near_one in prop::collection::vec(0.5f32..2.0, 1..20)) {
        let positive: Vec<f32> = values.iter().map(|x| x.abs()).chain(near_one).collect();
        assert_relative(Unary::Log, &positive, 4.0 * ULP);
    }

    #[test]
    fn roots_are_rounded_once(values in magnitudes(-120, 120)) {
        let positive: Vec<f32> = values.iter().map(|x| x.abs()).collect();
        assert_relative(Unary::Sqrt, &positive, ULP / 2.0);
    }

    #[test]
    fn magnitudes_and_integers_are_exact(values in magnitudes(-3, 30)) {
        assert_relative(Unary::Abs, &values, 0.0);
        assert_relative(Unary::Round, &values, 0.0);
    }

    #[test]
    fn maxima_are_exact(shape in prop::collection::vec(1usize..20, 1..5), picks in prop::collection::vec(any::<bool>(), 4), keep_dims: bool, seed: u64) {
        let sources = [source(Planar, Pads::default(), &shape, seed), source(Planar, Pads::default(), &shape, seed ^ 1)];
        assert_exact(&Op::Binary(Binary::Max), &sources, NONE, None);
        let axes: Vec<usize> = (0..shape.len()).filter(|&a| picks[a]).collect();
        prop_assume!(!axes.is_empty());
        assert_exact(&Op::ReduceMax { axes, keep_dims }, &sources[..1], NONE, None);
    }
}

proptest! {
    #![proptest_config(with_cases(40))]

    /// The values are few, so many are equal.
    #[test]
    fn selections_are_exact(shape in prop::collection::vec(1usize..20, 1..5), pick: prop::sample::Index, rank: prop::sample::Index, largest: bool, seed: u64) {
        let axis = pick.index(shape.len());
        let k = rank.index(shape[axis]) + 1;
        let x = [source(Planar, Pads::default(), &shape, seed)];
        for part in [TopPart::Values, TopPart::Indices] {
            assert_exact(&Op::TopK(TopK { axis, k, largest, part }), &x, NONE, None);
        }
    }
}

#[test]
fn selections_know_an_order_of_all_numbers() {
    const INF: f32 = f32::INFINITY;
    let rows = [
        [1.0, f32::NAN, INF, f32::NAN, -INF, 0.0, -0.0, INF, -INF],
        [-INF, -INF, -INF, f32::NAN, f32::NAN, f32::NAN, INF, INF, INF],
        [f32::NAN; 9],
        [-INF; 9],
        [INF; 9],
        [f32::MAX, -f32::MAX, 1.0, 2.0, 2.0, 1.0, f32::MAX, -f32::MAX, 0.0],
    ];
    // Rows side by side, and one after the other.
    let across: Vec<f32> = (0..9).flat_map(|i| rows.map(|row| row[i])).collect();
    let along = rows.concat();
    for (values, shape, axis) in [(&along, [6, 9], 1), (&across, [9, 6], 0)] {
        let x = [Source::value(Planar, Pads::default(), &shape, values)];
        for (k, largest) in [(1, true), (1, false), (4, true), (9, false), (9, true)] {
            for part in [TopPart::Values, TopPart::Indices] {
                let op = Op::TopK(TopK { axis, k, largest, part });
                let expected = reference(&op, &x);
                for engine in engines() {
                    let got = run(engine, &op, &x, NONE, None, 1).expect("the kernel exists");
                    let same =
                        |(&g, &e): (&f32, &f64)| f64::from(g) == e || g.is_nan() && e.is_nan();
                    assert!(got.iter().zip(&expected.data).all(same), "{engine:?} {op:?}: {got:?}");
                }
            }
        }
    }
}

#[test]
fn halves_go_to_the_even_integer() {
    assert_relative(Unary::Round, &[0.5, 1.5, 2.5, -0.5, -1.5, 3.4999998, 8_388_609.0], 0.0);
}

#[test]
fn limits_and_poles_are_those_of_the_functions() {
    const INF: f32 = f32::INFINITY;
    let cases = [
        (Unary::Exp, [-INF, INF, -200.0, 200.0], [0.0, INF, 0.0, INF]),
        (Unary::Log, [0.0, INF, -0.0, 1.0], [-INF, INF, -INF, 0.0]),
        (Unary::Erf, [-INF, INF, -50.0, 0.0], [-1.0, 1.0, -1.0, 0.0]),
        (Unary::Tanh, [-INF, INF, -50.0, 0.0], [-1.0, 1.0, -1.0, 0.0]),
        (Unary::Abs, [-INF, INF, -0.0, 0.0], [INF, INF, 0.0, 0.0]),
        (Unary::Sqrt, [0.0, INF, 4.0, 1.0], [0.0, INF, 2.0, 1.0]),
    ];
    for engine in engines() {
        for (unary, x, want) in cases {
            let values = [x[0], x[1], x[2], x[3], f32::NAN];
            let src = Source::value(Planar, Pads::default(), &[5], &values);
            let got = run(engine, &Op::Unary(unary), &[src], NONE, None, 1).unwrap();
            // Saturated functions may be a few units in the last place short of their limit.
            let near = |(g, w): (&f32, &f32)| g == w || (g - w).abs() <= 4.0 * f32::EPSILON;
            assert!(got.iter().zip(&want).all(near), "{engine:?} {unary:?}: {got:?} for {want:?}");
            assert!(got[4].is_nan(), "{engine:?} {unary:?}: {got:?}");
        }
        for unary in [Unary::Log, Unary::Sqrt] {
            let src = Source::value(Planar, Pads::default(), &[2], &[-1.0, -f32::INFINITY]);
            let got = run(engine, &Op::Unary(unary), &[src], NONE, None, 1).unwrap();
            assert!(got.iter().all(|x| x.is_nan()), "{engine:?} {unary:?}: {got:?}");
        }
    }
}
