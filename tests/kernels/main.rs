//! Every kernel on every engine, compared with the interpreter over random shapes.
//!
//! Data are small integers, so every sum is exact in f32 and results must agree bit for bit; among
//! them are NaN, infinities and zeros of either sign, which results must have where they belong.
//! Sums of real data must stay within a bound that follows from the length of the reduction.

mod byte_tiles;
mod bytes;
mod conv_weights;
mod elementary;
mod engine;
mod extremes;
mod far_apart;
mod fixed;
mod half;
mod jumps;
mod long_sums;
mod measured;
mod moved_bytes;
mod odd;
mod on_bytes;
mod pick;
mod planar;
mod quantized;
mod residual;
mod seen;
mod winograd;

use engine::{Source, engines, reference, run};
use odd::{is_exact, is_near, season};
use proptest::prelude::*;
use residual::{Fit, residual};
use resnetc::kernels::problem::ConvProblem;
use resnetc_ir::Layout::{self, Blocked, Planar};
use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, Op, PadMode, Pads, Pool, SliceAxis, Unary, Window,
};
use resnetc_testing::cases::with_cases;

/// Small integers, from a seed.
fn integers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..n).map(|_| (next() % 9) as f32 - 4.0).collect()
}

/// Small integers and special values.
fn source(layout: Layout, halo: Pads, shape: &[usize], seed: u64) -> Source {
    let mut data = integers(shape.iter().product(), seed);
    season(&mut data, seed);
    Source::value(layout, halo, shape, &data)
}

/// Weights: small integers. With an infinite weight, the result of a border of zeros depends on
/// whether it is multiplied or left out, and no standard says which is right.
fn constant(shape: &[usize], seed: u64) -> Source {
    Source::constant(shape, &integers(shape.iter().product(), seed))
}

/// Runs on every engine and requires the interpreter's result bit for bit.
fn assert_exact(op: &Op, sources: &[Source], dst: (Layout, Pads), in_place: Option<usize>) {
    let expected = reference(op, sources);
    for engine in engines() {
        for threads in [1, 3] {
            let got = run(engine, op, sources, dst, in_place, threads).expect("the kernel exists");
            for (i, (g, e)) in got.iter().zip(&expected.data).enumerate() {
                assert!(is_exact(op, *g, *e), "{engine:?} {op:?}: element {i} is {g}, not {e}");
            }
        }
    }
}

fn pads(most: usize) -> impl Strategy<Value = Pads> {
    (0..=most, 0..=most, 0..=most, 0..=most).prop_map(|(top, left, bottom, right)| Pads {
        top,
        left,
        bottom,
        right,
    })
}

fn max(a: Pads, b: Pads) -> Pads {
    Pads {
        top: a.top.max(b.top),
        left: a.left.max(b.left),
        bottom: a.bottom.max(b.bottom),
        right: a.right.max(b.right),
    }
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Relu),
        Just(Activation::Clip { lo: -3.0, hi: 6.0 })
    ]
}

#[derive(Clone, Debug)]
struct ConvCase {
    batch: usize,
    size: [usize; 2],
    groups: usize,
    per_group: [usize; 2],
    window: Window,
    bias: bool,
    residual: Option<Fit>,
    activation: Activation,
    planar: bool,
    halos: [Pads; 3],
    in_place: bool,
    seed: u64,
}

fn channels() -> impl Strategy<Value = (usize, [usize; 2])> {
    prop_oneof![
        4 => (1usize..40, 1usize..40).prop_map(|(i, o)| (1, [i, o])),
        1 => prop::sample::select(vec![16usize, 32, 64]).prop_flat_map(|o| (Just(o), 1usize..34)).prop_map(|(o, i)| (1, [i, o])),
        2 => (2usize..9, 1usize..9, 1usize..9).prop_map(|(g, i, o)| (g, [i, o])),
        1 => (2usize..5).prop_map(|g| (g, [16, 16])),
        1 => (2usize..40).prop_map(|g| (g, [1, 1])),
        1 => (2usize..9).prop_map(|g| (g, [4, 4])),
    ]
}

fn conv_case() -> impl Strategy<Value = ConvCase> {
    let shape = (1usize..3, 1usize..20, 1usize..20, channels());
    let window = (1usize..5, 1usize..5, 1usize..4, 1usize..4, 1usize..3, 1usize..3, pads(2));
    let rest =
        (any::<bool>(), residual(), activation(), any::<bool>(), any::<bool>(), any::<u64>());
    let halos = (pads(1), pads(2), pads(1));
    (shape, window, rest, halos).prop_map(|(shape, window, rest, halos)| {
        let (batch, h, w, (groups, per_group)) = shape;
        let (r, s, sy, sx, dy, dx, pads) = window;
        // Keep the window inside the padded image.
        let fit =
            |extent: usize, taps: usize, dilation: usize| taps.min((extent - 1) / dilation + 1);
        let kernel =
            [fit(h + pads.top + pads.bottom, r, dy), fit(w + pads.left + pads.right, s, dx)];
        let window = Window { kernel, strides: [sy, sx], dilations: [dy, dx], pads };
        let (bias, residual, activation, planar, in_place, seed) = rest;
        let halos = [max(halos.0, pads), halos.1, halos.2];
        ConvCase {
            batch,
            size: [h, w],
            groups,
            per_group,
            window,
            bias,
            residual,
            activation,
            planar,
            halos,
            in_place,
            seed,
        }
    })
}

impl ConvCase {
    fn check(&self) {
        let [inputs, outputs] = self.per_group;
        let (c, k) = (inputs * self.groups, outputs * self.groups);
        let [h, w] = self.size;
        let layout = if self.planar { Planar } else { Blocked };
        let mut sources = vec![
            source(layout, self.halos[0], &[self.batch, c, h, w], self.seed),
            constant(&[k, inputs, self.window.kernel[0], self.window.kernel[1]], self.seed ^ 1),
        ];
        if self.bias {
            sources.push(constant(&[k], self.seed ^ 2));
        }
        let mut conv = Conv { bias: self.bias, ..Conv::new(self.window, self.groups) };
        conv.activation = self.activation;
        let out = reference(&Op::Conv(conv), &sources).shape;
        let residual = self.residual.map(|fit| fit.of(&out));
        conv.residual = residual.map(|(how, _)| how);
        let problem = ConvProblem {
            batch: self.batch,
            inputs: c,
            size: self.size,
            outputs: k,
            factors: ConvProblem::FLOATS,
            conv,
        };
        println!("{problem}");
        let dst = (Blocked, self.halos[2]);
        let mut in_place = None;
        if let Some((_, shape)) = residual {
            in_place = (self.in_place && shape[..] == out).then_some(sources.len());
            let halo = self.halos[if in_place.is_some() { 2 } else { 1 }];
            sources.push(source(Blocked, halo, &shape, self.seed ^ 3));
        }
        assert_exact(&Op::Conv(conv), &sources, dst, in_place);
    }
}

proptest! {
    #![proptest_config(with_cases(120))]

    #[test]
    fn convolution_is_exact(case in conv_case()) {
        case.check();
    }

    /// The projected image is as large as its window needs to give the result's size, or a little
    /// larger.
    #[test]
    fn projection_is_exact(
        case in conv_case(), (channels, outputs) in (1usize..40, 1usize..70), (r, s) in (1usize..4, 1usize..4),
        strides in (1usize..4, 1usize..4), dilations in (1usize..3, 1usize..3), pads in pads(1), rest in (0usize..3, 0usize..3), halo in pads(1),
    ) {
        let ConvCase { batch, size: [h, w], per_group: [inputs, _], window, bias, seed, .. } = case;
        let kernel = case.window.kernel;
        let layout = if case.planar { Planar } else { Blocked };
        let src = source(layout, case.halos[0], &[batch, inputs, h, w], seed);
        let mut sources = vec![src, constant(&[outputs, inputs, kernel[0], kernel[1]], seed ^ 1)];
        sources.extend(bias.then(|| constant(&[outputs], seed ^ 2)));
        let mut conv = Conv { bias, activation: case.activation, ..Conv::new(window, 1) };
        let [_, _, p, q] = reference(&Op::Conv(conv), &sources).shape[..] else { unreachable!("an image") };
        let projection = Window { kernel: [r, s], strides: strides.into(), dilations: dilations.into(), pads };
        let size = |results: usize, axis: usize, pads: usize, rest: usize| {
            let Window { kernel, strides, dilations, .. } = projection;
            let needed = (results - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1;
            needed.checked_sub(pads).filter(|&n| n > 0).map(|n| n + rest % strides[axis])
        };
        let size = (size(p, 0, pads.top + pads.bottom, rest.0), size(q, 1, pads.left + pads.right, rest.1));
        let (Some(i), Some(j)) = size else { return Err(TestCaseError::reject("the image is all padding")) };
        sources.push(source(Blocked, max(halo, pads), &[batch, channels, i, j], seed ^ 3));
        sources.push(constant(&[outputs, channels, r, s], seed ^ 4));
        conv.projection = Some(projection);
        assert_exact(&Op::Conv(conv), &sources, (Blocked, case.halos[2]), None);
    }

    #[test]
    fn gemm_is_exact(m in 1usize..9, n in 1usize..150, k in 1usize..70, planar: bool, bias: bool, activation in activation(), seed: u64) {
        let layout = if planar { Planar } else { Blocked };
        let mut sources = vec![source(layout, Pads::default(), &[m, k], seed), constant(&[n, k], seed ^ 1)];
        if bias {
            sources.push(constant(&[n], seed ^ 2));
        }
        let gemm = Gemm { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b: true, bias, activation };
        assert_exact(&Op::Gemm(gemm), &sources, (Blocked, Pads::default()), None);
    }

    #[test]
    fn matmul_is_exact(lead in prop::collection::vec(1usize..4, 0..3), m in 1usize..12, n in 1usize..45, k in 1usize..30, broadcast in 0usize..3, seed: u64) {
        let side = |own: usize, rows: usize, columns: usize| -> Vec<usize> {
            let batch = lead.iter().map(|&d| if broadcast == own { 1 } else { d });
            batch.chain([rows, columns]).collect()
        };
        let sources = [
            source(Planar, Pads::default(), &side(1, m, k), seed),
            source(Planar, Pads::default(), &side(2, k, n), seed ^ 1),
        ];
        assert_exact(&Op::MatMul, &sources, (Planar, Pads::default()), None);
    }

    #[test]
    fn pools_are_exact(
        (n, c, h, w) in (1usize..3, 1usize..40, 1usize..15, 1usize..15),
        (r, s, sy, sx, dy, dx) in (1usize..4, 1usize..4, 1usize..3, 1usize..3, 1usize..4, 1usize..4),
        pad in pads(2), ceil_mode: bool, kind in 0..3, halos in (pads(1), pads(1)), seed: u64,
    ) {
        let fit = |extent: usize, taps: usize, dilation: usize| taps.min((extent - 1) / dilation + 1);
        let kernel = [fit(h, r, dy), fit(w, s, dx)];
        let limit = |p: usize, taps: usize| p.min(taps - 1);
        let pads = Pads {
            top: limit(pad.top, kernel[0]), bottom: limit(pad.bottom, kernel[0]),
            left: limit(pad.left, kernel[1]), right: limit(pad.right, kernel[1]),
        };
        let pool = Pool { window: Window { kernel, strides: [sy, sx], dilations: [dy, dx], pads }, ceil_mode };
        let op = match kind {
            0 => Op::MaxPool(pool),
            _ => Op::AveragePool { pool, count_include_pad: kind == 2 },
        };
        assert_exact(&op, &[source(Blocked, halos.0, &[n, c, h, w], seed)], (Blocked, halos.1), None);
    }

    #[test]
    fn global_average_is_exact((n, c, h, w) in (1usize..3, 1usize..40, 1usize..15, 1usize..15), halo in pads(1), seed: u64) {
        let src = source(Blocked, halo, &[n, c, h, w], seed);
        assert_exact(&Op::GlobalAveragePool, &[src], (Blocked, Pads::default()), None);
    }

    #[test]
    fn reduce_mean_is_exact(shape in prop::collection::vec(1usize..20, 1..5), picks in prop::collection::vec(any::<bool>(), 4), keep_dims: bool, seed: u64) {
        let axes: Vec<usize> = (0..shape.len()).filter(|&a| picks[a]).collect();
        prop_assume!(!axes.is_empty());
        let src = source(Planar, Pads::default(), &shape, seed);
        assert_exact(&Op::ReduceMean { axes, keep_dims }, &[src], (Planar, Pads::default()), None);
    }

    #[test]
    fn arithmetic_is_exact(
        shape in prop::collection::vec(1usize..20, 1..5), ones in prop::collection::vec(any::<bool>(), 8),
        drop in 0usize..3, op in prop::sample::select(vec![Binary::Add, Binary::Sub, Binary::Mul]),
        layouts in (any::<bool>(), any::<bool>(), any::<bool>()), constant_side in 0usize..3, halos in (pads(1), pads(1), pads(1)), seed: u64,
    ) {
        let rank = shape.len();
        let image = rank == 4;
        let blocked = |b: bool| if b && (rank == 4 || rank == 2) { Blocked } else { Planar };
        let halo = |p: Pads| if image { p } else { Pads::default() };
        let squeeze = |offset: usize| -> Vec<usize> { (0..rank).map(|i| if ones[(i + offset) % 8] { 1 } else { shape[i] }).collect() };
        let (mut a, mut b) = (shape.clone(), squeeze(0));
        if seed % 2 == 0 { std::mem::swap(&mut a, &mut b); }
        let mut sources: Vec<Source> = vec![
            source(blocked(layouts.0), halo(halos.0), &a, seed),
            source(blocked(layouts.1), halo(halos.1), &b, seed ^ 1),
        ];
        if constant_side > 0 {
            let side = constant_side - 1;
            // Leading axes of extent 1 may be missing.
            let full: Vec<usize> = sources[side].value.shape.clone();
            let lead = full.iter().take(drop).take_while(|&&d| d == 1).count();
            sources[side] = constant(&full[lead..], seed ^ 2);
        }
        assert_exact(&Op::Binary(op), &sources, (blocked(layouts.2), halo(halos.2)), None);
    }

    #[test]
    fn limits_are_exact(shape in prop::collection::vec(1usize..20, 1..5), blocked: bool, in_place: bool, clip: bool, halo in pads(1), seed: u64) {
        let layout = if blocked && (shape.len() == 4 || shape.len() == 2) { Blocked } else { Planar };
        let halo = if shape.len() == 4 { halo } else { Pads::default() };
        let op = Op::Unary(if clip { Unary::Clip { lo: -2.0, hi: 1.0 } } else { Unary::Relu });
        assert_exact(&op, &[source(layout, halo, &shape, seed)], (layout, halo), in_place.then_some(0));
    }

    #[test]
    fn data_movement_is_exact(
        shape in prop::collection::vec(1usize..20, 4), blocked in (any::<bool>(), any::<bool>()),
        extents in prop::collection::vec((0usize..3, 0usize..3), 4), which in 0..6, keys in prop::collection::vec(any::<u32>(), 4),
        halos in (pads(1), pads(2)), seed: u64,
    ) {
        let layout = |b: bool| if b { Blocked } else { Planar };
        let (from, to) = (layout(blocked.0), layout(blocked.1));
        let src = source(from, halos.0, &shape, seed);
        let (before, after): (Vec<usize>, Vec<usize>) = extents.into_iter().unzip();
        let (op, sources) = match which {
            0 => (Op::Reorder(to), vec![src]),
            1 => {
                let axes = (0..4).map(|i| {
                    let start = keys[i] as usize % shape[i];
                    let step = [1isize, 2, -1, -3][keys[i] as usize % 4];
                    let room = if step > 0 { shape[i] - 1 - start } else { start };
                    SliceAxis { start, step, len: room / step.unsigned_abs() + 1 }
                });
                (Op::Slice(axes.collect()), vec![src])
            }
            2 => (Op::Pad { before, after, mode: PadMode::Constant(7.0) }, vec![src]),
            3 => {
                let fit = |v: Vec<usize>| v.iter().zip(&shape).map(|(&p, &d)| p.min(d - 1)).collect();
                (Op::Pad { before: fit(before), after: fit(after), mode: PadMode::Reflect }, vec![src])
            }
            4 => {
                let axis = keys[0] as usize % 4;
                let mut other = shape.clone();
                other[axis] = keys[1] as usize % 9 + 1;
                let second = source(layout(keys[2] % 2 == 0), halos.1, &other, seed ^ 1);
                (Op::Concat { axis }, vec![src, second])
            }
            _ => {
                let mut perm = vec![0, 1, 2, 3];
                perm.sort_by_key(|&i| keys[i]);
                (Op::Transpose { perm }, vec![src])
            }
        };
        assert_exact(&op, &sources, (to, halos.1), None);
    }
}

/// The error bound of an exponential, in units in the last place
/// (`elementary::exponentials_are_close`).
const EXPONENTIAL: f64 = 8.0;

/// Arguments of exponentials, from those that all contribute to those where a single one dominates.
fn arguments() -> impl Strategy<Value = Vec<f32>> {
    let spread = prop::sample::select(vec![1.0f32, 30.0, 100.0, 1000.0, 1e30]);
    (spread, prop::collection::vec(-1.0f32..1.0, 1..70))
        .prop_map(|(spread, values)| values.into_iter().map(|x| x * spread).collect())
}

/// Checks that every engine is within `bound` of the interpreter, relative to the result.
fn assert_close(op: &Op, sources: &[Source], layout: Layout, bound: f64) {
    let expected = reference(op, sources);
    for engine in engines() {
        let got = run(engine, op, sources, (layout, Pads::default()), None, 2)
            .expect("the kernel exists");
        for (g, e) in got.iter().zip(&expected.data) {
            assert!(is_near(op, *g, *e, bound), "{engine:?} {op:?}: {g:e} for {e:e}");
        }
    }
}

proptest! {
    #![proptest_config(with_cases(60))]

    #[test]
    fn sigmoid_is_close(mut values in arguments(), seed: u64) {
        season(&mut values, seed);
        let src = Source::value(Planar, Pads::default(), &[values.len()], &values);
        // An exponential, a sum and a quotient.
        assert_close(&Op::Unary(Unary::Sigmoid), &[src], Planar, (EXPONENTIAL + 2.0) * f64::from(f32::EPSILON));
    }

    #[test]
    fn softmax_is_close(rows in 1usize..4, values in arguments(), blocked: bool, axis in 0usize..2, seed: u64) {
        let n = values.len();
        let layout = if blocked && axis == 1 { Blocked } else { Planar };
        let mut data: Vec<f32> = (0..rows).flat_map(|r| values.iter().map(move |v| v * (1.0 + r as f32 / 8.0))).collect();
        season(&mut data, seed);
        let src = Source::value(layout, Pads::default(), &[rows, n], &data);
        // The argument of an exponential is rounded once, in the numerator and the denominator.
        // Below -128 the result vanishes, so that is half a unit in the last place of 64, 2^-18.
        // Then there are two exponentials, a sum and a quotient.
        let bound = 2f64.powi(-17) + (2.0 * EXPONENTIAL + n as f64 + 1.0) * f64::from(f32::EPSILON);
        assert_close(&Op::Softmax { axis }, &[src], layout, bound);
    }
}

/// Of two neighbouring windows that see as many pixels, one ends on the padding, which counts, and
/// the other beyond it.
#[test]
fn what_is_beyond_the_padding_counts_for_no_mean() {
    for size in [[8, 1], [1, 8]] {
        let along = |far: usize, near: usize| size.map(|n| if n > 1 { far } else { near });
        let [bottom, right] = along(2, 0);
        let window = Window {
            kernel: along(3, 1),
            strides: along(2, 1),
            dilations: along(3, 1),
            pads: Pads { bottom, right, ..Pads::default() },
        };
        let pool = Pool { window, ceil_mode: true };
        let op = Op::AveragePool { pool, count_include_pad: true };
        let src = Source::value(Blocked, Pads::default(), &[1, 1, size[0], size[1]], &[6.0; 8]);
        assert_eq!(reference(&op, std::slice::from_ref(&src)).data, [6.0, 4.0, 6.0]);
        assert_exact(&op, &[src], (Blocked, Pads::default()), None);
    }
}

#[test]
fn nan_and_infinity_pass_through() {
    let data = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 2.0, f32::NAN];
    let src = Source::value(Planar, Pads::default(), &[6], &data);
    for engine in engines() {
        let relu = run(
            engine,
            &Op::Unary(Unary::Relu),
            std::slice::from_ref(&src),
            (Planar, Pads::default()),
            None,
            1,
        )
        .unwrap();
        assert!(relu[0].is_nan() && relu[5].is_nan(), "{engine:?} {relu:?}");
        assert_eq!(relu[1..5], [f32::INFINITY, 0.0, 0.0, 2.0]);
        let image = Source::value(Blocked, Pads::default(), &[1, 1, 1, 6], &data);
        let window = Window { kernel: [1, 2], ..Window::square(1, 1, 0) };
        let pool = Op::MaxPool(Pool { window, ceil_mode: false });
        let max = run(engine, &pool, &[image], (Blocked, Pads::default()), None, 1).unwrap();
        assert!(max[0].is_nan() && max[4].is_nan(), "{engine:?} {max:?}");
        assert_eq!(max[1..4], [f32::INFINITY, -1.0, 2.0]);
    }
}

#[test]
fn groups_do_not_see_each_other() {
    // An infinity in one group must not reach another, as it would through a weight of zero.
    let mut data = integers(12 * 9, 5);
    data[4] = f32::INFINITY;
    let src = Source::value(Blocked, Pads::same(1), &[1, 12, 3, 3], &data);
    let op = Op::Conv(Conv::new(Window::square(3, 1, 1), 4));
    let sources = [src, constant(&[12, 3, 3, 3], 6)];
    for engine in engines() {
        let got = run(engine, &op, &sources, (Blocked, Pads::default()), None, 1).unwrap();
        assert!(got[27..].iter().all(|x| x.is_finite()), "{engine:?}");
        assert!(got[..27].iter().any(|x| !x.is_finite()), "{engine:?}");
    }
}

proptest! {
    #![proptest_config(with_cases(40))]

    /// With u = 2^-24, a sum of n products in any order has an error of at most n * u / (1 - n * u)
    /// times the sum of their magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms",
    /// section 3.1). Bias, residual and the final rounding add three terms.
    #[test]
    fn convolution_of_real_data_keeps_its_bound(case in conv_case()) {
        let [inputs, outputs] = case.per_group;
        let (c, k) = (inputs * case.groups, outputs * case.groups);
        let src_shape = [case.batch, c, case.size[0], case.size[1]];
        let weight_shape = [k, inputs, case.window.kernel[0], case.window.kernel[1]];
        let reals = |n: usize, seed: u64| -> Vec<f32> {
            integers(n, seed).iter().zip(integers(n, seed ^ 77)).map(|(a, b)| (a + 0.37 * b) * 0.171).collect()
        };
        let data = reals(src_shape.iter().product(), case.seed);
        let weights = reals(weight_shape.iter().product(), case.seed ^ 1);
        let op = Op::Conv(Conv::new(case.window, case.groups));
        let sources = |f: fn(&f32) -> f32| {
            let of = |v: &Vec<f32>| v.iter().map(f).collect::<Vec<f32>>();
            let src = Source::value(Blocked, case.halos[0], &src_shape, &of(&data));
            [src, Source::constant(&weight_shape, &of(&weights))]
        };
        let expected = reference(&op, &sources(|x| *x));
        let magnitudes = reference(&op, &sources(|x| x.abs()));
        let n = (weight_shape[1] * weight_shape[2] * weight_shape[3] + 3) as f64;
        let unit = 2f64.powi(-24);
        let bound = n * unit / (1.0 - n * unit);
        let largest = expected.data.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for engine in engines() {
            let got = run(engine, &op, &sources(|x| *x), (Blocked, Pads::default()), None, 1).expect("the kernel exists");
            for ((g, e), m) in got.iter().zip(&expected.data).zip(&magnitudes.data) {
                prop_assert!(bound * m <= largest.max(1e-3) / 100.0, "the bound is too large to be useful");
                prop_assert!((f64::from(*g) - e).abs() <= bound * m, "{:?} {}: {} for {}", engine, case.window.kernel[0], g, e);
            }
        }
    }
}
