//! Runs a graph to see some of its values.

use resnetc_ir::{Graph, NodeId};

use super::error::QuantizeError;
use crate::compiler::Compiler;
use crate::options::Options;
use crate::runtime::model::{Context, Model};

/// A graph compiled with other outputs than its own.
pub(super) struct Runner {
    model: Model,
    context: Context,
}

impl Runner {
    /// Compiles a graph with these values as outputs.
    pub(super) fn new(
        graph: &Graph,
        outputs: &[NodeId],
        options: &Options,
    ) -> Result<Self, QuantizeError> {
        let mut graph = graph.clone();
        graph.keep_outputs(&[]);
        for &node in outputs {
            graph.output(graph.node(node).name.clone(), node);
        }
        let model = Compiler::new(options.clone().for_graph()).graph(graph)?.compile()?;
        let context = model.context()?;
        Ok(Runner { model, context })
    }

    /// Computes the values for the values of each input.
    pub(super) fn run(&mut self, inputs: &[&[f32]]) -> Result<(), QuantizeError> {
        let ports = self.model.inputs();
        if ports.len() != inputs.len() {
            let (inputs, given) = (ports.len(), inputs.len());
            return Err(QuantizeError::InputCount { inputs, given });
        }
        for (i, values) in inputs.iter().enumerate() {
            self.context.write_input(i, values)?;
        }
        self.model.run(&mut self.context)?;
        Ok(())
    }

    /// The elements of an output.
    pub(super) fn output(&self, index: usize) -> Result<&[f32], QuantizeError> {
        Ok(self.context.output::<f32>(index)?)
    }
}
