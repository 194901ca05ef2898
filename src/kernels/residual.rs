//! What a convolution adds to its sums from a residual operand, which it reads in place, with a
//! stride in pixels, for the output channels that it covers.
//!
//! A vector of outputs needs neighbouring channels of the residual. If they are in one block, one
//! load reads them. If the residual begins at a channel that is not a multiple of a vector, they
//! may be in two blocks, far apart, and a load that begins before the first channel would be out of
//! bounds: then a broadcast reads each lane.

use std::fmt;

use resnetc_ir::op::Residual;
use resnetc_ir::ty::BLOCK;

use crate::codegen::vir::{Arith, Builder, Inst, Mem, Target, V};

use super::geometry::{F32, Place, Strides};

/// A residual operand and how it is added.
#[derive(Clone, Copy, Debug)]
pub struct Added<'a> {
    /// Where it is stored, in blocks.
    pub place: &'a Place,
    /// Which of its pixels are added, to which channels.
    pub residual: Residual,
}

/// What is added to neighbouring outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The base of the reads' offsets: bytes from the residual's channel 0 of the same pixel.
    pub start: i64,
    /// The reads of each vector of outputs; empty where the residual has no channel.
    pub vectors: Vec<Vec<Read>>,
}

/// What is added to some lanes of a vector by one instruction that reads memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Where it reads.
    offset: i64,
    /// The lanes, one bit each.
    lanes: u16,
    /// How it reads.
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A vector; the other lanes' values are dropped.
    Load,
    /// One value.
    Broadcast,
}

impl Added<'_> {
    /// The residual's strides between neighbouring pixels of the result.
    pub fn strides(&self) -> Strides {
        let s = self.place.geometry.strides();
        let [down, across] = self.residual.strides.map(|stride| stride as i64);
        Strides { row: s.row * down, pixel: s.pixel * across, ..s }
    }

    /// The reads for `count` outputs from `first` on, of `outputs` in total. Equal reads of outputs
    /// that are whole blocks apart start the same number of blocks apart.
    pub fn reads(&self, first: usize, count: usize, outputs: usize, target: Target) -> Reads {
        let lanes = target.lanes;
        let vector = |v: usize| {
            let source = |l: usize| self.source(first + v * lanes + l, outputs);
            self.vector((0..lanes).map(source), lanes)
        };
        let mut vectors: Vec<Vec<Read>> = (0..count / lanes).map(vector).collect();
        let start = vectors.iter().flatten().map(|read| read.offset).min().unwrap_or(0);
        vectors.iter_mut().flatten().for_each(|read| read.offset -= start);
        Reads { start, vectors }
    }

    /// The residual's channel that is added to an output. Lanes past the last output may hold
    /// anything, so their reads continue to the end of the residual's block.
    fn source(&self, output: usize, outputs: usize) -> Option<usize> {
        let [_, channels, ..] = self.place.geometry.nchw();
        let end = if output < outputs { channels } else { channels.next_multiple_of(BLOCK) };
        output.checked_sub(self.residual.channel).filter(|&channel| channel < end)
    }

    /// The reads that load each lane of a vector with its channel.
    fn vector(&self, sources: impl Iterator<Item = Option<usize>>, lanes: usize) -> Vec<Read> {
        let strides = self.place.geometry.strides();
        let mut reads: Vec<Read> = Vec::new();
        for (lane, source) in sources.enumerate() {
            let Some(channel) = source else { continue };
            let place = channel % BLOCK;
            let is_in_block = place >= lane && place - lane + lanes <= BLOCK;
            let (kind, before) = match is_in_block {
                true => (Kind::Load, lane as i64 * F32),
                false => (Kind::Broadcast, 0),
            };
            let (offset, lanes) = (strides.channel(channel) - before, 1 << lane);
            match reads.last_mut() {
                Some(last) if last.kind == kind && last.offset == offset => last.lanes |= lanes,
                _ => reads.push(Read { offset, lanes, kind }),
            }
        }
        reads
    }
}

impl fmt::Display for Added<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, channels, h, w] = self.place.geometry.nchw();
        let Residual { strides: [down, across], channel } = self.residual;
        write!(f, "residual c{channels} h{h} w{w} st{down}x{across} k{channel}")
    }
}

impl Reads {
    /// All lanes of `vectors` vectors, from blocks that are `block` bytes apart.
    pub fn whole(vectors: usize, block: i64, target: Target) -> Self {
        let lanes = all_lanes(target);
        let read = |v: usize| {
            let lane = v * target.lanes;
            let offset = (lane / BLOCK) as i64 * block + (lane % BLOCK) as i64 * F32;
            vec![Read { offset, lanes, kind: Kind::Load }]
        };
        Reads { start: 0, vectors: (0..vectors).map(read).collect() }
    }

    /// No reads for `vectors` vectors.
    pub fn none(vectors: usize) -> Self {
        Reads { start: 0, vectors: vec![Vec::new(); vectors] }
    }

    /// Whether nothing is read.
    pub fn is_empty(&self) -> bool {
        self.vectors.iter().all(Vec::is_empty)
    }
}

/// A bit for each lane.
fn all_lanes(target: Target) -> u16 {
    u16::MAX >> (u16::BITS as usize - target.lanes)
}

impl Read {
    /// Adds the values read from `at` on to a register. Uses one more register.
    pub fn add(&self, b: &mut Builder, register: V, at: Mem) {
        let at = Mem { offset: at.offset + self.offset, ..at };
        let other = b.vector();
        match self.kind {
            Kind::Load => b.load(other, at),
            Kind::Broadcast => b.broadcast(other, at),
        }
        if self.lanes == all_lanes(b.target()) {
            b.arith(Arith::Add, register, register, other);
        } else {
            b.arith(Arith::Add, other, register, other);
            b.push(Inst::Blend { dst: register, a: register, b: other, mask: self.lanes });
        }
        b.release([other]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen::region::Base;
    use crate::kernels::geometry::Geometry;
    use proptest::prelude::*;
    use resnetc_ir::TensorType;
    use resnetc_ir::ty::Layout;

    proptest! {
        /// Every lane that has a channel gets it exactly once, and all reads are within the
        /// residual's pixel.
        #[test]
        fn each_output_is_given_its_channel(
            channels in 1usize..70, before in 0usize..40, after in 0usize..40, blocks in 0usize..6, width in 0usize..3,
        ) {
            let target = [Target::V128, Target::AVX2, Target::AVX512][width];
            let ty = TensorType { layout: Layout::Blocked, ..TensorType::planar(vec![1, channels, 1, 1]) };
            let place = Place { base: Base(0), offset: 0, geometry: Geometry::new(ty) };
            let added = Added { place: &place, residual: Residual { strides: [1; 2], channel: before } };
            let outputs = before + channels + after;
            let first = 16 * blocks.min((outputs - 1) / 16);
            let Reads { start, vectors } = added.reads(first, 16, outputs, target);
            let mut given = [None; 16];
            for (v, reads) in vectors.iter().enumerate() {
                for read in reads {
                    let (from, wide) = (start + read.offset, read.kind == Kind::Load);
                    let end = from + if wide { target.vector_bytes() } else { F32 };
                    prop_assert!(from >= 0 && from / 64 == (end - 1) / 64 && end <= place.geometry.bytes() as i64);
                    for lane in (0..target.lanes).filter(|lane| read.lanes >> lane & 1 == 1) {
                        let value = from / F32 + if wide { lane as i64 } else { 0 };
                        prop_assert_eq!(given[v * target.lanes + lane].replace(value), None);
                    }
                }
            }
            let wanted = |output: usize| output.checked_sub(before).filter(|&c| c < channels);
            for output in first..outputs.min(first + 16) {
                prop_assert_eq!(given[output - first], wanted(output).map(|c| c as i64));
            }
        }

        /// No lane is dropped and no value is read by itself if a vector's channels are aligned to
        /// a vector.
        #[test]
        fn vectors_that_meet_are_loaded(blocks in 0usize..3, wide in 0usize..3) {
            let target = [Target::V128, Target::AVX2, Target::AVX512][wide];
            let ty = TensorType { layout: Layout::Blocked, ..TensorType::planar(vec![1, 32, 1, 1]) };
            let place = Place { base: Base(0), offset: 0, geometry: Geometry::new(ty) };
            let residual = Residual { strides: [2; 2], channel: blocks * target.lanes };
            let reads = Added { place: &place, residual }.reads(0, 96, 96, target);
            let counts: Vec<usize> = reads.vectors.iter().map(Vec::len).collect();
            let mut wanted = vec![0; 96 / target.lanes];
            wanted[blocks..blocks + 32 / target.lanes].fill(1);
            prop_assert_eq!(counts, wanted);
            prop_assert!(reads.vectors.iter().flatten().all(|r| r.kind == Kind::Load && r.lanes == all_lanes(target)));
        }
    }
}
