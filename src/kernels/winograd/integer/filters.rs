//! What is packed when the network is compiled: transformed filters, biases and factors.

use std::sync::Arc;

use resnetc_ir::Tensor;
use resnetc_ir::ty::BLOCK;

use crate::kernels::conv::pack::{Weights, first_sum};
use crate::kernels::geometry::F32;

use super::super::matrices::{Matrix, TAPS, Transforms};
use super::cost::SHORT;

/// Bytes of a bias, of a factor, and of the weights of two channels.
const WORD: usize = 4;

/// Bytes of the biases and factors of a block of outputs.
pub(super) const HEAD: i64 = 2 * BLOCK as i64 * F32;

/// What is packed for a convolution.
pub(super) struct Packing {
    pub(super) transforms: Transforms,
    /// Weights in i8 and biases in i32.
    pub(super) weights: Weights,
    /// The factor of each output.
    pub(super) factors: Arc<Tensor>,
    /// The source's zero point.
    pub(super) zero: i32,
    /// Outputs of a group.
    pub(super) lanes: usize,
}

impl Packing {
    /// Bytes of the heads, which precede the filters.
    pub(super) fn heads(&self) -> usize {
        self.weights.outputs.div_ceil(BLOCK) * HEAD as usize
    }

    /// Bytes of heads and filters.
    pub(super) fn bytes(&self) -> usize {
        let groups = self.weights.outputs.next_multiple_of(BLOCK).div_ceil(self.lanes);
        self.heads() + groups * self.elements() * self.steps() * self.lanes * WORD
    }

    fn elements(&self) -> usize {
        self.transforms.inputs().pow(2)
    }

    fn steps(&self) -> usize {
        self.weights.inputs.div_ceil(2)
    }

    /// Writes the heads: for each block of outputs, 16 biases, from which the share of the source's
    /// zero point has been taken, and 16 factors. Then the transformed filters `G g G^T`: for each
    /// group of outputs and each element of the tile, the weights of two channels for each output,
    /// channel by channel. What is not written is zero.
    pub(super) fn fill(&self, out: &mut [u8]) {
        let Packing { weights, lanes, .. } = self;
        let (heads, filters) = out.split_at_mut(self.heads());
        let biases = weights.bias.as_ref().map(|bias| bias.numbers()).unwrap_or_default();
        let evaluate = rows(&self.transforms.filter);
        let mut filter = vec![0; weights.inputs * TAPS * TAPS];
        for output in 0..weights.outputs {
            weights.weights.read_bytes(output * filter.len(), &mut filter);
            let bias = biases.get(output).map_or(0, |&bias| bias as i32);
            let bias = first_sum(&filter, bias, self.zero);
            let head = &mut heads[output / BLOCK * HEAD as usize + output % BLOCK * WORD..];
            head[..WORD].copy_from_slice(&bias.to_le_bytes());
            let factor = self.factors.data()[output];
            head[BLOCK * WORD..][..WORD].copy_from_slice(&factor.to_le_bytes());
            let (group, lane) = (output / lanes, output % lanes);
            for (input, taps) in filter.as_chunks::<{ TAPS * TAPS }>().0.iter().enumerate() {
                for (element, weight) in transformed(&evaluate, taps).enumerate() {
                    let step = (group * self.elements() + element) * self.steps() + input / 2;
                    let place = (step * lanes + lane) * WORD + input % 2 * SHORT as usize;
                    filters[place..][..2].copy_from_slice(&(weight as i16).to_le_bytes());
                }
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
