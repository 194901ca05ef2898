//! Compares the outputs of the unmodified network with the interpreter on the graph before any
//! pass.

use std::sync::Arc;

use resnetc_ir::{Graph, NodeId};

use super::choices::{Choices, Reference};
use super::compared::Compared;
use super::jumps::Interpreted;
use super::layers::Layers;
use super::rounding::Rounding;
use super::work::Work;
use super::{Check, CheckError, Classes, Difference, values};

impl Check<'_> {
    /// The interpreter's results for the graph before any pass, and what rounding explains of
    /// differences from them if that `is_explained`. The last result is kept.
    fn reference(
        &self,
        choices: &Choices,
        is_explained: bool,
        work: &mut Work<'_>,
    ) -> Result<Arc<Reference>, CheckError> {
        let known = self.reference.borrow().clone();
        let is_right = |known: &Arc<Reference>| {
            known.choices == *choices && (known.explained.is_some() || !is_explained)
        };
        if let Some(known) = known.filter(is_right) {
            return Ok(known);
        }
        let graph = self.network.graph();
        let mut rounding = is_explained.then(|| Rounding::new(graph, self.tolerance));
        let outputs = self.interpret_described(choices, rounding.as_mut(), work)?;
        let explained = |rounding: Rounding<'_>| {
            graph.outputs().iter().map(|output| rounding.explains(output.node)).collect()
        };
        let explained = rounding.map(explained);
        let reference = Arc::new(Reference { choices: choices.clone(), outputs, explained });
        self.reference.replace(Some(Arc::clone(&reference)));
        Ok(reference)
    }

    /// Outputs compared with the reference. What rounding explains is computed only where a
    /// difference is above the tolerance.
    fn with_reference(
        &self,
        choices: &Choices,
        compare: impl Fn(&Reference) -> Result<Vec<Compared>, CheckError>,
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        let outputs = compare(&*self.reference(choices, false, work)?)?;
        match outputs.iter().any(|c| c.difference.is_above(self.tolerance)) {
            true => compare(&*self.reference(choices, true, work)?),
            false => Ok(outputs),
        }
    }

    /// Compiles and runs a scheduled graph and compares its outputs with the reference. An output
    /// that is what its layer wrote is as right as that.
    pub(super) fn outputs(
        &self,
        scheduled: Graph,
        choices: &Choices,
        layers: Option<&Layers>,
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        let nodes: Vec<NodeId> = scheduled.outputs().iter().map(|output| output.node).collect();
        let model = (self.subject.compile)(scheduled, self.network.options())?;
        let context = values::run(&model, self.inputs)?;
        let compare = |reference: &Reference| {
            let outputs = nodes.iter().zip(&reference.outputs).enumerate();
            let compared = outputs.map(|(i, (&node, expected))| {
                let found = context.output::<f32>(i)?;
                let mut difference = Difference::of(found, expected.data.iter().copied());
                let as_layer = layers.map_or(Ok(0.0), |layers| layers.explains(node, found))?;
                difference.explained = reference.explains(i) + as_layer;
                let classes = Classes::of(&expected.shape, found, &expected.data);
                Ok(Compared { classes, ..self.output(i, difference) })
            });
            compared.collect()
        };
        self.with_reference(choices, compare, work)
    }

    /// Compares outputs that the interpreter computed after the passes with the reference.
    pub(super) fn compare_outputs(
        &self,
        found: &Interpreted,
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        let compare = |reference: &Reference| {
            let pairs = found.outputs.iter().zip(&reference.outputs).enumerate();
            let compared = pairs.map(|(i, (found, expected))| {
                let (found, expected) = (found.data.iter().copied(), expected.data.iter().copied());
                let difference = Difference::between(found, expected);
                self.output(i, Difference { explained: reference.explains(i), ..difference })
            });
            Ok(compared.collect())
        };
        self.with_reference(&found.choices, compare, work)
    }

    /// An output of the network under its name.
    fn output(&self, index: usize, difference: Difference) -> Compared {
        let graph = self.network.graph();
        let output = &graph.outputs()[index];
        Compared { name: output.name.clone(), ..Compared::of_node(graph, output.node, difference) }
    }
}
