//! What a step finds out about its result while it computes it, and leaves in memory for the steps
//! that read the result.
//!
//! An algorithm says what it can publish and what it would like to read
//! ([`ConvPlan`](super::conv_plan::ConvPlan)); the memory plan gives a buffer to what somebody
//! reads; lowering is told where everything lies.

use std::fmt;

/// Something that is true of a value as a whole, image by image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// The greatest magnitude of its elements, in as many partial maxima as its publisher has
    /// chunks, lane by lane.
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
    /// What it publishes.
    pub fact: Fact,
    /// Bytes in the arena, for all images.
    pub bytes: usize,
}

/// Where a published fact lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// What is published.
    pub fact: Fact,
    /// Offset in the arena.
    pub offset: i64,
    /// Bytes, for all images.
    pub bytes: usize,
}

impl Published {
    /// The fact of this kind among several, if it is there.
    pub fn find(all: &[Published], fact: Fact) -> Option<Published> {
        all.iter().copied().find(|p| p.fact == fact)
    }
}
