//! How many bits numbers have where an algorithm can choose.

use serde::{Deserialize, Serialize};

/// How many bits numbers have where an algorithm can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Weights of 32 bits, and of three bytes on tile registers.
    #[default]
    Full,
    /// Weights of 16 bits.
    Half,
}

impl Precision {
    /// Whether it is the default.
    pub fn is_full(&self) -> bool {
        *self == Precision::Full
    }
}
