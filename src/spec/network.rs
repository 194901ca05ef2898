//! A sketch and weights to a graph.

use std::sync::Arc;

use resnetc_ir::{Graph, NodeId, Tensor};

use super::assemble::{Assembled, Assembly, assemble};
use super::sketch::{Parameter, Seen};
use super::standardize::standardized;
use super::{Spec, SpecError, Weights};

impl Spec {
    /// Builds the network for images in batches of `batch`. The graph has one input, "input", one
    /// output, "output" (without softmax), and separate batch normalizations; nodes are named after
    /// PyTorch's modules.
    ///
    /// # Errors
    /// If a value of the description is out of range, or the weights do not fit it; the error lists
    /// all tensors that do not.
    pub fn build(&self, weights: &Weights, batch: usize) -> Result<Graph, SpecError> {
        let sketch = self.sketch()?;
        let parameters: Vec<_> = sketch.parameters().cloned().collect();
        let mut constants = Constants(weights.resolve(&parameters)?.into_iter());
        let Assembled { mut graph, output, .. } =
            assemble(sketch, &self.images(batch), &mut constants)?;
        if let Some(output) = output {
            graph.output("output", output);
        }
        Ok(graph)
    }

    /// The shape of `batch` images.
    pub(super) fn images(&self, batch: usize) -> [usize; 4] {
        [batch, self.input.channels, self.input.height, self.input.width]
    }
}

/// Tensors in the order of the parameters, which become constants.
struct Constants(std::vec::IntoIter<Arc<Tensor>>);

impl Assembly for Constants {
    fn parameter(
        &mut self,
        graph: &mut Graph,
        parameter: Parameter,
        seen: Seen,
    ) -> Result<NodeId, SpecError> {
        match self.0.next() {
            Some(tensor) => Ok(graph.constant(parameter.name, seen.of(tensor))),
            None => Err(SpecError::missing(parameter.name)),
        }
    }
}

impl Seen {
    /// The form in which operators see this tensor.
    fn of(self, tensor: Arc<Tensor>) -> Arc<Tensor> {
        match self {
            Seen::AsStored => tensor,
            Seen::Reshaped(shape) => {
                // The number of elements is unchanged, so the fallback is never taken.
                Tensor::clone(&tensor).reshaped(shape).map_or(tensor, Arc::new)
            }
            Seen::Standardized { epsilon } => standardized(tensor, epsilon),
        }
    }
}
