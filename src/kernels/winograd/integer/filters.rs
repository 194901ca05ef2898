//! What is packed when the network is compiled: transformed filters, biases and factors.

use resnetc_ir::ty::BLOCK;

use crate::kernels::conv::heads::{Heads, WORD};
use crate::kernels::conv::pack::Weights;

use super::super::matrices::{Matrix, TAPS, Transforms};
use super::cost::SHORT;

/// What is packed for a convolution.
pub(super) struct Packing {
    pub(super) transforms: Transforms,
    /// Weights in i8.
    pub(super) weights: Weights,
    /// What heads consist of.
    pub(super) heads: Heads,
    /// Outputs of a group.
    pub(super) lanes: usize,
}

impl Packing {
    /// Bytes of the heads, which precede the filters.
    pub(super) fn before(&self) -> usize {
        self.weights.outputs.div_ceil(BLOCK) * self.heads.head().block_bytes()
    }

    /// Bytes of heads and filters.
    pub(super) fn bytes(&self) -> usize {
        let groups = self.weights.outputs.next_multiple_of(BLOCK).div_ceil(self.lanes);
        self.before() + groups * self.elements() * self.steps() * self.lanes * WORD
    }

    fn elements(&self) -> usize {
        self.transforms.inputs().pow(2)
    }

    fn steps(&self) -> usize {
        self.weights.inputs.div_ceil(2)
    }

    /// Writes the heads: for each block of outputs, 16 of each word. Then the transformed filters
    /// `G g G^T`: for each group of outputs and each element of the tile, the weights of two
    /// channels for each output, channel by channel, as a word. What is not written is zero.
    pub(super) fn fill(&self, out: &mut [u8]) {
        let Packing { weights, lanes, .. } = self;
        let (heads, filters) = out.split_at_mut(self.before());
        let evaluate = rows(&self.transforms.filter);
        let mut filter = vec![0; weights.inputs * TAPS * TAPS];
        for output in 0..weights.outputs {
            weights.weights.read_bytes(output * filter.len(), &mut filter);
            self.heads.write(output, &filter, heads);
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
