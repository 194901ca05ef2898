//! The memory plan: where every value is in the arena, its live interval, and whose place it takes.

use std::collections::HashMap;

use resnetc_ir::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

use crate::interned::{self, Name};
use crate::kernels::published::Fact;
use crate::plan::{Plan, PlanStep};

/// The plan of one run. Offsets and sizes are bytes; times are steps, counted from 0.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MemoryPlan {
    /// Bytes of the arena.
    pub peak: usize,
    /// Bytes that are live at the same time at the busiest step: no placement needs less.
    pub lower_bound: usize,
    /// Operators in the order in which they run.
    pub steps: Vec<PlannedStep>,
    /// Inputs, then the results of the steps.
    pub values: Vec<PlannedValue>,
    /// Ranges of the arena.
    pub buffers: Vec<PlannedBuffer>,
}

/// One operator in the order of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The node's name.
    pub name: String,
    /// The operator's name.
    #[serde(deserialize_with = "interned::name")]
    pub op: Name,
    /// The index of the value that it computes.
    pub value: usize,
    /// Whether any code runs: a view is just its operand.
    pub runs: bool,
}

/// The role of a value in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Written by the caller; keeps its place for the whole run.
    Input,
    /// Computed and read within the network.
    Intermediate,
    /// Read by the caller; keeps its place to the end.
    Output,
}

/// One value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedValue {
    /// Its node's name.
    pub name: String,
    /// The operator that computes it.
    #[serde(deserialize_with = "interned::name")]
    pub op: Name,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The layout of its elements, as the text form of graphs writes it.
    pub layout: String,
    /// Whether it has a zero border.
    pub halo: bool,
    /// Its role in the network.
    pub role: Role,
    /// Where it starts in the arena.
    pub offset: usize,
    /// Its size, including border and unused lanes.
    pub bytes: usize,
    /// The step that computes it; `None` for an input.
    pub written: Option<usize>,
    /// The last step that reads it; `None` if only the caller does.
    pub last_read: Option<usize>,
    /// The value whose place it takes over, element by element.
    pub in_place_of: Option<usize>,
    /// The value of which it is a view with another shape.
    pub view_of: Option<usize>,
}

/// A range of the arena, shared by values that take each other's place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedBuffer {
    /// Where it starts.
    pub offset: usize,
    /// Its size.
    pub bytes: usize,
    /// First and last step at which it holds something that is still needed.
    pub live: (usize, usize),
    /// The values that it holds, in the order in which they are written.
    pub values: Vec<usize>,
    /// If it holds no value, the step that uses it as scratch memory while it runs, or that
    /// publishes something there.
    pub scratch_of: Option<usize>,
    /// What that step publishes there besides its result, for the steps that read it; `None` for
    /// scratch memory.
    #[serde(deserialize_with = "interned::optional")]
    pub publishes: Option<Name>,
}

impl MemoryPlan {
    /// Describes the plan of a scheduled graph.
    pub fn of(graph: &Graph, plan: &Plan) -> Self {
        let order: Vec<NodeId> =
            graph.inputs().iter().copied().chain(plan.steps.iter().map(|s| s.node)).collect();
        let index: HashMap<NodeId, usize> =
            order.iter().enumerate().map(|(i, &node)| (node, i)).collect();
        let inputs = graph.inputs().len();
        let mut last_read = vec![None; order.len()];
        for (at, step) in plan.steps.iter().enumerate() {
            for operand in graph.operands(step.node) {
                if let Some(&value) = index.get(&operand) {
                    last_read[value] = Some(at);
                }
            }
        }
        let value = |(i, &node): (usize, &NodeId)| {
            let (n, place) = (graph.node(node), &plan.places[&node]);
            let written = i.checked_sub(inputs);
            let step = written.map(|at| &plan.steps[at]);
            let operand = |node: NodeId| index.get(&node).copied();
            PlannedValue {
                name: n.name.clone(),
                op: n.op.name(),
                shape: n.ty.shape.clone(),
                layout: n.ty.layout.to_string(),
                halo: !place.geometry.is_dense(),
                role: match &n.op {
                    Op::Input => Role::Input,
                    _ if graph.is_output(node) => Role::Output,
                    _ => Role::Intermediate,
                },
                offset: place.offset as usize,
                bytes: place.geometry.bytes(),
                written,
                last_read: last_read[i],
                in_place_of: step.and_then(|s| s.in_place).and_then(operand),
                view_of: step
                    .filter(|s| s.is_view)
                    .and_then(|s| graph.operand(s.node, 0))
                    .and_then(operand),
            }
        };
        let steps = plan.steps.iter().enumerate().map(|(at, step)| PlannedStep {
            name: graph.node(step.node).name.clone(),
            op: graph.node(step.node).op.name(),
            value: inputs + at,
            runs: !step.is_view,
        });
        let users = users_beside_results(plan);
        let buffers = plan.buffers.iter().enumerate().map(|(i, buffer)| PlannedBuffer {
            offset: buffer.offset,
            bytes: buffer.bytes,
            live: buffer.live,
            values: buffer.values.iter().filter_map(|v| index.get(v).copied()).collect(),
            scratch_of: users.get(&i).map(|(step, _)| *step),
            publishes: users.get(&i).and_then(|(_, fact)| *fact),
        });
        MemoryPlan {
            peak: plan.peak,
            lower_bound: plan.lower_bound,
            steps: steps.collect(),
            values: order.iter().enumerate().map(value).collect(),
            buffers: buffers.collect(),
        }
    }
}

/// The step that uses each buffer that holds no value, and what it publishes there.
fn users_beside_results(plan: &Plan) -> HashMap<usize, (usize, Option<&'static str>)> {
    let of_step = |(at, step): (usize, &PlanStep)| {
        let scratch = step.scratch.map(|buffer| (buffer, (at, None)));
        let published = |&(fact, buffer): &(Fact, usize)| (buffer, (at, Some(fact.name())));
        let published: Vec<_> = step.published.iter().map(published).collect();
        scratch.into_iter().chain(published)
    };
    plan.steps.iter().enumerate().flat_map(of_step).collect()
}
