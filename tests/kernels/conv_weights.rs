//! Gradients of convolutions with respect to their weights.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::Algorithm;
use resnetc::kernels::summation::Summation;
use resnetc::kernels::winograd::matrices::{Matrix, Transforms};
use resnetc_ir::Layout::{Blocked, Planar};
use resnetc_ir::op::{ConvGradient, Op, Pads, Window};
use resnetc_testing::cases::with_cases;

use super::engine::{How, Source, engines, reference, run_with};
use super::winograd::reals;
use super::{integers, max, pads};

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    pads: Pads,
    /// Borders of the gradient and of the source.
    halos: [Pads; 2],
    cache_bytes: usize,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1usize..5, 3usize..23, 3usize..23, 8usize..70, 8usize..70, pads(1));
    let cache = prop::sample::select(vec![32 << 10, 512 << 10, 4 << 20]);
    (shape, (pads(1), pads(2)), cache, any::<u64>()).prop_map(
        |((batch, h, w, outputs, inputs, pads), halos, cache_bytes, seed)| Case {
            batch,
            size: [h, w],
            channels: [outputs, inputs],
            pads,
            halos: [halos.0, halos.1],
            cache_bytes,
            seed,
        },
    )
}

impl Case {
    fn sources(&self, dy: &[f32], x: &[f32]) -> (Op, Vec<Source>) {
        let Case { batch, size: [h, w], channels: [k, c], pads, halos, .. } = *self;
        let window = Window { pads, ..Window::square(3, 1, 0) };
        let gradient = ConvGradient { window, groups: 1, image: [h, w] };
        let [rows, columns] = self.result();
        let sources = vec![
            Source::value(Blocked, halos[0], &[batch, k, rows, columns], dy),
            Source::value(Blocked, max(halos[1], pads), &[batch, c, h, w], x),
        ];
        (Op::ConvWeights(gradient), sources)
    }

    /// Rows and columns of the convolution's result.
    fn result(&self) -> [usize; 2] {
        let Case { size: [h, w], pads, .. } = *self;
        [h + pads.top + pads.bottom - 2, w + pads.left + pads.right - 2]
    }

    /// How many numbers the gradient of the result and the source have.
    fn counts(&self) -> [usize; 2] {
        let Case { batch, size: [h, w], channels: [k, c], .. } = *self;
        let [rows, columns] = self.result();
        [batch * k * rows * columns, batch * c * h * w]
    }

    fn run(&self, images: Summation, data: [&[f32]; 2], bound: f64) -> Result<(), TestCaseError> {
        let (op, sources) = self.sources(data[0], data[1]);
        let expected = reference(&op, &sources);
        let how = How { cache_bytes: self.cache_bytes, images, ..Algorithm::DIRECT.into() };
        for engine in engines() {
            let dst = (Planar, Pads::default());
            let got =
                run_with(how, engine, &op, &sources, dst, None, 2).expect("the kernel exists");
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
}

/// The largest sum of magnitudes of a tap along an axis: the sums over elements of `|G|`, each times
/// those of `|A|` and of `|B|`, the operands being at most their largest magnitude.
fn amplification(t: &Transforms) -> f64 {
    let column_sum = |m: &Matrix, i: usize| -> f64 { m.iter().map(|row| row[i].abs()).sum() };
    let row_sum = |m: &Matrix, i: usize| -> f64 { m[i].iter().map(|x| x.abs()).sum() };
    let of_tap = |tap: usize| -> f64 {
        let element =
            |p: usize| t.filter[p][tap].abs() * column_sum(&t.output, p) * row_sum(&t.input, p);
        (0..t.inputs()).map(element).sum()
    };
    (0..t.taps()).map(of_tap).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(with_cases(40))]

    /// Direct sums of integers are exact.
    #[test]
    fn direct_sums_are_exact(case in case()) {
        let [dy, x] = case.counts();
        let data = [integers(dy, case.seed), integers(x, case.seed ^ 1)];
        case.run(Summation::Parts, [&data[0], &data[1]], 0.0)?;
    }

    /// A sum of products of tiles goes through as many roundings as there are tiles, and through two
    /// passes of each transform: at most 4 terms of the gradient's, 6 of the source's, 6 of the
    /// sums', and rounded coefficients (Barabasz et al. 2020, section 4, for the componentwise
    /// form). Where there are no tiles, sums have a rounding for each pixel.
    #[test]
    fn sums_of_tiles_keep_their_bound(case in case()) {
        let [dy, x] = case.counts();
        let data = [reals(dy, case.seed), reals(x, case.seed ^ 1)];
        let most = |v: &[f32]| v.iter().fold(0.0f64, |m, x| m.max(f64::from(x.abs())));
        let [rows, columns] = case.result();
        let pixels = (case.batch * rows * columns) as f64;
        let tiles = (case.batch * rows.div_ceil(4) * columns.div_ceil(4)) as f64;
        let products = most(&data[0]) * most(&data[1]);
        let unit = 2f64.powi(-24);
        let of_tiles = (tiles + 2.0 * 16.0 + 12.0) * tiles * amplification(&Transforms::f4()).powi(2);
        let bound = unit * products * of_tiles.max(pixels * pixels);
        case.run(Summation::Chain, [&data[0], &data[1]], bound)?;
    }
}
