//! Which tiles run the same program.

use resnetc_ir::ty::BLOCK;

use crate::codegen::vir::Target;
use crate::kernels::geometry::F32;
use crate::kernels::residual::{Read, Reads};

use super::micro::Channels;
use super::product::ConvProduct;

/// Tiles that run the same program: `count` of them, from output channel `first_output` on.
pub(super) struct TileSet {
    pub(super) first_output: usize,
    pub(super) count: usize,
    pub(super) vectors: usize,
    pub(super) channels: Channels,
    /// Offset in the source of the first tile's channels, and from one tile to the next.
    pub(super) src: i64,
    pub(super) src_step: i64,
    /// What the first tile adds from the residual. A later tile adds the same, from as many blocks
    /// further on.
    pub(super) reads: Reads,
}

impl ConvProduct<'_> {
    /// Whether every lane of a tile of `lanes` outputs sees the same input channels.
    pub(super) fn is_shared(&self, lanes: usize) -> bool {
        self.groups == 1
            || (self.weights.inputs.is_multiple_of(self.src.block)
                && (self.weights.outputs / self.groups).is_multiple_of(lanes))
    }

    /// All tiles of `vectors` vectors.
    pub(super) fn tile_sets(&self, vectors: usize, target: Target) -> Vec<TileSet> {
        let lanes = vectors * target.lanes;
        let sets = match self.is_shared(lanes.max(16)) {
            true => self.shared_sets(vectors, target.lanes),
            false => self.own_sets(vectors, lanes),
        };
        sets.into_iter().flat_map(|set| self.by_residual(set, target)).collect()
    }

    /// Sets of tiles that see whole groups: one set per group, and one for the rest that is
    /// narrower than a tile.
    fn shared_sets(&self, vectors: usize, vector_lanes: usize) -> Vec<TileSet> {
        let lanes = vectors * vector_lanes;
        let per_group = self.weights.outputs / self.groups;
        let padded = per_group.next_multiple_of(16);
        let mut sets = Vec::new();
        for group in 0..self.groups {
            let src = self.src.channel(group * self.weights.inputs);
            let set = |first, count, vectors| TileSet {
                first_output: group * per_group + first,
                count,
                vectors,
                channels: self.channels(),
                src,
                src_step: 0,
                reads: Reads::none(vectors),
            };
            let whole = padded / lanes;
            if whole > 0 {
                sets.push(set(0, whole, vectors));
            }
            if !padded.is_multiple_of(lanes) {
                sets.push(set(whole * lanes, 1, padded % lanes / vector_lanes));
            }
        }
        sets
    }

    /// Sets of tiles whose lanes belong to different groups; neighbours with the same pattern are
    /// joined.
    fn own_sets(&self, vectors: usize, lanes: usize) -> Vec<TileSet> {
        let per_group = self.weights.outputs / self.groups;
        let mut sets: Vec<TileSet> = Vec::new();
        for first in (0..self.weights.outputs.next_multiple_of(16)).step_by(lanes) {
            // Lanes past the last output repeat it: they read existing values, and their weights
            // are zero.
            let group = |lane: usize| (first + lane).min(self.weights.outputs - 1) / per_group;
            let base =
                self.src.channel(group(0) * self.weights.inputs / self.src.block * self.src.block);
            let channels: Vec<Vec<i64>> = (0..self.weights.inputs)
                .map(|i| {
                    (0..lanes)
                        .map(|l| self.src.channel(group(l) * self.weights.inputs + i) - base)
                        .collect()
                })
                .collect();
            let channels = Channels::PerLane { channels };
            match sets.last_mut() {
                // Parts of a block are not joined: their places are not multiples of a step.
                Some(set) if lanes >= 16 && set.channels == channels && set.accepts(base) => {
                    set.push(base)
                }
                _ => sets.push(TileSet {
                    first_output: first,
                    count: 1,
                    vectors,
                    channels,
                    src: base,
                    src_step: 0,
                    reads: Reads::none(vectors),
                }),
            }
        }
        sets
    }

    /// How many additional programs are needed because tiles add the residual differently.
    pub(super) fn programs_for_residual(&self, vectors: usize, target: Target) -> usize {
        if self.operands.residual.is_none() || self.is_bytes() {
            return 0;
        }
        let sets = self.tile_sets(vectors, target);
        let mut reads: Vec<&[Vec<Read>]> = Vec::new();
        for set in sets.iter().filter(|set| set.vectors == vectors) {
            if !reads.contains(&&set.reads.vectors[..]) {
                reads.push(&set.reads.vectors);
            }
        }
        reads.len().saturating_sub(1)
    }

    /// Splits a set wherever what is added from the residual changes.
    fn by_residual(&self, set: TileSet, target: Target) -> Vec<TileSet> {
        let Some(added) = self.operands.residual.filter(|_| !self.is_bytes()) else {
            return vec![set];
        };
        let (lanes, outputs) = (set.vectors * target.lanes, self.weights.outputs);
        let reads = |i: usize| added.reads(set.first_output + i * lanes, lanes, outputs, target);
        let tiles: Vec<Reads> = (0..set.count).map(reads).collect();
        // Parts of a block advance within blocks of the residual as within those of the result, so
        // either all of them are joined or none. They are not joined if the channels of one block
        // of outputs are in two blocks of the residual.
        let (plane, parts) = (added.strides().plane, (BLOCK / lanes).max(1));
        let walked = |i: usize| (i / parts) as i64 * plane + (i % parts * lanes) as i64 * F32;
        let is_walked = |(i, tile): (usize, &Reads)| {
            tile.vectors == tiles[0].vectors && tile.start == tiles[0].start + walked(i)
        };
        let joins = lanes >= BLOCK || tiles.iter().enumerate().all(is_walked);
        let mut sets: Vec<TileSet> = Vec::new();
        for (i, reads) in tiles.into_iter().enumerate() {
            match sets.last_mut() {
                Some(last) if joins && last.reads.vectors == reads.vectors => last.count += 1,
                _ => sets.push(TileSet {
                    first_output: set.first_output + i * lanes,
                    count: 1,
                    src: set.src + set.src_step * i as i64,
                    channels: set.channels.clone(),
                    reads,
                    ..set
                }),
            }
        }
        sets
    }
}

impl TileSet {
    fn accepts(&self, src: i64) -> bool {
        self.count == 1 || src == self.src + self.src_step * self.count as i64
    }

    fn push(&mut self, src: i64) {
        if self.count == 1 {
            self.src_step = src - self.src;
        }
        self.count += 1;
    }
}
