//! Convolution by tile registers, checked against the bound that follows from its digits.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::fixed::NarrowForm;
use resnetc::kernels::precision::Precision;
use resnetc_ir::Layout::{self, Blocked, Planar};
use resnetc_ir::op::{Activation, Conv, Op, Pads, Residual, Window};
use resnetc_testing::cases::with_cases;

use super::engine::{Engine, Source, algorithm, reference, run_with, tile_engines};
use super::{activation, integers, max, pads};

#[derive(Clone, Debug)]
pub(super) struct FixedCase {
    /// The source's.
    pub(super) layout: Layout,
    pub(super) batch: usize,
    pub(super) size: [usize; 2],
    pub(super) channels: [usize; 2],
    pub(super) window: Window,
    pub(super) halos: [Pads; 3],
    pub(super) bias: bool,
    pub(super) residual: bool,
    pub(super) in_place: bool,
    /// Instead of a residual: channels of the projected value, the stride, and pixels after the
    /// last that is seen.
    pub(super) projection: Option<(usize, usize, usize)>,
    pub(super) activation: Activation,
    pub(super) threads: usize,
    pub(super) seed: u64,
}

fn window() -> impl Strategy<Value = Window> {
    let axes = (1usize..4, 1usize..4, 1usize..4, 1usize..4, 1usize..3, 1usize..3);
    (axes, pads(2)).prop_map(|((ky, kx, sy, sx, dy, dx), pads)| Window {
        kernel: [ky, kx],
        strides: [sy, sx],
        dilations: [dy, dx],
        pads,
    })
}

pub(super) fn fixed_case() -> impl Strategy<Value = FixedCase> {
    let outputs = prop_oneof![1usize..80, (1usize..6).prop_map(|blocks| 16 * blocks)];
    let shape = (1usize..3, 1usize..20, 1usize..20, 1usize..70, outputs, window());
    let projection = prop::option::weighted(0.2, (1usize..70, 1usize..3, 0usize..2));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), activation(), 1usize..4);
    let cases = (shape, flags, projection, (pads(1), pads(2), pads(1)), any::<u64>());
    cases.prop_map(|(shape, flags, projection, halos, seed)| {
        let (batch, h, w, inputs, outputs, window) = shape;
        let (bias, residual, in_place, activation, threads) = flags;
        FixedCase {
            layout: Blocked,
            batch,
            size: [h, w],
            channels: [inputs, outputs],
            window,
            halos: [halos.0, halos.1, halos.2],
            bias,
            residual: residual && projection.is_none(),
            in_place,
            projection,
            activation,
            threads,
            seed,
        }
    })
}

/// Planar images of few channels, as at the start of networks.
pub(super) fn narrow_case() -> impl Strategy<Value = FixedCase> {
    let window = (1usize..8, 1usize..8, 1usize..3, 1usize..4, pads(3));
    let shape = (1usize..24, 16usize..50, 1usize..5, window);
    (fixed_case(), shape).prop_map(|(case, (h, w, inputs, (ky, kx, sy, sx, pads)))| FixedCase {
        layout: Planar,
        size: [h, w],
        channels: [inputs, case.channels[1]],
        window: Window { kernel: [ky, kx], strides: [sy, sx], dilations: [1, 1], pads },
        residual: false,
        in_place: false,
        projection: None,
        ..case
    })
}

/// The data of operands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Data {
    /// Few bits, all of about one magnitude.
    Integers,
    /// All 24 bits, and magnitudes far apart.
    Reals,
}

/// A convolution with its operands.
#[derive(Clone)]
pub(super) struct Problem {
    pub(super) op: Op,
    pub(super) sources: Vec<Source>,
    /// The operand that is overwritten, if one is.
    pub(super) place: Option<usize>,
    /// The sums of the products' magnitudes.
    pub(super) sums: Vec<f64>,
}

impl FixedCase {
    fn values(&self, data: Data, n: usize, salt: u64) -> Vec<f32> {
        let (a, b) = (integers(n, self.seed ^ salt), integers(n, self.seed ^ salt ^ 77));
        match data {
            Data::Integers => a,
            Data::Reals => a
                .iter()
                .zip(b)
                .map(|(a, b)| (a + 0.37 * b + 0.001) * 0.171f32.powi(1 + b.abs() as i32))
                .collect(),
        }
    }

    /// `None` if the window is larger than the image.
    pub(super) fn problem(&self, data: Data) -> Option<Problem> {
        let FixedCase { batch, size: [h, w], channels: [c, k], window, halos, .. } = *self;
        let [rows, columns] = [0, 1].map(|a| window.dilations[a] * (window.kernel[a] - 1) + 1);
        let pads = window.pads;
        if h + pads.top + pads.bottom < rows || w + pads.left + pads.right < columns {
            return None;
        }
        let [ky, kx] = window.kernel;
        let mut sources = vec![
            Source::value(
                self.layout,
                max(halos[0], pads),
                &[batch, c, h, w],
                &self.values(data, batch * c * h * w, 0),
            ),
            Source::constant(&[k, c, ky, kx], &self.values(data, k * c * ky * kx, 1)),
        ];
        if self.bias {
            sources.push(Source::constant(&[k], &self.values(data, k, 2)));
        }
        let mut conv = Conv { bias: self.bias, ..Conv::new(window, 1) };
        let shape = reference(&Op::Conv(conv), &sources).shape;
        conv.residual = self.residual.then_some(Residual::PLAIN);
        if self.residual {
            let halo = if self.in_place { halos[2] } else { halos[1] };
            let other = self.values(data, shape.iter().product(), 3);
            sources.push(Source::value(Blocked, halo, &shape, &other));
        }
        if let Some((channels, stride, behind)) = self.projection {
            conv.projection = Some(Window::square(1, stride, 0));
            let extent = |outputs: usize| (outputs - 1) * stride + 1 + behind.min(stride - 1);
            let shape = [batch, channels, extent(shape[2]), extent(shape[3])];
            let values = self.values(data, shape.iter().product(), 4);
            sources.push(Source::value(Blocked, halos[1], &shape, &values));
            let weights = self.values(data, k * channels, 5);
            sources.push(Source::constant(&[k, channels, 1, 1], &weights));
        }
        let mut magnitudes = sources.clone();
        for source in &mut magnitudes {
            source.value.data.iter_mut().for_each(|x| *x = x.abs());
        }
        let sums = reference(&Op::Conv(conv), &magnitudes).data;
        conv.activation = self.activation;
        if self.layout == Planar {
            let shape = [shape[0], shape[1], shape[2], shape[3]];
            NarrowForm::of(&conv, [batch, c, h, w], shape, Precision::Full).ok()?;
        }
        let place = (self.residual && self.in_place).then(|| sources.len() - 1);
        Some(Problem { op: Op::Conv(conv), sources, place, sums })
    }

    /// With units `x` of an image's values and `w` of an output's weights, whose maxima are
    /// [`Kind::units`] units, and `n` weights per output: a factor has an error of [`Kind::error`]
    /// units. The omitted products of digits are, with digits up to 128, at most
    /// [`Numbers::left_out`] units of both. The other products are summed without error and
    /// then go through 10 roundings: three conversions of sums to floats, two additions, two units,
    /// bias, residual, and one for second-order terms. A high digit exceeds its number by at most
    /// half of its own unit.
    pub(super) fn bounds(&self, problem: &Problem, shape: &[usize], numbers: &Numbers) -> Vec<f64> {
        let Numbers { values: value, weights: weight, left_out, .. } = numbers;
        let Op::Conv(conv) = &problem.op else { return Vec::new() };
        let cross = |of: fn(&Kind) -> f64| {
            value.units * of(weight) + weight.units * of(value) + of(value) * of(weight)
        };
        let plane: usize = shape[2..].iter().product();
        let bound = |[image, output]: [usize; 2]| {
            let both = |source: usize| {
                let [values, weights] =
                    [source, source + 1].map(|i| &problem.sources[i].value.data);
                let (all, n) = (values.len() / shape[0], weights.len() / shape[1]);
                let values = most(&values[image * all..][..all]) / value.units;
                n as f64 * values * most(&weights[output * n..][..n]) / weight.units
            };
            let both = both(0) + conv.projected_operand().map_or(0.0, both);
            let first = (image * shape[1] + output) * plane;
            problem.sums[first..first + plane].iter().map(move |sum| {
                let kept = sum + both * cross(|kind| kind.high);
                both * (cross(|kind| kind.error) + left_out) + 10.0 * 0.5f64.powi(24) * kept + 1e-30
            })
        };
        let planes = (0..shape[0]).flat_map(|image| (0..shape[1]).map(move |k| [image, k]));
        planes.flat_map(bound).collect()
    }

    fn check(&self, data: Data) -> Result<(), TestCaseError> {
        let Some(problem) = self.problem(data) else {
            return Err(TestCaseError::reject(
                "the window is larger than the image or a tile's row",
            ));
        };
        let expected = reference(&problem.op, &problem.sources);
        for numbers in &NUMBERS {
            let bounds = self.bounds(&problem, &expected.shape, numbers);
            let mut results = Vec::new();
            for engine in tile_engines() {
                for threads in [1, self.threads] {
                    let got = self.run(engine, &problem, threads, numbers);
                    for (i, (&g, &e)) in got.iter().zip(&expected.data).enumerate() {
                        let bound = bounds[i];
                        let distance = (f64::from(g) - e).abs();
                        prop_assert!(
                            distance <= bound,
                            "{engine:?}: element {i} is {g}, not {e}, bound {bound}"
                        );
                    }
                    results.push(got.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
                }
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]), "engines or threads differ");
        }
        Ok(())
    }

    pub(super) fn run(
        &self,
        engine: Engine,
        problem: &Problem,
        threads: usize,
        numbers: &Numbers,
    ) -> Vec<f32> {
        let Problem { op, sources, place, .. } = problem;
        let (dst, how) = ((Blocked, self.halos[2]), (numbers.precision, algorithm("fixed_point")));
        run_with(how, engine, op, sources, dst, *place, threads).expect("the kernel exists")
    }
}

/// The largest magnitude.
fn most(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, x| most.max(x.abs()))
}

/// How a kind of numbers is split into digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// The largest magnitude that shares a unit, in units.
    pub(super) units: f64,
    /// The largest error of a number, in units: half a unit for its rounding, up to one unit for
    /// small weights, which do not become 0; roundings of the scaled value, and because scale and
    /// unit are not exact inverses.
    pub(super) error: f64,
    /// Half of the unit of a high digit, in units.
    high: f64,
}

const THREE: Kind = Kind { units: 8_355_000.0, error: 2.0, high: 32768.0 };
const TWO: Kind = Kind { units: 32_630.0, error: 1.0 + 1.0 / 64.0, high: 128.0 };

/// The digits of values and weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) precision: Precision,
    pub(super) values: Kind,
    pub(super) weights: Kind,
    /// The largest omitted products, in units of both factors.
    left_out: f64,
}

/// The digits in each precision.
pub(super) const NUMBERS: [Numbers; 2] = [
    Numbers {
        precision: Precision::Full,
        values: THREE,
        weights: THREE,
        left_out: 128.0 * 128.0 * 513.0,
    },
    Numbers { precision: Precision::Half, values: THREE, weights: TWO, left_out: 128.0 * 128.0 },
];

proptest! {
    #![proptest_config(with_cases(24))]

    #[test]
    fn integers_keep_the_bound(case in fixed_case()) {
        case.check(Data::Integers)?;
    }

    #[test]
    fn reals_keep_the_bound(case in fixed_case()) {
        case.check(Data::Reals)?;
    }

    #[test]
    fn integers_keep_the_bound_from_planar_images(case in narrow_case()) {
        case.check(Data::Integers)?;
    }

    #[test]
    fn reals_keep_the_bound_from_planar_images(case in narrow_case()) {
        case.check(Data::Reals)?;
    }
}
