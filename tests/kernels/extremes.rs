//! Winograd's algorithm on values that are far apart: each disturbs only outputs that see it.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc::kernels::winograd::{Schedule, Tile};
use resnetc_ir::Layout::Blocked;
use resnetc_ir::op::{Activation, Conv, Op, Pads, Residual, Window};

use super::engine::{Engine, Source, engines, reference, run_with};
use super::winograd::{
    SCHEDULES, TILES, amplification, by_winograd, is_large_enough, reals, roundings,
};
use super::{activation, max, pads};

/// The value that replaces another.
pub(super) const PLANTS: [f32; 12] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    -9999.0,
    1e20,
    -3e37,
    f32::MAX,
    1e10,
    300.0,
    -60.0,
    1e-30,
    0.0,
];

#[derive(Clone, Debug)]
struct ExtremeCase {
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    pads: Pads,
    halo: Pads,
    tile: Tile,
    schedule: Schedule,
    residual: bool,
    activation: Activation,
    /// The position, and which of the plants.
    plants: Vec<(prop::sample::Index, usize)>,
    /// The first row and column from which on all values are multiplied with this.
    dark: Option<(usize, usize, f32)>,
    /// Channels are multiplied with powers of this, their weights divided by them.
    scale: f32,
    seed: u64,
}

fn extreme_case() -> impl Strategy<Value = ExtremeCase> {
    let shape = (1usize..3, 5usize..14, 5usize..14, 16usize..36, 16usize..20, pads(1));
    let tile = prop::sample::select(TILES.to_vec());
    let schedule = prop::sample::select(SCHEDULES.to_vec());
    let how = (tile, schedule, any::<bool>(), activation(), pads(1));
    let dark = (0usize..12, 0usize..12, prop::sample::select(vec![0.0f32, 1e-6, 1e-3, 0.1]));
    let values = (
        proptest::collection::vec((any::<prop::sample::Index>(), 0..PLANTS.len()), 0..4),
        proptest::option::of(dark),
        prop::sample::select(vec![1.0f32, 4.0, 32.0]),
        any::<u64>(),
    );
    (shape, how, values).prop_map(|(shape, how, (plants, dark, scale, seed))| {
        let (batch, h, w, inputs, outputs, pads) = shape;
        let (tile, schedule, residual, activation, halo) = how;
        let (size, channels) = ([h, w], [inputs, outputs]);
        ExtremeCase {
            batch,
            size,
            channels,
            pads,
            halo,
            tile,
            schedule,
            residual,
            activation,
            plants,
            dark,
            scale,
            seed,
        }
    })
}

impl ExtremeCase {
    fn data(&self) -> Vec<f32> {
        let ([h, w], [c, _]) = (self.size, self.channels);
        let mut data = reals(self.batch * c * h * w, self.seed);
        for (i, x) in data.iter_mut().enumerate() {
            let (column, row, channel) = (i % w, i / w % h, i / w / h % c);
            *x *= self.channel_scale(channel);
            if let Some((from, to, factor)) = self.dark
                && row >= from
                && column >= to
            {
                *x *= factor;
            }
        }
        for (at, plant) in &self.plants {
            let at = at.index(data.len());
            data[at] = PLANTS[*plant];
        }
        data
    }

    fn channel_scale(&self, channel: usize) -> f32 {
        self.scale.powi((channel % 7) as i32 - 3)
    }

    fn weights(&self) -> Vec<f32> {
        let [c, k] = self.channels;
        let mut weights = reals(k * c * 9, self.seed ^ 1);
        for (i, w) in weights.iter_mut().enumerate() {
            *w /= self.channel_scale(i / 9 % c);
        }
        weights
    }

    /// The error of an output is at most the rounding of direct convolution, or that of the
    /// transforms for a tile with at most 4096 times the energy of the output's window. Where a
    /// tile has more, its whole row is computed directly. (By Cauchy and Schwarz, the sum over
    /// channels of the products of norms is at most the square root of the number of channels times
    /// the largest norm of a filter times the square root of the energy.)
    fn check(&self) -> Result<(), TestCaseError> {
        let ExtremeCase { batch, size: [h, w], channels: [c, k], pads, .. } = *self;
        prop_assume!(is_large_enough(self.tile, [h, w], pads));
        let window = Window { pads, ..Window::square(3, self.tile.transforms().stride, 0) };
        let (data, weights) = (self.data(), self.weights());
        let mut sources = vec![
            Source::value(Blocked, max(self.halo, pads), &[batch, c, h, w], &data),
            Source::constant(&[k, c, 3, 3], &weights),
        ];
        let mut conv = Conv { activation: self.activation, ..Conv::new(window, 1) };
        let plain = reference(&Op::Conv(Conv { activation: Activation::None, ..conv }), &sources);
        let mut place = None;
        if self.residual {
            conv.residual = Some(Residual::PLAIN);
            place = Some(2);
            let added = reals(plain.data.len(), self.seed ^ 2);
            sources.push(Source::value(Blocked, Pads::default(), &plain.shape, &added));
        }
        let op = Op::Conv(conv);
        let expected = reference(&op, &sources);
        let seen = Seen::of(self, &data, &weights, [plain.shape[2], plain.shape[3]]);
        let algorithm = by_winograd(self.tile, self.schedule);
        for engine in engines() {
            let dst = (Blocked, Pads::default());
            let run = |threads| {
                run_with(algorithm, engine, &op, &sources, dst, place, threads)
                    .expect("the kernel exists")
            };
            let got = run(1);
            let again = run(3).iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits());
            prop_assert!(again, "{engine:?}: threads change a result");
            for (i, (&g, &e)) in got.iter().zip(&expected.data).enumerate() {
                let (sum, bound) = seen.bound(i);
                if !e.is_finite() {
                    let same = g.is_nan() && e.is_nan() || f64::from(g) == e;
                    prop_assert!(same, "{engine:?}: element {i} is {g}, not {e}");
                } else if sum < 1e38 {
                    let distance = (f64::from(g) - e).abs();
                    prop_assert!(
                        distance <= bound,
                        "{engine:?}: element {i} is {g}, not {e}, bound {bound:e}"
                    );
                }
            }
        }
        Ok(())
    }
}

/// The input that every output sees.
struct Seen {
    outputs: usize,
    size: [usize; 2],
    /// Sums of the magnitudes of all products of an output.
    sums: Vec<f64>,
    /// The energy of the window of each pixel.
    windows: Vec<f64>,
    /// Whether a row of pixels must be computed directly.
    directly: Vec<bool>,
    /// The rounding of direct convolution, relative to the sum of magnitudes.
    direct: f64,
    /// The rounding of the transforms, relative to the root of a window's energy.
    transforms: f64,
}

/// By how much a tile's energy may exceed that of a window.
const SPREAD: f64 = 4096.0;

impl Seen {
    fn of(case: &ExtremeCase, data: &[f32], weights: &[f32], size: [usize; 2]) -> Self {
        let ExtremeCase { batch, size: [h, w], channels: [c, k], pads, tile, .. } = *case;
        let norm = |output: usize, channel: usize| -> f64 {
            let taps = &weights[(output * c + channel) * 9..][..9];
            taps.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt()
        };
        let norms: Vec<f64> =
            (0..c).map(|i| (0..k).map(|o| norm(o, i)).fold(0.0, f64::max)).collect();
        let greatest = norms.iter().copied().fold(0.0, f64::max);
        // Rows and columns count from the first that a window sees.
        let at = |image: usize, channel: usize, y: usize, x: usize| -> f64 {
            let inside = |i: usize, pad: usize, n: usize| i.checked_sub(pad).filter(|&i| i < n);
            let place = inside(y, pads.top, h).zip(inside(x, pads.left, w));
            place.map_or(0.0, |(y, x)| f64::from(data[((image * c + channel) * h + y) * w + x]))
        };
        let transforms = tile.transforms();
        let (m, stride) = (transforms.outputs, transforms.stride);
        let [rows, columns] = size;
        let [seen_rows, seen_columns] = size.map(|outputs| transforms.seen(outputs));
        let energy = |image: usize, y: usize, x: usize| -> f64 {
            let square = |i: usize| (at(image, i, y, x) * norms[i] / greatest).powi(2);
            (0..c).map(square).sum()
        };
        let pixels = (0..batch).flat_map(|i| (0..seen_rows).map(move |y| (i, y)));
        let pixels = pixels.flat_map(|(i, y)| (0..seen_columns).map(move |x| (i, y, x)));
        let energies: Vec<f64> = pixels.map(|(i, y, x)| energy(i, y, x)).collect();
        let area = |image: usize, ys: Range<usize>, xs: Range<usize>| -> f64 {
            let row = |y: usize| (image * seen_rows + y) * seen_columns;
            ys.map(|y| energies[row(y) + xs.start..row(y) + xs.end].iter().sum::<f64>()).sum()
        };
        let mut seen = Seen {
            outputs: k,
            size,
            sums: Vec::new(),
            windows: Vec::new(),
            directly: vec![false; batch * rows],
            // Sums of the products, bias, residual; the reference is in f64.
            direct: (9 * c + 4) as f64 * 2f64.powi(-24),
            transforms: roundings(&transforms, c)
                * 2f64.powi(-24)
                * amplification(&transforms).powi(2)
                * greatest
                * (c as f64 * SPREAD * 1.01).sqrt(),
        };
        for image in 0..batch {
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let of_window = |i: usize| i * stride..i * stride + 3;
                let window = area(image, of_window(y), of_window(x));
                seen.windows.push(window);
                let of_tile = |i: usize, seen: usize| {
                    let first = i / m * m * stride;
                    first..(first + transforms.inputs()).min(seen)
                };
                let all = area(image, of_tile(y, seen_rows), of_tile(x, seen_columns));
                let is_even = all <= SPREAD * window * 1.001 && all < 1e38;
                // Squares below this are zero.
                if !is_even && all > 1e-36 {
                    let of_tiles = y / m * m..(y / m * m + m).min(rows);
                    of_tiles.for_each(|y| seen.directly[image * rows + y] = true);
                }
            }
            for (o, y) in (0..k).flat_map(|o| (0..rows).map(move |y| (o, y))) {
                for x in 0..columns {
                    let product = |i: usize, t: usize| {
                        let w = f64::from(weights[(o * c + i) * 9 + t]).abs();
                        at(image, i, y * stride + t / 3, x * stride + t % 3).abs() * w
                    };
                    let all = (0..c).flat_map(|i| (0..9).map(move |t| (i, t)));
                    seen.sums.push(all.map(|(i, t)| product(i, t)).sum());
                }
            }
        }
        seen
    }

    /// The sum of the magnitudes of an output's products, and the bound of its error.
    fn bound(&self, index: usize) -> (f64, f64) {
        let [rows, columns] = self.size;
        let (x, y, image) =
            (index % columns, index / columns % rows, index / columns / rows / self.outputs);
        let sum = self.sums[index];
        // Bias and residual are a few units; 1e-18 is lost to squares that underflow to zero.
        let direct = self.direct * (sum + 16.0) + 1e-18;
        let window = self.windows[(image * rows + y) * columns + x];
        match self.directly[image * rows + y] {
            true => (sum, direct),
            false => (sum, direct + self.transforms * window.sqrt()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_value_disturbs_what_sees_it_only(case in extreme_case()) {
        case.check()?;
    }
}

/// Values of similar size are not computed directly: where a NaN in the first column makes a row of
/// tiles direct, outputs that do not see it are rounded differently. Values in the lanes past the
/// last channel have no influence.
#[test]
fn even_values_are_computed_by_tiles() {
    for channels in [32, 21] {
        for (tile, schedule) in TILES.into_iter().flat_map(|t| SCHEDULES.map(|s| (t, s))) {
            for engine in engines() {
                no_row_is_direct(engine, channels, tile, by_winograd(tile, schedule));
            }
        }
    }
}

fn no_row_is_direct(engine: Engine, channels: usize, tile: Tile, algorithm: Algorithm) {
    let window = Window::square(3, tile.transforms().stride, 1);
    let stride = window.strides[0];
    let (rows, columns) = (13, 11);
    let shape = [1, channels, (rows - 1) * stride + 1, (columns - 1) * stride + 1];
    let data = reals(shape.iter().product(), 7);
    let run = |data: &[f32]| {
        let weights = reals(16 * channels * 9, 8);
        let sources = [
            Source::value(Blocked, window.pads, &shape, data),
            Source::constant(&[16, channels, 3, 3], &weights),
        ];
        let (op, dst) = (Op::Conv(Conv::new(window, 1)), Pads::default());
        run_with(algorithm, engine, &op, &sources, (Blocked, dst), None, 1).expect("it exists")
    };
    let tiles = run(&data);
    for row in (0..rows).step_by(4) {
        let mut spoilt = data.clone();
        spoilt[row * stride * shape[3]] = f32::NAN;
        let direct = run(&spoilt);
        let unseen = |results: &[f32]| -> Vec<f32> {
            let rows = results.chunks(columns).skip(row).step_by(rows);
            rows.flat_map(|row| &row[2..]).copied().collect()
        };
        let (tiles, direct) = (unseen(&tiles), unseen(&direct));
        assert!(direct.iter().all(|x| x.is_finite()) && tiles != direct, "{engine:?}, row {row}");
    }
}

/// Non-finite values in one image do not affect the others: their results are the same bits.
#[test]
fn images_of_a_batch_do_not_disturb_each_other() {
    for schedule in [Schedule::TileBlocks, Schedule::FilterBlocks] {
        let shape = [3, 32, 9, 9];
        let clean = reals(shape.iter().product(), 5);
        let mut spoilt = clean.clone();
        let image = spoilt.len() / 3;
        spoilt[image + 400] = f32::NAN;
        spoilt[image + 700] = 1e30;
        let run = |data: &[f32], engine| {
            let sources = [
                Source::value(Blocked, Window::square(3, 1, 1).pads, &shape, data),
                Source::constant(&[16, 32, 3, 3], &reals(16 * 32 * 9, 6)),
            ];
            let op = Op::Conv(Conv::new(Window::square(3, 1, 1), 1));
            let (algorithm, dst) = (by_winograd(Tile::Four, schedule), Pads::default());
            run_with(algorithm, engine, &op, &sources, (Blocked, dst), None, 2).expect("it exists")
        };
        for engine in engines() {
            let (clean, spoilt) = (run(&clean, engine), run(&spoilt, engine));
            let image = clean.len() / 3;
            for i in [0, 2] {
                let of = |all: &[f32]| -> Vec<u32> {
                    all[i * image..][..image].iter().map(|x| x.to_bits()).collect()
                };
                assert_eq!(of(&clean), of(&spoilt), "{engine:?}, image {i}");
            }
            assert!(spoilt[image..][..image].iter().any(|x| x.is_nan()));
        }
    }
}
