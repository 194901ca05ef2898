//! The outputs of the network as it stands, against the interpreter on the graph before any pass.

use resnetc_ir::Graph;
use resnetc_ir::eval::{Value, eval_each};

use super::layers::Compared;
use super::work::Work;
use super::{Check, CheckError, Classes, Difference, values};
use crate::cpu::Isa;

impl Check<'_> {
    /// What the interpreter computes from the graph before any pass; computed once.
    pub(super) fn reference(&self, work: &mut Work<'_>) -> Result<&[Value], CheckError> {
        if let Some(known) = self.reference.get() {
            return Ok(known);
        }
        let graph = self.network.graph();
        let outputs = eval_each(graph, &self.values, &mut |node, _, _| work.did(graph, node))?;
        Ok(self.reference.get_or_init(|| outputs))
    }

    /// Compiles and runs a scheduled graph and compares its outputs with the reference.
    pub(super) fn outputs(
        &self,
        scheduled: Graph,
        work: &mut Work<'_>,
    ) -> Result<(Isa, Vec<Compared>), CheckError> {
        let model = (self.subject.compile)(scheduled, self.network.options())?;
        let context = values::run(&model, self.inputs)?;
        let expected = self.reference(work)?.iter().enumerate();
        let compared = expected.map(|(i, expected)| {
            let found = context.output(i)?;
            let difference = Difference::of(found, expected.data.iter().copied());
            let classes = Classes::of(&expected.shape, found, &expected.data);
            Ok(Compared { classes, ..self.output(i, difference) })
        });
        Ok((model.report().isa, compared.collect::<Result<_, CheckError>>()?))
    }

    /// Compares outputs that the interpreter computed with the reference.
    pub(super) fn compare_outputs(
        &self,
        found: &[Value],
        work: &mut Work<'_>,
    ) -> Result<Vec<Compared>, CheckError> {
        let pairs = found.iter().zip(self.reference(work)?).enumerate();
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
