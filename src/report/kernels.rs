//! The compiled kernels.

use serde::{Deserialize, Serialize};

use crate::codegen::machine::Compiled;
use crate::codegen::region::Region;
use crate::codegen::usage::Usage;
use crate::codegen::vir::Program;

/// One kernel: a function, shared by all steps with the same problem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelInfo {
    /// Its problem line.
    pub name: String,
    /// Lanes of its vectors: 4, 8 or 16 values.
    pub lanes: usize,
    /// Vector registers that it uses.
    pub vector_registers: u32,
    /// Bytes of machine code, without tables of constants.
    pub code_bytes: usize,
    /// Scalar multiply-adds in one call; a loop whose count is an argument of the call counts as
    /// one iteration.
    pub multiply_adds: u64,
    /// How many regions of a run call it.
    pub regions: usize,
}

/// Describes the kernels of a network; `compiled` is in the order of `programs`.
pub fn describe(
    programs: &[Program],
    compiled: &[Compiled],
    regions: &[Region],
) -> Vec<KernelInfo> {
    let mut users = vec![0; programs.len()];
    for region in regions {
        let calls = region.pieces.iter().flat_map(|piece| piece.calls());
        let mut kernels: Vec<usize> = calls.map(|call| call.kernel).collect();
        kernels.sort_unstable();
        kernels.dedup();
        kernels.into_iter().for_each(|kernel| users[kernel] += 1);
    }
    let kernels = programs.iter().zip(compiled).zip(users);
    kernels
        .map(|((program, compiled), regions)| KernelInfo {
            name: program.name.clone(),
            lanes: program.target.lanes,
            vector_registers: Usage::of(program).map_or(0, |usage| usage.vectors.count_ones()),
            code_bytes: compiled.code,
            multiply_adds: program.work().multiply_adds * program.target.lanes as u64,
            regions,
        })
        .collect()
}
