//! From a graph to a model, stage by stage.
//!
//! graph -> [`schedule`] (passes) -> scheduled graph -> [`choose`] and [`plan()`] -> [`lower`] (kernels) -> programs and
//! regions -> [`Image`] (codegen) -> [`Model`]. Each stage can be had alone, for dumps and tests.

mod interpreted;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resnetc_ir::{DType, Graph, NodeId, Op, Tensor, TensorType};

pub use resnetc_ir::cost::{macs, moved_bytes, run_macs};

use crate::codegen::code::CodeSpace;
use crate::codegen::image::{Backend, Image, Options as CodegenOptions};
use crate::codegen::machine::Cranelift;
use crate::codegen::perf_map;
use crate::codegen::region::Region;
use crate::codegen::vir::{Program as Kernel, Target};
use crate::cpu::{Isa, core_cache_bytes};
use crate::error::Error;
use crate::kernels::sink::{Machine, Pack, Sink};
use crate::kernels::{self, Algorithm, Operand, Ranges, Step};
use crate::options::{Engine, Numerics, Options};
use crate::passes::{self, Remarks};
use crate::plan::{self, Plan, Reuse, Room};
use crate::report::class::class;
use crate::report::kernels::{KernelInfo, describe};
use crate::report::plan::MemoryPlan;
use crate::runtime::compiled::Compiled;
use crate::runtime::executable::{self, Refusal};
use crate::runtime::model::{Body, Model, Port, Program, StepInfo};
use crate::runtime::pack::pack;
use crate::runtime::pool::Pool;

/// How a compilation went.
#[derive(Clone, Debug)]
pub struct CompileReport {
    /// Why the network is interpreted, if it is: nothing was compiled then, and what is below is empty.
    pub interpreted: Option<Interpreted>,
    /// The instruction set.
    pub isa: Isa,
    /// Bytes of a context's arena.
    pub arena_bytes: usize,
    /// Bytes that a context holds beside the arena for each thread.
    pub thread_bytes: usize,
    /// The least that any placement needs.
    pub arena_lower_bound: usize,
    /// Bytes of packed constants.
    pub weight_bytes: usize,
    /// Bytes of machine code.
    pub code_bytes: usize,
    /// Distinct kernels.
    pub kernels: usize,
    /// Operators whose algorithm was chosen by measured times.
    pub tuned: usize,
    /// Wall-clock time of each phase, in order.
    pub phases: Vec<(&'static str, Duration)>,
    /// What the passes did, and nearly did.
    pub remarks: Remarks,
    /// Why the functions' names could not be written for `perf`, if that was asked for and failed.
    pub perf_map: Option<String>,
    /// Where every value lies.
    pub memory: MemoryPlan,
    /// What each kernel is.
    pub compiled: Vec<KernelInfo>,
}

/// Why a network is interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreted {
    /// It was asked for: [`Engine::Interpreted`].
    AskedFor,
    /// The system allows no executable memory, and [`Engine::Auto`] was asked for.
    NoCode(Refusal),
}

impl CompileReport {
    /// That of a network without a plan.
    pub(crate) fn unplanned(isa: Isa, arena_bytes: usize) -> Self {
        CompileReport {
            interpreted: None,
            isa,
            arena_bytes,
            thread_bytes: 0,
            arena_lower_bound: arena_bytes,
            weight_bytes: 0,
            code_bytes: 0,
            kernels: 0,
            tuned: 0,
            phases: Vec::new(),
            remarks: Remarks::default(),
            perf_map: None,
            memory: MemoryPlan::default(),
            compiled: Vec::new(),
        }
    }

    /// Wall-clock time of all phases.
    pub fn total(&self) -> Duration {
        self.phases.iter().map(|p| p.1).sum()
    }
}

/// Kernels and regions of a planned network, and the constants to be packed.
pub struct Lowered {
    /// Distinct kernels.
    pub kernels: Vec<Kernel>,
    /// The regions in the order in which they run; a step of the plan that runs anything has one or more.
    pub regions: Vec<Region>,
    /// What each region does.
    pub steps: Vec<StepInfo>,
    /// Stretches of the packed constants.
    pub packs: Vec<Pack>,
    /// Bytes of the packed constants.
    pub weight_bytes: usize,
    /// Bytes of memory that each thread of a run has for itself.
    pub thread_bytes: usize,
}

/// Runs the passes that the options ask for, in place.
///
/// # Errors
/// If a pass is named that cannot be chosen, or an operator remains that nothing can compile.
pub fn schedule(graph: &mut Graph, options: &Options) -> Result<Remarks, Error> {
    Ok(passes::run(graph, &options.pass_options())?)
}

/// The machine that the options ask for.
///
/// # Errors
/// If this CPU lacks the instruction set, or there cannot be so many threads.
pub fn machine(options: &Options) -> Result<(Isa, Machine), Error> {
    let isa = options.isa.resolve()?;
    let threads = options.thread_count()?;
    Ok((isa, Machine { target: isa.target(), threads, cache_bytes: core_cache_bytes() }))
}

/// How the operators of a network are computed, where there is a choice.
#[derive(Clone, Debug, Default)]
pub struct Algorithms {
    chosen: HashMap<NodeId, Algorithm>,
    /// How many of them were chosen by measured times.
    pub tuned: usize,
}

impl Algorithms {
    /// How a node is computed.
    pub fn get(&self, node: NodeId) -> Algorithm {
        self.chosen.get(&node).copied().unwrap_or_default()
    }
}

/// Chosen by someone else, and not by measured times.
impl FromIterator<(NodeId, Algorithm)> for Algorithms {
    fn from_iter<I: IntoIterator<Item = (NodeId, Algorithm)>>(chosen: I) -> Self {
        Algorithms { chosen: chosen.into_iter().collect(), tuned: 0 }
    }
}

/// Chooses the algorithms that the options allow, for a machine.
pub fn choose(graph: &Graph, options: &Options, machine: &Machine) -> Algorithms {
    let mut algorithms = Algorithms::default();
    if options.numerics == Numerics::Exact {
        return algorithms;
    }
    for node in graph.topo() {
        let tuned = tuned(graph, node, options, machine.target);
        algorithms.tuned += usize::from(tuned.is_some());
        let algorithm = tuned.unwrap_or_else(|| {
            let (operands, n) = (operand_types(graph, node), graph.node(node));
            Algorithm::choose(&n.op, &operands, &weights(graph, node), &n.ty, machine)
        });
        algorithms.chosen.insert(node, algorithm);
    }
    algorithms
}

/// The measured choice for an operator, if there is one and it can compute the operator.
fn tuned(graph: &Graph, node: NodeId, options: &Options, target: Target) -> Option<Algorithm> {
    let algorithm = options.tuned.as_ref()?.choice(graph, node)?;
    candidates(graph, node, target).contains(&algorithm).then_some(algorithm)
}

/// The algorithms that can compute an operator of a scheduled graph on a target.
pub fn candidates(graph: &Graph, node: NodeId, target: Target) -> Vec<Algorithm> {
    let n = graph.node(node);
    Algorithm::candidates(&n.op, &operand_types(graph, node), &weights(graph, node), &n.ty, target)
}

fn operand_types(graph: &Graph, node: NodeId) -> Vec<&TensorType> {
    graph.operands(node).into_iter().map(|o| &graph.node(o).ty).collect()
}

/// The constant weights of a convolution, and of its projection.
fn weights(graph: &Graph, node: NodeId) -> Vec<&Tensor> {
    let Op::Conv(conv) = graph.node(node).op else { return Vec::new() };
    let operands = [Some(1), conv.projected_operand().map(|operand| operand + 1)];
    let constant = |operand| Some(graph.constant_of(graph.operand(node, operand)?)?.as_ref());
    operands.into_iter().flatten().filter_map(constant).collect()
}

/// Plans a scheduled graph, with what the chosen algorithms need beside values.
pub fn plan(graph: &Graph, algorithms: &Algorithms, reuse: Reuse, machine: &Machine) -> Plan {
    let reads_range = |&(reader, position): &(NodeId, usize)| {
        let Op::Conv(conv) = graph.node(reader).op else { return false };
        let is_source = position == 0 || conv.projected_operand() == Some(position);
        is_source && algorithms.get(reader) == Algorithm::FixedPoint
    };
    let room = |node: NodeId| {
        let (n, algorithm) = (graph.node(node), algorithms.get(node));
        let operands = operand_types(graph, node);
        let is_read = graph.users(node).iter().any(reads_range);
        let range = || algorithm.range_bytes(&n.op, &operands, &n.ty, machine);
        let scratch = algorithm.scratch_bytes(&n.op, &operands, &n.ty);
        Room { scratch, range: if is_read { range() } else { 0 } }
    };
    let rooms: HashMap<NodeId, Room> = graph.topo().into_iter().map(|n| (n, room(n))).collect();
    plan::plan(graph, reuse, &|node| rooms.get(&node).copied().unwrap_or_default())
}

/// Lowers every step of a plan.
///
/// # Errors
/// If an operator cannot be compiled in its form.
pub fn lower(
    graph: &Graph,
    plan: &Plan,
    algorithms: &Algorithms,
    machine: Machine,
) -> Result<Lowered, Error> {
    let mut sink = Sink::new(machine);
    let (mut regions, mut steps) = (Vec::new(), Vec::new());
    let mut ranges: HashMap<NodeId, Ranges> = HashMap::new();
    for (operator, planned) in plan.steps.iter().filter(|s| !s.is_view).enumerate() {
        let node = graph.node(planned.node);
        let operands = graph.operands(planned.node);
        let operand = |o: NodeId| match graph.constant_of(o) {
            Some(tensor) => Operand::Constant(Arc::clone(tensor)),
            None => Operand::Value(plan.places[&o].clone()),
        };
        let step = Step {
            name: &node.name,
            op: &node.op,
            operands: operands.iter().copied().map(operand).collect(),
            dst: plan.places[&planned.node].clone(),
            fill_halo: planned.fill_halo,
            algorithm: algorithms.get(planned.node),
            scratch: planned.scratch.map(|buffer| plan.buffers[buffer].offset as i64),
            range: planned.range.map(|buffer| plan.buffers[buffer].offset as i64),
            ranges: operands.iter().map(|operand| ranges.get(operand).copied()).collect(),
        };
        if let Some(buffer) = planned.range.and_then(|b| plan.buffers.get(b)) {
            let images = node.ty.shape.first().copied().unwrap_or(1);
            ranges.insert(planned.node, Ranges::of(buffer.offset as i64, buffer.bytes, images));
        }
        let lowered = kernels::lower(&step, &mut sink)?;
        // What comes before the last region prepares its operands.
        let main = lowered.len().saturating_sub(1);
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
                algorithm: algorithms.get(planned.node),
                tile: call.and_then(|kernel| sink.tile(kernel)),
                macs: if i == main { macs(graph, planned.node) } else { 0 },
                bytes: if i == main { moved_bytes(graph, planned.node) } else { 0 },
                chunks: region.chunk_count(),
            });
            regions.push(region);
        }
    }
    let thread_bytes = sink.thread_bytes();
    let (kernels, packs, weight_bytes) = sink.finish();
    Ok(Lowered { kernels, regions, steps, packs, weight_bytes, thread_bytes })
}

/// Compiles a graph. Options that say how a network is loaded were for whoever made the graph.
///
/// # Errors
/// If an operator cannot be compiled, the CPU lacks the instruction set, there cannot be so many threads, or the system
/// refuses memory.
pub fn compile(mut graph: Graph, options: &Options) -> Result<Model, Error> {
    machine(options)?;
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

/// Compiles a graph that the passes are done with, as it stands; to machine code, whatever the engine in the options.
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
    let (isa, machine) = machine(options)?;
    let algorithms = choose(&graph, options, &machine);
    let plan = plan(&graph, &algorithms, options.reuse, &machine);
    // A bug here would be a wrong answer there, and looking for it takes less than a thousandth of a compilation.
    plan::verify::verify(&graph, &plan).map_err(Error::Plan)?;
    clock.lap("plan");
    let lowered = lower(&graph, &plan, &algorithms, machine)?;
    let port = |name: &str, node: NodeId, dtype: DType| Port {
        name: name.to_owned(),
        shape: graph.node(node).ty.shape.clone(),
        dtype,
        place: plan.places[&node].clone(),
    };
    let input = |&i: &NodeId| port(&graph.node(i).name, i, graph.input_dtype(i));
    let inputs = graph.inputs().iter().map(input).collect();
    let outputs = graph.outputs().iter().map(|o| port(&o.name, o.node, o.dtype)).collect();
    let memory = MemoryPlan::of(&graph, &plan);
    drop(graph);
    clock.lap("lower");
    let cranelift = Cranelift::host()?;
    let jobs: Vec<_> = lowered.kernels.iter().map(|k| (k, Backend::of(k.target))).collect();
    let how = CodegenOptions { threads: machine.threads, ..CodegenOptions::default() };
    let image = Image::compile(&cranelift, &jobs, &lowered.regions, how)?;
    let code = CodeSpace::new(&cranelift, &image)?;
    let perf_map = options.perf_map.then(|| perf_map::append(code.symbols(&image)));
    clock.lap("codegen");
    let bytes = lowered.weight_bytes;
    let no_memory =
        |e: std::io::Error| Error::Memory { what: "packed weights", bytes, reason: e.to_string() };
    let weights = pack(lowered.packs, bytes, machine.threads).map_err(no_memory)?;
    clock.lap("pack");
    let report = CompileReport {
        interpreted: None,
        isa,
        arena_bytes: plan.peak,
        thread_bytes: lowered.thread_bytes,
        arena_lower_bound: plan.lower_bound,
        weight_bytes: bytes,
        code_bytes: code.size(),
        kernels: lowered.kernels.len(),
        tuned: algorithms.tuned,
        phases: clock.laps,
        remarks,
        perf_map: perf_map.and_then(Result::err).map(|e| e.to_string()),
        memory,
        compiled: describe(&lowered.kernels, &image.kernels, &lowered.regions),
    };
    let pool = Pool::new(machine.threads).map_err(|e| Error::thread(machine.threads, &e))?;
    let steps = lowered.steps;
    let compiled = Compiled { code, weights, thread_bytes: lowered.thread_bytes, steps, pool };
    let body = Body::Compiled(Box::new(compiled));
    let program = Program { inputs, outputs, arena_bytes: plan.peak, body };
    Ok(Model { program: Arc::new(program), report: Arc::new(report) })
}

/// Measures phases.
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
