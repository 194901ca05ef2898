//! The header of an exported network.

use std::fmt::Write as _;

use resnetc_ir::DType;

use super::entry::{DONE, MISSING, UNALIGNED};
use super::interface::{Interface, Slot, Weights};
use super::names::comment;
use super::target::ExportTarget;
use crate::kernels::sink::ALIGN;

/// The type of elements in C.
pub(super) fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::I8 => "int8_t",
        DType::I16 => "int16_t",
        DType::I32 => "int32_t",
        DType::I64 => "int64_t",
        DType::U32 => "uint32_t",
        DType::U64 => "uint64_t",
        // Types that C lacks are their bits.
        _ if dtype.bytes() == 2 => "uint16_t",
        _ => "uint8_t",
    }
}

impl Slot {
    /// Its number of elements.
    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// `NET_INPUT`.
    pub(super) fn macro_name(&self, interface: &Interface) -> String {
        format!("{}_{}", upper(&interface.name), upper(&self.parameter))
    }
}

pub(super) fn upper(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// The parameters that all functions begin with.
fn parameters(interface: &Interface) -> String {
    let slots = |qualifier: &str, slots: &[Slot]| {
        let one = |s: &Slot| format!("{qualifier}{} *{}, ", c_type(s.element), s.parameter);
        slots.iter().map(one).collect::<String>()
    };
    let weights = match interface.weights {
        Weights::Inside => "",
        Weights::Beside => ", const void *weights",
    };
    format!(
        "{}{}void *arena{weights}",
        slots("const ", &interface.inputs),
        slots("", &interface.outputs)
    )
}

/// The header.
pub(super) fn header(interface: &Interface, target: ExportTarget) -> String {
    let Interface { name, arena_bytes, thread_bytes, weight_bytes, .. } = interface;
    let upper = upper(name);
    let mut text = format!(
        "/* A network, compiled by resnetc {} for {target} ({}). Link {name}.o. */\n\
         #ifndef RESNETC_{name}_H\n#define RESNETC_{name}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n",
        env!("CARGO_PKG_VERSION"),
        target.isa(),
    );
    for slot in interface.inputs.iter().chain(&interface.outputs) {
        text += &describe(slot, interface);
    }
    if interface.weights == Weights::Beside {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "/* The bytes of {name}.weights. They must be in memory at a multiple of {upper}_ALIGN, and\n   \
             are only read. */\n#define {upper}_WEIGHT_BYTES {weight_bytes}u\n\n"
        );
    }
    let _ = write!(
        text,
        "/* What the addresses of an arena and of weights must be a multiple of, in bytes. */\n\
         #define {upper}_ALIGN {ALIGN}\n\n\
         /* Bytes of an arena for a run on this many threads. It need not be cleared. Runs at the same\n   \
         time need an arena each. */\n\
         #define {upper}_ARENA_BYTES_FOR(threads) \\\n    \
         ({arena_bytes}u + (threads) * {thread_bytes}ull)\n\
         #define {upper}_ARENA_BYTES {upper}_ARENA_BYTES_FOR(1)\n\n\
         /* What the functions return: an error if a pointer is NULL or there are no workers, or if the\n   \
         arena or the weights are not aligned; nothing is written then. */\n\
         enum {{ {upper}_OK = {DONE}, {upper}_NULL = {MISSING}, {upper}_UNALIGNED = {UNALIGNED} }};\n\n\
         /* Computes the outputs on the caller's thread. Allocates nothing, calls nothing, keeps nothing. */\n\
         int {name}_run({});\n\n",
        parameters(interface)
    );
    let _ = write!(
        text,
        "/* A part of a run. */\n\
         typedef void {name}_body(void *context, uint32_t chunk, uint32_t worker);\n\n\
         /* Calls body(context, i, w) for all i below count, in any order, and returns after all calls\n   \
         have returned. Calls at the same time must have different w, all below the number of workers. It\n   \
         must return: no exception and no longjmp may leave it. */\n\
         typedef void {name}_loop(void *user, uint32_t count, {name}_body *body, void *context);\n\n\
         /* As {name}_run, with the results of {name}_run, in an arena of {upper}_ARENA_BYTES_FOR(workers)\n   \
         bytes. Calls loop(user, ...) for each part of the network that can be divided. */\n\
         int {name}_run_parallel({}, uint32_t workers, {name}_loop *loop, void *user);\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
        parameters(interface)
    );
    text
}

/// The macros of an input or output.
fn describe(slot: &Slot, interface: &Interface) -> String {
    let upper = slot.macro_name(interface);
    let extents: Vec<String> = slot.shape.iter().map(usize::to_string).collect();
    let (shape, count) = (extents.join(", "), slot.count());
    let declared = match slot.declared == slot.element {
        true => String::new(),
        false => format!(
            "\n   The model declares {}: {} holds these values.",
            slot.declared,
            c_type(slot.element)
        ),
    };
    let rank = slot.shape.len();
    let mut text = format!(
        "/* {}: {} \"{}\", {}[{shape}], row-major.{declared} */\n",
        slot.parameter,
        if slot.parameter.starts_with("input") { "input" } else { "output" },
        comment(&slot.name),
        c_type(slot.element),
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "#define {upper}_COUNT {count}u\n\
         #define {upper}_BYTES ({upper}_COUNT * sizeof({}))\n#define {upper}_RANK {rank}\n",
        c_type(slot.element)
    );
    if rank > 0 {
        let _ = writeln!(text, "#define {upper}_SHAPE {{ {shape} }}");
    }
    text + "\n"
}
