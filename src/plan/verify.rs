//! Proof that a plan keeps every value until its last reader has read it.
//!
//! The steps are run in thought: each write takes its bytes from whatever lay there, each read demands that its bytes
//! still belong to the value. Independent of how the plan was made.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId, Op};

use super::{Plan, PlanStep};

/// What is wrong with a plan; always a bug of the planner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A step reads a value that was overwritten, or that never was computed.
    #[error("step {step} ({node}) reads {operand}, which {}", match .by { Some(by) => format!("{by} has overwritten"), None => "nothing has computed".into() })]
    Lost {
        /// Position of the step; the number of steps for a graph output.
        step: usize,
        /// The reader.
        node: NodeId,
        /// What it reads.
        operand: NodeId,
        /// Who overwrote it.
        by: Option<NodeId>,
    },
    /// A step writes into an operand that it reads in another order.
    #[error("step {step} ({node}) overwrites its operand {operand} while reading it")]
    Torn {
        /// Position of the step.
        step: usize,
        /// The writer.
        node: NodeId,
        /// The operand.
        operand: NodeId,
    },
    /// A graph output has a border, but callers see it as dense.
    #[error("the output {node} has a border")]
    Border {
        /// The value.
        node: NodeId,
    },
    /// A value lies outside the arena or has no place.
    #[error("{node} has no place inside the arena")]
    Outside {
        /// The value.
        node: NodeId,
    },
}

/// What steps leave to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    /// The result.
    Value(NodeId),
    /// What is known of its range.
    Range(NodeId),
}

struct Memory<'a> {
    plan: &'a Plan,
    /// The steps, by what they compute.
    steps: BTreeMap<NodeId, &'a PlanStep>,
    /// Who wrote the bytes last, if not the step that they belong to.
    lost: BTreeMap<Held, Option<NodeId>>,
}

impl Memory<'_> {
    /// The bytes of a buffer, if there is one.
    fn buffer(&self, index: Option<usize>) -> Option<(i64, i64)> {
        let buffer = self.plan.buffers.get(index?)?;
        Some((buffer.offset as i64, (buffer.offset + buffer.bytes) as i64))
    }

    fn bytes(&self, held: Held) -> Option<(i64, i64)> {
        match held {
            Held::Value(node) => self.range(node),
            Held::Range(node) => self.buffer(self.steps.get(&node)?.range),
        }
    }

    fn range(&self, node: NodeId) -> Option<(i64, i64)> {
        let place = self.plan.places.get(&node)?;
        let end = place.offset + place.geometry.bytes() as i64;
        (place.offset >= 0 && end <= self.plan.peak as i64).then_some((place.offset, end))
    }

    fn overlap(&self, a: NodeId, b: NodeId) -> bool {
        cross(self.range(a), self.range(b))
    }

    /// `node` now holds its bytes, and nothing else does.
    fn write(&mut self, held: Held, node: NodeId) {
        self.overwrite(self.bytes(held), node);
        self.lost.insert(held, None);
    }

    /// Whatever lies in these bytes is lost to `node`.
    fn overwrite(&mut self, bytes: Option<(i64, i64)>, node: NodeId) {
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
}

/// Whether two stretches of memory have bytes in common.
fn cross(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> bool {
    matches!((a, b), (Some((s, e)), Some((t, f))) if s < f && t < e)
}

/// Checks a plan against the graph that it was made for.
///
/// # Errors
/// Every read of a lost value, and every value outside the arena.
pub fn verify(graph: &Graph, plan: &Plan) -> Result<(), Vec<PlanError>> {
    let steps = plan.steps.iter().map(|step| (step.node, step)).collect();
    let mut memory = Memory { plan, steps, lost: BTreeMap::new() };
    let mut errors = Vec::new();
    for &input in graph.inputs() {
        memory.write(Held::Value(input), input);
    }
    for (step, s) in plan.steps.iter().enumerate() {
        let is_value = |n: &NodeId| !matches!(graph.node(*n).op, Op::Constant(_));
        let operands: Vec<NodeId> = graph.operands(s.node).into_iter().filter(is_value).collect();
        if memory.range(s.node).is_none() {
            errors.push(PlanError::Outside { node: s.node });
        }
        for &operand in &operands {
            errors.extend(read(&memory, step, s.node, Held::Value(operand)));
            if memory.steps.get(&operand).is_some_and(|step| step.range.is_some()) {
                errors.extend(read(&memory, step, s.node, Held::Range(operand)));
            }
            let wanted = s.is_view || s.in_place == Some(operand);
            if !wanted && memory.overlap(s.node, operand) {
                errors.push(PlanError::Torn { step, node: s.node, operand });
            }
        }
        // These are written while operands are read and the result is written.
        let [scratch, range] = [s.scratch, s.range].map(|buffer| memory.buffer(buffer));
        for (bytes, other) in [(scratch, range), (range, scratch)] {
            let values = operands.iter().chain([&s.node]);
            let torn = values.copied().find(|&n| {
                let known = memory.bytes(Held::Range(n)).filter(|_| n != s.node);
                [memory.range(n), known, other].into_iter().any(|read| cross(bytes, read))
            });
            let torn = torn.map(|operand| PlanError::Torn { step, node: s.node, operand });
            errors.extend(torn);
        }
        memory.overwrite(scratch, s.node);
        match s.is_view {
            true => memory.share(s.node, &operands),
            false => memory.write(Held::Value(s.node), s.node),
        }
        if range.is_some() {
            memory.write(Held::Range(s.node), s.node);
        }
    }
    for output in graph.outputs() {
        let held = Held::Value(output.node);
        errors.extend(read(&memory, plan.steps.len(), output.node, held));
        if plan.places.get(&output.node).is_some_and(|p| !p.geometry.is_dense()) {
            errors.push(PlanError::Border { node: output.node });
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn read(memory: &Memory<'_>, step: usize, node: NodeId, held: Held) -> Option<PlanError> {
    let (Held::Value(operand) | Held::Range(operand)) = held;
    match memory.lost.get(&held) {
        Some(None) => None,
        Some(&by) => Some(PlanError::Lost { step, node, operand, by }),
        None => Some(PlanError::Lost { step, node, operand, by: None }),
    }
}
