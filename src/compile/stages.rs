//! The stages between a graph and machine code, one by one and as a chain.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use resnetc_ir::cost::{macs, moved_bytes};
use resnetc_ir::{Graph, NodeId, Op};

use crate::codegen::machine::Cranelift;
use crate::codegen::region::Region;
use crate::codegen::vir::Program as Kernel;
use crate::error::Error;
use crate::host::caches::core_cache_bytes;
use crate::host::cpu::Vendor;
use crate::isa::Isa;
use crate::kernels::geometry::Zero;
use crate::kernels::published::Published;
use crate::kernels::sink::{Machine, Pack, Sink};
use crate::kernels::{self, KernelError, NotCompiled, Operand, PlacedStep};
use crate::options::Options;
use crate::passes::{self, Remarks};
use crate::plan::Plan;
use crate::report::class::class;
use crate::report::compilation::ForGradients;
use crate::runtime::model::StepInfo;

use super::choose::Choices;
use super::planned::Planned;
use super::recompute;

/// A network after all stages except code generation: scheduled, with a plan for every convolution
/// and a place for every value.
#[derive(Debug)]
pub struct Stages {
    /// The scheduled graph.
    pub graph: Graph,
    /// How its convolutions are computed.
    pub choices: Choices,
    /// Where its values are stored.
    pub plan: Plan,
    /// What the passes did.
    pub remarks: Remarks,
    /// The instruction set.
    pub isa: Isa,
    /// The machine that it is planned for.
    pub machine: Machine,
    /// What is in memory for gradients, if the network is a step of training.
    pub for_gradients: Option<ForGradients>,
}

impl Stages {
    /// Takes a graph through all stages.
    ///
    /// # Errors
    /// As [`schedule`] and [`Stages::of_scheduled`].
    pub fn of(mut graph: Graph, options: &Options) -> Result<Self, Error> {
        let remarks = schedule(&mut graph, options)?;
        Stages::of_scheduled(graph, remarks, options)
    }

    /// Takes a scheduled graph through the remaining stages: chooses algorithms, and plans memory.
    ///
    /// # Errors
    /// As [`machine`], and if the values need more memory than the options allow.
    pub fn of_scheduled(graph: Graph, remarks: Remarks, options: &Options) -> Result<Self, Error> {
        let (isa, machine) = machine(options)?;
        Stages::on(graph, remarks, options, isa, machine)
    }

    /// As [`Stages::of_scheduled`], on a machine that need not be this one.
    ///
    /// # Errors
    /// If the values need more memory than the options allow.
    pub fn on(
        graph: Graph,
        remarks: Remarks,
        options: &Options,
        isa: Isa,
        machine: Machine,
    ) -> Result<Self, Error> {
        let planned = Planned::of(graph, options, &machine);
        let (planned, for_gradients) = match options.memory {
            Some(limit) => recompute::within(limit, planned, options, &machine)?,
            None => {
                let kept = recompute::kept(&planned.graph);
                (planned, kept)
            }
        };
        let Planned { graph, choices, plan } = planned;
        Ok(Stages { graph, choices, plan, remarks, isa, machine, for_gradients })
    }

    /// Lowers every step.
    ///
    /// # Errors
    /// If operators cannot be compiled in this form; the error lists all of them.
    pub fn lower(&self) -> Result<Lowered, Error> {
        lower(&self.graph, &self.plan, &self.choices, self.machine)
    }

    /// The name of the way in which a convolution of quantized values is computed; `None` for any
    /// other node.
    pub fn quantized_way(&self, node: NodeId) -> Option<&'static str> {
        let Op::QuantizedConv(conv) = &self.graph.node(node).op else { return None };
        let weights = self.graph.constant_of(self.graph.operand(node, 1)?)?;
        let place = |node| self.plan.places.get(&node);
        let places = [place(self.graph.operand(node, 0)?)?, place(node)?];
        kernels::quantized::way(conv, weights, places, &self.machine)
    }

    /// The nodes of the steps that run anything, in order.
    pub fn steps(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.plan.steps.iter().filter(|s| !s.is_view).map(|s| s.node)
    }
}

/// Kernels and regions of a planned network, and the constants to be packed.
pub struct Lowered {
    /// Distinct kernels.
    pub kernels: Vec<Kernel>,
    /// The regions in the order in which they run; a step of the plan that runs anything has one or
    /// more.
    pub regions: Vec<Region>,
    /// What each region does.
    pub steps: Vec<StepInfo>,
    /// Ranges of the packed constants.
    pub packs: Vec<Pack>,
    /// Bytes of the packed constants.
    pub weight_bytes: usize,
    /// Bytes of each thread's own memory in a run.
    pub thread_bytes: usize,
}

/// Runs the passes that the options select, in place.
///
/// # Errors
/// If a pass is named that cannot be selected, or an operator remains that cannot be compiled.
pub fn schedule(graph: &mut Graph, options: &Options) -> Result<Remarks, Error> {
    Ok(passes::run(graph, &options.pass_options())?)
}

/// The machine that the options select, with its instruction set enabled ([`Isa::enable`]).
///
/// # Errors
/// If this CPU lacks the instruction set or the system refuses it, or the number of threads is out
/// of range.
pub fn machine(options: &Options) -> Result<(Isa, Machine), Error> {
    let isa = options.isa.enable()?;
    let threads = options.thread_count()?;
    if options.numerics.is_portable() && !isa.target().fused {
        options.numerics.check(Cranelift::host()?.fused())?;
    }
    let machine = Machine::new(isa.target(), threads, core_cache_bytes(), Vendor::host());
    Ok((isa, options.numerics.on(machine)))
}

/// Lowers every step of a plan.
///
/// # Errors
/// If operators cannot be compiled in this form; the error lists all of them.
pub fn lower(
    graph: &Graph,
    plan: &Plan,
    choices: &Choices,
    machine: Machine,
) -> Result<Lowered, Error> {
    let mut sink = Sink::new(machine);
    let (mut regions, mut steps) = (Vec::new(), Vec::new());
    let mut refused = Vec::new();
    let mut published: HashMap<NodeId, Vec<Published>> = HashMap::new();
    for (operator, planned) in plan.steps.iter().filter(|s| !s.is_view).enumerate() {
        let node = graph.node(planned.node);
        let operands = graph.operands(planned.node);
        let operand = |o: NodeId| match graph.constant_of(o) {
            Some(tensor) => Operand::Constant(Arc::clone(tensor)),
            None => Operand::Value(plan.places[&o].clone()),
        };
        let known = |operand| published.get(operand).cloned().unwrap_or_default();
        let dst = plan.places[&planned.node].clone();
        let border = match dst.geometry.zero {
            Zero::Measured(value) if planned.fill_halo => Some(value),
            Zero::Measured(_) | Zero::Byte(_) => None,
        };
        let step = PlacedStep {
            name: &node.name,
            op: &node.op,
            operands: operands.iter().copied().map(operand).collect(),
            border: border.map(operand),
            dst,
            fill_halo: planned.fill_halo,
            plan: choices.get(planned.node).map(|choice| &*choice.plan),
            scratch: planned.scratch.map(|buffer| plan.buffers[buffer].offset as i64),
            known: operands.iter().map(known).collect(),
            publishes: plan.published(planned),
        };
        let lowered = match kernels::lower(&step, &mut sink) {
            Ok(lowered) => lowered,
            Err(error @ KernelError::Unsupported { .. }) => {
                refused.push(error);
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        published.insert(planned.node, step.publishes);
        // The regions before it prepare its operands.
        let main = lowered.len().saturating_sub(1 + sink.after());
        let main_call = |region: &Region| {
            let calls = region.pieces.first()?.calls();
            let most = calls.iter().rev().max_by_key(|c| sink.work(c.kernel).arithmetic());
            most.map(|call| call.kernel)
        };
        for (i, region) in lowered.into_iter().enumerate() {
            let call = main_call(&region);
            steps.push(StepInfo {
                name: node.name.clone(),
                op: node.op.name(),
                operator,
                class: class(graph, planned.node),
                shape: node.ty.shape.clone(),
                kernel: call.map_or(String::new(), |kernel| sink.name(kernel).to_owned()),
                algorithm: choices.algorithm(planned.node),
                tile: call.and_then(|kernel| sink.tile(kernel)),
                macs: if i == main { macs(graph, planned.node) } else { 0 },
                bytes: if i == main { moved_bytes(graph, planned.node) } else { 0 },
                chunks: region.chunk_count(),
            });
            regions.push(region);
        }
    }
    if !refused.is_empty() {
        let file = graph.file().map(Path::to_path_buf);
        return Err(NotCompiled { file, steps: refused }.into());
    }
    let thread_bytes = sink.thread_bytes();
    let (kernels, packs, weight_bytes) = sink.finish();
    Ok(Lowered { kernels, regions, steps, packs, weight_bytes, thread_bytes })
}
