//! From a graph to a model, stage by stage.
//!
//! graph -> [`schedule`] (passes) -> scheduled graph -> [`choose()`] and [`plan()`] -> [`lower`]
//! (kernels) -> programs and regions -> [`Image`] (codegen) -> artifact -> [`Model`]. Each stage
//! can be run alone, and all of them up to code together as [`Stages`], for dumps and tests.

pub mod artifact;
pub mod choose;
mod interpreted;
mod planned;
mod recompute;
pub mod stages;

use std::mem::take;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::{DType, Graph, NodeId};

pub use resnetc_ir::cost::{macs, moved_bytes, run_macs};

use crate::codegen::image::{Image, Options as CodegenOptions};
use crate::codegen::machine::Cranelift;
use crate::error::Error;
use crate::host::executable;
use crate::options::{Engine, Options};
use crate::passes::Remarks;
use crate::plan;
use crate::report::kernels::describe;
use crate::report::plan::MemoryPlan;
use crate::runtime::model::{Model, Port};
use crate::runtime::weights::{Segment, share};

pub use crate::report::compilation::{CacheUse, CompileReport, ForGradients, Interpreted, Values};
pub(crate) use artifact::Artifact;
pub use choose::{Choices, candidates, choose};
pub use planned::plan;
pub use stages::{Lowered, Stages, lower, machine, schedule};

/// What a graph becomes.
pub(crate) enum Outcome {
    /// Code and data that no process owns yet.
    Compiled(Box<Artifact>),
    /// The interpreter runs it.
    Interpreted(Model),
}

/// Compiles a graph. Options that control how a network is loaded are ignored: they were for
/// whoever made the graph.
///
/// # Errors
/// If an operator cannot be compiled, the CPU lacks the instruction set, the number of threads is
/// out of range, or the system refuses memory.
pub fn compile(graph: Graph, options: &Options) -> Result<Model, Error> {
    match compile_apart(graph, options, &[])? {
        Outcome::Compiled(artifact) => artifact.into_model(options),
        Outcome::Interpreted(model) => Ok(model),
    }
}

/// As [`compile`], without making code executable. Weights that are packed as in `others` are not
/// kept twice.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_apart(
    mut graph: Graph,
    options: &Options,
    others: &[Arc<Segment>],
) -> Result<Outcome, Error> {
    options.isa.resolve()?;
    options.thread_count()?;
    let refusal = executable::probe().err();
    let interpret = |graph, why| Ok(Outcome::Interpreted(interpreted::model(graph, options, why)?));
    match (options.engine, refusal) {
        (Engine::Interpreted, _) => return interpret(graph, Interpreted::AskedFor),
        // The interpreter has other bits than those that some numerics promise.
        (Engine::Auto, Some(refusal)) if !options.numerics.is_portable() => {
            return interpret(graph, Interpreted::NoCode(refusal));
        }
        (_, Some(refusal)) => return Err(Error::NoCode(refusal)),
        (_, None) => {}
    }
    let mut clock = Clock::default();
    let remarks = schedule(&mut graph, options)?;
    clock.lap("passes");
    Ok(Outcome::Compiled(Box::new(build(graph, remarks, clock, options, others)?)))
}

/// Compiles a graph that has been through the passes, as it is; to machine code, whatever engine
/// the options name.
///
/// # Errors
/// As [`compile`].
pub fn compile_scheduled(graph: Graph, options: &Options) -> Result<Model, Error> {
    executable::probe().map_err(Error::NoCode)?;
    build(graph, Remarks::default(), Clock::default(), options, &[])?.into_model(options)
}

fn build(
    graph: Graph,
    remarks: Remarks,
    mut clock: Clock,
    options: &Options,
    others: &[Arc<Segment>],
) -> Result<Artifact, Error> {
    options.check_compilation()?;
    let stages = Stages::of_scheduled(graph, remarks, options)?;
    let Stages { graph, choices, plan, isa, machine, .. } = &stages;
    // A bug in the plan would give wrong results at run time, and the check costs less than a
    // thousandth of a compilation.
    plan::verify::verify(graph, plan).map_err(Error::Plan)?;
    clock.lap("plan");
    let mut lowered = stages.lower()?;
    let port = |name: &str, node: NodeId, dtype: DType| Port {
        name: name.to_owned(),
        shape: graph.node(node).ty.shape.clone(),
        dtype,
        place: plan.places[&node].clone(),
    };
    let input = |&i: &NodeId| port(&graph.node(i).name, i, graph.input_dtype(i));
    let inputs = graph.inputs().iter().map(input).collect();
    let outputs = graph.outputs().iter().map(|o| port(&o.name, o.node, o.dtype)).collect();
    let memory = MemoryPlan::of(graph, plan);
    let convolutions = choices.report(graph);
    let (isa, machine, tuned) = (*isa, *machine, choices.tuned);
    let for_gradients = stages.for_gradients;
    let (arena_bytes, arena_lower_bound) = (plan.peak, plan.lower_bound);
    let remarks = stages.remarks;
    drop(stages.graph);
    clock.lap("lower");
    let shared = options.share.as_ref().map_or(&[][..], Model::segments);
    let known = [shared, others].concat();
    let weights = packed(&mut lowered, machine.threads, &known)?;
    let is_own = |segment: &&Arc<Segment>| !known.iter().any(|k| Arc::ptr_eq(k, segment));
    let own_bytes: usize = weights.iter().filter(is_own).map(|segment| segment.bytes().len()).sum();
    clock.lap("pack");
    let cranelift = Cranelift::host()?;
    let how = CodegenOptions { threads: machine.threads, ..CodegenOptions::default() };
    let image = Image::compile(&cranelift, isa, &lowered.kernels, &lowered.regions, how)?;
    clock.lap("codegen");
    let report = CompileReport {
        interpreted: None,
        isa,
        arena_bytes,
        thread_bytes: lowered.thread_bytes,
        arena_lower_bound,
        weight_bytes: lowered.weight_bytes,
        shared_bytes: lowered.weight_bytes.saturating_sub(own_bytes),
        code_bytes: image.size(),
        kernels: lowered.kernels.len(),
        tuned,
        phases: clock.laps,
        remarks,
        perf_map: None,
        cache: None,
        memory,
        compiled: describe(&lowered.kernels, &image.kernels, &lowered.regions),
        convolutions,
        for_gradients,
    };
    let steps = lowered.steps;
    let (threads, denormals) = (machine.threads, options.numerics.denormals());
    Ok(Artifact { inputs, outputs, image, weights, steps, threads, denormals, report })
}

/// The packed constants of a network, in a segment of its own.
pub(crate) fn packed_alone(lowered: &mut Lowered, threads: usize) -> Result<Segment, Error> {
    let bytes = lowered.weight_bytes;
    Segment::pack(take(&mut lowered.packs), bytes, threads).map_err(|e| no_memory(bytes, &e))
}

fn no_memory(bytes: usize, reason: &std::io::Error) -> Error {
    Error::Memory { what: "packed weights", bytes, reason: Some(reason.to_string()) }
}

/// The packed constants of a network, in segments that are known where those have equal ones.
fn packed(
    lowered: &mut Lowered,
    threads: usize,
    known: &[Arc<Segment>],
) -> Result<Vec<Arc<Segment>>, Error> {
    let bytes = lowered.weight_bytes;
    let own = packed_alone(lowered, threads)?;
    match known {
        [] => Ok(vec![Arc::new(own)]),
        known => share(own, known, &mut lowered.regions).map_err(|e| no_memory(bytes, &e)),
    }
}

/// Measures the phases of a compilation.
struct Clock {
    start: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { start: Instant::now(), laps: Vec::new() }
    }
}

impl Clock {
    fn lap(&mut self, name: &'static str) {
        self.laps.push((name, self.start.elapsed()));
        self.start = Instant::now();
    }
}
