//! Code generation: every back end against the emulator.

#[path = "codegen/pool.rs"]
mod pool;
#[path = "codegen/programs.rs"]
mod programs;
#[path = "codegen/regions.rs"]
mod regions;
#[path = "codegen/support.rs"]
mod support;
