//! Winograd's algorithm, all tiles and both schedules, checked against the bound that follows from
//! its matrices.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc::kernels::winograd::matrices::{Matrix, Transforms};
use resnetc::kernels::winograd::{Schedule, Tile};
use resnetc_ir::Layout::Blocked;
use resnetc_ir::op::{Activation, Conv, Op, Pads, Window};
use resnetc_testing::cases::with_cases;

use super::engine::{How, Source, algorithm, engines, reference, run_with};
use super::residual::{Fit, residual};
use super::{activation, integers, max, pads};

pub(super) const TILES: [Tile; 3] = [Tile::Two, Tile::Four, Tile::TwoStrided];
pub(super) const SCHEDULES: [Schedule; 2] = [Schedule::TileBlocks, Schedule::FilterBlocks];

/// Whether inputs of this size, with their padding, give the least result that is cut into tiles.
pub(super) fn is_large_enough(tile: Tile, [h, w]: [usize; 2], pads: Pads) -> bool {
    let least = tile.transforms().seen(4);
    h + pads.top + pads.bottom >= least && w + pads.left + pads.right >= least
}

/// Winograd's algorithm with a tile and a schedule.
pub(super) fn by_winograd(tile: Tile, schedule: Schedule) -> Algorithm {
    let tile = match tile {
        Tile::Two => "f2",
        Tile::Four => "f4",
        Tile::TwoStrided => "f2s2",
    };
    let schedule = match schedule {
        Schedule::TileBlocks => "tile_blocks",
        Schedule::FilterBlocks => "filter_blocks",
    };
    algorithm(&format!("winograd_{tile}_{schedule}"))
}

#[derive(Clone, Debug)]
struct WinogradCase {
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    pads: Pads,
    halos: [Pads; 3],
    bias: bool,
    residual: Option<Fit>,
    in_place: bool,
    activation: Activation,
    tile: Tile,
    schedule: Schedule,
    /// Bytes of the core's cache: blocks have one row of tiles, or as many as there are.
    cache_bytes: usize,
    seed: u64,
}

fn winograd_case() -> impl Strategy<Value = WinogradCase> {
    let shape = (1usize..3, 4usize..23, 4usize..23, 16usize..60, 16usize..80, pads(1));
    let flags = (any::<bool>(), residual(), any::<bool>(), activation());
    let cache = prop::sample::select(vec![32 << 10, 4 << 20]);
    let how =
        (prop::sample::select(TILES.to_vec()), prop::sample::select(SCHEDULES.to_vec()), cache);
    let cases = (shape, flags, how, (pads(1), pads(2), pads(1)), any::<u64>());
    cases.prop_map(|(shape, flags, (tile, schedule, cache_bytes), halos, seed)| {
        let (batch, h, w, inputs, outputs, pads) = shape;
        let (bias, residual, in_place, activation) = flags;
        WinogradCase {
            batch,
            size: [h, w],
            channels: [inputs, outputs],
            pads,
            halos: [halos.0, halos.1, halos.2],
            bias,
            residual,
            in_place,
            activation,
            tile,
            schedule,
            cache_bytes,
            seed,
        }
    })
}

impl WinogradCase {
    /// Winograd's result is `A^T (sum over channels of (G g G^T) * (B^T d B)) A`. With every matrix
    /// and operand replaced by its magnitudes the same expression bounds each of its intermediate
    /// sums; one product goes through at most C + 4 n + 14 roundings (n elements along a tile's
    /// axis: two passes each way), the filter's among them (Barabasz et al. 2020, section 4, for
    /// the componentwise form). The bound is asserted to be small compared with the results.
    fn check(&self) -> Result<(), TestCaseError> {
        let WinogradCase { batch, size: [h, w], channels: [c, k], pads, halos, .. } = *self;
        let (tile, schedule, seed) = (self.tile, self.schedule, self.seed);
        prop_assume!(is_large_enough(tile, [h, w], pads));
        let window = Window { pads, ..Window::square(3, tile.transforms().stride, 0) };
        let data = reals(batch * c * h * w, seed);
        let weights = reals(k * c * 9, seed ^ 1);
        let mut sources = vec![
            Source::value(Blocked, max(halos[0], pads), &[batch, c, h, w], &data),
            Source::constant(&[k, c, 3, 3], &weights),
        ];
        if self.bias {
            sources.push(Source::constant(&[k], &reals(k, seed ^ 2)));
        }
        let mut conv =
            Conv { bias: self.bias, activation: self.activation, ..Conv::new(window, 1) };
        let shape = reference(&Op::Conv(conv), &sources).shape;
        let mut place = None;
        if let Some((residual, other)) = self.residual.map(|fit| fit.of(&shape)) {
            conv.residual = Some(residual);
            place = (self.in_place && other[..] == shape).then_some(sources.len());
            let halo = halos[if place.is_some() { 2 } else { 1 }];
            let data = reals(other.iter().product(), seed ^ 3);
            sources.push(Source::value(Blocked, halo, &other, &data));
        }
        let op = Op::Conv(conv);
        let expected = reference(&op, &sources);
        let bound = bound(&tile.transforms(), [&data, &weights], c);
        let largest = expected.data.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        prop_assert!(
            bound <= largest.max(1.0) / 20.0,
            "the bound {bound} is too large compared with {largest}"
        );
        let how = How { cache_bytes: self.cache_bytes, ..by_winograd(tile, schedule).into() };
        within(bound, how, (&op, &sources), (halos[2], place))
    }
}

/// Runs an operator on every engine, with a border around its result and perhaps in the place of an
/// operand; no element may be farther from the interpreter's than the bound.
pub(super) fn within(
    bound: f64,
    how: How,
    (op, sources): (&Op, &[Source]),
    (halo, place): (Pads, Option<usize>),
) -> Result<(), TestCaseError> {
    let expected = reference(op, sources);
    for engine in engines() {
        let got = run_with(how, engine, op, sources, (Blocked, halo), place, 2)
            .expect("the kernel exists");
        for (i, (g, e)) in got.iter().zip(&expected.data).enumerate() {
            let distance = (f64::from(*g) - e).abs();
            prop_assert!(
                distance <= bound,
                "{engine:?}: element {i} is {g}, not {e}, bound {bound}"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(with_cases(60))]

    #[test]
    fn winograd_keeps_its_bound(case in winograd_case()) {
        case.check()?;
    }
}

/// Exactly two ranges of input channels, the second of which is not in a loop.
#[test]
fn filters_in_two_stretches() {
    let case = WinogradCase {
        batch: 1,
        size: [5, 4],
        channels: [32, 16],
        pads: Pads { top: 1, left: 1, bottom: 0, right: 1 },
        halos: [Pads::default(); 3],
        bias: false,
        residual: None,
        in_place: false,
        activation: Activation::None,
        tile: Tile::Two,
        schedule: Schedule::FilterBlocks,
        cache_bytes: 32 << 10,
        seed: 0,
    };
    case.check().expect("within the bound");
}

/// Numbers of about unit size that are not integers.
pub(super) fn reals(n: usize, seed: u64) -> Vec<f32> {
    let (a, b) = (integers(n, seed), integers(n, seed ^ 77));
    a.iter().zip(b).map(|(a, b)| (a + 0.37 * b) * 0.171).collect()
}

/// How many times a product is rounded: in a sum over the channels; in two passes of at most as
/// many terms as a tile has elements on either side; in two passes of three terms, with rounded
/// coefficients, for filters that are transformed in f32; with bias, residual and the rest.
pub(super) fn roundings(t: &Transforms, channels: usize) -> f64 {
    channels as f64 + 4.0 * t.inputs() as f64 + 10.0 + 4.0
}

/// The largest sum of magnitudes along an axis transform, as an amplification: max over outputs of
/// sum over elements of |A||B| and |A||G|, the operands being at most their largest magnitude.
pub(super) fn amplification(t: &Transforms) -> f64 {
    let row_sum = |m: &Matrix, i: usize| -> f64 { m[i].iter().map(|x| x.abs()).sum() };
    let output = |row: &Vec<f64>| -> f64 {
        row.iter()
            .enumerate()
            .map(|(p, a)| a.abs() * row_sum(&t.input, p) * row_sum(&t.filter, p))
            .sum()
    };
    t.output.iter().map(output).fold(0.0, f64::max)
}

/// The error bound of any output.
pub(super) fn bound(t: &Transforms, operands: [&[f32]; 2], channels: usize) -> f64 {
    let most = |v: &[f32]| v.iter().fold(0.0f64, |m, x| m.max(f64::from(x.abs())));
    let roundings = roundings(t, channels);
    let products = channels as f64 * most(operands[0]) * most(operands[1]);
    // Two dimensions, so the amplification counts twice; a residual and a bias of a few units round
    // as well.
    roundings * 2f64.powi(-24) * (products * amplification(t).powi(2) + 16.0)
}
