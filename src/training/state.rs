//! What training keeps from step to step, and files of it.

use crate::import::safetensors::WeightMap;

/// Everything that steps change and read again: parameters, running statistics, and what the
/// optimizer remembers.
#[derive(Clone, Debug)]
pub struct State {
    /// How many steps there were.
    pub steps: u64,
    /// All tensors by name. What an optimizer remembers of a parameter has the parameter's name and
    /// a part after it.
    pub tensors: WeightMap,
}
