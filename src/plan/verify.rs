//! Proof that a plan keeps every value until its last reader has read it.
//!
//! First, what must hold for each place whenever it is used is checked (`places`). Then the steps
//! are simulated: each write claims its bytes from the values stored there, and each read checks
//! that its bytes still belong to the value. The proof does not depend on how the plan was made.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId, Op};

use super::{Plan, PlanStep};
use crate::error_code::ErrorCode;
use crate::kernels::published::Fact;

mod places;

/// What is wrong with a plan; always a bug in the planner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A step reads a value that was overwritten or never computed. Values that a caller reads or
    /// writes count as read by themselves, after the last step.
    #[error("step {step} ({node}) reads {operand}, which {}", match .by { Some(by) => format!("{by} has overwritten"), None => "nothing has computed".into() })]
    Lost {
        /// Position of the step; the number of steps for a graph's inputs and outputs.
        step: usize,
        /// The reader.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
        /// The node that overwrote it.
        by: Option<NodeId>,
    },
    /// A step overwrites memory that it reads or writes at the same time.
    #[error("step {step} ({node}) overwrites {operand} while it is in use")]
    Torn {
        /// Position of the step.
        step: usize,
        /// The writer.
        node: NodeId,
        /// The operand, or the step's own result.
        operand: NodeId,
    },
    /// A result that should reuse its operand's bytes cannot, or is placed elsewhere.
    #[error("step {step} ({node}) does not keep the bytes of {operand} in place")]
    Moved {
        /// Position of the step.
        step: usize,
        /// The step's operator.
        node: NodeId,
        /// The operand.
        operand: NodeId,
    },
    /// Windows reach beyond the border of what they read.
    #[error("step {step} ({node}) reads beyond the border of {operand}")]
    Reach {
        /// Position of the step.
        step: usize,
        /// The convolution.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
    },
    /// A value has a border, but a step that reads or writes it treats it as dense.
    #[error("step {step} ({node}) ignores the border of {operand}")]
    Bordered {
        /// Position of the step.
        step: usize,
        /// The step's operator.
        node: NodeId,
        /// An operand, or the result.
        operand: NodeId,
    },
    /// A value has a border that nothing writes.
    #[error("nothing fills the border of {node}")]
    Unfilled {
        /// The value.
        node: NodeId,
    },
    /// A graph output has a border, but callers see it as dense.
    #[error("the output {node} has a border")]
    Border {
        /// The value.
        node: NodeId,
    },
    /// A graph output overlaps an input, which callers write.
    #[error("the output {node} overlaps the input {input}")]
    Exposed {
        /// The output.
        node: NodeId,
        /// The input.
        input: NodeId,
    },
    /// A value, or what a step keeps beside it, has no suitable place inside the arena.
    #[error("{node} has no place inside the arena")]
    Outside {
        /// The value.
        node: NodeId,
    },
}

impl PlanError {
    /// The error code, which is stable.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::PlanBug
    }
}

/// A range of bytes of the arena: the first, and one past the last.
type Stretch = (i64, i64);

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
}

impl Ledger<'_> {
    fn bytes(&self, held: Held) -> Option<Stretch> {
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
        self.lost.insert(held, None);
    }

    /// Whatever is stored in these bytes is overwritten by `node`.
    fn overwrite(&mut self, bytes: Option<Stretch>, node: NodeId) {
        let under: Vec<Held> =
            self.lost.keys().copied().filter(|&other| cross(bytes, self.bytes(other))).collect();
        for other in under {
            self.lost.entry(other).and_modify(|by| *by = by.or(Some(node)));
        }
    }

    /// `node` is its operand under another name: it is intact if the operand is.
    fn share(&mut self, node: NodeId, operands: &[NodeId]) {
        let first = operands.first().map(|&o| Held::Value(o));
        let lost = first.and_then(|o| self.lost.get(&o).copied().flatten());
        self.lost.insert(Held::Value(node), lost);
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
        let written: Vec<Option<Stretch>> =
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

/// The bytes of a value, if it has a place.
fn value(plan: &Plan, node: NodeId) -> Option<Stretch> {
    let place = plan.places.get(&node)?;
    Some((place.offset, place.offset + place.geometry.bytes() as i64))
}

/// The bytes of a buffer, if there is one.
fn buffer(plan: &Plan, index: Option<usize>) -> Option<Stretch> {
    let buffer = plan.buffers.get(index?)?;
    Some((buffer.offset as i64, (buffer.offset + buffer.bytes) as i64))
}

/// Whether two ranges of memory overlap.
fn cross(a: Option<Stretch>, b: Option<Stretch>) -> bool {
    matches!((a, b), (Some((s, e)), Some((t, f))) if s < f && t < e)
}

/// The operands of a step that are in the arena.
fn operands(graph: &Graph, node: NodeId) -> Vec<NodeId> {
    let is_value = |n: &NodeId| !matches!(graph.node(*n).op, Op::Constant(_));
    graph.operands(node).into_iter().filter(is_value).collect()
}

/// Checks a plan against the graph that it was made for.
///
/// # Errors
/// Every read of a lost value, every write over memory in use, and every place that does not suit
/// its purpose.
pub fn verify(graph: &Graph, plan: &Plan) -> Result<(), Vec<PlanError>> {
    let mut errors = places::check(graph, plan);
    let steps = plan.steps.iter().map(|step| (step.node, step)).collect();
    let mut memory = Ledger { plan, steps, lost: BTreeMap::new() };
    graph.inputs().iter().for_each(|&input| memory.write(Held::Value(input)));
    for (step, s) in plan.steps.iter().enumerate() {
        let operands = operands(graph, s.node);
        let reads = memory.reads(&operands);
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
    // next run.
    let outside = graph.inputs().iter().copied().chain(graph.outputs().iter().map(|o| o.node));
    let kept = |node| memory.read(plan.steps.len(), node, Held::Value(node));
    errors.extend(outside.filter_map(kept));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
