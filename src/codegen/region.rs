//! The driver's input: a region is a set of independent chunks of work, each chunk a sequence of nests of kernel calls
//! whose addresses are affine in the loop indices.
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
    /// `total` split into runs of `per`: `min(per, total - index * per)`, `index` being the loop index
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
        /// One a loop level: chunk levels, repeats, the call's own loops.
        strides: Vec<i64>,
    },
    /// A number.
    Count(Extent),
}

/// One kernel under a nest of loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Position of the kernel in the list given to the code space.
    pub kernel: usize,
    /// The inner levels, run inside the chunk, outermost first.
    pub loops: Vec<Extent>,
    /// What each call receives; at most [`MAX_ARGS`].
    pub args: Vec<Arg>,
}

/// A part of what a chunk does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// One kernel under its own loops.
    Call(Call),
    /// Several items, over and over: one more level, outside the loops of the calls in it.
    Repeat {
        /// How many turns.
        count: u32,
        /// What each turn does, in this order.
        items: Vec<Item>,
    },
}

/// What each of a grid of chunks does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// The outer levels: a chunk is one combination of their indices, the last one fastest.
    pub chunks: Vec<u32>,
    /// What a chunk does, in this order.
    pub items: Vec<Item>,
}

impl Piece {
    /// How many chunks the piece has.
    pub fn chunk_count(&self) -> u64 {
        self.chunks.iter().map(|&n| u64::from(n)).product()
    }

    /// All calls, however deep.
    pub fn calls(&self) -> Vec<&Call> {
        let mut calls = Vec::new();
        collect(&self.items, &mut calls);
        calls
    }

    /// Whether the piece keeps to its own rules: at most [`MAX_ARGS`] arguments, and every [`Extent::Rest`]
    /// refers to a level further out.
    pub fn is_well_formed(&self) -> bool {
        are_well_formed(&self.items, self.chunks.len())
    }
}

fn collect<'a>(items: &'a [Item], calls: &mut Vec<&'a Call>) {
    for item in items {
        match item {
            Item::Call(call) => calls.push(call),
            Item::Repeat { items, .. } => collect(items, calls),
        }
    }
}

fn are_well_formed(items: &[Item], levels: usize) -> bool {
    items.iter().all(|item| match item {
        Item::Call(call) => call.is_well_formed(levels),
        Item::Repeat { items, .. } => are_well_formed(items, levels + 1),
    })
}

impl Call {
    fn is_well_formed(&self, outer_levels: usize) -> bool {
        let levels = outer_levels + self.loops.len();
        let outer = |extent: &Extent, limit: usize| match *extent {
            Extent::Fixed(_) => true,
            Extent::Rest { level, per, .. } => level < limit && per > 0,
        };
        self.args.len() <= MAX_ARGS
            && self.loops.iter().enumerate().all(|(i, e)| outer(e, outer_levels + i))
            && self.args.iter().all(|arg| match arg {
                Arg::Address { strides, .. } => strides.len() <= levels,
                Arg::Count(extent) => outer(extent, levels),
            })
    }
}

impl From<Call> for Item {
    fn from(call: Call) -> Self {
        Item::Call(call)
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
