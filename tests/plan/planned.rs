//! A graph with its plan, and the results of the plan.

use resnetc::codegen::emulate::{EmulatedMemory, emulate_region};
use resnetc::codegen::vir::Target;
use resnetc::compile::{self, Choices, Lowered};
use resnetc::host::cpu::Vendor;
use resnetc::ir::eval::Value;
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::kernels::Algorithm;
use resnetc::kernels::sink::{Machine, THREAD};
use resnetc::plan::{Buffer, Plan, Reuse};
use resnetc::{Numerics, Options, PassSelection};

/// A scheduled graph with a plan for it.
pub(crate) struct Planned {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    choices: Choices,
    machine: Machine,
}

impl Planned {
    /// Each operator computed by the algorithm that is picked from those that can.
    pub(crate) fn new(
        mut graph: Graph,
        target: Target,
        passes: PassSelection,
        mut pick: impl FnMut(&[Algorithm]) -> Algorithm,
    ) -> Self {
        let machine = Machine::new(target, 2, 32 * 1024, Vendor::Other);
        let options = Options::default().passes(passes).numerics(Numerics::Fast);
        compile::schedule(&mut graph, &options).expect("passes");
        let mut choose = |node| {
            let able = compile::candidates(&graph, node, &machine);
            let names: Vec<Algorithm> = able.iter().map(|choice| choice.algorithm).collect();
            let picked = (!able.is_empty()).then(|| pick(&names))?;
            Some((node, able.into_iter().find(|choice| choice.algorithm == picked)?))
        };
        let choices: Choices = graph.topo().into_iter().filter_map(&mut choose).collect();
        let plan = compile::plan(&graph, &choices, Reuse::InPlace);
        Planned { graph, plan, choices, machine }
    }

    /// The step of the only node of this name that is computed, ignoring reorders of it.
    pub(crate) fn step(&self, name: &str) -> usize {
        let is_named = |at: &usize| {
            let node = self.graph.node(self.plan.steps[*at].node);
            node.name == name && !matches!(node.op, Op::Reorder(_))
        };
        let mut found = (0..self.plan.steps.len()).filter(is_named);
        let at = found.next().unwrap_or_else(|| panic!("no step \"{name}\""));
        assert_eq!(found.next(), None, "\"{name}\" is two steps");
        at
    }

    /// The node that a step computes.
    pub(crate) fn node(&self, name: &str) -> NodeId {
        self.plan.steps[self.step(name)].node
    }

    /// The outputs of two runs, the second without new inputs: all elements as bits, every NaN the
    /// same.
    ///
    /// # Errors
    /// If an operator cannot be lowered that way, or an access is outside of the arena.
    pub(crate) fn run(&self, plan: &Plan, inputs: &[Value]) -> Result<Vec<u32>, String> {
        let lowered = compile::lower(&self.graph, plan, &self.choices, self.machine);
        let Lowered { kernels, regions, packs, weight_bytes, thread_bytes, .. } =
            lowered.map_err(|e| e.to_string())?;
        let mut weights = vec![0.0; weight_bytes / 4];
        for pack in packs {
            pack.write_words(&mut weights);
        }
        let mut memory = EmulatedMemory::new();
        let arena = memory.add(vec![f32::NAN; plan.peak / 4]);
        let bases = [arena, memory.add(weights), memory.add(vec![f32::NAN; thread_bytes / 4])];
        let start = |node: NodeId| plan.places[&node].offset as usize / 4;
        for (&node, value) in self.graph.inputs().iter().zip(inputs) {
            let data = value.to_f32();
            memory.buffer_mut(arena)[start(node)..][..data.len()].copy_from_slice(&data);
        }
        let mut results = Vec::new();
        for _ in 0..2 {
            for region in &regions {
                for chunk in (0..region.chunk_count()).rev() {
                    memory.buffer_mut(bases[THREAD.0 as usize]).fill(f32::NAN);
                    emulate_region(region, &kernels, &bases, chunk, &mut memory, true)
                        .map_err(|e| e.to_string())?;
                }
            }
            for output in self.graph.outputs() {
                let len = self.graph.node(output.node).ty.elements();
                let values = &memory.buffer(arena)[start(output.node)..][..len];
                let bits = |x: &f32| if x.is_nan() { f32::NAN } else { *x }.to_bits();
                results.extend(values.iter().map(bits));
            }
        }
        Ok(results)
    }

    /// Moves a buffer and everything in it.
    pub(crate) fn move_buffer(&self, plan: &mut Plan, buffer: usize, offset: usize) {
        plan.buffers[buffer].offset = offset;
        for value in plan.buffers[buffer].values.clone() {
            let place = plan.places.get_mut(&value).expect("values of buffers have places");
            place.offset = offset as i64;
        }
        let end = |b: &Buffer| b.offset + b.bytes;
        plan.peak = plan.peak.max(end(&plan.buffers[buffer]));
    }

    /// The buffer that holds a value.
    pub(crate) fn buffer(&self, node: NodeId) -> usize {
        let holds = |b: &Buffer| b.values.contains(&node);
        self.plan.buffers.iter().position(holds).expect("every value has a buffer")
    }
}
