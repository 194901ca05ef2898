//! What a layer received.
//!
//! An operator may enlarge the rounding errors of its operands by any factor: a step of AdamW divides
//! a gradient by its own magnitude, so one that is nothing but rounding moves a weight as far as any
//! other. A single sample of rounding ([`super::rounding`]) may be small just there. But the layer is
//! right if its result is, but for its own rounding, what the interpreter makes of the operands that
//! the compiled code computed. If these are right as well, so is the result, however far it is from
//! the interpreter's own.

use std::collections::HashSet;

use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::{Graph, NodeId};

use super::jumps::Exposed;
use super::seen::Seen;
use super::sides::Jump;
use super::{CheckError, Difference, rounding};

/// Judges the layers of a graph, in the interpreter's order.
pub(super) struct Received<'a> {
    graph: &'a Graph,
    exposed: &'a Exposed,
    tolerance: f64,
    /// The layers whose difference rounding does not explain.
    unexplained: HashSet<NodeId>,
}

impl<'a> Received<'a> {
    pub(super) fn new(graph: &'a Graph, exposed: &'a Exposed, tolerance: f64) -> Self {
        Received { graph, exposed, tolerance, unexplained: HashSet::new() }
    }

    /// Adds to a layer's difference what its operands explain.
    pub(super) fn explain(
        &mut self,
        seen: &Seen<'_>,
        difference: &mut Difference,
    ) -> Result<(), CheckError> {
        if !difference.is_explained()
            && let Some(explained) = self.explained(seen)?
        {
            difference.explained = explained;
        }
        if !difference.is_explained() {
            self.unexplained.insert(seen.node);
        }
        Ok(())
    }

    /// How far the operands that the layer received, and its own rounding, move its result; `None` if
    /// it is wrong, or received something wrong.
    fn explained(&self, seen: &Seen<'_>) -> Result<Option<f64>, CheckError> {
        let Seen { node, operands, value, decided } = *seen;
        let (op, from) = (&self.graph.node(node).op, self.graph.operands(node));
        let is_wrong = from.iter().any(|operand| self.unexplained.contains(operand));
        let Some(found) = self.exposed.value(node)?.filter(|_| !is_wrong) else { return Ok(None) };
        if Jump::of(op).is_some() || !value.dtype.is_float() {
            return Ok(None);
        }
        let received = |(&operand, &own): (&NodeId, &&Value)| {
            let found = self.exposed.floats(operand)?.filter(|_| own.dtype.is_float());
            let received = match found {
                Some(found) => Value::of(own.dtype, own.shape.clone(), found),
                None => own.copy()?,
            };
            Ok(rounding::without_denormals(received))
        };
        let received = from.iter().zip(operands).map(received);
        let received = received.collect::<Result<Vec<Value>, CheckError>>()?;
        let received: Vec<&Value> = received.iter().collect();
        let right = match decided {
            Some(decided) => decided.result(op, &received)?,
            None => eval_node(op, &received)?,
        };
        let rounding = rounding::alone(op, &received, &right, self.tolerance)?;
        let right = right.data.iter().copied();
        let by_itself = Difference::of(found, right.clone()).max_abs;
        let moved = Difference::between(right, value.data.iter().copied()).max_abs;
        Ok((by_itself <= rounding).then_some(moved + rounding))
    }
}
