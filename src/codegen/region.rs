//! The driver's input: a region is a set of independent chunks of work, each chunk a nest of kernel calls whose
//! addresses are affine in the loop indices.
//!
//! The driver compiles one function a region, `fn(bases, chunk)`; the runtime calls it for every chunk, on any
//! thread, in any order, and waits for all of them before the next region.

use super::vir::MAX_ARGS;

/// Index into the table of base addresses that a region's function receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base(pub u32);

/// A number of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Always this many.
    Fixed(u32),
    /// `total` split into runs of `per`: `min(per, total - index * per)`, `index` being the piece's loop index
    /// number `level`, which must be further out.
    Rest {
        /// Which index.
        level: usize,
        /// Length of all runs but the last.
        per: u32,
        /// Sum of all runs.
        total: u32,
    },
}

/// One argument of a kernel call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// `bases[base] + offset + sum(strides[level] * index[level])`, all in bytes. Missing strides are 0.
    Address {
        /// Which base address.
        base: Base,
        /// Constant part.
        offset: i64,
        /// One a loop level, chunk levels first.
        strides: Vec<i64>,
    },
    /// A number.
    Count(Extent),
}

/// One kernel under a nest of loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Position of the kernel in the list given to the code space.
    pub kernel: usize,
    /// The outer levels: a chunk is one combination of their indices, the last one fastest.
    pub chunks: Vec<u32>,
    /// The inner levels, run inside the chunk, outermost first.
    pub loops: Vec<Extent>,
    /// What each call receives; at most [`MAX_ARGS`].
    pub args: Vec<Arg>,
}

impl Piece {
    /// How many chunks the piece has.
    pub fn chunk_count(&self) -> u64 {
        self.chunks.iter().map(|&n| u64::from(n)).product()
    }

    /// The piece without one of its arguments.
    pub fn without_arg(mut self, position: usize) -> Piece {
        self.args.remove(position);
        self
    }

    /// Whether the piece keeps to its own rules: at most [`MAX_ARGS`] arguments, and every [`Extent::Rest`]
    /// refers to a level further out.
    pub fn is_well_formed(&self) -> bool {
        let levels = self.chunks.len() + self.loops.len();
        let outer = |extent: &Extent, limit: usize| match *extent {
            Extent::Fixed(_) => true,
            Extent::Rest { level, per, .. } => level < limit && per > 0,
        };
        self.args.len() <= MAX_ARGS
            && self.loops.iter().enumerate().all(|(i, e)| outer(e, self.chunks.len() + i))
            && self.args.iter().all(|arg| match arg {
                Arg::Address { strides, .. } => strides.len() <= levels,
                Arg::Count(extent) => outer(extent, levels),
            })
    }
}

/// Pieces that may all run at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Names the region in profiles and perf maps.
    pub name: String,
    /// The pieces; chunk numbers run through them in order.
    pub pieces: Vec<Piece>,
}

impl Region {
    /// How many chunks the region has.
    pub fn chunk_count(&self) -> u64 {
        self.pieces.iter().map(Piece::chunk_count).sum()
    }
}
