//! Matches a weight file to the layers of a network.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;

use resnetc_ir::Tensor;

use super::{Parameter, SpecError, SpecErrorKind, WrongShape, WrongType, random};
use crate::import::ImportError;
use crate::import::safetensors::{self, WeightMap};

/// Where the weights of a network come from.
#[derive(Clone, Debug)]
pub enum Weights {
    /// Drawn from a seed; the same on every machine.
    Random {
        /// The seed.
        seed: u64,
    },
    /// Tensors by their names in PyTorch. The graph shares them.
    Map(WeightMap),
}

/// Prefixes that training scripts add to every name.
const PREFIXES: &[&str] = &["module.", "model.", "backbone.", "_orig_mod."];

/// Alternative names of the same layers.
const ALIASES: &[(&str, &str)] = &[(".shortcut.", ".downsample."), ("linear.", "fc.")];

impl Weights {
    /// Reads all tensors of a safetensors file, as [`Trainer::save`](crate::training::Trainer::save)
    /// and PyTorch's users write them.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn load(path: &Path) -> Result<Self, ImportError> {
        safetensors::load(path).map(Weights::Map)
    }

    /// A tensor for each parameter, in the same order.
    pub(crate) fn resolve(&self, parameters: &[Parameter]) -> Result<Vec<Arc<Tensor>>, SpecError> {
        match self {
            Weights::Random { seed } => random::tensors(parameters, *seed),
            Weights::Map(map) => find(map, parameters),
        }
    }
}

/// A name in the form that the layers use.
pub(super) fn canonical(name: &str) -> String {
    let mut name = name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    let replace = |name: String, &(from, to): &(&str, &str)| match from.strip_prefix('.') {
        Some(_) => name.replacen(from, to, 1),
        None => name.strip_prefix(from).map(|rest| format!("{to}{rest}")).unwrap_or(name),
    };
    ALIASES.iter().fold(name.to_string(), replace)
}

fn find(map: &WeightMap, parameters: &[Parameter]) -> Result<Vec<Arc<Tensor>>, SpecError> {
    let mut unexpected = Vec::new();
    let mut given: BTreeMap<String, (&str, &Arc<Tensor>)> = BTreeMap::new();
    for (name, tensor) in map.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        // Of two names for one layer, the second is unexpected.
        match given.entry(canonical(name)) {
            Entry::Vacant(entry) => {
                entry.insert((name, tensor));
            }
            Entry::Occupied(_) => unexpected.push(name.clone()),
        }
    }
    let (mut missing, mut wrong_shape, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for parameter in parameters {
        match given.remove(&parameter.name) {
            None => missing.push(parameter.name.clone()),
            Some((_, tensor)) if tensor.shape() == parameter.shape => found.push(tensor.clone()),
            Some((name, tensor)) => wrong_shape.push(WrongShape {
                name: name.into(),
                expected: parameter.shape.clone(),
                found: tensor.shape().into(),
            }),
        }
    }
    unexpected.extend(given.into_values().map(|(name, _)| name.to_string()));
    match (&missing[..], &unexpected[..], &wrong_shape[..]) {
        ([], [], []) => Ok(found),
        _ => {
            let wrong_type = Vec::new();
            Err(SpecErrorKind::Weights { missing, unexpected, wrong_shape, wrong_type }.into())
        }
    }
}

impl SpecError {
    /// Reports missing tensors that a file holds as integers as tensors of the wrong type.
    /// `integers` are the names and types of these tensors.
    pub(crate) fn with_integers(mut self, integers: &[(String, String)]) -> Self {
        if let SpecErrorKind::Weights { missing, wrong_type, .. } = &mut *self.kind {
            missing.retain(|name| {
                let found = integers.iter().find(|(other, _)| canonical(other) == *name);
                wrong_type.extend(
                    found.map(|(name, found)| WrongType {
                        name: name.clone(),
                        found: found.clone(),
                    }),
                );
                found.is_none()
            });
        }
        self
    }
}
