//! The driver's input: a region is a set of independent chunks of work, each chunk a sequence of
//! nests of kernel calls whose addresses are affine in the loop indices.
//!
//! The driver compiles each region to one function, `fn(bases, chunk)`; the runtime calls it for
//! every chunk, on any thread, in any order, and waits for all of them before the next region.

use super::vir::MAX_ARGS;

/// Index into the table of base addresses that a region's function receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base(pub u32);

/// A number of iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Always this many.
    Fixed(u32),
    /// `total` split into runs of `per`: `min(per, total - index * per)`, where `index` is the loop
    /// index of `level`, which must be an outer level.
    Rest {
        /// The level of the index.
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
    /// The address of a place.
    Address(Address),
    /// A number.
    Count(Extent),
}

/// One kernel under a nest of loops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Position of the kernel in the list given to the code space.
    pub kernel: usize,
    /// The inner loop levels, which run inside the chunk, outermost first.
    pub loops: Vec<Extent>,
    /// What each call receives; at most [`MAX_ARGS`].
    pub args: Vec<Arg>,
}

/// A part of what a chunk does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// One kernel inside its own loops.
    Call(Call),
    /// Several items, repeated: one more loop level, outside the loops of the calls in it.
    Repeat {
        /// How many iterations.
        count: u32,
        /// What each iteration does, in this order.
        items: Vec<Item>,
    },
    /// Several items that run only if a word, which an earlier item of the same chunk or an earlier
    /// region wrote, has some state.
    When {
        /// Where the 32-bit word is.
        word: Address,
        /// The state that it must have.
        is: Word,
        /// What runs then, in this order.
        items: Vec<Item>,
    },
}

/// A place: `bases[base] + offset + sum(strides[level] * index[level])`, all in bytes. Missing
/// strides are 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Which base address.
    pub base: Base,
    /// Constant part.
    pub offset: i64,
    /// One stride per loop level: chunk levels, repeats, a call's own loops.
    pub strides: Vec<i64>,
}

impl Address {
    /// The place at the loop indices `indices`.
    pub fn at(&self, bases: &[u64], indices: &[u64]) -> u64 {
        let step = |(&stride, &index): (&i64, &u64)| (index as i64).wrapping_mul(stride);
        let steps = self.strides.iter().zip(indices).map(step);
        let offset = steps.fold(self.offset, i64::wrapping_add);
        bases[self.base.0 as usize].wrapping_add_signed(offset)
    }
}

/// The state of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// All bits clear.
    Zero,
    /// Any bit set.
    NotZero,
}

impl Word {
    /// Bytes of a word.
    pub const BYTES: i64 = 4;

    /// Whether `word` has this state.
    pub fn holds(self, word: u32) -> bool {
        (word == 0) == (self == Word::Zero)
    }
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

    /// All places that the calls are given and the conditions read.
    pub fn places(&self) -> Vec<&Address> {
        let mut places = Vec::new();
        collect_places(&self.items, &mut places);
        places
    }

    /// Calls `change` for every place that the calls are given and the conditions read.
    pub fn change_places(&mut self, change: &mut dyn FnMut(&mut Address)) {
        change_places(&mut self.items, change);
    }

    /// Whether the piece keeps its own rules: at most [`MAX_ARGS`] arguments, and every
    /// [`Extent::Rest`] refers to an outer level.
    pub fn is_well_formed(&self) -> bool {
        are_well_formed(&self.items, self.chunks.len())
    }
}

fn collect<'a>(items: &'a [Item], calls: &mut Vec<&'a Call>) {
    for item in items {
        match item {
            Item::Call(call) => calls.push(call),
            Item::Repeat { items, .. } | Item::When { items, .. } => collect(items, calls),
        }
    }
}

fn collect_places<'a>(items: &'a [Item], places: &mut Vec<&'a Address>) {
    for item in items {
        match item {
            Item::Call(call) => places.extend(call.args.iter().filter_map(|arg| match arg {
                Arg::Address(place) => Some(place),
                Arg::Count(_) => None,
            })),
            Item::Repeat { items, .. } => collect_places(items, places),
            Item::When { word, items, .. } => {
                places.push(word);
                collect_places(items, places);
            }
        }
    }
}

fn change_places(items: &mut [Item], change: &mut dyn FnMut(&mut Address)) {
    for item in items {
        match item {
            Item::Call(call) => call.args.iter_mut().for_each(|arg| match arg {
                Arg::Address(place) => change(place),
                Arg::Count(_) => {}
            }),
            Item::Repeat { items, .. } => change_places(items, change),
            Item::When { word, items, .. } => {
                change(word);
                change_places(items, change);
            }
        }
    }
}

fn are_well_formed(items: &[Item], levels: usize) -> bool {
    items.iter().all(|item| match item {
        Item::Call(call) => call.is_well_formed(levels),
        Item::Repeat { items, .. } => are_well_formed(items, levels + 1),
        Item::When { word, items, .. } => {
            word.strides.len() <= levels && are_well_formed(items, levels)
        }
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
                Arg::Address(place) => place.strides.len() <= levels,
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
    /// The pieces; chunks are numbered through them in order.
    pub pieces: Vec<Piece>,
}

impl Region {
    /// How many chunks the region has.
    pub fn chunk_count(&self) -> u64 {
        self.pieces.iter().map(Piece::chunk_count).sum()
    }
}
