//! Winograd's algorithm over planar channels: windows of 5x5 to 8x8 and stride 2.

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::winograd::matrices::Transforms;
use resnetc_ir::Layout::{Blocked, Planar};
use resnetc_ir::op::{Activation, Conv, Op, Pads, Window};
use resnetc_testing::cases::{some, with_cases};

use super::engine::{How, Source, algorithm, engines, reference, run_with};
use super::extremes::PLANTS;
use super::seen::{Layer, Seen};
use super::winograd::{bound, reals, within};
use super::{activation, max, pads};

/// Bytes of small and of large caches.
const CACHES: [usize; 2] = [32 << 10, 4 << 20];

/// Phases of the source.
const PHASES: usize = 4;

#[derive(Clone, Debug)]
struct PlanarCase {
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    kernel: [usize; 2],
    pads: Pads,
    halos: [Pads; 2],
    /// Bytes of the core's cache: rows are cut into short segments, or hardly ever.
    cache_bytes: usize,
    bias: bool,
    activation: Activation,
    seed: u64,
}

fn planar_case() -> impl Strategy<Value = PlanarCase> {
    let kernel = prop::sample::select(vec![[5, 5], [5, 6], [6, 6], [7, 7], [7, 8], [8, 7], [8, 8]]);
    let shape = (1usize..3, 9usize..50, 9usize..90, 1usize..5, 1usize..70);
    let cache = prop::sample::select(CACHES.to_vec());
    let how = (kernel, pads(4), pads(4), pads(2), cache, any::<bool>(), activation());
    (shape, how, any::<u64>()).prop_map(|(shape, how, seed)| {
        let (batch, h, w, inputs, outputs) = shape;
        let (kernel, pads, halo, dst, cache_bytes, bias, activation) = how;
        let (size, channels, halos) = ([h, w], [inputs, outputs], [halo, dst]);
        PlanarCase {
            batch,
            size,
            channels,
            kernel,
            pads,
            halos,
            cache_bytes,
            bias,
            activation,
            seed,
        }
    })
}

/// The transforms for a window.
fn transforms(kernel: [usize; 2]) -> Transforms {
    match kernel[0].div_ceil(2) {
        4 => Transforms::f4_of_four_taps(),
        _ => Transforms::f4(),
    }
}

impl PlanarCase {
    fn how(&self) -> How {
        let cache_bytes = self.cache_bytes;
        How { cache_bytes, ..How::from(algorithm("winograd_f4s2_planar")) }
    }

    fn window(&self) -> Window {
        Window { kernel: self.kernel, pads: self.pads, ..Window::square(7, 2, 0) }
    }

    fn is_large_enough(&self) -> bool {
        let padded = [
            self.size[0] + self.pads.top + self.pads.bottom,
            self.size[1] + self.pads.left + self.pads.right,
        ];
        padded.iter().zip(self.kernel).all(|(&padded, kernel)| padded >= 3 * 2 + kernel)
    }

    /// As for other tiles, with the four phases of each channel as channels.
    fn check(&self) -> Result<(), TestCaseError> {
        let PlanarCase { batch, size: [h, w], channels: [c, k], kernel: [r, s], .. } = *self;
        prop_assume!(self.is_large_enough());
        let (data, weights) =
            (reals(batch * c * h * w, self.seed), reals(k * c * r * s, self.seed ^ 1));
        let mut sources = vec![
            Source::value(Planar, max(self.halos[0], self.pads), &[batch, c, h, w], &data),
            Source::constant(&[k, c, r, s], &weights),
        ];
        if self.bias {
            sources.push(Source::constant(&[k], &reals(k, self.seed ^ 2)));
        }
        let conv =
            Conv { bias: self.bias, activation: self.activation, ..Conv::new(self.window(), 1) };
        let op = Op::Conv(conv);
        let largest = reference(&op, &sources).data.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let bound = bound(&transforms(self.kernel), [&data, &weights], PHASES * c);
        prop_assert!(
            bound <= largest.max(1.0),
            "the bound {bound} is too large compared with {largest}"
        );
        within(bound, self.how(), (&op, &sources), (self.halos[1], None))
    }
}

proptest! {
    #![proptest_config(with_cases(30))]

    #[test]
    fn planar_tiles_keep_their_bound(case in planar_case()) {
        case.check()?;
    }
}

/// A picture with extreme values.
#[derive(Clone, Debug)]
struct ExtremeCase {
    case: PlanarCase,
    /// The position, and which of the plants.
    plants: Vec<(prop::sample::Index, usize)>,
    /// The first row and column from which on all values are multiplied with this.
    dark: Option<(usize, usize, f32)>,
    /// Channels are multiplied with powers of this, their weights divided by them.
    scale: f32,
}

fn extreme_case() -> impl Strategy<Value = ExtremeCase> {
    let case = planar_case().prop_map(|case| PlanarCase {
        size: case.size.map(|n| n.min(34)),
        channels: [case.channels[0], case.channels[1].min(18)],
        bias: false,
        ..case
    });
    let plants = proptest::collection::vec((any::<prop::sample::Index>(), 0..PLANTS.len()), 0..3);
    let factor = prop::sample::select(vec![0.0f32, 1e-6, 1e-3, 0.1]);
    let dark = proptest::option::of((0usize..30, 0usize..30, factor));
    let scale = prop::sample::select(vec![1.0f32, 4.0, 32.0]);
    (case, plants, dark, scale).prop_map(|(case, plants, dark, scale)| ExtremeCase {
        case,
        plants,
        dark,
        scale,
    })
}

impl ExtremeCase {
    fn check(&self) -> Result<(), TestCaseError> {
        let PlanarCase { batch, size: [h, w], channels: [c, k], kernel, .. } = self.case;
        prop_assume!(self.case.is_large_enough());
        let scale = |channel: usize| self.scale.powi(channel as i32 - 1);
        let mut data = reals(batch * c * h * w, self.case.seed);
        for (i, x) in data.iter_mut().enumerate() {
            let (column, row, channel) = (i % w, i / w % h, i / w / h % c);
            let is_dark = self.dark.filter(|dark| row >= dark.0 && column >= dark.1);
            *x *= scale(channel) * is_dark.map_or(1.0, |dark| dark.2);
        }
        for (at, plant) in &self.plants {
            let at = at.index(data.len());
            data[at] = PLANTS[*plant];
        }
        let taps = kernel[0] * kernel[1];
        let mut weights = reals(k * c * taps, self.case.seed ^ 1);
        weights.iter_mut().enumerate().for_each(|(i, w)| *w /= scale(i / taps % c));
        self.case.check_what_is_seen(&data, &weights)
    }
}

impl PlanarCase {
    /// Checks that the error of each output is bounded by what it sees.
    fn check_what_is_seen(&self, data: &[f32], weights: &[f32]) -> Result<(), TestCaseError> {
        let PlanarCase { batch, size: [h, w], channels: [c, k], kernel, .. } = *self;
        let sources = [
            Source::value(Planar, max(self.halos[0], self.pads), &[batch, c, h, w], data),
            Source::constant(&[k, c, kernel[0], kernel[1]], weights),
        ];
        let window = self.window();
        let op = |activation| Op::Conv(Conv { activation, ..Conv::new(window, 1) });
        let shape = reference(&op(Activation::None), &sources).shape;
        let transforms = transforms(kernel);
        let layer = Layer {
            batch,
            size: [h, w],
            channels: [c, k],
            window,
            tile: kernel.map(|extent| (transforms.outputs - 1) * 2 + extent),
            phases: PHASES,
            transforms,
        };
        let seen = Seen::of(&layer, data, weights, [shape[2], shape[3]]);
        seen.check(self.how(), &op(self.activation), &sources, None)
    }
}

proptest! {
    #![proptest_config(with_cases(30))]

    #[test]
    fn a_value_disturbs_what_sees_it_only(case in extreme_case()) {
        case.check()?;
    }
}

/// Rows of every number of tiles, in pictures of noise and of a single pixel: what strips hold does
/// not reach into the next strip, and no energy is lost.
#[test]
fn rows_of_every_length_are_right() {
    let lengths = (1..=35).flat_map(|tiles| [7, 8].map(move |extent| (tiles, extent)));
    for (tiles, extent) in some(lengths) {
        let case = PlanarCase {
            batch: 1,
            size: [2 * 3 + extent, 8 * tiles + extent - 2],
            channels: [1, 3],
            kernel: [extent; 2],
            pads: Pads::default(),
            halos: [Pads::default(); 2],
            cache_bytes: CACHES[1],
            bias: true,
            activation: Activation::None,
            seed: tiles as u64,
        };
        let right = |result: Result<(), TestCaseError>| {
            result.unwrap_or_else(|error| panic!("{tiles} tiles, {extent}x{extent}: {error}"));
        };
        right(case.check());
        let [h, w] = case.size;
        let mut pixel = vec![0.0; h * w];
        pixel[h / 2 * w + (tiles * 37) % w] = 1.0;
        right(case.check_what_is_seen(&pixel, &reals(3 * extent * extent, 5)));
    }
}

/// A row of several segments. Values of similar size are not computed directly: where a NaN makes a
/// segment direct, its outputs that do not see it are rounded differently, and no others are.
#[test]
fn even_values_are_computed_by_tiles() {
    let window = Window::square(7, 2, 3);
    let shape = [1, 3, 17, 1030];
    let data = reals(shape.iter().product(), 7);
    let (op, weights) = (Op::Conv(Conv::new(window, 1)), reals(16 * 3 * 49, 8));
    for engine in engines() {
        let run = |data: &[f32]| {
            let sources = [
                Source::value(Planar, window.pads, &shape, data),
                Source::constant(&[16, 3, 7, 7], &weights),
            ];
            let (algorithm, dst) = (algorithm("winograd_f4s2_planar"), Pads::default());
            run_with(algorithm, engine, &op, &sources, (Blocked, dst), None, 1).expect("it exists")
        };
        let tiles = run(&data);
        let mut spoilt = data.clone();
        spoilt[0] = f32::NAN;
        let direct = run(&spoilt);
        let rows = 9;
        let differ = |row: usize, mut columns: Range<usize>| {
            columns.any(|x| tiles[row * COLUMNS + x] != direct[row * COLUMNS + x])
        };
        assert_eq!(tiles.len(), 16 * rows * COLUMNS);
        assert!(differ(0, 2..12) && differ(3, 0..12), "{engine:?}: its tiles are direct");
        assert!(!differ(0, 500..COLUMNS), "{engine:?}: its segment is the first of several");
        assert!(!(4..rows).any(|row| differ(row, 0..COLUMNS)), "{engine:?}: other rows");
    }
}

/// Columns of the result of the widest test.
const COLUMNS: usize = 515;
