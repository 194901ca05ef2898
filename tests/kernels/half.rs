//! Weights of 16 bits: direct convolution, matrix products and Winograd's algorithm keep the bounds
//! of their weights' rounding on every engine.
//!
//! Let `W` be the abs-max of an output's weights. Each of them is rounded to a multiple of `W /
//! 32766` with an error of at most one such unit and a 256th of one, for the f32 in which it is
//! rounded. So the error of an output is at most that, times the sum of the magnitudes of the values
//! that it sees, beside the error of arithmetic in f32.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc::kernels::precision::Precision;
use resnetc::kernels::winograd::Schedule;
use resnetc_ir::Layout::{Blocked, Planar};
use resnetc_ir::op::{Activation, Conv, Gemm, Op, Pads, Residual, Window};
use resnetc_testing::cases::with_cases;

use super::engine::{Source, engines, reference, run_with};
use super::winograd::{
    SCHEDULES, TILES, amplification, by_winograd, is_large_enough, reals, roundings,
};
use super::{activation, pads};

/// The largest error of a weight, relative to the largest weight of its output.
const WEIGHT: f64 = (1.0 + 1.0 / 256.0) / 32766.0;

/// Half a unit in the last place of f32.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;

/// A convolution or a product, its operands, and what replaces the result of one.
#[derive(Clone, Debug)]
struct Half {
    op: Op,
    sources: Vec<Source>,
    halo: Pads,
    place: Option<usize>,
    /// How many products an output sums up, and how many other roundings there are.
    terms: usize,
}

impl Half {
    /// The sources with every element replaced.
    fn with(&self, f: impl Fn(usize, f64) -> f64) -> Vec<Source> {
        let mut sources = self.sources.clone();
        for (i, source) in sources.iter_mut().enumerate() {
            source.value.data.iter_mut().for_each(|x| *x = f(i, *x));
        }
        sources
    }

    /// The positions of weights among the operands.
    fn weights(&self) -> Vec<usize> {
        match &self.op {
            Op::Conv(conv) => {
                [Some(1), conv.projected_operand().map(|i| i + 1)].into_iter().flatten().collect()
            }
            _ => vec![1],
        }
    }

    /// The operator without its activation, which enlarges no error.
    fn linear(&self) -> Op {
        match self.op.clone() {
            Op::Conv(conv) => Op::Conv(Conv { activation: Activation::None, ..conv }),
            Op::Gemm(gemm) => Op::Gemm(Gemm { activation: Activation::None, ..gemm }),
            other => other,
        }
    }

    /// For each output, the bound of its error: of rounded weights, and of sums in f32.
    fn bounds(&self) -> Vec<f64> {
        let weights = self.weights();
        // The largest weight of each output is the same for both sums.
        let outputs = self.sources[1].value.shape[0];
        let mut largest = vec![0.0f64; outputs];
        for &i in &weights {
            let data = &self.sources[i].value.data;
            for (most, row) in largest.iter_mut().zip(data.chunks(data.len() / outputs)) {
                *most = row.iter().fold(*most, |most, w| most.max(w.abs()));
            }
        }
        let mut units = self.with(|_, x| magnitude(x));
        for (i, source) in units.iter_mut().enumerate().skip(1) {
            let data = &mut source.value.data;
            match weights.contains(&i) {
                true => {
                    let row = data.len() / outputs;
                    let rows = data.chunks_mut(row).zip(&largest);
                    rows.for_each(|(row, &most)| row.fill(most * WEIGHT));
                }
                false if !weights.contains(&(i + 1)) => data.fill(0.0),
                false => {}
            }
        }
        let units = reference(&self.linear(), &units).data;
        let sums = reference(&self.linear(), &self.with(|_, x| magnitude(x))).data;
        let n = (self.terms + 5) as f64 * ROUNDING;
        units.iter().zip(sums).map(|(unit, sum)| unit * (1.0 + n) + n / (1.0 - n) * sum).collect()
    }

    fn check(&self, algorithm: Algorithm, extra: f64) -> Result<(), TestCaseError> {
        let expected = reference(&self.op, &self.sources);
        let bounds = self.bounds();
        let mut off = 0.0f64;
        for engine in engines() {
            for threads in [1, 3] {
                let how = (Precision::Half, algorithm);
                let dst = (Blocked, self.halo);
                let got = run_with(how, engine, &self.op, &self.sources, dst, self.place, threads)
                    .expect("the kernel exists");
                for (i, ((&g, e), bound)) in got.iter().zip(&expected.data).zip(&bounds).enumerate()
                {
                    let (error, bound) = ((f64::from(g) - e).abs(), bound + extra);
                    off = off.max(error);
                    let is_near = error <= bound || g.is_nan() && e.is_nan();
                    prop_assert!(is_near, "{engine:?}: element {i} is {g}, not {e}, bound {bound}");
                }
            }
        }
        println!("largest error {off:e}");
        Ok(())
    }
}

/// The magnitude; that of NaN, which only outputs see that are NaN, does not count.
fn magnitude(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x.abs() }
}

fn image(shape: [usize; 4], pads: Pads, seed: u64) -> Source {
    Source::value(Blocked, pads, &shape, &reals(shape.iter().product(), seed))
}

fn constant(shape: &[usize], seed: u64) -> Source {
    Source::constant(shape, &reals(shape.iter().product(), seed))
}

/// What follows a sum.
#[derive(Clone, Copy, Debug)]
enum Added {
    Nothing,
    Residual { in_place: bool },
    Projection { channels: usize },
}

fn added() -> impl Strategy<Value = Added> {
    prop_oneof![
        Just(Added::Nothing),
        any::<bool>().prop_map(|in_place| Added::Residual { in_place }),
        (1usize..40).prop_map(|channels| Added::Projection { channels }),
    ]
}

proptest! {
    #![proptest_config(with_cases(60))]

    #[test]
    fn convolution_keeps_the_bound_of_its_weights(
        (batch, h, w, c, k) in (1usize..3, 1usize..12, 1usize..12, 1usize..70, 1usize..80),
        (r, s, stride, pads) in (1usize..4, 1usize..4, 1usize..3, pads(1)),
        (bias, added, activation, one, seed) in (any::<bool>(), added(), activation(), any::<bool>(), any::<u64>()),
    ) {
        // Images of one pixel are summed up in parts.
        let ([h, w], [r, s], stride, pads) = if one { ([1, 1], [1, 1], 1, Pads::default()) } else { ([h, w], [r, s], stride, pads) };
        let c = if one { 5 * c } else { c };
        prop_assume!(h + pads.top + pads.bottom >= r && w + pads.left + pads.right >= s);
        let window = Window { kernel: [r, s], strides: [stride, stride], dilations: [1, 1], pads };
        let mut conv = Conv { bias, activation, ..Conv::new(window, 1) };
        let mut sources = vec![image([batch, c, h, w], pads, seed), constant(&[k, c, r, s], seed ^ 1)];
        sources.extend(bias.then(|| constant(&[k], seed ^ 2)));
        let shape = reference(&Op::Conv(conv), &sources).shape;
        let shape = [shape[0], shape[1], shape[2], shape[3]];
        let (mut place, mut terms) = (None, c * r * s);
        match added {
            Added::Nothing => {}
            Added::Residual { in_place } => {
                conv.residual = Some(Residual::PLAIN);
                place = in_place.then_some(sources.len());
                sources.push(image(shape, Pads::default(), seed ^ 3));
            }
            Added::Projection { channels } => {
                conv.projection = Some(Window::square(1, 1, 0));
                sources.push(image([batch, channels, shape[2], shape[3]], Pads::default(), seed ^ 3));
                sources.push(constant(&[k, channels, 1, 1], seed ^ 4));
                terms += channels;
            }
        }
        let half = Half { op: Op::Conv(conv), sources, halo: Pads::default(), place, terms };
        half.check(Algorithm::DIRECT, 0.0)?;
    }

    #[test]
    fn product_keeps_the_bound_of_its_weights(
        m in 1usize..9, n in 1usize..150, k in 1usize..300, planar: bool, bias: bool, activation in activation(), seed: u64,
    ) {
        let layout = if planar { Planar } else { Blocked };
        let mut sources = vec![
            Source::value(layout, Pads::default(), &[m, k], &reals(m * k, seed)),
            constant(&[n, k], seed ^ 1),
        ];
        sources.extend(bias.then(|| constant(&[n], seed ^ 2)));
        let gemm = Gemm { alpha: 1.0, beta: 1.0, transpose_a: false, transpose_b: true, bias, activation };
        let half = Half { op: Op::Gemm(gemm), sources, halo: Pads::default(), place: None, terms: k };
        half.check(Algorithm::DIRECT, 0.0)?;
    }
}

proptest! {
    #![proptest_config(with_cases(24))]

    /// Filters that are transformed at run time have the same errors of weights, and so have those
    /// with which rows are computed directly that see NaN. Filters that are transformed before are
    /// floats, for images that are larger.
    #[test]
    fn winograd_keeps_the_bound_of_its_weights(
        (batch, h, w, c, k) in (1usize..3, 4usize..14, 4usize..14, 16usize..60, 16usize..80),
        (bias, activation, pads, nan, seed) in (any::<bool>(), activation(), pads(1), any::<bool>(), any::<u64>()),
        tile in prop::sample::select(TILES.to_vec()), schedule in prop::sample::select(SCHEDULES.to_vec()),
    ) {
        prop_assume!(is_large_enough(tile, [h, w], pads));
        let transforms = tile.transforms();
        // Results of more than 256 pixels.
        let more = if schedule == Schedule::TileBlocks { 16 * transforms.stride } else { 0 };
        let [h, w] = [h + more, w + more];
        let window = Window { pads, ..Window::square(3, transforms.stride, 0) };
        let conv = Conv { bias, activation, ..Conv::new(window, 1) };
        let mut sources = vec![image([batch, c, h, w], pads, seed), constant(&[k, c, 3, 3], seed ^ 1)];
        sources.extend(bias.then(|| constant(&[k], seed ^ 2)));
        let most = |i: usize| sources[i].value.data.iter().fold(0.0f64, |m, x| m.max(x.abs()));

        let products = c as f64 * most(0) * most(1) * amplification(&transforms).powi(2);
        let extra = roundings(&transforms, c) * ROUNDING * (products + 16.0);
        if nan {
            let data = &mut sources[0].value.data;
            let at = seed as usize % data.len();
            data[at] = f64::NAN;
        }
        let half = Half { op: Op::Conv(conv), sources, halo: Pads::default(), place: None, terms: 9 * c };
        half.check(by_winograd(tile, schedule), extra)?;
    }
}

/// A layer whose result is larger keeps its weights in f32, so it has the same results.
#[test]
fn large_images_keep_their_weights() {
    let conv = Conv::new(Window::square(3, 1, 1), 1);
    for (size, is_same) in [([16, 16], false), ([16, 17], true)] {
        let [h, w] = size;
        let sources = [image([1, 20, h, w], Pads::same(1), 1), constant(&[24, 20, 3, 3], 2)];
        for engine in engines() {
            let [full, half] = [Precision::Full, Precision::Half].map(|precision| {
                let how = (precision, Algorithm::DIRECT);
                let dst = (Blocked, Pads::default());
                run_with(how, engine, &Op::Conv(conv), &sources, dst, None, 1).expect("it runs")
            });
            assert_eq!(full == half, is_same, "{engine:?} {size:?}");
        }
    }
}

/// The number of images changes no result.
#[test]
fn batches_have_the_same_results() {
    let conv = Conv::new(Window::square(1, 1, 0), 1);
    let one = image([1, 200, 1, 1], Pads::default(), 1);
    let mut many = image([300, 200, 1, 1], Pads::default(), 3);
    many.value.data[..200].copy_from_slice(&one.value.data);
    let weights = constant(&[24, 200, 1, 1], 2);
    for engine in engines() {
        let [alone, together] = [one.clone(), many.clone()].map(|source| {
            let how = (Precision::Half, Algorithm::DIRECT);
            let (op, dst) = (Op::Conv(conv), (Blocked, Pads::default()));
            run_with(how, engine, &op, &[source, weights.clone()], dst, None, 1).expect("it runs")
        });
        assert_eq!(alone, together[..24], "{engine:?}");
    }
}
