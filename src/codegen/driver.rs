//! Region -> Cranelift IR: `extern "C" fn(bases, chunk)` determines the chunk's piece and indices,
//! and makes the piece's calls inside their loops.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, InstBuilder, MemFlagsData, UserExternalName, Value,
};
use cranelift_frontend::FunctionBuilder;

use super::error::CodegenError;
use super::machine::{Compiled, Cranelift, Role, Scratch};
use super::region::{Address, Arg, Call, Extent, Item, Piece, Region, Word};

/// Compiles `region`; `kernels` holds the number of arguments of each kernel.
///
/// # Errors
/// If the region breaks its own rules, calls a kernel that does not exist or takes a different
/// number of arguments, or if Cranelift refuses.
pub fn compile(
    cranelift: &Cranelift,
    scratch: &mut Scratch,
    region: &Region,
    kernels: &[usize],
    keep_ir: bool,
) -> Result<Compiled, CodegenError> {
    for piece in &region.pieces {
        let wrong = |what| CodegenError::Region { region: region.name.clone(), what };
        if !piece.is_well_formed() {
            return Err(wrong("a piece breaks its own rules"));
        }
        if piece.calls().into_iter().any(|call| kernels.get(call.kernel) != Some(&call.args.len()))
        {
            return Err(wrong("no such kernel, or it takes a different number of arguments"));
        }
    }
    let signature = cranelift.region_signature();
    scratch.compile(cranelift, Role::Region, &region.name, signature, keep_ir, |builder| {
        write(cranelift, builder, region);
        Ok(())
    })
}

fn write(cranelift: &Cranelift, mut builder: FunctionBuilder<'_>, region: &Region) {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let (bases, chunk) = (builder.block_params(entry)[0], builder.block_params(entry)[1]);
    let mut first = 0;
    for piece in region.pieces.iter().filter(|piece| piece.chunk_count() > 0) {
        let end = first + piece.chunk_count();
        let (here, next) = (builder.create_block(), builder.create_block());
        let inside = builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, chunk, end as i64);
        builder.ins().brif(inside, here, &[], next, &[]);
        builder.switch_to_block(here);
        builder.seal_block(here);
        let number = builder.ins().iadd_imm_s(chunk, (first as i64).wrapping_neg());
        let mut indices = indices(&mut builder, piece, number);
        Sequence { cranelift, builder: &mut builder, bases }.items(&piece.items, &mut indices);
        builder.ins().return_(&[]);
        builder.switch_to_block(next);
        builder.seal_block(next);
        first = end;
    }
    builder.ins().return_(&[]);
    builder.finalize(cranelift.frontend_config());
}

/// Declares the kernel as a callee; it is placed next to this function.
fn declare(cranelift: &Cranelift, builder: &mut FunctionBuilder<'_>, call: &Call) -> FuncRef {
    let signature = builder.import_signature(cranelift.kernel_signature(call.args.len()));
    let name = UserExternalName { namespace: 0, index: call.kernel as u32 };
    let name = builder.func.declare_imported_user_function(name);
    builder.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated: true,
        patchable: false,
    })
}

/// The outer indices of chunk `number` of the piece, the last one fastest.
fn indices(builder: &mut FunctionBuilder<'_>, piece: &Piece, number: Value) -> Vec<Value> {
    let mut rest = number;
    let mut indices = Vec::new();
    for (level, &n) in piece.chunks.iter().enumerate().rev() {
        let n = i64::from(n);
        indices.push(if level == 0 { rest } else { builder.ins().urem_imm_u(rest, n) });
        rest = if level == 0 { rest } else { builder.ins().udiv_imm_u(rest, n) };
    }
    indices.reverse();
    indices
}

/// What a chunk does.
struct Sequence<'a, 'f> {
    cranelift: &'a Cranelift,
    builder: &'a mut FunctionBuilder<'f>,
    bases: Value,
}

impl Sequence<'_, '_> {
    /// Items, inside the loop levels whose indices are `indices`.
    fn items(&mut self, items: &[Item], indices: &mut Vec<Value>) {
        for item in items {
            match item {
                Item::Call(call) => {
                    let kernel = declare(self.cranelift, self.builder, call);
                    Nest { builder: self.builder, outer: indices.len(), call, kernel }
                        .run(self.bases, indices.clone());
                }
                Item::Repeat { count: 0, .. } => {}
                Item::Repeat { count, items } => self.repeat(*count, items, indices),
                Item::When { word, is, items } => self.when(word, *is, items, indices),
            }
        }
    }

    fn when(&mut self, word: &Address, is: Word, items: &[Item], indices: &mut Vec<Value>) {
        let address = address(self.builder, self.bases, word, indices);
        let value = self.builder.ins().load(I32, MemFlagsData::trusted(), address, 0);
        let (then, exit) = (self.builder.create_block(), self.builder.create_block());
        let (not_zero, zero) = match is {
            Word::NotZero => (then, exit),
            Word::Zero => (exit, then),
        };
        self.builder.ins().brif(value, not_zero, &[], zero, &[]);
        self.builder.switch_to_block(then);
        self.builder.seal_block(then);
        self.items(items, indices);
        self.builder.ins().jump(exit, &[]);
        self.builder.switch_to_block(exit);
        self.builder.seal_block(exit);
    }

    fn repeat(&mut self, count: u32, items: &[Item], indices: &mut Vec<Value>) {
        let (head, exit) = (self.builder.create_block(), self.builder.create_block());
        let index = self.builder.append_block_param(head, I64);
        let zero = self.builder.ins().iconst(I64, 0);
        self.builder.ins().jump(head, &[zero.into()]);
        self.builder.switch_to_block(head);
        indices.push(index);
        self.items(items, indices);
        indices.pop();
        let index = self.builder.ins().iadd_imm_s(index, 1);
        let more = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, i64::from(count));
        self.builder.ins().brif(more, head, &[index.into()], exit, &[]);
        self.builder.seal_block(head);
        self.builder.switch_to_block(exit);
        self.builder.seal_block(exit);
    }
}

/// The address of a place inside the loop levels whose indices are `indices`; inner levels count as
/// 0.
fn address(
    builder: &mut FunctionBuilder<'_>,
    bases: Value,
    place: &Address,
    indices: &[Value],
) -> Value {
    let flags = MemFlagsData::trusted().with_readonly();
    let at = builder.ins().iadd_imm_s(bases, 8 * i64::from(place.base.0));
    let base = builder.ins().load(I64, flags, at, 0);
    let mut address = builder.ins().iadd_imm_s(base, place.offset);
    let steps = place.strides.iter().zip(indices).filter(|(stride, _)| **stride != 0);
    for (&stride, &index) in steps {
        let step = builder.ins().imul_imm_s(index, stride);
        address = builder.ins().iadd(address, step);
    }
    address
}

/// One call's loops.
struct Nest<'a, 'f> {
    builder: &'a mut FunctionBuilder<'f>,
    /// How many levels are outside the call's own.
    outer: usize,
    call: &'a Call,
    kernel: FuncRef,
}

impl Nest<'_, '_> {
    /// All iterations of the loops, inside the levels whose indices are `indices`.
    fn run(mut self, bases: Value, mut indices: Vec<Value>) {
        let call = self.call;
        let addresses = call.args.iter().map(|arg| self.start(bases, arg, &indices)).collect();
        self.level(&mut indices, addresses);
    }

    /// An argument's value with all inner indices 0; for a count, 0.
    fn start(&mut self, bases: Value, arg: &Arg, indices: &[Value]) -> Value {
        match arg {
            Arg::Address(place) => address(self.builder, bases, place, indices),
            Arg::Count(_) => self.builder.ins().iconst(I64, 0),
        }
    }

    /// The next loop inside the levels whose indices are `indices`, and everything inside it.
    /// Addresses that it advances are carried as block parameters.
    fn level(&mut self, indices: &mut Vec<Value>, addresses: Vec<Value>) {
        let level = indices.len();
        let Some(extent) = self.call.loops.get(level - self.outer) else {
            return self.invoke(indices, &addresses);
        };
        if let Extent::Fixed(0) = extent {
            return;
        }
        let turns = self.turns(extent, indices);
        let (head, exit) = (self.builder.create_block(), self.builder.create_block());
        let index = self.builder.append_block_param(head, I64);
        let zero = self.builder.ins().iconst(I64, 0);
        let moving: Vec<(usize, i64)> = self.moving(level);
        let (mut inside, mut carried) = (addresses.clone(), vec![zero.into()]);
        for &(arg, _) in &moving {
            inside[arg] = self.builder.append_block_param(head, I64);
            carried.push(addresses[arg].into());
        }
        self.builder.ins().brif(turns, head, &carried, exit, &[]);
        self.builder.switch_to_block(head);
        indices.push(index);
        self.level(indices, inside.clone());
        indices.pop();
        let index = self.builder.ins().iadd_imm_s(index, 1);
        let mut carried = vec![index.into()];
        for &(arg, stride) in &moving {
            carried.push(self.builder.ins().iadd_imm_s(inside[arg], stride).into());
        }
        let more = self.builder.ins().icmp(IntCC::UnsignedLessThan, index, turns);
        self.builder.ins().brif(more, head, &carried, exit, &[]);
        self.builder.seal_block(head);
        self.builder.switch_to_block(exit);
        self.builder.seal_block(exit);
    }

    /// The arguments that the loop at `level` advances, and by how many bytes.
    fn moving(&self, level: usize) -> Vec<(usize, i64)> {
        let stride = |arg: &Arg| match arg {
            Arg::Address(place) => place.strides.get(level).copied().filter(|&s| s != 0),
            Arg::Count(_) => None,
        };
        self.call.args.iter().enumerate().filter_map(|(i, arg)| Some((i, stride(arg)?))).collect()
    }

    fn invoke(&mut self, indices: &[Value], addresses: &[Value]) {
        let call = self.call;
        let args: Vec<Value> = call
            .args
            .iter()
            .zip(addresses)
            .map(|(arg, &address)| match arg {
                Arg::Address(_) => address,
                Arg::Count(extent) => self.turns(extent, indices),
            })
            .collect();
        self.builder.ins().call(self.kernel, &args);
    }

    fn turns(&mut self, extent: &Extent, indices: &[Value]) -> Value {
        match *extent {
            Extent::Fixed(n) => self.builder.ins().iconst(I64, i64::from(n)),
            Extent::Rest { level, per, total } => {
                let per = self.builder.ins().iconst(I64, i64::from(per));
                let total = self.builder.ins().iconst(I64, i64::from(total));
                let zero = self.builder.ins().iconst(I64, 0);
                let done = self.builder.ins().imul(indices[level], per);
                let rest = self.builder.ins().isub(total, done);
                let rest = self.select(IntCC::SignedLessThan, rest, per);
                self.select(IntCC::SignedGreaterThan, rest, zero)
            }
        }
    }

    /// `a` if `a by b` holds, else `b`.
    fn select(&mut self, by: IntCC, a: Value, b: Value) -> Value {
        let condition = self.builder.ins().icmp(by, a, b);
        self.builder.ins().select(condition, a, b)
    }
}
