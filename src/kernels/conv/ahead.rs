//! Prefetching weights.

use crate::codegen::vir::{Builder, Cache, P};

/// What is prefetched. Weights are read once per run, so they come from the shared cache or from
/// memory, and a core's instruction window is too small to hide that latency. Therefore they are
/// prefetched into the core's own cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing: a panel serves so many tiles that the cost of its first read is negligible.
    Not,
    /// What is a little ahead in memory: one tile reads each panel, so tiles read all of them as one
    /// stream.
    Here,
    /// The panel that follows in memory, spread evenly over the `passes` tiles that read one panel;
    /// and the panel itself, a little ahead of its use, because at the beginning of a chunk nothing
    /// has prefetched it.
    NextPanel {
        /// How many tiles read a panel before the next is read.
        passes: usize,
    },
    /// Other memory, from a separate address on, which will be read elsewhere.
    Stream {
        /// Cache lines of weights that are read for each line prefetched.
        every: usize,
    },
}

/// A panel that serves more tiles than this is not prefetched.
pub(super) const MOST_PASSES: usize = 64;

/// How many bytes ahead of its use a panel itself is prefetched: a few times the latency of memory.
const DISTANCE: i64 = 4096;

/// Bytes that one prefetch brings.
const LINE: i64 = 64;

impl Ahead {
    /// The choice for panels that serve `passes` tiles each.
    pub fn of(passes: usize) -> Ahead {
        match passes {
            1 => Ahead::Here,
            _ if passes <= MOST_PASSES => Ahead::NextPanel { passes },
            _ => Ahead::Not,
        }
    }
}

/// Where a tile's weights are read, and what is prefetched meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) weights: P,
    /// Where the next line is that is prefetched, if any is.
    pub(super) next: P,
    pub(super) ahead: Ahead,
}

impl Panels {
    /// The prefetches that belong to step `index` of the `steps` of an unrolled body, each with
    /// `bytes` of weights.
    pub(super) fn fetch(&self, b: &mut Builder, bytes: i64, index: usize, steps: usize) {
        if matches!(self.ahead, Ahead::Here | Ahead::NextPanel { .. }) {
            let own = index as i64 * bytes..(index as i64 + 1) * bytes;
            own.filter(|at| at % LINE == 0).for_each(|at| {
                b.prefetch(self.weights.at(at + DISTANCE), Cache::Second);
            });
        }
        let passes = match self.ahead {
            Ahead::Not | Ahead::Here => return,
            Ahead::NextPanel { passes } => passes,
            Ahead::Stream { every } => every,
        };
        let lines = (steps * bytes as usize).div_ceil(LINE as usize * passes);
        for line in index * lines / steps..(index + 1) * lines / steps {
            b.prefetch(self.next.at(line as i64 * LINE), Cache::Second);
        }
        if index + 1 == steps {
            b.advance(self.next, lines as i64 * LINE);
        }
    }
}
