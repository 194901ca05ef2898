//! Proof that a plan keeps every value until its last reader has read it.
//!
//! First, what must hold for each place whenever it is used is checked (`places`). Then the steps
//! are simulated: each write claims its bytes from the values stored there, and each read checks
//! that its bytes still belong to the value. The proof does not depend on how the plan was made.

use std::collections::{BTreeMap, HashSet};

use resnetc_ir::{Graph, NodeId, Op};

use super::{Plan, PlanStep};
use crate::kernels::geometry::Zero;
use crate::kernels::published::Fact;

mod bytes;
mod claims;
mod error;
mod places;

use bytes::{Bytes, buffer, cross, value};
use claims::Claims;
pub use error::PlanError;

/// What steps leave for later steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    /// The result.
    Value(NodeId),
    /// What was published beside it.
    Fact(NodeId, Fact),
}

impl Held {
    fn node(self) -> NodeId {
        let (Held::Value(node) | Held::Fact(node, _)) = self;
        node
    }
}

struct Ledger<'a> {
    plan: &'a Plan,
    /// The steps, by the node that they compute.
    steps: BTreeMap<NodeId, &'a PlanStep>,
    /// The node that overwrote each value, if any.
    lost: BTreeMap<Held, Option<NodeId>>,
    /// The bytes of the values that nothing has overwritten.
    claims: Claims<Held>,
}

impl Ledger<'_> {
    fn bytes(&self, held: Held) -> Option<Bytes> {
        match held {
            Held::Value(node) => value(self.plan, node),
            Held::Fact(node, fact) => {
                let published = &self.steps.get(&node)?.published;
                let found = published.iter().find(|(published, _)| *published == fact);
                buffer(self.plan, found.map(|(_, buffer)| *buffer))
            }
        }
    }

    /// What a step reads: its operands, and what was published beside them.
    fn reads(&self, operands: &[NodeId]) -> Vec<Held> {
        let published = |node: &NodeId| self.steps.get(node).map_or(Vec::new(), |s| facts(s));
        let facts: Vec<Held> = operands.iter().flat_map(published).collect();
        operands.iter().copied().map(Held::Value).chain(facts).collect()
    }

    /// `held` now has its bytes, and nothing else does.
    fn write(&mut self, held: Held) {
        self.overwrite(self.bytes(held), held.node());
        self.hold(held, None);
    }

    /// Whatever is stored in these bytes is overwritten by `node`.
    fn overwrite(&mut self, bytes: Option<Bytes>, node: NodeId) {
        for held in bytes.map_or(Vec::new(), |bytes| self.claims.end(bytes)) {
            self.lost.entry(held).and_modify(|by| *by = by.or(Some(node)));
        }
    }

    /// `held` is in its bytes, unless a node has overwritten it.
    fn hold(&mut self, held: Held, lost: Option<NodeId>) {
        self.lost.insert(held, lost);
        if let (None, Some(bytes)) = (lost, self.bytes(held)) {
            self.claims.add(bytes, held);
        }
    }

    /// `node` is its operand under another name: it is intact if the operand is.
    fn share(&mut self, node: NodeId, operands: &[NodeId]) {
        let first = operands.first().map(|&o| Held::Value(o));
        let lost = first.and_then(|o| self.lost.get(&o).copied().flatten());
        self.hold(Held::Value(node), lost);
    }

    /// What is wrong with a read, if anything.
    fn read(&self, step: usize, node: NodeId, held: Held) -> Option<PlanError> {
        let operand = held.node();
        match self.lost.get(&held) {
            Some(None) => None,
            Some(&by) => Some(PlanError::Lost { step, node, operand, by }),
            None => Some(PlanError::Lost { step, node, operand, by: None }),
        }
    }

    /// What a step overwrites while it is in use. A step may write its result, its scratch memory
    /// and what it publishes at any time while it reads; only the result may overlap an operand,
    /// the one whose place it reuses.
    fn torn(&self, step: usize, s: &PlanStep, reads: &[Held]) -> Vec<PlanError> {
        let result = if s.is_view { None } else { value(self.plan, s.node) };
        let published = s.published.iter().map(|(_, at)| buffer(self.plan, Some(*at)));
        let written: Vec<Option<Bytes>> =
            [result, buffer(self.plan, s.scratch)].into_iter().chain(published).collect();
        let mut errors = Vec::new();
        for (i, &bytes) in written.iter().enumerate() {
            let is_taken = |held: &Held| i == 0 && s.in_place.map(Held::Value) == Some(*held);
            let read = reads.iter().find(|&h| !is_taken(h) && cross(bytes, self.bytes(*h)));
            let own = written[i + 1..].iter().any(|&other| cross(bytes, other));
            let operand = read.map(|held| held.node()).or(own.then_some(s.node));
            errors.extend(operand.map(|operand| PlanError::Torn { step, node: s.node, operand }));
        }
        errors
    }
}

/// What a step publishes.
fn facts(step: &PlanStep) -> Vec<Held> {
    step.published.iter().map(|(fact, _)| Held::Fact(step.node, *fact)).collect()
}

/// The operands of a step that are in the arena.
fn operands(graph: &Graph, node: NodeId) -> Vec<NodeId> {
    let is_value = |n: &NodeId| !matches!(graph.node(*n).op, Op::Constant(_));
    graph.operands(node).into_iter().filter(is_value).collect()
}

/// The value of which a step writes the zero point around its result, if there is one.
fn border(graph: &Graph, plan: &Plan, step: &PlanStep) -> Option<NodeId> {
    let geometry = &plan.places.get(&step.node)?.geometry;
    match geometry.zero {
        Zero::Measured(value) if step.fill_halo && !geometry.is_dense() => {
            (!matches!(graph.node(value).op, Op::Constant(_))).then_some(value)
        }
        Zero::Measured(_) | Zero::Byte(_) => None,
    }
}

/// Checks a plan against the graph that it was made for.
///
/// # Errors
/// Every read of a lost value, every write over memory in use, and every place that does not suit
/// its purpose.
pub fn verify(graph: &Graph, plan: &Plan) -> Result<(), Vec<PlanError>> {
    let mut errors = places::check(graph, plan);
    let steps = plan.steps.iter().map(|step| (step.node, step)).collect();
    let mut memory = Ledger { plan, steps, lost: BTreeMap::new(), claims: Claims::new() };
    graph.inputs().iter().for_each(|&input| memory.write(Held::Value(input)));
    for (step, s) in plan.steps.iter().enumerate() {
        let operands = operands(graph, s.node);
        let mut reads = memory.reads(&operands);
        reads.extend(border(graph, plan, s).map(Held::Value));
        errors.extend(reads.iter().filter_map(|&held| memory.read(step, s.node, held)));
        errors.extend(memory.torn(step, s, &reads));
        memory.overwrite(buffer(plan, s.scratch), s.node);
        match s.is_view {
            true => memory.share(s.node, &operands),
            false => memory.write(Held::Value(s.node)),
        }
        facts(s).into_iter().for_each(|fact| memory.write(fact));
    }
    // Callers read outputs, and an input that they do not rewrite must keep its contents for the
    // next run, unless it is state, which then has its next value.
    let state: HashSet<NodeId> = graph.outputs().iter().filter_map(|o| o.next_of).collect();
    let inputs = graph.inputs().iter().copied().filter(|input| !state.contains(input));
    let outside = inputs.chain(graph.outputs().iter().map(|o| o.node));
    let kept = |node| memory.read(plan.steps.len(), node, Held::Value(node));
    errors.extend(outside.filter_map(kept));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
