//! The functions that C calls: they copy inputs into the arena, run the regions one after the
//! other, and copy outputs out of it.

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, FuncRef, Function, InstBuilder, MemFlagsData, Signature, StackSlot,
    StackSlotData, StackSlotKind, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataId, FuncId, Linkage, Module};
use cranelift_object::ObjectModule;

use super::interface::Interface;
use super::mode::Modes;
use crate::codegen::error::CodegenError;
use crate::codegen::image::{Image, Linked};
use crate::codegen::machine::Cranelift;
use crate::kernels::sink::{ALIGN, ARENA, BASES, THREAD, WEIGHTS};

/// What the functions return.
pub(super) const DONE: i64 = 0;
/// A pointer is NULL, or there are no workers.
pub(super) const MISSING: i64 = 1;
/// The arena or the weights are not aligned.
pub(super) const UNALIGNED: i64 = 2;

/// What the functions of a module need of it.
struct Parts<'a> {
    interface: &'a Interface,
    image: &'a Image,
    linked: &'a Linked,
    weights: Option<DataId>,
    modes: Modes,
    copy: FuncId,
    worker: FuncId,
    pointer_signature: Signature,
}

/// Defines the functions in a module: two that are exported, and what they call.
pub(super) fn define(
    module: &mut ObjectModule,
    cranelift: &Cranelift,
    (image, linked): (&Image, &Linked),
    interface: &Interface,
    (weights, modes): (Option<DataId>, Modes),
) -> Result<(), CodegenError> {
    let name = &interface.name;
    let c = cranelift.region_signature().call_conv;
    let signature = |params: &[_], returns: &[_]| {
        let mut signature = Signature::new(c);
        signature.params.extend(params.iter().map(|&ty| AbiParam::new(ty)));
        signature.returns.extend(returns.iter().map(|&ty| AbiParam::new(ty)));
        signature
    };
    let copy_signature = signature(&[I64; 3], &[]);
    let copy = module.declare_function(&format!("{name}_copy"), Linkage::Local, &copy_signature)?;
    let worker_signature = signature(&[I64, I32, I32], &[]);
    let worker =
        module.declare_function(&format!("{name}_worker"), Linkage::Local, &worker_signature)?;
    let parts = Parts {
        interface,
        image,
        linked,
        weights,
        modes,
        copy,
        worker,
        pointer_signature: cranelift.region_signature(),
    };
    function(module, cranelift, copy, copy_signature, |_, b| {
        write_copy(b);
        Ok(())
    })?;
    function(module, cranelift, worker, worker_signature, |module, b| {
        parts.write_worker(module, b);
        Ok(())
    })?;
    let pointers =
        interface.inputs.len() + interface.outputs.len() + 1 + usize::from(weights.is_none());
    let run_signature = signature(&vec![I64; pointers], &[I32]);
    let run = module.declare_function(&format!("{name}_run"), Linkage::Export, &run_signature)?;
    function(module, cranelift, run, run_signature, |module, b| parts.write_run(module, b, None))?;
    let mut params = vec![I64; pointers];
    params.extend([I32, I64, I64]);
    let parallel_signature = signature(&params, &[I32]);
    let call = signature(&[I64, I32, I64, I64], &[]);
    let parallel = format!("{name}_run_parallel");
    let parallel = module.declare_function(&parallel, Linkage::Export, &parallel_signature)?;
    function(module, cranelift, parallel, parallel_signature, |module, b| {
        parts.write_run(module, b, Some(call.clone()))
    })
}

/// Compiles a function that `write` fills.
fn function(
    module: &mut ObjectModule,
    cranelift: &Cranelift,
    id: FuncId,
    signature: Signature,
    write: impl FnOnce(&mut ObjectModule, &mut FunctionBuilder<'_>) -> Result<(), CodegenError>,
) -> Result<(), CodegenError> {
    let mut context = Context::new();
    context.func = Function::new();
    context.func.signature = signature;
    let mut frontend = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut frontend);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    write(module, &mut builder)?;
    builder.finalize(cranelift.frontend_config());
    Ok(module.define_function(id, &mut context)?)
}

/// A loop over `count` values of an index, which is at least one.
fn repeat(
    b: &mut FunctionBuilder<'_>,
    count: Value,
    step: i64,
    body: impl FnOnce(&mut FunctionBuilder<'_>, Value),
) {
    let (head, exit) = (b.create_block(), b.create_block());
    let index = b.append_block_param(head, I64);
    let zero = b.ins().iconst(I64, 0);
    b.ins().jump(head, &[zero.into()]);
    b.switch_to_block(head);
    body(b, index);
    let next = b.ins().iadd_imm_s(index, step);
    let more = b.ins().icmp(IntCC::UnsignedLessThan, next, count);
    b.ins().brif(more, head, &[next.into()], exit, &[]);
    b.seal_block(head);
    b.switch_to_block(exit);
    b.seal_block(exit);
}

/// Runs `then` if a value is not zero.
fn when(b: &mut FunctionBuilder<'_>, is: Value, then: impl FnOnce(&mut FunctionBuilder<'_>)) {
    let (inside, exit) = (b.create_block(), b.create_block());
    b.ins().brif(is, inside, &[], exit, &[]);
    b.switch_to_block(inside);
    b.seal_block(inside);
    then(b);
    b.ins().jump(exit, &[]);
    b.switch_to_block(exit);
    b.seal_block(exit);
}

/// `copy(to, from, bytes)`: whole vectors, then single bytes. C's `memcpy`, without the library.
fn write_copy(b: &mut FunctionBuilder<'_>) {
    const VECTOR: i64 = 16;
    let params = b.block_params(b.current_block().unwrap_or(Block::from_u32(0))).to_vec();
    let [to, from, bytes] = params[..] else { return };
    let flags = MemFlagsData::new();
    let rest = b.ins().band_imm_u(bytes, VECTOR - 1);
    let whole = b.ins().isub(bytes, rest);
    when(b, whole, |b| {
        repeat(b, whole, VECTOR, |b, at| {
            let (from, to) = (b.ins().iadd(from, at), b.ins().iadd(to, at));
            let vector = b.ins().load(I8X16, flags, from, 0);
            b.ins().store(flags, vector, to, 0);
        });
    });
    when(b, rest, |b| {
        repeat(b, rest, 1, |b, at| {
            let at = b.ins().iadd(whole, at);
            let (from, to) = (b.ins().iadd(from, at), b.ins().iadd(to, at));
            let byte = b.ins().load(I8, flags, from, 0);
            b.ins().store(flags, byte, to, 0);
        });
    });
    b.ins().return_(&[]);
}

/// What a worker of a region gets, 64 bits each: the addresses of the region's function, the arena,
/// the weights and the memory of the first worker.
const JOB: usize = 4;

/// Memory of the function's own for some words.
fn words(b: &mut FunctionBuilder<'_>, count: usize) -> StackSlot {
    b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * count as u32, 3))
}

impl Parts<'_> {
    fn declare(
        &self,
        module: &mut ObjectModule,
        b: &mut FunctionBuilder<'_>,
        id: FuncId,
    ) -> FuncRef {
        module.declare_func_in_func(id, b.func)
    }

    /// Sets the floating-point mode, and returns the one before.
    fn enter(&self, module: &mut ObjectModule, b: &mut FunctionBuilder<'_>) -> Value {
        let enter = self.declare(module, b, self.modes.enter);
        let call = b.ins().call(enter, &[]);
        b.inst_results(call)[0]
    }

    fn leave(&self, module: &mut ObjectModule, b: &mut FunctionBuilder<'_>, mode: Value) {
        let leave = self.declare(module, b, self.modes.leave);
        b.ins().call(leave, &[mode]);
    }

    /// `worker(job, chunk, worker)`: one chunk of a region, on the memory of a worker.
    fn write_worker(&self, module: &mut ObjectModule, b: &mut FunctionBuilder<'_>) {
        let params = b.block_params(b.current_block().unwrap_or(Block::from_u32(0))).to_vec();
        let [job, chunk, worker] = params[..] else { return };
        let flags = MemFlagsData::trusted();
        let word = |b: &mut FunctionBuilder<'_>, i: i32| b.ins().load(I64, flags, job, 8 * i);
        let [region, arena, weights, first] = [0, 1, 2, 3].map(|i| word(b, i));
        let worker = b.ins().uextend(I64, worker);
        let offset = b.ins().imul_imm_s(worker, self.interface.thread_bytes as i64);
        let thread = b.ins().iadd(first, offset);
        let bases = bases(b, [arena, weights, thread]);
        let chunk = b.ins().uextend(I64, chunk);
        let mode = self.enter(module, b);
        let signature = b.import_signature(self.pointer_signature.clone());
        b.ins().call_indirect(signature, region, &[bases, chunk]);
        self.leave(module, b, mode);
        b.ins().return_(&[]);
    }

    /// `run(inputs, outputs, arena, weights?)`, and with the signature of a caller's loop
    /// `run_parallel(..., workers, loop, user)`.
    fn write_run(
        &self,
        module: &mut ObjectModule,
        b: &mut FunctionBuilder<'_>,
        parallel: Option<Signature>,
    ) -> Result<(), CodegenError> {
        let params = b.block_params(b.current_block().unwrap_or(Block::from_u32(0))).to_vec();
        let Interface { inputs, outputs, arena_bytes, .. } = self.interface;
        let (from, rest) = params.split_at(inputs.len());
        let (to, rest) = rest.split_at(outputs.len());
        let arena = rest[0];
        let given = self.weights.is_none().then(|| rest[1]);
        let team = &rest[1 + usize::from(given.is_some())..];
        let needed = params.iter().take(params.len() - team.len());
        let needed: Vec<Value> = needed.chain(team.iter().take(2)).copied().collect();
        needed.into_iter().for_each(|value| refuse_zero(b, value));
        [Some(arena), given].into_iter().flatten().for_each(|pointer| refuse_unaligned(b, pointer));
        let weights = match (self.weights, given) {
            (Some(id), _) => {
                let global = module.declare_data_in_func(id, b.func);
                b.ins().symbol_value(I64, global)
            }
            (None, Some(pointer)) => pointer,
            (None, None) => b.ins().iconst(I64, 0),
        };
        let copy = self.declare(module, b, self.copy);
        for (slot, &from) in inputs.iter().zip(from) {
            let place = b.ins().iadd_imm_s(arena, slot.copy.offset);
            let bytes = b.ins().iconst(I64, slot.copy.bytes as i64);
            b.ins().call(copy, &[place, from, bytes]);
        }
        let first = b.ins().iadd_imm_s(arena, *arena_bytes as i64);
        match (parallel, team) {
            (Some(signature), &[_, callback, user]) => {
                let memory = [arena, weights, first];
                self.in_parallel(module, b, memory, (signature, callback, user));
            }
            _ => self.one_by_one(module, b, [arena, weights, first]),
        }
        for (slot, &to) in outputs.iter().zip(to) {
            let place = b.ins().iadd_imm_s(arena, slot.copy.offset);
            let bytes = b.ins().iconst(I64, slot.copy.bytes as i64);
            b.ins().call(copy, &[to, place, bytes]);
        }
        let done = b.ins().iconst(I32, DONE);
        b.ins().return_(&[done]);
        Ok(())
    }

    /// All chunks of all regions on the caller's thread.
    fn one_by_one(
        &self,
        module: &mut ObjectModule,
        b: &mut FunctionBuilder<'_>,
        memory: [Value; BASES],
    ) {
        let mode = self.enter(module, b);
        let bases = bases(b, memory);
        for (&region, info) in self.linked.regions.iter().zip(&self.image.infos) {
            let region = self.declare(module, b, region);
            if info.chunks > 0 {
                let count = b.ins().iconst(I64, info.chunks as i64);
                repeat(b, count, 1, |b, chunk| {
                    b.ins().call(region, &[bases, chunk]);
                });
            }
        }
        self.leave(module, b, mode);
    }

    /// The chunks of each region by the caller's loop: `loop(user, chunks, worker, job)`.
    fn in_parallel(
        &self,
        module: &mut ObjectModule,
        b: &mut FunctionBuilder<'_>,
        [arena, weights, first]: [Value; BASES],
        (signature, callback, user): (Signature, Value, Value),
    ) {
        let job = words(b, JOB);
        for (i, value) in [arena, weights, first].into_iter().enumerate() {
            b.ins().stack_store(I64, value, job, 8 * (i as i32 + 1));
        }
        let job_address = b.ins().stack_addr(I64, job, 0);
        let worker = self.declare(module, b, self.worker);
        let worker_address = b.ins().func_addr(I64, worker);
        let signature = b.import_signature(signature);
        let none = b.ins().iconst(I32, 0);
        for (&region, info) in self.linked.regions.iter().zip(&self.image.infos) {
            let region = self.declare(module, b, region);
            let address = b.ins().func_addr(I64, region);
            b.ins().stack_store(I64, address, job, 0);
            match info.chunks {
                0 => {}
                // Not worth a loop of the caller's, which may wake up threads.
                1 => {
                    b.ins().call(worker, &[job_address, none, none]);
                }
                chunks => {
                    let count = b.ins().iconst(I32, chunks as i64);
                    let args = [user, count, worker_address, job_address];
                    b.ins().call_indirect(signature, callback, &args);
                }
            }
        }
    }
}

/// The table of base addresses, in the function's own memory.
fn bases(b: &mut FunctionBuilder<'_>, [arena, weights, thread]: [Value; BASES]) -> Value {
    let slot = words(b, BASES);
    for (base, value) in [(ARENA, arena), (WEIGHTS, weights), (THREAD, thread)] {
        b.ins().stack_store(I64, value, slot, 8 * base.0 as i32);
    }
    b.ins().stack_addr(I64, slot, 0)
}

/// Returns an error if a pointer is NULL or a number is zero.
fn refuse_zero(b: &mut FunctionBuilder<'_>, value: Value) {
    let (missing, next) = (b.create_block(), b.create_block());
    b.ins().brif(value, next, &[], missing, &[]);
    refuse(b, missing, next, MISSING);
}

/// Returns an error if a pointer is not aligned to a cache line.
fn refuse_unaligned(b: &mut FunctionBuilder<'_>, pointer: Value) {
    let (wrong, next) = (b.create_block(), b.create_block());
    let rest = b.ins().band_imm_u(pointer, ALIGN as i64 - 1);
    b.ins().brif(rest, wrong, &[], next, &[]);
    refuse(b, wrong, next, UNALIGNED);
}

/// Returns `code` in one block, and goes on in another.
fn refuse(b: &mut FunctionBuilder<'_>, wrong: Block, next: Block, code: i64) {
    b.switch_to_block(wrong);
    b.seal_block(wrong);
    let code = b.ins().iconst(I32, code);
    b.ins().return_(&[code]);
    b.switch_to_block(next);
    b.seal_block(next);
}
