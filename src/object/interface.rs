//! What the functions of an exported network take and return.

use resnetc_ir::DType;

use crate::compile::Stages;
use crate::kernels::sink::ALIGN;

/// Where the weights of an exported network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// In the object, as read-only data.
    Inside,
    /// In a file of their own, which programs map or read; functions take its address.
    Beside,
}

/// A range of the arena that is copied from or to a caller's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) offset: i64,
    pub(super) bytes: usize,
}

/// What the functions and the header are made from.
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) inputs: Vec<Slot>,
    pub(super) outputs: Vec<Slot>,
    pub(super) weights: Weights,
    /// Bytes of the arena without memory of threads.
    pub(super) arena_bytes: usize,
    /// Bytes of each thread's memory, a multiple of [`ALIGN`].
    pub(super) thread_bytes: usize,
    pub(super) weight_bytes: usize,
}

/// An input or output.
pub(super) struct Slot {
    /// Its name in the model.
    pub(super) name: String,
    /// The name of its parameter.
    pub(super) parameter: String,
    pub(super) shape: Vec<usize>,
    /// The type in memory, and the one that the model declares.
    pub(super) element: DType,
    pub(super) declared: DType,
    pub(super) copy: Copy,
}

impl Interface {
    /// That of a planned network, with its name and where its weights are.
    pub(super) fn of(
        stages: &Stages,
        (name, weights): (&str, Weights),
        thread_bytes: usize,
        weight_bytes: usize,
    ) -> Self {
        let Stages { graph, plan, .. } = stages;
        let slot = |name: &str, node, declared| {
            let place = &plan.places[&node];
            let ty = &place.geometry.ty;
            Slot {
                name: name.to_owned(),
                parameter: String::new(),
                shape: graph.node(node).ty.shape.clone(),
                element: ty.dtype,
                declared,
                copy: Copy { offset: place.offset, bytes: ty.bytes() },
            }
        };
        let input = |&id| slot(&graph.node(id).name, id, graph.input_dtype(id));
        let mut inputs: Vec<Slot> = graph.inputs().iter().map(input).collect();
        let outputs = graph.outputs().iter().map(|o| slot(&o.name, o.node, o.dtype));
        let mut outputs: Vec<Slot> = outputs.collect();
        parameters("input", &mut inputs);
        parameters("output", &mut outputs);
        Interface {
            name: name.to_owned(),
            inputs,
            outputs,
            weights,
            arena_bytes: plan.peak.next_multiple_of(ALIGN),
            thread_bytes: thread_bytes.next_multiple_of(ALIGN),
            weight_bytes,
        }
    }
}

/// Names the parameters of inputs or outputs: `input`, or with several `input0`, `input1`, ...
fn parameters(kind: &str, slots: &mut [Slot]) {
    let several = slots.len() > 1;
    for (i, slot) in slots.iter_mut().enumerate() {
        slot.parameter = if several { format!("{kind}{i}") } else { kind.to_owned() };
    }
}
