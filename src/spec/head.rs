//! Weights of a network whose last layer begins anew.

use super::weights::canonical;
use super::{Spec, SpecError};
use crate::import::safetensors::WeightMap;

impl Spec {
    /// The weights of another network of this form, apart from the last layer: that gets initial
    /// weights from a seed ([`Spec::initial_weights`]), so that the other network may have another
    /// number of classes. Training goes on from there, perhaps with all other layers frozen (Yosinski
    /// et al., "How transferable are features in deep neural networks?", 2014).
    ///
    /// # Errors
    /// If the description is not valid, or there is not enough memory.
    pub fn with_new_head(&self, weights: &WeightMap, seed: u64) -> Result<WeightMap, SpecError> {
        let parameters = self.parameters()?;
        let head = parameters.last().map_or("", |last| layer(&last.name));
        let kept = weights.iter().filter(|(name, _)| layer(&canonical(name)) != head);
        let mut all: WeightMap =
            kept.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        let initial = self.initial_weights(seed)?.into_iter();
        all.extend(initial.filter(|(name, _)| layer(name) == head));
        Ok(all)
    }
}

/// The layer that a tensor belongs to.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Block, Weights};

    #[test]
    fn only_the_last_layer_is_new() {
        let mut spec = Spec::new(Block::Basic, [1], [8]);
        spec.classes = 5;
        let trained = spec.random_weights(3).unwrap();
        let prefixed = trained.iter().map(|(name, t)| (format!("module.{name}"), t.clone()));
        let prefixed: WeightMap =
            prefixed.map(|(name, t)| (name.replace(".fc.", ".linear."), t)).collect();
        spec.classes = 7;
        for weights in [&trained, &prefixed] {
            let all = spec.with_new_head(weights, 1).unwrap();
            assert_eq!(all["fc.weight"].shape(), [7, 8]);
            let parameters = spec.parameters().unwrap();
            let found = Weights::Map(all).resolve(&parameters).unwrap();
            for (parameter, tensor) in parameters.iter().zip(found) {
                let is_kept = trained.get(&parameter.name).is_some_and(|old| *old == tensor);
                assert_eq!(is_kept, layer(&parameter.name) != "fc", "{}", parameter.name);
            }
        }
    }
}
