//! Compiled kernels, called like any region: one piece, one chunk, every buffer a base.

use resnetc::codegen::code::{Bases, CodeSpace};
use resnetc::codegen::emulate::{Memory, emulate};
use resnetc::codegen::error::CodegenError;
use resnetc::codegen::image::{Backend, Image, Options};
use resnetc::codegen::machine::Cranelift;
use resnetc::codegen::region::{Arg, Base, Extent, Piece, Region};
use resnetc::codegen::vir::Program;

/// An argument of a kernel under test.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// The address of value number `start` of a buffer.
    Buffer { values: Vec<f32>, start: usize },
    /// A number.
    Count(u32),
}

/// Runs `program` in the emulator; the buffers afterwards.
pub(crate) fn emulated(program: &Program, given: &[Given], fused: bool) -> Vec<Vec<f32>> {
    let mut memory = Memory::new();
    let places: Vec<(u64, u64)> = given
        .iter()
        .map(|g| match g {
            Given::Buffer { values, start } => {
                let address = memory.add(values.clone());
                (address, address + 4 * *start as u64)
            }
            Given::Count(n) => (0, u64::from(*n)),
        })
        .collect();
    let args: Vec<u64> = places.iter().map(|p| p.1).collect();
    emulate(program, &args, &mut memory, fused).unwrap_or_else(|e| panic!("{e}\n{program}"));
    places.iter().filter(|p| p.0 != 0).map(|p| memory.buffer(p.0).to_vec()).collect()
}

/// Compiles `program` and runs it; the buffers afterwards.
pub(crate) fn compiled(
    cranelift: &Cranelift,
    program: &Program,
    backend: Backend,
    given: &[Given],
) -> Result<Vec<Vec<f32>>, CodegenError> {
    let mut buffers: Vec<Vec<f32>> = Vec::new();
    let args = given
        .iter()
        .map(|g| match g {
            Given::Buffer { values, start } => {
                buffers.push(values.clone());
                let base = Base(buffers.len() as u32 - 1);
                Arg::Address { base, offset: 4 * *start as i64, strides: Vec::new() }
            }
            Given::Count(n) => Arg::Count(Extent::Fixed(*n)),
        })
        .collect();
    let piece = Piece { kernel: 0, chunks: Vec::new(), loops: Vec::new(), args };
    let region = Region { name: "test".into(), pieces: vec![piece] };
    let image = Image::compile(cranelift, &[(program, backend)], &[region], Options::default())?;
    let space = CodeSpace::new(cranelift, &image)?;
    let mut bases = Bases::new(buffers.len());
    for (i, buffer) in buffers.iter_mut().enumerate() {
        bases.set(i, buffer.as_mut_ptr().cast());
    }
    // SAFETY: the emulator has run the same program on buffers of the same sizes and found every access inside.
    unsafe { space.run_chunk(0, &bases, 0) };
    Ok(buffers)
}

/// Whether two results agree to the bit, any NaN being as good as another.
pub(crate) fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Fails at the first difference.
pub(crate) fn assert_same(got: &[Vec<f32>], want: &[Vec<f32>], program: &Program) {
    assert_eq!(got.len(), want.len());
    for (buffer, (got, want)) in got.iter().zip(want).enumerate() {
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            assert!(same(g, w), "buffer {buffer} value {i}: got {g:?}, want {w:?}\n{program}");
        }
    }
}
