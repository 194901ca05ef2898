//! Winograd's algorithm over planar channels: windows of 5x5 to 8x8 and stride 2.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::winograd::matrices::Transforms;
use resnetc_ir::Layout::{Blocked, Planar};
use resnetc_ir::op::{Activation, Conv, Op, Pads, Window};

use super::engine::{Source, algorithm, engines, reference, run_with};
use super::winograd::{amplification, reals, roundings};
use super::{activation, max, pads};

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
    bias: bool,
    activation: Activation,
    seed: u64,
}

fn planar_case() -> impl Strategy<Value = PlanarCase> {
    let kernel = prop::sample::select(vec![[5, 5], [5, 6], [6, 6], [7, 7], [7, 8], [8, 7], [8, 8]]);
    let shape = (1usize..3, 9usize..50, 9usize..90, 1usize..5, 1usize..70);
    let how = (kernel, pads(4), pads(4), pads(2), any::<bool>(), activation());
    (shape, how, any::<u64>()).prop_map(|(shape, how, seed)| {
        let (batch, h, w, inputs, outputs) = shape;
        let (kernel, pads, halo, dst, bias, activation) = how;
        let (size, channels, halos) = ([h, w], [inputs, outputs], [halo, dst]);
        PlanarCase { batch, size, channels, kernel, pads, halos, bias, activation, seed }
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
        let (data, weights) = (reals(batch * c * h * w, self.seed), reals(k * c * r * s, self.seed ^ 1));
        let mut sources = vec![
            Source::value(Planar, max(self.halos[0], self.pads), &[batch, c, h, w], &data),
            Source::constant(&[k, c, r, s], &weights),
        ];
        if self.bias {
            sources.push(Source::constant(&[k], &reals(k, self.seed ^ 2)));
        }
        let conv = Conv {
            bias: self.bias,
            activation: self.activation,
            ..Conv::new(self.window(), 1)
        };
        let op = Op::Conv(conv);
        let expected = reference(&op, &sources);
        let t = transforms(self.kernel);
        let most = |v: &[f32]| v.iter().fold(0.0f64, |m, x| m.max(f64::from(x.abs())));
        let products = (PHASES * c) as f64 * most(&data) * most(&weights);
        let bound = roundings(&t, PHASES * c)
            * 2f64.powi(-24)
            * (products * amplification(&t).powi(2) + 16.0);
        let algorithm = algorithm("winograd_f4s2_planar");
        for engine in engines() {
            let dst = (Blocked, self.halos[1]);
            let got = run_with(algorithm, engine, &op, &sources, dst, None, 2)
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
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn planar_tiles_keep_their_bound(case in planar_case()) {
        case.check()?;
    }
}
