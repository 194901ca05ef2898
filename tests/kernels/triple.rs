//! Convolution by tile registers, against the bound that follows from its parts.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc_ir::Layout::Blocked;
use resnetc_ir::op::{Activation, Conv, Op, Pads, Residual, Window};

use super::common::{Source, reference, run_with, tile_engines};
use super::{activation, integers, max, pads};

#[derive(Clone, Debug)]
struct TripleCase {
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    window: Window,
    halos: [Pads; 3],
    bias: bool,
    residual: bool,
    in_place: bool,
    activation: Activation,
    threads: usize,
    seed: u64,
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

fn triple_case() -> impl Strategy<Value = TripleCase> {
    let shape = (1usize..3, 1usize..20, 1usize..20, 1usize..70, 1usize..80, window());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), activation(), 1usize..4);
    let cases = (shape, flags, (pads(1), pads(2), pads(1)), any::<u64>());
    cases.prop_map(|(shape, flags, halos, seed)| {
        let (batch, h, w, inputs, outputs, window) = shape;
        let (bias, residual, in_place, activation, threads) = flags;
        TripleCase {
            batch,
            size: [h, w],
            channels: [inputs, outputs],
            window,
            halos: [halos.0, halos.1, halos.2],
            bias,
            residual,
            in_place,
            activation,
            threads,
            seed,
        }
    })
}

/// Whether results are to be the exact ones, or near them.
#[derive(Clone, Copy, PartialEq)]
enum Data {
    /// Few bits: every product of parts and every sum is exact.
    Integers,
    /// All 24 bits, and magnitudes far apart.
    Reals,
}

/// A convolution with its operands.
struct Problem {
    op: Op,
    sources: Vec<Source>,
    /// The operand that is overwritten, if one is.
    place: Option<usize>,
    /// The sums of the products' magnitudes.
    sums: Vec<f64>,
}

impl TripleCase {
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

    /// Nothing if the window is larger than the picture.
    fn problem(&self, data: Data) -> Option<Problem> {
        let TripleCase { batch, size: [h, w], channels: [c, k], window, halos, .. } = *self;
        let [rows, columns] = [0, 1].map(|a| window.dilations[a] * (window.kernel[a] - 1) + 1);
        let pads = window.pads;
        if h + pads.top + pads.bottom < rows || w + pads.left + pads.right < columns {
            return None;
        }
        let [ky, kx] = window.kernel;
        let mut sources = vec![
            Source::value(
                Blocked,
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
        let mut magnitudes = sources.clone();
        for source in &mut magnitudes {
            source.value.data.iter_mut().for_each(|x| *x = x.abs());
        }
        let sums = reference(&Op::Conv(conv), &magnitudes).data;
        conv.activation = self.activation;
        let place = (self.residual && self.in_place).then(|| sources.len() - 1);
        Some(Problem { op: Op::Conv(conv), sources, place, sums })
    }

    /// A number is the sum of three parts, without error; each is toward zero, so the second is below `2^-7` of the number,
    /// the third below `2^-14`. Left out are the products of second and third parts, and of two third ones:
    /// `2 * 2^-21 + 2^-28 < 1.01 * 2^-20` of the product. What is kept, at most `(1 + 2^-7)^2` of it in magnitude, goes
    /// through 16 roundings of a tile's row, one where both halves meet, and one for each of the six products of parts of
    /// each 32 channels of a tap; then come bias and residual (Higham, "Accuracy and Stability of Numerical Algorithms",
    /// section 4.2: the error of a sum by the depth of its tree).
    fn bound(&self, sum: f64) -> f64 {
        let [ky, kx] = self.window.kernel;
        let depth = 6 * self.channels[0].div_ceil(32) * ky * kx + 16 + 1 + 2;
        let rounding = depth as f64 * 2f64.powi(-24);
        let gamma = rounding / (1.0 - rounding);
        sum * (1.01 * 2f64.powi(-20) + gamma * (1.0 + 2f64.powi(-7)).powi(2)) + 1e-30
    }

    fn check(&self, data: Data) -> Result<(), TestCaseError> {
        let Some(Problem { op, sources, place, sums }) = self.problem(data) else {
            return Err(TestCaseError::reject("the window is larger than the picture"));
        };
        let expected = reference(&op, &sources);
        let mut results = Vec::new();
        for engine in tile_engines() {
            let (dst, threads) = ((Blocked, self.halos[2]), self.threads);
            let algorithm = Algorithm::TripleBf16;
            let got = run_with(algorithm, engine, &op, &sources, dst, place, threads)
                .expect("the kernel exists");
            for (i, (&g, &e)) in got.iter().zip(&expected.data).enumerate() {
                let bound = if data == Data::Integers { 0.0 } else { self.bound(sums[i]) };
                let distance = (f64::from(g) - e).abs();
                prop_assert!(
                    distance <= bound,
                    "{engine:?}: element {i} is {g}, not {e}, bound {bound}"
                );
            }
            results.push(got.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        }
        prop_assert!(results.windows(2).all(|w| w[0] == w[1]), "engines differ");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn integers_are_exact(case in triple_case()) {
        case.check(Data::Integers)?;
    }

    #[test]
    fn reals_keep_the_bound(case in triple_case()) {
        case.check(Data::Reals)?;
    }
}
