//! Runs a wrong layer alone: on the interpreter's operands, so that no earlier layer's error is in
//! the result.

use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::memory::{NoMemory, copied};
use resnetc_ir::{DType, Graph, NodeId, Tensor};
use serde::Serialize;

use super::compared::Compared;
use super::{Check, CheckError, Difference, isolate, rounding, values};
use crate::compiler::Compiler;

/// A layer whose result differs from the interpreter's for the same operands.
#[derive(Clone, Debug, Serialize)]
pub struct Suspect {
    /// The layer, and its error when it runs alone.
    #[serde(flatten)]
    pub layer: Compared,
    /// The layer as a network.
    #[serde(skip)]
    pub case: Case,
}

/// One layer as a network, with its inputs and results.
#[derive(Clone, Debug)]
pub struct Case {
    /// The layer as a description would have it: without layouts, and with a fused operator split
    /// into those from which it was fused.
    pub graph: Graph,
    /// One value for each input of the graph.
    pub inputs: Vec<Tensor>,
    /// The interpreter's result, rounded to f32.
    pub expected: Tensor,
    /// The compiled layer's result.
    pub found: Tensor,
}

/// The numbers of a value as f32: a layer that is run alone takes and gives them, whatever its
/// elements are.
fn floats(value: &Value) -> Result<Option<Tensor>, NoMemory> {
    Tensor::try_from_numbers(DType::F32, value.shape.clone(), &value.data)
}

impl Check<'_> {
    /// Runs a node of a scheduled graph alone on the values of its operands. `None` if its result
    /// is right.
    pub(super) fn suspect(
        &self,
        scheduled: &Graph,
        node: NodeId,
        operands: &[&Value],
    ) -> Result<Option<Suspect>, CheckError> {
        // The layer gets f32 values, so the interpreter gets the same ones, as the layer reads them.
        let rounded = operands.iter().filter_map(|v| v.to_tensor().transpose());
        let rounded = rounded.collect::<Result<Vec<Tensor>, _>>()?;
        let read = |tensor| Ok(rounding::without_denormals(Value::of_tensor(tensor)?));
        let exact = rounded.iter().map(read).collect::<Result<Vec<Value>, NoMemory>>()?;
        let n = scheduled.node(node);
        let expected = eval_node(&n.op, &exact.iter().collect::<Vec<_>>())?;
        let positions = scheduled.operands(node);
        let inputs: Vec<Tensor> = isolate::inputs_of(scheduled, node)
            .into_iter()
            .filter_map(|input| positions.iter().position(|&o| o == input))
            .filter_map(|position| floats(operands.get(position)?).transpose())
            .collect::<Result<_, _>>()?;
        let alone = isolate::scheduled(scheduled, node)?;
        let model = (self.subject.compile)(alone, self.network.options())?;
        let context = values::run(&model, &inputs)?;
        let found = context.output::<f32>(0)?;
        let exact: Vec<&Value> = exact.iter().collect();
        let explained = rounding::alone(&n.op, &exact, &expected, self.tolerance)?;
        let difference =
            Difference { explained, ..Difference::of(found, expected.data.iter().copied()) };
        let layer = Compared::of_node(scheduled, node, difference);
        if !layer.difference.is_above(self.tolerance) {
            return Ok(None);
        }
        let (Some(expected), Some(found)) =
            (floats(&expected)?, Tensor::new(expected.shape.clone(), copied(found)?))
        else {
            return Ok(None);
        };
        let graph = isolate::described(scheduled, node)?;
        Ok(Some(Suspect { layer, case: Case { graph, inputs, expected, found } }))
    }

    /// Whether the case also differs when it is compiled as a network.
    ///
    /// # Errors
    /// As [`Check::compare`].
    pub fn reproduces(&self, case: &Case) -> Result<bool, CheckError> {
        let options = self.network.options().clone().for_graph();
        let network = Compiler::new(options).graph(case.graph.clone())?;
        let check =
            Check::new(&network, &case.inputs)?.subject(self.subject).tolerance(self.tolerance);
        Ok(!check.compare(&mut |_, _| {})?.passed())
    }
}
