//! Functions that jump, such as rounding: where a value is at a jump, either side is right.
//!
//! A quantized network rounds after almost every layer. Where the rounded value is midway between
//! two integers, as means and sums of integers often are, the last bit of an f32 decides, and from
//! there on two networks that are both right differ by a step and its consequences. No tolerance
//! can distinguish that from a bug. So the interpreter does not decide there: it takes the side
//! that the compiled code took, if that is the function's value for some operand within the
//! tolerance of its own ([`super::sides`]), or within what rounding explains, and continues from
//! there. All later values are compared with the usual tolerance.

use std::collections::BTreeMap;

use resnetc_ir::eval::{Value, eval_steered};
use resnetc_ir::memory::collected;
use resnetc_ir::{Graph, NodeId};

use super::choices::Choices;
use super::decisions::{Decided, decides, pools};
use super::moved::nearest;
use super::rounding::Rounding;
use super::seen::Seen;
use super::sides::{Jump, taken};
use super::slack::Slack;
use super::work::Work;
use super::{Check, CheckError, isolate, values};
use crate::passes::Origins;
use crate::runtime::model::{Context, Model};

/// A scheduled graph with some of its values as outputs, compiled and run.
pub(super) struct Exposed {
    pub(super) model: Model,
    context: Context,
    position: BTreeMap<NodeId, usize>,
}

impl Exposed {
    /// The computed value of a node, if it is an output.
    pub(super) fn value(&self, node: NodeId) -> Result<Option<&[f32]>, CheckError> {
        let output = self.position.get(&node).map(|&output| self.context.output(output));
        Ok(output.transpose()?)
    }

    /// As [`Exposed::value`], for the interpreter.
    pub(super) fn floats(&self, node: NodeId) -> Result<Option<Vec<f64>>, CheckError> {
        let floats = |found: &[f32]| collected(found.iter().map(|&x| f64::from(x)));
        Ok(self.value(node)?.map(floats).transpose()?)
    }
}

/// The interpreter's results for a scheduled graph, following the compiled code at jumps.
pub(super) struct Interpreted {
    pub(super) outputs: Vec<Value>,
    pub(super) choices: Choices,
}

/// Called with each node, and with the difference of its value that rounding explains.
pub(super) type Look<'a> = dyn FnMut(&Seen<'_>, f64) -> Result<(), CheckError> + 'a;

impl Check<'_> {
    /// Compiles and runs a scheduled graph with all `wanted` computed values as outputs.
    pub(super) fn expose(
        &self,
        scheduled: &Graph,
        wanted: impl Fn(NodeId) -> bool,
    ) -> Result<Exposed, CheckError> {
        let (exposed, position) = expose(scheduled, wanted)?;
        let model = (self.subject.compile)(exposed, self.network.options())?;
        let context = values::run(&model, self.inputs)?;
        Ok(Exposed { model, context, position })
    }

    /// Interprets a scheduled graph. `look` sees every value after the choice at a jump was made.
    /// With `rounding`, a choice is also right where rounding of the operands explains it.
    pub(super) fn interpret(
        &self,
        scheduled: &Graph,
        origins: &Origins,
        exposed: &Exposed,
        mut rounding: Option<Rounding<'_>>,
        look: &mut Look<'_>,
        work: &mut Work<'_>,
    ) -> Result<Interpreted, CheckError> {
        let mut choices = Choices::default();
        let mut result = Ok(());
        let outputs = eval_steered(scheduled, &self.values, &mut |node, operands, value| {
            work.did(scheduled, node);
            let mut step = || {
                let op = &scheduled.node(node).op;
                let from = scheduled.operands(node);
                let explained = explained(rounding.as_ref(), &from);
                let slack = Slack { tolerance: self.tolerance, explained: &explained };
                if let Some(jump) = Jump::of(op)
                    && let Some(found) = exposed.floats(node)?
                {
                    jump.follow(operands, slack, value, &found)?;
                }
                let decided = match decides(op) {
                    true => {
                        let found = |position: usize| exposed.floats(from[position]);
                        Some(Decided::of(op, operands, &found, slack)?)
                    }
                    false => None,
                };
                let taken = match &decided {
                    Some(decided) => {
                        *value = decided.result(op, operands)?;
                        decided.taken()?
                    }
                    None => taken(op, operands, value)?,
                };
                choices.note(self.network.graph(), origins, node, taken);
                let seen = Seen { node, operands, value, decided: decided.as_ref() };
                let explained = rounding.as_mut().map_or(Ok(0.0), |r| r.step(&seen))?;
                look(&seen, explained)
            };
            if result.is_ok() {
                result = step();
            }
        })?;
        result?;
        Ok(Interpreted { outputs, choices })
    }

    /// Interprets the graph before any pass, with these choices where they are valid, and with a byte
    /// for NaN where the passes made a quantizer. With `rounding`, they are also valid where rounding
    /// of the operands explains them.
    pub(super) fn interpret_described(
        &self,
        choices: &Choices,
        mut rounding: Option<&mut Rounding<'_>>,
        work: &mut Work<'_>,
    ) -> Result<Vec<Value>, CheckError> {
        let graph = self.network.graph();
        let mut result = Ok(());
        let outputs = eval_steered(graph, &self.values, &mut |node, operands, value| {
            work.did(graph, node);
            let mut step = || -> Result<(), CheckError> {
                let op = &graph.node(node).op;
                let explained = explained(rounding.as_deref(), &graph.operands(node));
                let slack = Slack { tolerance: self.tolerance, explained: &explained };
                let mut decided = None;
                if pools(op) {
                    if let Some(found) = nearest(choices.at(node), operands[1])? {
                        let slack = slack.of(1, operands[1]);
                        let pooled = Decided::pooled(operands[1], &found, slack)?;
                        *value = pooled.result(op, operands)?;
                        decided = Some(pooled);
                    }
                } else if let Some(jump) = Jump::of(op)
                    && let Some(found) = nearest(choices.at(node), value)?
                {
                    jump.follow(operands, slack, value, &found)?;
                    jump.follow_bytes(value, &found);
                }
                let seen = Seen { node, operands, value, decided: decided.as_ref() };
                rounding.as_mut().map_or(Ok(0.0), |r| r.step(&seen))?;
                Ok(())
            };
            if result.is_ok() {
                result = step();
            }
        })?;
        result?;
        Ok(outputs)
    }
}

/// What rounding explains of each of these values, if that is computed.
fn explained(rounding: Option<&Rounding<'_>>, values: &[NodeId]) -> Vec<f64> {
    let of = |rounding: &Rounding<'_>| values.iter().map(|&v| rounding.explains(v)).collect();
    rounding.map_or_else(Vec::new, of)
}

/// Whether the interpreter has to know what the compiled code computed for a node: a side of a jump,
/// or what another operator decides by.
pub(super) fn is_followed(graph: &Graph, node: NodeId) -> bool {
    let is_decisive = |(user, _): (NodeId, usize)| decides(&graph.node(user).op);
    Jump::of(&graph.node(node).op).is_some() || graph.users(node).into_iter().any(is_decisive)
}

/// The graph with computed values as outputs, and the output index of each.
fn expose(
    graph: &Graph,
    wanted: impl Fn(NodeId) -> bool,
) -> Result<(Graph, BTreeMap<NodeId, usize>), CheckError> {
    let mut exposed = graph.clone();
    let mut position = BTreeMap::new();
    let is_wanted = |n: &NodeId| graph.node(*n).op.is_computed() && wanted(*n);
    for node in graph.topo().into_iter().filter(is_wanted) {
        let value = isolate::planar(&mut exposed, node)?;
        position.insert(node, exposed.outputs().len());
        exposed.output(node.to_string(), value);
    }
    Ok((exposed, position))
}
