//! How each convolution is computed, and what else was considered.

use serde::Serialize;

use crate::kernels::algorithm::Considered;

/// A convolution of a scheduled graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChosenConvolution {
    /// The node's name.
    pub name: String,
    /// Its problem line.
    pub problem: String,
    /// The algorithm that computes it.
    pub algorithm: &'static str,
    /// What the cost model said of every algorithm; nothing where measured times or exact numerics
    /// decided.
    pub considered: Vec<Verdict>,
}

/// What the cost model said of an algorithm for a convolution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The algorithm.
    pub algorithm: &'static str,
    /// The algorithm without its variant: `winograd` for every tile and schedule.
    pub family: &'static str,
    /// Half cycles of a core for one input channel and 16 outputs, for one image; none if it cannot
    /// compute it.
    pub cost: Option<f64>,
    /// Why it cannot compute it.
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
