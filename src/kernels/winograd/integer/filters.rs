//! What is packed when the network is compiled: transformed filters, biases and factors.

use resnetc_ir::Tensor;
use resnetc_ir::ty::BLOCK;

use crate::kernels::conv::pack::Weights;
use crate::kernels::geometry::F32;

use super::super::matrices::{Matrix, TAPS, Transforms};

/// Bytes of the biases and factors of a block of outputs.
pub(super) const HEAD: i64 = 2 * BLOCK as i64 * F32;

/// Writes the transformed filters `G g G^T`: for each group of `lanes` outputs and each element of
/// the tile, the weights of two channels for each output, channel by channel. What is not written is
/// zero.
pub(super) fn fill(transforms: &Transforms, weights: &Weights, lanes: usize, out: &mut [u8]) {
    let elements = transforms.inputs().pow(2);
    let steps = weights.inputs.div_ceil(2);
    let evaluate = rows(&transforms.filter);
    let mut filter = vec![0; weights.inputs * TAPS * TAPS];
    for output in 0..weights.outputs {
        weights.weights.read_bytes(output * filter.len(), &mut filter);
        let (group, lane) = (output / lanes, output % lanes);
        for (input, taps) in filter.as_chunks::<{ TAPS * TAPS }>().0.iter().enumerate() {
            for (element, weight) in transformed(&evaluate, taps).enumerate() {
                let step = (group * elements + element) * steps + input / 2;
                let place = 2 * (2 * (step * lanes + lane) + input % 2);
                out[place..][..2].copy_from_slice(&(weight as i16).to_le_bytes());
            }
        }
    }
}

/// A matrix of small integers.
fn rows(matrix: &Matrix) -> Vec<[i32; TAPS]> {
    matrix.iter().map(|row| std::array::from_fn(|i| row[i] as i32)).collect()
}

/// The elements of a transformed filter, row by row.
fn transformed<'a>(
    rows: &'a [[i32; TAPS]],
    taps: &'a [u8; TAPS * TAPS],
) -> impl Iterator<Item = i32> + 'a {
    rows.iter().flat_map(move |down| {
        let column = |s: usize| -> i32 {
            (0..TAPS).map(|t| down[t] * i32::from(taps[t * TAPS + s] as i8)).sum()
        };
        let half: [i32; TAPS] = std::array::from_fn(column);
        rows.iter().map(move |across| (0..TAPS).map(|s| across[s] * half[s]).sum())
    })
}

/// Writes the heads: for each block of outputs, 16 biases, from which the share of the source's zero
/// point has been taken, and 16 factors.
pub(super) fn fill_heads(weights: &Weights, factors: &Tensor, zero: i32, out: &mut [u8]) {
    let biases = weights.bias.as_ref().map(|bias| bias.numbers()).unwrap_or_default();
    let mut filter = vec![0; weights.inputs * TAPS * TAPS];
    for output in 0..weights.outputs {
        weights.weights.read_bytes(output * filter.len(), &mut filter);
        let sum: i32 = filter.iter().map(|&w| i32::from(w as i8)).sum();
        let bias = biases.get(output).map_or(0, |&bias| bias as i32);
        let bias = bias.wrapping_sub(sum.wrapping_mul(zero));
        let place = output / BLOCK * HEAD as usize + output % BLOCK * F32 as usize;
        out[place..][..4].copy_from_slice(&bias.to_le_bytes());
        let place = place + BLOCK * F32 as usize;
        out[place..][..4].copy_from_slice(&factors.data()[output].to_le_bytes());
    }
}
