//! Facts that a step determines about its result while it computes it, and stores in memory for the
//! steps that read the result.
//!
//! An algorithm declares what it can publish and what it can read
//! ([`ConvPlan`](super::conv_plan::ConvPlan)). The memory plan allocates a buffer for each fact
//! that has a reader, and lowering gets the places.

use std::fmt;

/// A fact about each image of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// The largest magnitude of its elements, as partial maxima, lane by lane: one for each of the
    /// publisher's chunks.
    AbsMax,
}

impl Fact {
    /// The name in plans and reports.
    pub fn name(self) -> &'static str {
        match self {
            Fact::AbsMax => "abs-max",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fact that a step can publish, and the memory that this takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The fact.
    pub fact: Fact,
    /// Bytes in the arena, for all images.
    pub bytes: usize,
}

/// Where a published fact is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The fact.
    pub fact: Fact,
    /// Offset in the arena.
    pub offset: i64,
    /// Bytes, for all images.
    pub bytes: usize,
}

impl Published {
    /// Where `fact` is published, if it is among `all`.
    pub fn find(all: &[Published], fact: Fact) -> Option<Published> {
        all.iter().copied().find(|p| p.fact == fact)
    }
}
