//! Groups of few channels: neighbours become one, with zeros among its weights, so that groups are
//! whole blocks of channels as kernels need them.

use resnetc_ir::memory::filled;
use resnetc_ir::ty::BLOCK;

use super::weights::QuantizedWeights;
use crate::passes::near_misses::Stop;

/// How many groups may become one. Products with zeros take time: as many as products of bytes are
/// faster than those of floats.
const MOST: usize = 4;

/// The same weights in fewer groups, if that makes whole blocks of them, and the number of groups.
pub(super) fn merged(
    weights: QuantizedWeights,
    groups: usize,
) -> Result<(QuantizedWeights, usize), Stop> {
    let [outputs, inputs, ..] = weights.shape[..] else { return Err(Stop::Other) };
    let per_group = outputs / groups;
    let is_whole = |together: usize| {
        let fits = |channels: usize| (channels * together).is_multiple_of(BLOCK);
        groups.is_multiple_of(together) && (together == groups || fits(inputs) && fits(per_group))
    };
    match (1..=MOST).find(|&together| is_whole(together)) {
        Some(together) if together > 1 => {
            Ok((weights.grouped(per_group, together)?, groups / together))
        }
        _ => Ok((weights, groups)),
    }
}

impl QuantizedWeights {
    /// Weights of groups of `per_group` outputs, where `together` groups see each other's inputs.
    fn grouped(mut self, per_group: usize, together: usize) -> Result<Self, Stop> {
        let filter = self.bytes.len() / self.shape[0];
        let mut bytes = filled(self.bytes.len() * together, 0)?;
        for (output, from) in self.bytes.chunks(filter).enumerate() {
            let place = output * together + output / per_group % together;
            bytes[place * filter..][..filter].copy_from_slice(from);
        }
        self.shape[1] *= together;
        self.bytes = bytes;
        Ok(self)
    }
}
