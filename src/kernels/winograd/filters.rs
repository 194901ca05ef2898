//! The filters, transformed and packed at compile time.

use crate::kernels::conv::pack::{QUAD, Rows, Weights};

use super::matrices::{Matrix, TAPS, Transforms};

/// Outputs in a panel of the matrix product.
const LANES: usize = 16;

/// One number for each output of a panel; arithmetic on it runs on whole vectors.
type Lanes = [f64; LANES];

/// Writes the transformed filters `G g G^T`, computed in f64: for each block of `lanes` outputs and
/// each element of the tile, a panel of the matrix product. `lanes` is a multiple of 16.
pub(super) fn fill(transforms: &Transforms, weights: &Weights, lanes: usize, out: &mut [f32]) {
    let n = transforms.inputs();
    let parts = Part::of(&transforms.filter);
    let blocks = weights.outputs.div_ceil(LANES);
    let mut rows = Rows::new(weights, LANES);
    let mut half = vec![[[0.0; LANES]; TAPS]; n];
    for block in 0..blocks {
        rows.read(weights, block * LANES);
        let (group, lane) = (block * LANES / lanes, block * LANES % lanes);
        for input in 0..weights.inputs {
            let filters = filters(&rows, input);
            for s in 0..TAPS {
                let column = std::array::from_fn(|t| &filters[t * TAPS + s]);
                evaluate(&parts, column, |i, values| half[i][s] = *values);
            }
            for (i, half) in half.iter().enumerate() {
                evaluate(&parts, half.each_ref(), |j, values| {
                    let panel = (group * n * n + i * n + j) * weights.inputs;
                    let start = (panel + input) * lanes + lane;
                    let place = &mut out[start..start + LANES];
                    place.iter_mut().zip(values).for_each(|(place, value)| *place = *value as f32);
                });
            }
        }
    }
}

/// The filters between one input channel and the outputs of `rows`; zero past the last output.
fn filters(rows: &Rows, input: usize) -> [Lanes; TAPS * TAPS] {
    std::array::from_fn(|tap| {
        let mut filter = [0.0; LANES];
        let quads = filter.as_chunks_mut::<QUAD>().0.iter_mut();
        for (lanes, quad) in quads.zip(rows.column(input * TAPS * TAPS + tap)) {
            lanes.iter_mut().zip(quad).for_each(|(lane, &weight)| *lane = f64::from(weight));
        }
        filter
    })
}

/// One or two rows of `G`.
enum Part {
    /// A row with one nonzero weight: those of the points zero and infinity.
    Single { tap: usize, weight: f64 },
    /// Any other row.
    Sum([f64; TAPS]),
    /// A row followed by that of the opposite point, which differs only in the sign of the middle
    /// weight. So the products are shared, and both sums are the same as if computed separately.
    Opposite([f64; TAPS]),
}

impl Part {
    fn of(matrix: &Matrix) -> Vec<Part> {
        let rows: Vec<[f64; TAPS]> =
            matrix.iter().map(|row| std::array::from_fn(|t| row[t])).collect();
        let (mut parts, mut rest) = (Vec::new(), &rows[..]);
        while let [row, after @ ..] = rest {
            let weights = || row.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            rest = after;
            parts.push(match (after, weights().next()) {
                (_, Some((tap, &weight))) if weights().count() == 1 => Part::Single { tap, weight },
                ([next, ..], _) if *next == [row[0], -row[1], row[2]] => {
                    rest = &after[1..];
                    Part::Opposite(*row)
                }
                _ => Part::Sum(*row),
            });
        }
        parts
    }
}

/// Passes the product of each row with a vector of three to `write`, with the row's number.
fn evaluate(parts: &[Part], vector: [&Lanes; TAPS], mut write: impl FnMut(usize, &Lanes)) {
    let mut row = 0;
    let (mut sum, mut other) = ([0.0; LANES], [0.0; LANES]);
    for part in parts {
        match *part {
            Part::Single { tap, weight } => {
                sum.iter_mut().zip(vector[tap]).for_each(|(sum, v)| *sum = weight * v);
            }
            Part::Sum(weights) => {
                let products = products(weights, vector);
                sum.iter_mut().zip(products).for_each(|(sum, [a, b, c])| *sum = a + b + c);
            }
            Part::Opposite(weights) => {
                let sums = sum.iter_mut().zip(&mut other);
                for ((sum, other), [a, b, c]) in sums.zip(products(weights, vector)) {
                    (*sum, *other) = (a + b + c, a - b + c);
                }
            }
        }
        write(row, &sum);
        row += 1;
        if let Part::Opposite(_) = part {
            write(row, &other);
            row += 1;
        }
    }
}

/// The three products of each lane.
fn products(
    [u, v, w]: [f64; TAPS],
    [a, b, c]: [&Lanes; TAPS],
) -> impl Iterator<Item = [f64; TAPS]> {
    a.iter().zip(b).zip(c).map(move |((a, b), c)| [u * a, v * b, w * c])
}
