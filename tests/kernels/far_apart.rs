//! Convolution by tile registers on values that are far apart: each disturbs only outputs that see
//! it.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc_ir::Layout;
use resnetc_ir::op::{Activation, Conv, Op, Pads, Window};
use resnetc_testing::cases::with_cases;

use super::engine::{Engine, Source, algorithm, reference, run_with, tile_engines};
use super::extremes::PLANTS;
use super::fixed::{Data, FixedCase, NUMBERS, Numbers, Problem, fixed_case, narrow_case};
use super::winograd::reals;

/// A window is dark if its largest value is below this many units of its image.
const DARK: f64 = 31_990.0;

#[derive(Clone, Debug)]
struct FarCase {
    case: FixedCase,
    /// Whether it is in the projected value, the position, and which of the plants.
    plants: Vec<(bool, prop::sample::Index, usize)>,
    /// The first row and column from which on all values are multiplied with this.
    dark: Option<(usize, usize, f64)>,
    /// Weights that are far smaller than the others.
    tiny: Vec<prop::sample::Index>,
}

fn far_case(case: impl Strategy<Value = FixedCase>) -> impl Strategy<Value = FarCase> {
    let factor = prop::sample::select(vec![0.0f64, 1e-9, 1e-4, 1e-3, 0.1]);
    let plant = (any::<bool>(), any::<prop::sample::Index>(), 0..PLANTS.len());
    let values = (
        proptest::collection::vec(plant, 0..4),
        proptest::option::of((0usize..16, 0usize..16, factor)),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    (case, values).prop_map(|(case, (plants, dark, tiny))| FarCase { case, plants, dark, tiny })
}

/// The larger magnitude, or NaN.
fn greater(greatest: f64, x: f64) -> f64 {
    if greatest.is_nan() || x.abs() <= greatest { greatest } else { x.abs() }
}

/// A convolution that is one of the sums.
struct Part<'a> {
    source: &'a Source,
    weights: &'a Source,
    window: Window,
}

impl Part<'_> {
    fn shape(&self) -> [usize; 4] {
        let shape = &self.source.value.shape;
        [shape[0], shape[1], shape[2], shape[3]]
    }

    /// The values of a channel of an image that an output at a row and a column sees, tap by tap.
    fn seen(&self, image: usize, channel: usize, [y, x]: [usize; 2]) -> impl Iterator<Item = f64> {
        let [_, channels, h, w] = self.shape();
        let Window { kernel, strides, dilations, pads } = self.window;
        let taps = (0..kernel[0]).flat_map(move |r| (0..kernel[1]).map(move |s| (r, s)));
        taps.map(move |(r, s)| {
            let row = (y * strides[0] + r * dilations[0]).checked_sub(pads.top);
            let column = (x * strides[1] + s * dilations[1]).checked_sub(pads.left);
            match row.zip(column) {
                Some((row, column)) if row < h && column < w => {
                    self.source.value.data[((image * channels + channel) * h + row) * w + column]
                }
                _ => 0.0,
            }
        })
    }

    /// The largest magnitude of an image.
    fn greatest(&self, image: usize) -> f64 {
        let values = self.source.value.data.len() / self.shape()[0];
        let values = &self.source.value.data[image * values..][..values];
        values.iter().copied().fold(0.0, greater)
    }

    /// The largest magnitude of each window of a row of an image.
    fn row(&self, image: usize, y: usize, columns: usize) -> Vec<f64> {
        let channels = self.shape()[1];
        let window = |x: usize| {
            let all = (0..channels).flat_map(|c| self.seen(image, c, [y, x]));
            all.fold(0.0, greater)
        };
        (0..columns).map(window).collect()
    }

    /// Whether a row of an image must be computed directly.
    fn is_dark(&self, image: usize, y: usize, columns: usize, numbers: &Numbers) -> bool {
        let greatest = self.greatest(image);
        let least = greatest.max(2f64.powi(-100)) / numbers.values.units * DARK;
        let dark = |m: &f64| *m > f64::from(f32::MIN_POSITIVE) && *m < least;
        !greatest.is_finite() || self.row(image, y, columns).iter().any(dark)
    }

    /// The error of an output that is computed directly: weights have their error, and `n` products
    /// as many roundings.
    fn direct(
        &self,
        [image, output]: [usize; 2],
        at: [usize; 2],
        sum: f64,
        numbers: &Numbers,
    ) -> f64 {
        let (n, [_, channels, ..]) = (self.weights.value.data.len(), self.shape());
        let n = n / self.weights.value.shape[0];
        let weights = &self.weights.value.data[output * n..][..n];
        let unit = weights.iter().fold(0.0, |g: f64, w| g.max(w.abs())) / numbers.weights.units;
        let finite = |v: f64| if v.is_finite() { v.abs() } else { 0.0 };
        let values: f64 = (0..channels).flat_map(|c| self.seen(image, c, at)).map(finite).sum();
        numbers.weights.error * unit * values + (n + 6) as f64 * 2f64.powi(-24) * sum
    }
}

impl FarCase {
    fn problem(&self) -> Result<Problem, TestCaseError> {
        let problem = self.case.problem(Data::Integers);
        let reason = "the window is larger than the image or a tile's row";
        let mut problem = problem.ok_or_else(|| TestCaseError::reject(reason))?;
        let projected = self.projected(&problem);
        let width = problem.sources[0].value.shape[3];
        let height = problem.sources[0].value.shape[2];
        if let Some((from, to, factor)) = self.dark {
            for (i, v) in problem.sources[0].value.data.iter_mut().enumerate() {
                let (column, row) = (i % width, i / width % height);
                *v *= if row >= from && column >= to { factor } else { 1.0 };
                *v = f64::from(*v as f32);
            }
        }
        for (of_projected, at, plant) in &self.plants {
            let source = if *of_projected { projected.unwrap_or(0) } else { 0 };
            let data = &mut problem.sources[source].value.data;
            let at = at.index(data.len());
            data[at] = PLANTS[*plant].into();
        }
        for (i, at) in self.tiny.iter().enumerate() {
            let weights = &mut problem.sources[1].value.data;
            let at = at.index(weights.len());
            weights[at] = f64::from([1e-20f32, -1e-12, 1e-30][i]);
        }
        Ok(problem)
    }

    fn projected(&self, problem: &Problem) -> Option<usize> {
        let Op::Conv(conv) = &problem.op else { return None };
        conv.projected_operand()
    }

    fn parts<'a>(&self, problem: &'a Problem) -> Vec<Part<'a>> {
        let Op::Conv(conv) = &problem.op else { return Vec::new() };
        let part = |source: usize, window: Window| Part {
            source: &problem.sources[source],
            weights: &problem.sources[source + 1],
            window,
        };
        let projected = conv.projected_operand().zip(conv.projection);
        let projected = projected.map(|(source, window)| part(source, window));
        [part(0, conv.window)].into_iter().chain(projected).collect()
    }

    /// The sums of the magnitudes of all finite products, and of all that is added to them.
    fn sums(&self, problem: &Problem) -> Vec<f64> {
        let mut sources = problem.sources.clone();
        for v in sources.iter_mut().flat_map(|source| &mut source.value.data) {
            *v = if v.is_finite() { v.abs() } else { 0.0 };
        }
        let Op::Conv(mut conv) = problem.op.clone() else { return Vec::new() };
        conv.activation = Activation::None;
        reference(&Op::Conv(conv), &sources).data
    }

    fn check(&self) -> Result<(), TestCaseError> {
        NUMBERS.iter().try_for_each(|numbers| self.check_with(numbers))
    }

    fn check_with(&self, numbers: &Numbers) -> Result<(), TestCaseError> {
        let problem = self.problem()?;
        let (expected, sums) = (reference(&problem.op, &problem.sources), self.sums(&problem));
        let (shape, parts) = (&expected.shape, self.parts(&problem));
        let [outputs, rows, columns] = [shape[1], shape[2], shape[3]];
        let dark: Vec<Vec<bool>> = parts
            .iter()
            .map(|part| {
                let rows = (0..shape[0] * rows).map(|i| (i / rows, i % rows));
                rows.map(|(image, y)| part.is_dark(image, y, columns, numbers)).collect()
            })
            .collect();
        // An image that is not finite is computed directly; the other bounds are for finite images.
        let mut finite = Problem { sums: sums.clone(), ..problem.clone() };
        for v in finite.sources.iter_mut().flat_map(|source| &mut source.value.data) {
            *v = if v.is_finite() { *v } else { 0.0 };
        }
        let whole = self.case.bounds(&finite, shape, numbers);
        let bound = |i: usize| {
            let (at, output) = ([i / columns % rows, i % columns], i / columns / rows % outputs);
            let image = i / columns / rows / outputs;
            let of_part = |(part, dark): (&Part<'_>, &Vec<bool>)| {
                let direct = part.direct([image, output], at, sums[i], numbers);
                match dark[image * rows + at[0]] {
                    true => direct,
                    false => direct.max(whole[i]),
                }
            };
            parts.iter().zip(&dark).map(of_part).sum::<f64>() + 1e-30
        };
        for engine in tile_engines() {
            let got = self.case.run(engine, &problem, 1, numbers);
            let again = self.case.run(engine, &problem, 3, numbers);
            let same = got.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits());
            prop_assert!(same, "{engine:?}: threads change a result");
            for (i, (&g, &e)) in got.iter().zip(&expected.data).enumerate() {
                if sums[i] > 1e37 {
                    continue;
                }
                if !e.is_finite() {
                    let same = g.is_nan() && e.is_nan() || f64::from(g) == e;
                    prop_assert!(same, "{engine:?}: element {i} is {g}, not {e}");
                } else {
                    let (distance, bound) = ((f64::from(g) - e).abs(), bound(i));
                    prop_assert!(
                        distance <= bound,
                        "{engine:?}: element {i} is {g}, not {e}, bound {bound:e}"
                    );
                }
            }
            self.check_batch(engine, &problem, &got, numbers)?;
        }
        Ok(())
    }

    /// The values of one image do not affect the others: without it, their results are the same
    /// bits.
    fn check_batch(
        &self,
        engine: Engine,
        problem: &Problem,
        got: &[f32],
        numbers: &Numbers,
    ) -> Result<(), TestCaseError> {
        let batch = self.case.batch;
        if batch == 1 {
            return Ok(());
        }
        let mut other = problem.clone();
        for source in other.sources.iter_mut().filter(|source| source.at.is_some()) {
            let data = &mut source.value.data;
            let image = data.len() / batch;
            data[..image].fill(0.25);
        }
        let other = self.case.run(engine, &other, 2, numbers);
        let images = got.iter().zip(&other).skip(got.len() / batch);
        let same = images.clone().all(|(a, b)| a.to_bits() == b.to_bits());
        prop_assert!(same, "{engine:?}: an image changes another's results");
        Ok(())
    }
}

proptest! {
    #![proptest_config(with_cases(12))]

    #[test]
    fn a_value_disturbs_what_sees_it_only(case in far_case(fixed_case())) {
        case.check()?;
    }

    #[test]
    fn a_value_of_a_planar_picture_disturbs_what_sees_it_only(case in far_case(narrow_case())) {
        case.check()?;
    }
}

/// An image and a window over it, with a pixel of only zeros.
#[derive(Clone, Copy, Debug)]
struct Even {
    layout: Layout,
    channels: usize,
    window: Window,
}

const SIZE: [usize; 2] = [17, 18];

impl Even {
    fn all() -> [Even; 5] {
        let windows = [Window::square(3, 1, 1), Window::square(1, 1, 0), Window::square(3, 2, 1)];
        let even = |layout, channels, window| Even { layout, channels, window };
        [
            even(Layout::Blocked, 21, windows[0]),
            even(Layout::Blocked, 96, windows[0]),
            even(Layout::Blocked, 21, windows[1]),
            even(Layout::Blocked, 40, windows[2]),
            even(Layout::Planar, 3, windows[0]),
        ]
    }

    fn data(self) -> Vec<f32> {
        let [h, w] = SIZE;
        let mut data: Vec<f32> = reals(self.channels * h * w, 11);
        data.iter_mut().for_each(|x| *x += x.signum());
        data.iter_mut().skip(5 * w + 5).step_by(h * w).for_each(|x| *x = 0.0);
        data
    }

    /// The results, row by row of all outputs.
    fn rows(self, data: &[f32], engine: Engine, numbers: &Numbers) -> Vec<Vec<u32>> {
        let shape = [1, self.channels, SIZE[0], SIZE[1]];
        let [r, s] = self.window.kernel;
        let weights = reals(20 * self.channels * r * s, 12);
        let sources = [
            Source::value(self.layout, self.window.pads, &shape, data),
            Source::constant(&[20, self.channels, r, s], &weights),
        ];
        let (op, dst) = (Op::Conv(Conv::new(self.window, 1)), (Layout::Blocked, Pads::default()));
        let [_, _, rows, columns] = reference(&op, &sources).shape[..] else { return Vec::new() };
        let how = (numbers.precision, algorithm("fixed_point"));
        let got = run_with(how, engine, &op, &sources, dst, None, 1);
        let got = got.expect("the kernel exists");
        let row = |y: usize| got.chunks(columns).skip(y).step_by(rows).flatten();
        (0..rows).map(|y| row(y).map(|x| x.to_bits()).collect()).collect()
    }

    /// Whether an output of a row sees a row of the image.
    fn sees(self, output: usize, row: usize) -> bool {
        let first = output * self.window.strides[0];
        (first..first + self.window.kernel[0]).contains(&(row + self.window.pads.top))
    }

    /// Where a NaN makes all rows direct, those that do not see it are rounded differently.
    fn check(self, engine: Engine, numbers: &Numbers) {
        let data = self.data();
        let tiles = self.rows(&data, engine, numbers);
        let with = |change: &dyn Fn(&mut Vec<f32>)| {
            let mut data = data.clone();
            change(&mut data);
            self.rows(&data, engine, numbers)
        };
        let nan = |data: &mut Vec<f32>| data[0] = f32::NAN;
        let direct = with(&nan);
        for (y, (tiles, direct)) in tiles.iter().zip(&direct).enumerate() {
            assert!(self.sees(y, 0) || tiles != direct, "{self:?}: row {y} is computed directly");
        }
        // Five rows and columns of a far smaller value, in which windows fit.
        let dark = |data: &mut Vec<f32>| {
            for (i, x) in data.iter_mut().enumerate() {
                let (row, column) = (i / SIZE[1] % SIZE[0], i % SIZE[1]);
                let inside = (8..13).contains(&row) && (9..14).contains(&column);
                *x *= if inside { 1e-4 } else { 1.0 };
            }
        };
        let both = |data: &mut Vec<f32>| {
            nan(data);
            dark(data);
        };
        let (mixed, direct) = (with(&dark), with(&both));
        for (y, mixed) in mixed.iter().enumerate() {
            let seen: Vec<usize> = (0..SIZE[0]).filter(|&row| self.sees(y, row)).collect();
            if !seen.iter().any(|row| (8..13).contains(row)) {
                assert_eq!(*mixed, tiles[y], "{self:?}: row {y} sees no dark value");
            } else if seen.iter().all(|row| (8..13).contains(row)) {
                assert_eq!(*mixed, direct[y], "{self:?}: row {y} has a dark window");
            }
        }
    }
}

/// Values of similar size are computed by tiles, and so are zeros among them: a row is computed
/// directly if one of its windows is dark. Values in the lanes past the last channel have no
/// influence.
#[test]
fn rows_without_dark_windows_are_computed_by_tiles() {
    // Not the machine's own code, if the emulator computes the same.
    for engine in tile_engines().into_iter().take(1) {
        for numbers in &NUMBERS {
            Even::all().into_iter().for_each(|even| even.check(engine, numbers));
        }
    }
}
