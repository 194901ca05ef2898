//! What a variant of a network will run, known before it is compiled.

use std::collections::HashMap;

use resnetc::compile::Stages;
use resnetc::ir::{NodeId, Op};
use resnetc::kernels::Algorithm;
use resnetc::kernels::geometry::Place;
use resnetc::kernels::precision::Precision;
use resnetc::kernels::published::Published;
use resnetc::kernels::summation::Summation;
use resnetc::passes::Remarks;
use resnetc::profile::share::ShareOf;
use resnetc::{Isa, Network};

use crate::failure::Failure;

/// A variant's steps.
pub(super) struct Outline {
    pub(super) work: Work,
    pub(super) remarks: Remarks,
    /// Bytes of all operands and results of all steps: constants as they were described, each value
    /// in its own type and without the border and the unused lanes that it has in memory. A step
    /// that adds to a value in place reads and writes it. Other memory traffic of an algorithm,
    /// inside a step, is not counted.
    pub(super) moved_bytes: usize,
}

/// Everything that determines how long a run takes. Two variants with equal work run the same code
/// on the same places in memory; only the numbers in their constants may differ.
#[derive(PartialEq)]
pub(super) struct Work {
    isa: Isa,
    numerics: (Precision, Summation),
    steps: Vec<StepOutline>,
}

#[derive(PartialEq)]
struct StepOutline {
    op: Op,
    operands: Vec<Operand>,
    algorithm: Algorithm,
    result: Place,
    is_view: bool,
    fill_halo: bool,
    scratch: Option<usize>,
    published: Vec<Published>,
}

#[derive(PartialEq)]
enum Operand {
    /// The value that was written to a place.
    Value(Place),
    /// A constant, by the order in which constants are first used, and its shape.
    Constant(usize, Vec<usize>),
}

impl Outline {
    /// The instruction set.
    pub(super) fn isa(&self) -> Isa {
        self.work.isa
    }

    /// What the speed of the network is a share of.
    pub(super) fn share_of(&self) -> ShareOf {
        let is_conv = |step: &&StepOutline| matches!(step.op, Op::Conv(_));
        ShareOf::all(
            self.work.steps.iter().filter(is_conv).map(|s| ShareOf::of(s.op.name(), s.algorithm)),
        )
    }

    /// Schedules and plans a network.
    pub(super) fn of(network: &Network) -> Result<Self, Failure> {
        let stages = Stages::of(network.graph().clone(), network.options())?;
        let mut constants = HashMap::new();
        let steps = stages.plan.steps.iter().map(|planned| StepOutline {
            op: stages.graph.node(planned.node).op.clone(),
            operands: operands(&stages, planned.node, &mut constants),
            algorithm: stages.choices.algorithm(planned.node),
            result: stages.plan.places[&planned.node].clone(),
            is_view: planned.is_view,
            fill_halo: planned.fill_halo,
            scratch: planned.scratch.map(|buffer| stages.plan.buffers[buffer].offset),
            published: stages.plan.published(planned),
        });
        let numerics = network.options().numerics;
        let numerics = (numerics.precision(), numerics.images());
        let work = Work { isa: stages.isa, numerics, steps: steps.collect() };
        let bytes = |node| stages.graph.node(node).ty.bytes();
        let moved =
            |node| bytes(node) + stages.graph.operands(node).into_iter().map(bytes).sum::<usize>();
        let moved_bytes = stages.steps().map(moved).sum();
        Ok(Outline { work, moved_bytes, remarks: stages.remarks })
    }
}

fn operands(stages: &Stages, node: NodeId, constants: &mut HashMap<NodeId, usize>) -> Vec<Operand> {
    let operand = |id: NodeId| match stages.plan.places.get(&id) {
        Some(place) => Operand::Value(place.clone()),
        None => {
            let next = constants.len();
            let number = *constants.entry(id).or_insert(next);
            Operand::Constant(number, stages.graph.node(id).ty.shape.clone())
        }
    };
    stages.graph.operands(node).into_iter().map(operand).collect()
}
