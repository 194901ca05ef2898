//! Where the elements of a resized axis come from: the positions of `Resize`, and the weights of
//! the elements around them.
//!
//! Source: the ONNX standard, `Resize`. Positions are computed in f32, in the order of ONNX
//! Runtime: where one falls midway between two elements, rounding decides which is nearest.

use crate::import::onnx::call::{Call, Result, bad};

/// How positions in the result map to positions in the operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNearest,
    /// The part of the axis between these two positions, from 0 to 1.
    CropAndResize(f32, f32),
}

/// A resized axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Extent of the result divided by that of the operand; a given scale need not be a quotient of
    /// the integer extents.
    pub(super) scale: f32,
    pub(super) coordinates: Coordinates,
}

impl Axis {
    /// Whether every element stays unchanged.
    pub(super) fn is_same(&self) -> bool {
        let crops = matches!(self.coordinates, Coordinates::CropAndResize(..));
        self.scale == 1.0 && self.from == self.to && !crops
    }

    /// The position of element `i` of the result among the operand's elements, in elements.
    pub(super) fn position(&self, i: usize) -> f32 {
        let (x, scale) = (i as f32, self.scale);
        let (from, to) = (self.from as f32, self.to as f32);
        match self.coordinates {
            Coordinates::HalfPixel => (x + 0.5) / scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = to / (scale * from);
                from / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
            }
            Coordinates::PytorchHalfPixel if self.to == 1 => 0.0,
            Coordinates::PytorchHalfPixel => (x + 0.5) / scale - 0.5,
            Coordinates::AlignCorners if self.to == 1 => 0.0,
            Coordinates::AlignCorners => x * (from - 1.0) / (to - 1.0),
            Coordinates::Asymmetric => x / scale,
            Coordinates::TfHalfPixelForNearest => (x + 0.5) / scale,
            Coordinates::CropAndResize(start, end) if self.to == 1 => {
                0.5 * (start + end) * (from - 1.0)
            }
            Coordinates::CropAndResize(start, end) => {
                start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1.0)
            }
        }
    }

    /// Whether the position of an element is within the operand.
    pub(super) fn is_inside(&self, i: usize) -> bool {
        (0.0..=(self.from - 1) as f32).contains(&self.position(i))
    }

    /// The nearest element within the operand.
    fn clamped(&self, position: i64) -> usize {
        position.clamp(0, self.from as i64 - 1) as usize
    }
}

/// Which of two neighbours is nearest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

impl Nearest {
    fn of(self, position: f32) -> i64 {
        let rounded = match self {
            Nearest::RoundPreferFloor => (position - 0.5).ceil(),
            Nearest::RoundPreferCeil => (position + 0.5).floor(),
            Nearest::Floor => position.floor(),
            Nearest::Ceil => position.ceil(),
        };
        rounded as i64
    }
}

/// How an element of the result is computed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    Nearest(Nearest),
    /// Linear interpolation.
    Linear(Smoothing),
    /// Cubic interpolation with this coefficient.
    Cubic(f64, Smoothing),
}

/// How sums over neighbours are formed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothing {
    /// Whether the window widens to the spacing of the result's elements where that is larger.
    pub(super) antialias: bool,
    /// Whether neighbours outside the operand are left out. Otherwise the outermost element takes
    /// their place.
    pub(super) exclude_outside: bool,
}

/// The sources of the elements of a resized axis.
#[derive(Debug, PartialEq)]
pub(super) enum Picks {
    /// One source element each.
    Single(Vec<usize>),
    /// `taps` source elements each, and their weights.
    Sums { taps: usize, indices: Vec<usize>, weights: Vec<f32> },
}

/// The largest total number of taps of an axis.
const MOST_TAPS: f64 = 16_777_216.0;

impl Method {
    /// The sources of the elements of an axis.
    pub(super) fn picks(self, axis: &Axis) -> Result<Picks> {
        let positions = (0..axis.to).map(|i| axis.position(i));
        let narrowing = match self {
            Method::Linear(smoothing) | Method::Cubic(_, smoothing) if smoothing.antialias => {
                f64::from(axis.scale).min(1.0)
            }
            _ => 1.0,
        };
        let reach = self.support() / narrowing;
        if (2.0 * reach + 1.0) * axis.to as f64 > MOST_TAPS {
            let (from, to) = (axis.from, axis.to);
            return bad(
                "scales",
                format!("make {to} elements from {from}, which takes too many sums"),
            );
        }
        if let Method::Nearest(nearest) = self {
            let single = |position| axis.clamped(nearest.of(position));
            return Ok(Picks::Single(positions.map(single).collect()));
        }
        let row = |position: f32| {
            let position = f64::from(position);
            let window = (position - reach).ceil() as i64..=(position + reach).floor() as i64;
            let taps = window
                .filter(|&i| self.takes(i, axis))
                .map(|i| (axis.clamped(i), self.weight((i as f64 - position) * narrowing)));
            // Where all neighbours are outside and left out, the outermost element is used.
            normalized(taps.collect())
                .unwrap_or_else(|| vec![(axis.clamped(position.round() as i64), 1.0)])
        };
        Ok(joined(positions.map(row).collect()))
    }

    /// How far away neighbours can be.
    fn support(self) -> f64 {
        match self {
            Method::Nearest(_) => 0.0,
            Method::Linear(_) => 1.0,
            Method::Cubic(..) => 2.0,
        }
    }

    /// The weight of a neighbour at a distance.
    fn weight(self, distance: f64) -> f64 {
        match self {
            Method::Cubic(slope, _) => cubic(distance, slope),
            _ => linear(distance),
        }
    }

    /// Whether a neighbour is included in the sum.
    fn takes(self, i: i64, axis: &Axis) -> bool {
        match self {
            Method::Linear(smoothing) | Method::Cubic(_, smoothing) => {
                !smoothing.exclude_outside || (0..axis.from as i64).contains(&i)
            }
            Method::Nearest(_) => true,
        }
    }
}

/// The tent function of linear interpolation.
fn linear(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys' cubic convolution ("Cubic convolution interpolation for digital image processing", 1981).
fn cubic(x: f64, slope: f64) -> f64 {
    match x.abs() {
        x if x <= 1.0 => ((slope + 2.0) * x - (slope + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((x - 5.0) * x + 8.0) * x * slope - 4.0 * slope,
        _ => 0.0,
    }
}

/// Weights that sum to 1, one per element, in order; `None` if they sum to 0.
fn normalized(mut taps: Vec<(usize, f64)>) -> Option<Vec<(usize, f32)>> {
    let sum: f64 = taps.iter().map(|&(_, weight)| weight).sum();
    // Elements outside the operand became its outermost one, so equal elements are adjacent.
    taps.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    let taps = taps.into_iter().map(|(i, weight)| (i, (weight / sum) as f32));
    let taps: Vec<(usize, f32)> = taps.filter(|&(_, weight)| weight != 0.0).collect();
    (sum != 0.0 && !taps.is_empty()).then_some(taps)
}

/// Rows of equal length. A shorter row splits its weights among copies of its elements, so that no
/// additional elements are read.
fn joined(mut rows: Vec<Vec<(usize, f32)>>) -> Picks {
    let taps = rows.iter().map(Vec::len).max().unwrap_or(0);
    if rows.iter().all(|row| matches!(row[..], [(_, 1.0)])) {
        return Picks::Single(rows.into_iter().flatten().map(|(i, _)| i).collect());
    }
    for row in &mut rows {
        // One element after the other, so that no weight becomes too small to be halved.
        for shared in 0..taps - row.len() {
            row[shared].1 /= 2.0;
            row.push(row[shared]);
        }
    }
    let (indices, weights) = rows.into_iter().flatten().unzip();
    Picks::Sums { taps, indices, weights }
}

/// Reads `nearest_mode`.
pub(super) fn nearest(call: &Call<'_>) -> Result<Nearest> {
    Ok(match call.string("nearest_mode")?.unwrap_or("round_prefer_floor") {
        "round_prefer_floor" => Nearest::RoundPreferFloor,
        "round_prefer_ceil" => Nearest::RoundPreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return bad("nearest_mode", format!("\"{other}\" is not supported")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALES: [f32; 6] = [2.0, 0.5, 1.0 / 3.0, 1.7, 0.3, 4.0];

    fn axes() -> impl Iterator<Item = Axis> {
        use Coordinates::*;
        let modes = [
            HalfPixel,
            HalfPixelSymmetric,
            PytorchHalfPixel,
            AlignCorners,
            Asymmetric,
            TfHalfPixelForNearest,
            CropAndResize(0.25, 0.8),
            CropAndResize(-0.5, 1.5),
        ];
        let extents = (1..12).flat_map(|from| SCALES.map(|scale| (from, scale)));
        extents.flat_map(move |(from, scale)| {
            let to = ((from as f32 * scale) as usize).max(1);
            modes.map(|coordinates| Axis { from, to, scale, coordinates })
        })
    }

    fn methods() -> Vec<Method> {
        let smoothings = [(false, false), (false, true), (true, false), (true, true)]
            .map(|(antialias, exclude_outside)| Smoothing { antialias, exclude_outside });
        let sums =
            smoothings.into_iter().flat_map(|s| [Method::Linear(s), Method::Cubic(-0.75, s)]);
        let nearest =
            [Nearest::RoundPreferFloor, Nearest::RoundPreferCeil, Nearest::Floor, Nearest::Ceil];
        nearest.map(Method::Nearest).into_iter().chain(sums).collect()
    }

    #[test]
    fn weights_sum_to_one_and_stay_within_the_axis() {
        for axis in axes() {
            for method in methods() {
                let (taps, indices, weights) = match method.picks(&axis).unwrap() {
                    Picks::Single(indices) => (1, indices.clone(), vec![1.0; indices.len()]),
                    Picks::Sums { taps, indices, weights } => (taps, indices, weights),
                };
                assert_eq!((indices.len(), weights.len()), (axis.to * taps, axis.to * taps));
                assert!(indices.iter().all(|&i| i < axis.from), "{method:?} {axis:?}");
                for row in weights.chunks(taps) {
                    let sum: f64 = row.iter().map(|&w| f64::from(w)).sum();
                    // Each weight was rounded once.
                    let magnitude: f64 = row.iter().map(|&w| f64::from(w).abs()).sum();
                    assert!((sum - 1.0).abs() <= 1e-7 * magnitude, "{method:?} {axis:?}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn elements_that_are_hit_are_taken_alone() {
        let axis = Axis { from: 5, to: 3, scale: 0.5, coordinates: Coordinates::AlignCorners };
        for method in
            [Method::Linear(Smoothing::default()), Method::Cubic(-0.5, Smoothing::default())]
        {
            assert_eq!(method.picks(&axis).unwrap(), Picks::Single(vec![0, 2, 4]));
        }
    }
}
