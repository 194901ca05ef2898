//! Proof that a plan keeps every value until its last reader has read it.
//!
//! What must hold of places whenever they are used is looked at one by one (`places`). Then the
//! steps are simulated: each write takes its bytes from whatever lay there, each read demands that
//! its bytes still belong to the value. Independent of how the plan was made.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId, Op};

use super::{Plan, PlanStep};
use crate::error_code::ErrorCode;
use crate::kernels::published::Fact;

mod places;

/// What is wrong with a plan; always a bug of the planner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A step reads a value that was overwritten, or that never was computed. What a caller reads
    /// or writes is read by itself, behind the last step.
    #[error("step {step} ({node}) reads {operand}, which {}", match .by { Some(by) => format!("{by} has overwritten"), None => "nothing has computed".into() })]
    Lost {
        /// Position of the step; the number of steps for a graph's inputs and outputs.
        step: usize,
        /// The reader.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
        /// Who overwrote it.
        by: Option<NodeId>,
    },
    /// A step writes over what it reads or writes at the same time.
    #[error("step {step} ({node}) overwrites {operand} while it is in use")]
    Torn {
        /// Position of the step.
        step: usize,
        /// The writer.
        node: NodeId,
        /// The operand, or the step's own result.
        operand: NodeId,
    },
    /// A result that is to take over its operand's bytes cannot, or lies elsewhere.
    #[error("step {step} ({node}) does not keep the bytes of {operand} in their place")]
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
    /// A value has a border, but a step that reads or writes it takes it for dense.
    #[error("step {step} ({node}) does not know of the border of {operand}")]
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
    /// A graph output lies where callers write an input.
    #[error("the output {node} lies on the input {input}")]
    Exposed {
        /// The output.
        node: NodeId,
        /// The input.
        input: NodeId,
    },
    /// A value, or what a step keeps beside it, has no place inside the arena that suits it.
    #[error("{node} has no place inside the arena")]
    Outside {
        /// The value.
        node: NodeId,
    },
}

impl PlanError {
    /// What went wrong, by a name that stays the same.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::PlanBug
    }
}

/// Bytes of the arena, from the first to the one behind the last.
type Stretch = (i64, i64);

/// What steps leave to others.
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
    /// The steps, by what they compute.
    steps: BTreeMap<NodeId, &'a PlanStep>,
    /// Who wrote the bytes last, if not the step that they belong to.
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

    /// What a step reads: its operands, and what is published beside them.
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

    /// Whatever lies in these bytes is lost to `node`.
    fn overwrite(&mut self, bytes: Option<Stretch>, node: NodeId) {
        let under: Vec<Held> =
            self.lost.keys().copied().filter(|&other| cross(bytes, self.bytes(other))).collect();
        for other in under {
            self.lost.entry(other).and_modify(|by| *by = by.or(Some(node)));
        }
    }

    /// `node` is its operand under another name: as well kept as that.
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

    /// What a step writes over while it is in use. It writes its result, its scratch memory and
    /// what it publishes while it reads, all of them at any time; only the result may lie on the
    /// operand whose place it takes over.
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

/// Whether two stretches of memory have bytes in common.
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
/// Every read of a lost value, every write over what is in use, and every place that cannot be what
/// it is for.
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
    // Callers read outputs, and an input that they leave alone is to be the same in the next run.
    let outside = graph.inputs().iter().copied().chain(graph.outputs().iter().map(|o| o.node));
    let kept = |node| memory.read(plan.steps.len(), node, Held::Value(node));
    errors.extend(outside.filter_map(kept));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
