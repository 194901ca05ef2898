//! How far an output of Winograd's algorithm may be from its value, by what it sees.
//!
//! The error of an output is at most the rounding of direct convolution, or that of the transforms
//! for a tile with at most 4096 times the energy of the output's window. Where a tile has more, its
//! whole row is computed directly. (By Cauchy and Schwarz, the sum over channels of the products of
//! norms is at most the square root of the number of channels times the largest norm of a filter
//! times the square root of the energy.)

use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use resnetc::kernels::winograd::matrices::Transforms;
use resnetc_ir::Layout::Blocked;
use resnetc_ir::op::{Op, Pads, Window};

use super::engine::{How, Source, engines, reference, run_with};
use super::winograd::{amplification, roundings};

/// By how much a tile's energy may exceed that of a window.
const SPREAD: f64 = 4096.0;

/// A convolution without groups that is computed by tiles.
pub(super) struct Layer {
    pub(super) batch: usize,
    /// Rows and columns of the source.
    pub(super) size: [usize; 2],
    /// Input and output channels.
    pub(super) channels: [usize; 2],
    pub(super) window: Window,
    /// Rows and columns of the source that a tile reads.
    pub(super) tile: [usize; 2],
    /// How many sums a channel is cut into.
    pub(super) phases: usize,
    pub(super) transforms: Transforms,
}

/// The input that every output sees.
pub(super) struct Seen {
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

impl Seen {
    /// What the outputs of a result with this many rows and columns see.
    pub(super) fn of(layer: &Layer, data: &[f32], weights: &[f32], size: [usize; 2]) -> Self {
        let Layer { batch, size: [h, w], channels: [c, k], window, .. } = *layer;
        let (pads, [r, s], [down, across]) = (window.pads, window.kernel, window.strides);
        let taps = r * s;
        let norm = |output: usize, channel: usize| -> f64 {
            let taps = &weights[(output * c + channel) * taps..][..taps];
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
        let m = layer.transforms.outputs;
        let [rows, columns] = size;
        let [seen_rows, seen_columns] = [(rows - 1) * down + r, (columns - 1) * across + s];
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
        let summed = layer.phases * c;
        let mut seen = Seen {
            outputs: k,
            size,
            sums: Vec::new(),
            windows: Vec::new(),
            directly: vec![false; batch * rows],
            // Sums of the products, bias, residual; the reference is in f64.
            direct: (taps * c + 4) as f64 * 2f64.powi(-24),
            transforms: roundings(&layer.transforms, summed)
                * 2f64.powi(-24)
                * amplification(&layer.transforms).powi(2)
                * greatest
                * (summed as f64 * SPREAD * 1.01).sqrt(),
        };
        for image in 0..batch {
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let window = area(image, y * down..y * down + r, x * across..x * across + s);
                seen.windows.push(window);
                let of_tile = |i: usize, stride: usize, span: usize, seen: usize| {
                    let first = i / m * m * stride;
                    first..(first + span).min(seen)
                };
                let ys = of_tile(y, down, layer.tile[0], seen_rows);
                let all = area(image, ys, of_tile(x, across, layer.tile[1], seen_columns));
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
                        let w = f64::from(weights[(o * c + i) * taps + t]).abs();
                        at(image, i, y * down + t / s, x * across + t % s).abs() * w
                    };
                    let all = (0..c).flat_map(|i| (0..taps).map(move |t| (i, t)));
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

    /// Runs the operator on every engine, with two numbers of threads, and compares it with the
    /// interpreter.
    pub(super) fn check(
        &self,
        how: impl Into<How> + Copy,
        op: &Op,
        sources: &[Source],
        place: Option<usize>,
    ) -> Result<(), TestCaseError> {
        let expected = reference(op, sources);
        for engine in engines() {
            let dst = (Blocked, Pads::default());
            let run = |threads| {
                run_with(how, engine, op, sources, dst, place, threads).expect("the kernel exists")
            };
            let got = run(1);
            let again = run(3).iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits());
            prop_assert!(again, "{engine:?}: threads change a result");
            for (i, (&g, &e)) in got.iter().zip(&expected.data).enumerate() {
                let (sum, bound) = self.bound(i);
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
