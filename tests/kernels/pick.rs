//! Selections and weighted sums along an axis, in every layout, compared with the interpreter.

use proptest::prelude::*;
use resnetc_ir::Layout::{self, Blocked, Planar};
use resnetc_ir::op::{Interpolate, Op, Pads};
use resnetc_testing::cases::with_cases;

use super::{assert_exact, max, pads, source};

#[derive(Clone, Debug)]
struct Case {
    layout: Layout,
    shape: Vec<usize>,
    axis: usize,
    taps: usize,
    indices: Vec<usize>,
    halos: [Pads; 2],
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let blocked = prop_oneof![
        (1usize..3, 1usize..40).prop_map(|(n, c)| vec![n, c]),
        (1usize..3, 1usize..40, 1usize..9, 1usize..9).prop_map(|(n, c, h, w)| vec![n, c, h, w]),
    ];
    let planar = prop::collection::vec(1usize..12, 1..6);
    let shape = prop_oneof![
        blocked.prop_map(|shape| (Blocked, shape)),
        planar.prop_map(|shape| (Planar, shape)),
    ];
    let with_axis = shape.prop_flat_map(|(layout, shape)| {
        let rank = shape.len();
        (Just(layout), Just(shape), 0..rank)
    });
    let picks = with_axis.prop_flat_map(|(layout, shape, axis)| {
        let taps = prop_oneof![Just(1usize), Just(2), Just(4), Just(7)];
        let indices = (taps, 1usize..30).prop_flat_map({
            let extent = shape[axis];
            move |(taps, count)| (Just(taps), prop::collection::vec(0..extent, taps * count))
        });
        (Just(layout), Just(shape), Just(axis), indices)
    });
    (picks, pads(1), pads(2), any::<u64>()).prop_map(
        |((layout, shape, axis, (taps, indices)), a, b, seed)| {
            let halos = if shape.len() == 4 { [a, max(a, b)] } else { [Pads::default(); 2] };
            Case { layout, shape, axis, taps, indices, halos, seed }
        },
    )
}

proptest! {
    #![proptest_config(with_cases(100))]

    #[test]
    fn selections_and_sums_are_exact(case in case()) {
        let Case { layout, shape, axis, taps, indices, halos, seed } = case;
        let x = [source(layout, halos[0], &shape, seed)];
        let dst = (layout, halos[1]);
        let gather = Op::Gather { axis, indices: indices.clone().into() };
        assert_exact(&gather, &x, dst, None);
        // Quarters of small integers are summed exactly.
        let weights = (0..indices.len()).map(|i| ((i as u64 * 7 + seed % 5) % 9) as f32 / 4.0 - 1.0);
        let weights = weights.collect::<Vec<f32>>().into();
        let sums = Op::Interpolate(Interpolate { axis, taps, indices: indices.into(), weights });
        assert_exact(&sums, &x, dst, None);
    }
}
