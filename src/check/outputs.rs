//! Compares the outputs of the unmodified network with the interpreter on the graph before any
//! pass.

use std::sync::Arc;

use resnetc_ir::Graph;
use resnetc_ir::eval::Value;

use super::choices::{Choices, Reference};
use super::compared::Compared;
use super::jumps::{Interpreted, Seen};
use super::rounding::Rounding;
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
        if let Some(known) = self.known(choices, |reference| Arc::clone(&reference.outputs)) {
            return Ok(known);
        }
        let outputs = self.interpret_described(choices, &mut |_| Ok(()), work)?;
        let outputs: Arc<[Value]> = outputs.into();
        let choices = choices.clone();
        let reference = Reference { choices, outputs: Arc::clone(&outputs), explained: None };
        self.reference.replace(Some(reference));
        Ok(outputs)
    }

    /// What the last reference says, if it was for these choices.
    fn known<T>(&self, choices: &Choices, say: impl FnOnce(&mut Reference) -> T) -> Option<T> {
        self.reference.borrow_mut().as_mut().filter(|r| r.choices == *choices).map(say)
    }

    /// The differences of the reference outputs that rounding explains.
    fn explained(&self, choices: &Choices, work: &mut Work<'_>) -> Result<Arc<[f64]>, CheckError> {
        if let Some(known) = self.known(choices, |reference| reference.explained.clone()).flatten()
        {
            return Ok(known);
        }
        let graph = self.network.graph();
        let mut rounding = Rounding::new(graph, self.tolerance);
        let mut look = |seen: &Seen<'_>| Ok(rounding.step(seen)?);
        self.interpret_described(choices, &mut look, work)?;
        let explained: Arc<[f64]> =
            graph.outputs().iter().map(|o| rounding.explains(o.node)).collect();
        self.known(choices, |reference| reference.explained = Some(Arc::clone(&explained)));
        Ok(explained)
    }

    /// Outputs compared with the reference. What rounding explains is computed only where a
    /// difference is above the tolerance.
    fn with_explained(
        &self,
        mut outputs: Vec<Compared>,
        choices: &Choices,
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        if outputs.iter().any(|c| c.difference.is_above(self.tolerance)) {
            let explained = self.explained(choices, work)?;
            for (output, &explained) in outputs.iter_mut().zip(explained.iter()) {
                output.difference.explained = explained;
            }
        }
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
        let compared = compared.collect::<Result<_, CheckError>>()?;
        Ok((model.report().isa, self.with_explained(compared, choices, work)?))
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
        self.with_explained(compared.collect(), &found.choices, work)
    }

    /// An output of the network under its name.
    fn output(&self, index: usize, difference: Difference) -> Compared {
        let graph = self.network.graph();
        let output = &graph.outputs()[index];
        Compared { name: output.name.clone(), ..Compared::of_node(graph, output.node, difference) }
    }
}
