//! The gradient of a convolution with respect to its weights.
//!
//! For a tap, it is a product of two matrices, reduced over the pixels of all images: the gradient
//! of the result, whose channels are lanes, and the source, whose channels are scalars. A tile of a
//! few scalars times a few vectors stays in registers for a band of rows, which stays in the
//! first-level cache for all tiles and taps. Where a source is planar, scalars are the taps of a
//! row.
//!
//! Images are divided into parts, each with sums of its own, so that there is enough to do for all
//! threads. How many there are depends on the shape alone, and so does the result.

use resnetc_ir::ty::BLOCK;

mod direct;
mod form;
mod tile;
mod tiled;

use crate::codegen::region::Piece;

use super::KernelError;
use super::function::Function;
use super::geometry::{F32, Place};
use super::loops::{Level, Loops, OPERANDS};
use super::nest::Nest;
use super::sink::{ARENA, Levels, Pointer, Sink};
use super::summation::Summation;
use direct::Tiles;
pub use form::Form;
use form::SUMS;
use tile::PartSum;
use tiled::Tiled;

impl Form {
    /// Scratch memory, in bytes.
    pub fn scratch_bytes(&self) -> usize {
        let tiled = Tiled::of(self).map_or(0, |tiled| tiled.parts());
        self.parts().max(tiled) * self.part_bytes() as usize
    }

    /// Lowers it to regions that run one after another: sums are computed, and brought into the order
    /// of the weights.
    ///
    /// # Errors
    /// If a kernel does not fit the machine's registers.
    pub fn lower(
        &self,
        [dy, src]: [&Place; 2],
        scratch: i64,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Vec<Piece>>, KernelError> {
        let is_fast = sink.machine.images == Summation::Chain;
        let (parts, mut regions) = match Tiled::of(self).filter(|_| is_fast) {
            Some(tiled) => {
                let products = tiled.products([dy, src], scratch, sink)?;
                (tiled.parts(), vec![vec![products]])
            }
            None => {
                let bytes = self.parts() * self.part_bytes() as usize;
                let zeros = self.flat(Function::Fill(0.0), &[scratch], bytes, sink)?;
                (self.parts(), vec![zeros, self.products([dy, src], scratch, sink)?])
            }
        };
        let work = regions.len();
        if parts > 1 {
            regions.push(self.add_parts(parts, scratch, sink)?);
        }
        regions.push(self.ordered(scratch, dst, sink)?);
        sink.note_after(regions.len() - work);
        Ok(regions)
    }

    /// A function of consecutive elements of the arena.
    fn flat(
        &self,
        function: Function,
        starts: &[i64],
        bytes: usize,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let mut strides = [0; OPERANDS];
        strides[..starts.len()].fill(F32);
        let starts = starts.iter().map(|&start| (ARENA, start)).collect();
        let levels = vec![Level { extent: bytes / F32 as usize, strides }];
        Nest::new(function, Loops { starts, levels }).lower("conv_weights", sink)
    }

    fn products(
        &self,
        [dy, src]: [&Place; 2],
        scratch: i64,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let target = sink.machine.target;
        let together = if self.shared.is_multiple_of(2) && target.lanes >= BLOCK { 2 } else { 1 };
        let live = match (self.planar, self.channels[1] % BLOCK) {
            (true, _) | (_, 0) => None,
            (false, live) => Some(live),
        };
        let mut pieces = Vec::new();
        let tiles = Tiles { form: self, dy, src, scratch, together };
        let whole = self.blocks - usize::from(live.is_some());
        if whole > 0 {
            pieces.push(tiles.piece(0, whole, self.run(BLOCK), sink)?);
        }
        if let Some(live) = live {
            pieces.push(tiles.piece(whole, 1, self.run(live), sink)?);
        }
        Ok(pieces)
    }

    /// How many scalars are next to each other: channels, or taps of a row.
    fn run(&self, channels: usize) -> usize {
        if self.planar { self.gradient.window.kernel[1] } else { channels }
    }

    /// Adds all parts to the first.
    fn add_parts(
        &self,
        parts: usize,
        scratch: i64,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let sum = PartSum { parts, part: self.part_bytes() };
        let target = sink.machine.target;
        let kernel = sink.program("weight_sums", format!("{sum:?}"), |n| sum.program(n, target))?;
        let vectors = self.part_bytes() / SUMS;
        let mut levels = Levels::new([Pointer::new(ARENA, scratch)]);
        let blocks = levels.split(vectors as usize, sink.machine.parts(), [SUMS]);
        let count = blocks.extent();
        Ok(vec![levels.piece(kernel, &[count])])
    }

    /// Brings the sums into the order `[K, C/groups, R, S]`.
    fn ordered(
        &self,
        scratch: i64,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let to = dst.geometry.planar_strides();
        let [outputs, inputs] = self.channels.map(|all| all / self.gradient.groups);
        let scalars = self.scalars();
        let block = BLOCK as i64;
        let taps = (self.taps(), F32, scalars as i64 * SUMS);
        let mut pieces = Vec::new();
        let mut copy = |first: (usize, usize), levels: &[(usize, i64, i64)]| {
            let (output, input) = first;
            let from = (output / BLOCK) as i64 * self.output_bytes()
                + (input / scalars) as i64 * self.block_bytes();
            let dst = dst.origin() + output as i64 * to[0] + input as i64 * to[1];
            let level = |&(extent, to, from): &(usize, i64, i64)| {
                let mut strides = [0; OPERANDS];
                (strides[0], strides[1]) = (to, from);
                Level { extent, strides }
            };
            let levels = levels.iter().map(level).collect();
            let starts = vec![(ARENA, dst), (ARENA, scratch + from)];
            let nest = Nest::new(Function::Copy, Loops { starts, levels });
            nest.lower("conv_weights", sink).map(|found| pieces.extend(found))
        };
        if self.gradient.groups > 1 && outputs < BLOCK {
            // Groups of a block are on its diagonal.
            let n = outputs;
            let per_block = BLOCK / n;
            let all = self.gradient.groups;
            for (first, blocks, groups) in
                [(0, all / per_block, per_block), (all / per_block, 1, all % per_block)]
            {
                let levels = [
                    (blocks, block * to[0], self.output_bytes()),
                    (groups, n as i64 * to[0], n as i64 * (SUMS + F32)),
                    (n, to[0], F32),
                    (n, to[1], SUMS),
                    taps,
                ];
                copy((first * BLOCK, 0), &levels)?;
            }
            return Ok(pieces);
        }
        let parts = |all: usize, block: usize| {
            [(0, all / block, block), (all / block * block, 1, all % block)]
        };
        // Blocks of whole groups follow each other.
        let outputs = if self.gradient.groups > 1 { self.channels[0] } else { outputs };
        for (output, blocks, live) in parts(outputs, BLOCK) {
            for (input, input_blocks, live_inputs) in parts(inputs, scalars) {
                let levels = [
                    (blocks, block * to[0], self.output_bytes()),
                    (live, to[0], F32),
                    (input_blocks, scalars as i64 * to[1], self.block_bytes()),
                    (live_inputs, to[1], SUMS),
                    taps,
                ];
                copy((output, input), &levels)?;
            }
        }
        Ok(pieces)
    }
}
