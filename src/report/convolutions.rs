//! How each convolution is computed, and which other algorithms were considered.

use serde::{Deserialize, Serialize};

use crate::interned::{self, Name};
use crate::kernels::algorithm::Considered;

/// A convolution of a scheduled graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenConvolution {
    /// The node's name.
    pub name: String,
    /// Its problem line.
    pub problem: String,
    /// The algorithm that computes it.
    #[serde(deserialize_with = "interned::name")]
    pub algorithm: Name,
    /// Bits of a weight in the memory that each run reads.
    pub weight_bits: usize,
    /// What the cost model said of every algorithm; empty where measured times or exact numerics
    /// decided.
    pub considered: Vec<Verdict>,
}

/// What the cost model said of an algorithm for a convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The algorithm.
    #[serde(deserialize_with = "interned::name")]
    pub algorithm: Name,
    /// The algorithm without its variant: `winograd` for every tile and schedule.
    #[serde(deserialize_with = "interned::name")]
    pub family: Name,
    /// Half cycles of a core per input channel, 16 outputs and image; `None` if it cannot compute
    /// the convolution.
    pub cost: Option<f64>,
    /// Why it cannot compute the convolution.
    pub refusal: Option<String>,
}

impl From<&Considered> for Verdict {
    fn from(considered: &Considered) -> Self {
        Verdict {
            algorithm: considered.algorithm.name(),
            family: considered.algorithm.family(),
            cost: considered.verdict.ok(),
            refusal: considered.verdict.err().map(|refusal| refusal.to_string()),
        }
    }
}
