//! Compiled kernels, called like any region: one piece, one chunk, every buffer a base.

use proptest::prelude::*;
use resnetc::Isa;
use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{EmulatedMemory, emulate};
use resnetc::codegen::error::CodegenError;
use resnetc::codegen::image::{Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::region::{Address, Arg, Base, Call, Extent, Item, Piece, Region};
use resnetc::codegen::vir::Program;
use resnetc::codegen::{a64, x64};

use super::{a64_processor, processor};

/// An argument of a kernel under test.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// The address of value number `start` of a buffer.
    Buffer { values: Vec<f32>, start: usize },
    /// A number.
    Count(u32),
}

/// The arguments in the emulator's memory: each buffer's address, or 0; and the program's
/// arguments.
fn place(given: &[Given], memory: &mut EmulatedMemory) -> (Vec<u64>, Vec<u64>) {
    given
        .iter()
        .map(|g| match g {
            Given::Buffer { values, start } => {
                let address = memory.add(values.clone());
                (address, address + 4 * *start as u64)
            }
            Given::Count(n) => (0, u64::from(*n)),
        })
        .unzip()
}

fn buffers(addresses: &[u64], memory: &EmulatedMemory) -> Vec<Vec<f32>> {
    addresses.iter().filter(|&&a| a != 0).map(|&a| memory.buffer(a).to_vec()).collect()
}

/// Runs `program` in the emulator. Returns the buffers.
pub(crate) fn emulated(program: &Program, given: &[Given], fused: bool) -> Vec<Vec<f32>> {
    let mut memory = EmulatedMemory::new();
    let (addresses, args) = place(given, &mut memory);
    emulate(program, &args, &mut memory, fused).unwrap_or_else(|e| panic!("{e}\n{program}"));
    buffers(&addresses, &memory)
}

/// Encodes `program`, for 64-bit Arm if its target multiplies by lanes and else for x86-64, and runs
/// the code on the test processor. Returns the buffers.
pub(crate) fn processed(program: &Program, given: &[Given]) -> Vec<Vec<f32>> {
    let mut memory = EmulatedMemory::new();
    let (addresses, args) = place(given, &mut memory);
    if program.target.by_lane {
        a64_processor::call(&a64::encode(program).unwrap(), &args, &mut memory);
    } else {
        processor::call(&x64::encode(program).unwrap(), &args, &mut memory);
    }
    buffers(&addresses, &memory)
}

/// Compiles `program` and runs it. Returns the buffers.
pub(crate) fn compiled(
    cranelift: &Cranelift,
    program: &Program,
    isa: Isa,
    given: &[Given],
) -> Result<Vec<Vec<f32>>, CodegenError> {
    let mut buffers: Vec<Vec<f32>> = Vec::new();
    let args = given
        .iter()
        .map(|g| match g {
            Given::Buffer { values, start } => {
                buffers.push(values.clone());
                let base = Base(buffers.len() as u32 - 1);
                Arg::Address(Address { base, offset: 4 * *start as i64, strides: Vec::new() })
            }
            Given::Count(n) => Arg::Count(Extent::Fixed(*n)),
        })
        .collect();
    let piece = Piece {
        chunks: Vec::new(),
        items: vec![Item::Call(Call { kernel: 0, loops: Vec::new(), args })],
    };
    let region = Region { name: "test".into(), pieces: vec![piece] };
    let kernels = std::slice::from_ref(program);
    let image = Image::compile(cranelift, isa, kernels, &[region], Options::default())?;
    let space = CodeSpace::new(cranelift, &image)?;
    let mut bases = Bases::new(buffers.len());
    for (i, buffer) in buffers.iter_mut().enumerate() {
        bases.set(i, buffer.as_mut_ptr().cast());
    }
    // SAFETY: the emulator has run the same program on buffers of the same sizes and found every
    // access in bounds.
    unsafe { space.run_chunk(0, &bases, 0) };
    Ok(buffers)
}

/// Whether two results agree to the bit, where any NaN equals any other.
pub(crate) fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// The first difference of two results, if there is one.
pub(crate) fn compare(got: &[Vec<f32>], want: &[Vec<f32>]) -> Result<(), TestCaseError> {
    assert_eq!(got.len(), want.len());
    for (buffer, (got, want)) in got.iter().zip(want).enumerate() {
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            prop_assert!(same(g, w), "buffer {} value {}: got {:?}, want {:?}", buffer, i, g, w);
        }
    }
    Ok(())
}
