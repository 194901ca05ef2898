//! Measured choices, layer -> algorithm, as input to a compilation. [`tune`](crate::tune) measures
//! them.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId};

use super::Algorithm;
use super::problem::ConvProblem;

/// Algorithms by the problem line of a convolution. A choice is used if it can compute the layer,
/// and ignored if it cannot; the cost model decides for layers that are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuned {
    choices: BTreeMap<String, Algorithm>,
}

impl Tuned {
    /// Whether no layer is listed.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// The algorithm listed for a problem line.
    pub fn get(&self, line: &str) -> Option<Algorithm> {
        self.choices.get(line).copied()
    }

    /// The algorithm listed for a node of a scheduled graph, whether or not it can compute the
    /// node.
    pub fn choice(&self, graph: &Graph, node: NodeId) -> Option<Algorithm> {
        if self.is_empty() {
            return None;
        }
        self.get(&ConvProblem::of(graph, node)?.to_string())
    }
}

impl<S: Into<String>> FromIterator<(S, Algorithm)> for Tuned {
    fn from_iter<I: IntoIterator<Item = (S, Algorithm)>>(choices: I) -> Self {
        Tuned { choices: choices.into_iter().map(|(line, a)| (line.into(), a)).collect() }
    }
}
