//! A step as a network, to be inspected, checked and timed like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use resnetc_ir::memory::filled;
use resnetc_ir::{Graph, Tensor};

use super::error::TrainingError;
use super::names;
use super::recipe::{Optimizer, Recipe};
use super::update::Rates;
use crate::compiler::{Compiler, Network};
use crate::error::Error;
use crate::import::safetensors::WeightMap;
use crate::options::Options;
use crate::spec::{Spec, Weights};

impl Recipe {
    /// The learning rate of [`Recipe::network`].
    pub const RATE: f32 = 0.1;

    /// One step of training a network ([`Recipe::step`]), to be compiled, with values for all inputs
    /// but the images ([`Network::start`]): the parameters are `weights`, the optimizer remembers
    /// nothing yet, the learning rate is [`Recipe::RATE`], and the images are of all classes in
    /// turn.
    ///
    /// # Errors
    /// If the recipe or the description is not valid, the weights do not fit it, an option is set
    /// that controls how a network is loaded, or there is not enough memory.
    pub fn network(
        &self,
        spec: &Spec,
        weights: &Weights,
        options: Options,
    ) -> Result<Network, TrainingError> {
        let graph = self.step(spec)?;
        let parameters = spec.parameters()?;
        let tensors = weights.resolve(&parameters)?;
        let mut start: WeightMap =
            parameters.into_iter().map(|parameter| parameter.name).zip(tensors).collect();
        for (name, values) in self.schedule(spec.classes) {
            let tensor = Tensor::new([values.len()], values).map(Arc::new);
            start.extend(tensor.map(|tensor| (name.to_owned(), tensor)));
        }
        add_zeros(&graph, &mut start)?;
        Ok(Compiler::new(options).graph(graph)?.starting(start))
    }

    /// The labels and rates of a first step.
    fn schedule(&self, classes: usize) -> Vec<(&'static str, Vec<f32>)> {
        let labels = (0..self.batch).map(|image| (image % classes) as f32).collect();
        let mut values = vec![(names::LABELS, labels), (names::RATE, vec![Recipe::RATE])];
        if let Optimizer::AdamW { betas, .. } = self.optimizer {
            let first = betas.map(|beta| vec![(1.0 - beta) as f32]);
            values.extend(Rates::CORRECTIONS.into_iter().zip(first));
        }
        values
    }
}

/// Adds zeros for all inputs that have no values yet, apart from the images: the optimizer remembers
/// nothing. Inputs of one shape share them.
fn add_zeros(graph: &Graph, start: &mut WeightMap) -> Result<(), TrainingError> {
    let mut zeros: BTreeMap<&[usize], Arc<Tensor>> = BTreeMap::new();
    for &input in graph.inputs() {
        let node = graph.node(input);
        let (name, shape) = (&node.name, &node.ty.shape[..]);
        if name == names::IMAGES || start.contains_key(name) {
            continue;
        }
        if !zeros.contains_key(shape) {
            let data = filled(node.ty.elements(), 0.0);
            let data = data.map_err(Error::memory("the optimizer's state"))?;
            zeros.extend(Tensor::new(shape, data).map(|tensor| (shape, Arc::new(tensor))));
        }
        start.extend(zeros.get(shape).map(|tensor| (name.clone(), Arc::clone(tensor))));
    }
    Ok(())
}
