//! From a graph to a model, stage by stage.
//!
//! graph -> [`schedule`] (passes) -> scheduled graph -> [`choose()`] and [`plan()`] -> [`lower`]
//! (kernels) -> programs and regions -> [`Image`] (codegen) -> [`Model`]. Each stage can be run
//! alone, and all of them up to code together as [`Stages`], for dumps and tests.

pub mod choose;
mod interpreted;
pub mod stages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::{DType, Graph, NodeId};

pub use resnetc_ir::cost::{macs, moved_bytes, run_macs};

use crate::codegen::code::CodeSpace;
use crate::codegen::image::{Image, Options as CodegenOptions};
use crate::codegen::machine::Cranelift;
use crate::codegen::perf_map;
use crate::error::Error;
use crate::host::executable;
use crate::options::{Engine, Options};
use crate::passes::Remarks;
use crate::plan;
use crate::report::kernels::describe;
use crate::report::plan::MemoryPlan;
use crate::runtime::compiled::Compiled;
use crate::runtime::model::{Body, Model, Port, Program};
use crate::runtime::pack::pack;
use crate::runtime::threads::ThreadPool;

pub use crate::report::compilation::{CompileReport, Interpreted};
pub use choose::{Choices, candidates, choose};
pub use stages::{Lowered, Stages, lower, machine, plan, schedule};

/// Compiles a graph. Options that control how a network is loaded are ignored: they were for
/// whoever made the graph.
///
/// # Errors
/// If an operator cannot be compiled, the CPU lacks the instruction set, the number of threads is
/// out of range, or the system refuses memory.
pub fn compile(mut graph: Graph, options: &Options) -> Result<Model, Error> {
    options.isa.resolve()?;
    options.thread_count()?;
    let refusal = executable::probe().err();
    match (options.engine, refusal) {
        (Engine::Interpreted, _) => {
            return interpreted::model(graph, options, Interpreted::AskedFor);
        }
        (Engine::Auto, Some(refusal)) => {
            return interpreted::model(graph, options, Interpreted::NoCode(refusal));
        }
        (Engine::Compiled, Some(refusal)) => return Err(Error::NoCode(refusal)),
        (Engine::Compiled | Engine::Auto, None) => {}
    }
    let mut clock = Clock::default();
    let remarks = schedule(&mut graph, options)?;
    clock.lap("passes");
    build(graph, remarks, clock, options)
}

/// Compiles a graph that has been through the passes, as it is; to machine code, whatever engine
/// the options name.
///
/// # Errors
/// As [`compile`].
pub fn compile_scheduled(graph: Graph, options: &Options) -> Result<Model, Error> {
    executable::probe().map_err(Error::NoCode)?;
    build(graph, Remarks::default(), Clock::default(), options)
}

fn build(
    graph: Graph,
    remarks: Remarks,
    mut clock: Clock,
    options: &Options,
) -> Result<Model, Error> {
    options.check_compilation()?;
    let stages = Stages::of_scheduled(graph, remarks, options)?;
    let Stages { graph, choices, plan, isa, machine, .. } = &stages;
    // A bug in the plan would give wrong results at run time, and the check costs less than a
    // thousandth of a compilation.
    plan::verify::verify(graph, plan).map_err(Error::Plan)?;
    clock.lap("plan");
    let lowered = stages.lower()?;
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
    let (arena_bytes, arena_lower_bound) = (plan.peak, plan.lower_bound);
    let remarks = stages.remarks;
    drop(stages.graph);
    clock.lap("lower");
    let cranelift = Cranelift::host()?;
    let how = CodegenOptions { threads: machine.threads, ..CodegenOptions::default() };
    let image = Image::compile(&cranelift, isa, &lowered.kernels, &lowered.regions, how)?;
    let code = CodeSpace::new(&cranelift, &image)?;
    let perf_map = options.perf_map.then(|| perf_map::append(code.symbols(&image)));
    clock.lap("codegen");
    let bytes = lowered.weight_bytes;
    let no_memory = |e: std::io::Error| Error::Memory {
        what: "packed weights",
        bytes,
        reason: Some(e.to_string()),
    };
    let weights = pack(lowered.packs, bytes, machine.threads).map_err(no_memory)?;
    clock.lap("pack");
    let report = CompileReport {
        interpreted: None,
        isa,
        arena_bytes,
        thread_bytes: lowered.thread_bytes,
        arena_lower_bound,
        weight_bytes: bytes,
        code_bytes: code.size(),
        kernels: lowered.kernels.len(),
        tuned,
        phases: clock.laps,
        remarks,
        perf_map: perf_map.and_then(Result::err).map(|e| e.to_string()),
        memory,
        compiled: describe(&lowered.kernels, &image.kernels, &lowered.regions),
        convolutions,
    };
    let pool = match &options.pool {
        Some(pool) => pool.clone(),
        None => ThreadPool::common(machine.threads)?,
    };
    let steps = lowered.steps;
    let compiled = Compiled { code, weights, thread_bytes: lowered.thread_bytes, steps, pool };
    let body = Body::Compiled(Box::new(compiled));
    let program = Program { inputs, outputs, arena_bytes, body };
    Ok(Model { program: Arc::new(program), report: Arc::new(report) })
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
