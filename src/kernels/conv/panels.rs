//! Weights of bytes in the order in which the kernel reads them.
//!
//! The panel of one tile: the words of its head ([`Head`](super::heads::Head)), `lanes` of each;
//! then, for each step of the reduction, four weights of each lane in 8 bits, or two in 16 bits, of
//! consecutive channels or of consecutive taps of a row. In the first case the steps run over
//! blocks of 16 input channels, kernel rows, kernel columns, and fours or pairs of channels of the
//! block; in the second over input channels, kernel rows, and fours or pairs of columns. The
//! weights that a lane uses in a step are a word, too.

use resnetc_ir::ty::BLOCK;

use super::dots::{Along, Dot};
use super::heads::{Heads, WORD};
use super::pack::Weights;

/// What panels are filled from.
pub(super) struct BytePanels {
    /// Weights in i8.
    pub(super) weights: Weights,
    /// What the head consists of.
    pub(super) heads: Heads,
    pub(super) dot: Dot,
    pub(super) along: Along,
    /// The first output of the first panel.
    pub(super) first_output: usize,
    /// Outputs of a panel.
    pub(super) lanes: usize,
}

impl BytePanels {
    /// Fills consecutive panels. Lanes past the last output are 0.
    pub(super) fn fill(&self, out: &mut [u8]) {
        let Weights { weights, outputs, inputs, taps, .. } = &self.weights;
        let head = self.heads.head().words();
        let together = self.dot.together();
        let order = Order { together, along: self.along, inputs: *inputs, taps: *taps };
        let taps = taps[0] * taps[1];
        let mut filter = vec![0; inputs * taps];
        let step = self.lanes * WORD;
        let panel = step * (head + order.steps());
        for (i, panel) in out.chunks_exact_mut(panel).enumerate() {
            let first = self.first_output + i * self.lanes;
            for lane in 0..self.lanes.min(outputs.saturating_sub(first)) {
                let output = first + lane;
                weights.read_bytes(output * filter.len(), &mut filter);
                for (position, word) in self.heads.words(output, &filter).enumerate() {
                    panel[position * step + lane * WORD..][..WORD].copy_from_slice(&word);
                }
                for (channel, taps_of_it) in filter.chunks_exact(taps).enumerate() {
                    for (tap, &weight) in taps_of_it.iter().enumerate() {
                        let (position, factor) = order.place(channel, tap);
                        let place = (head + position) * step + lane * WORD;
                        self.dot.write(&mut panel[place..][..WORD], factor, weight as i8);
                    }
                }
            }
        }
    }
}

impl Dot {
    /// Writes one of the factors of a word.
    fn write(self, word: &mut [u8], factor: usize, weight: i8) {
        match self {
            Dot::Pairs => word[2 * factor..][..2].copy_from_slice(&i16::from(weight).to_le_bytes()),
            Dot::Fours | Dot::Shifted => word[factor] = weight as u8,
        }
    }
}

/// The order of the weights of an output.
struct Order {
    together: usize,
    along: Along,
    inputs: usize,
    taps: [usize; 2],
}

impl Order {
    /// How many steps there are.
    fn steps(&self) -> usize {
        let [rows, columns] = self.taps;
        match self.along {
            Along::Channels => rows * columns * self.inputs.div_ceil(self.together),
            Along::Taps => rows * columns.div_ceil(self.together) * self.inputs,
        }
    }

    /// The step that uses a weight, and which of its products it is.
    fn place(&self, channel: usize, tap: usize) -> (usize, usize) {
        let ([rows, columns], together) = (self.taps, self.together);
        match self.along {
            Along::Channels => {
                let first = channel - channel % BLOCK;
                let in_block = BLOCK.min(self.inputs - first).div_ceil(together);
                let before = first / together * rows * columns + tap * in_block;
                (before + (channel - first) / together, channel % together)
            }
            Along::Taps => {
                let (row, column) = (tap / columns, tap % columns);
                let before = (channel * rows + row) * columns.div_ceil(together);
                (before + column / together, column % together)
            }
        }
    }
}
