//! Winograd's algorithm on values that are far apart: each disturbs only outputs that see it.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc::kernels::winograd::{Schedule, Tile};
use resnetc_ir::Layout::Blocked;
use resnetc_ir::op::{Activation, Conv, Op, Pads, Residual, Window};
use resnetc_testing::cases::{some, with_cases};

use super::engine::{Engine, Source, engines, reference, run_with};
use super::seen::{Layer, Seen};
use super::winograd::{SCHEDULES, TILES, by_winograd, is_large_enough, reals};
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
        let transforms = self.tile.transforms();
        let layer = Layer {
            batch,
            size: [h, w],
            channels: [c, k],
            window,
            tile: [transforms.inputs(); 2],
            phases: 1,
            transforms,
        };
        let seen = Seen::of(&layer, &data, &weights, [plain.shape[2], plain.shape[3]]);
        let algorithm = by_winograd(self.tile, self.schedule);
        seen.check(algorithm, &op, &sources, place)
    }
}

proptest! {
    #![proptest_config(with_cases(30))]

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
    let how = TILES.into_iter().flat_map(|tile| SCHEDULES.map(|schedule| (tile, schedule)));
    let all = [32, 21].into_iter().flat_map(|channels| how.clone().map(move |how| (channels, how)));
    for (channels, (tile, schedule)) in some(all) {
        for engine in engines() {
            no_row_is_direct(engine, channels, tile, by_winograd(tile, schedule));
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
