//! Which registers a program uses: asked by the emulator and by every back end before they trust a program.

use super::error::CodegenError;
use super::vir::{Count, Inst, P, POINTERS, Program, V, loop_depth};

/// The registers of a program that was checked against its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// One bit a vector register that an instruction names.
    pub vectors: u32,
    /// Address and count registers, arguments included, loop counters not.
    pub pointers: usize,
    /// How deep loops nest: each level holds one more register, its counter.
    pub loops: usize,
}

impl Usage {
    /// Looks through `program`.
    ///
    /// # Errors
    /// If it has a lane count that no target has, or names registers beyond its target or its own declaration.
    pub fn of(program: &Program) -> Result<Usage, CodegenError> {
        let wrong = |what| Err(CodegenError::Malformed { program: program.name.clone(), what });
        if !matches!((program.target.lanes, program.target.vectors), (4 | 8 | 16, 0..=32)) {
            return wrong("lanes must be 4, 8 or 16 and vector registers at most 32");
        }
        let (mut vectors, mut pointers) = (0u64, program.args);
        visit(&program.body, &mut |v| vectors |= 1 << v.0.min(63), &mut |p| {
            pointers = pointers.max(p.0 as usize + 1);
        });
        let loops = loop_depth(&program.body);
        if vectors >> program.target.vectors != 0 {
            return wrong("a vector register outside the target");
        }
        if pointers > program.pointers || program.pointers + loops > POINTERS {
            return wrong("an address register that was not declared, or too many of them");
        }
        Ok(Usage { vectors: vectors as u32, pointers: program.pointers, loops })
    }
}

/// Calls back for every register that the instructions name.
fn visit(body: &[Inst], vector: &mut impl FnMut(V), pointer: &mut impl FnMut(P)) {
    for inst in body {
        match *inst {
            Inst::Const { dst, .. } => vector(dst),
            Inst::Load { dst: v, src: m }
            | Inst::Broadcast { dst: v, src: m }
            | Inst::Shuffle { dst: v, src: m, .. }
            | Inst::Store { dst: m, src: v }
            | Inst::StoreFirst { dst: m, src: v } => {
                vector(v);
                pointer(m.base);
            }
            Inst::Prefetch { src } => pointer(src.base),
            Inst::Copy { dst, src }
            | Inst::Round { dst, src }
            | Inst::Pow2 { dst, src }
            | Inst::Sqrt { dst, src }
            | Inst::Exponent { dst, src } => {
                [dst, src].into_iter().for_each(&mut *vector);
            }
            Inst::MultiplyAdd { acc: dst, a, b }
            | Inst::Arith { dst, a, b, .. }
            | Inst::Blend { dst, a, b, .. } => [dst, a, b].into_iter().for_each(&mut *vector),
            Inst::CopyPointer { dst, src } => [dst, src].into_iter().for_each(&mut *pointer),
            Inst::Advance { pointer: p, .. } => pointer(p),
            Inst::Loop { count, ref body } => {
                if let Count::Register(p) = count {
                    pointer(p);
                }
                visit(body, vector, pointer);
            }
        }
    }
}
