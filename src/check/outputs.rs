//! Compares the outputs of the unmodified network with the interpreter on the graph before any
//! pass.

use std::sync::Arc;

use resnetc_ir::Graph;
use resnetc_ir::eval::Value;

use super::choices::{Choices, Reference};
use super::compared::Compared;
use super::jumps::Interpreted;
use super::work::Work;
use super::{Check, CheckError, Classes, Difference, values};
use crate::isa::Isa;

impl Check<'_> {
    /// The interpreter's results for the graph before any pass. The last result is kept.
    fn reference(
        &self,
        choices: &Choices,
        work: &mut Work<'_>,
    ) -> Result<Arc<[Value]>, CheckError> {
        let known = self.reference.borrow();
        if let Some(known) = known.as_ref().filter(|known| known.choices == *choices) {
            return Ok(Arc::clone(&known.outputs));
        }
        drop(known);
        let outputs: Arc<[Value]> = self.interpret_described(choices, work)?.into();
        let reference = Reference { choices: choices.clone(), outputs: Arc::clone(&outputs) };
        self.reference.replace(Some(reference));
        Ok(outputs)
    }

    /// Compiles and runs a scheduled graph and compares its outputs with the reference.
    pub(super) fn outputs(
        &self,
        scheduled: Graph,
        choices: &Choices,
        work: &mut Work<'_>,
    ) -> Result<(Isa, Vec<Compared>), CheckError> {
        let model = (self.subject.compile)(scheduled, self.network.options())?;
        let context = values::run(&model, self.inputs)?;
        let expected = self.reference(choices, work)?;
        let compared = expected.iter().enumerate().map(|(i, expected)| {
            let found = context.output::<f32>(i)?;
            let difference = Difference::of(found, expected.data.iter().copied());
            let classes = Classes::of(&expected.shape, found, &expected.data);
            Ok(Compared { classes, ..self.output(i, difference) })
        });
        Ok((model.report().isa, compared.collect::<Result<_, CheckError>>()?))
    }

    /// Compares outputs that the interpreter computed after the passes with the reference.
    pub(super) fn compare_outputs(
        &self,
        found: &Interpreted,
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        let expected = self.reference(&found.choices, work)?;
        let pairs = found.outputs.iter().zip(expected.iter()).enumerate();
        let compared = pairs.map(|(i, (found, expected))| {
            let (found, expected) = (found.data.iter().copied(), expected.data.iter().copied());
            self.output(i, Difference::between(found, expected))
        });
        Ok(compared.collect())
    }

    /// An output of the network under its name.
    fn output(&self, index: usize, difference: Difference) -> Compared {
        let graph = self.network.graph();
        let output = &graph.outputs()[index];
        Compared { name: output.name.clone(), ..Compared::of_node(graph, output.node, difference) }
    }
}
