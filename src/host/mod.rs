//! What this machine and its system offer: what compiled code needs to run, and what its cost
//! depends on. Knows nothing about networks and kernels.
//!
//! | module | queries |
//! |---|---|
//! | [`features`] | which instructions the CPU has, and whether the system lets programs use them |
//! | [`tiles`] | whether there are tile registers, and permission to use them |
//! | [`executable`] | whether the system allows executable memory, and which setting refuses it |
//! | [`code_memory`] | memory for machine code |
//! | [`caches`] | how large the caches are |
//! | [`cpu`] | what kind of CPU it is |
//! | `owner` | who may write to a file, where Windows keeps that |
//! | `record` | which file it is and when it was changed, where Windows keeps that |
//! | [`signals`] | makes errors of what would otherwise end the process |
//!
//! Queries have no side effects. A function that changes the process is called `enable`.

pub mod caches;
pub mod code_memory;
pub mod cpu;
#[cfg(target_arch = "x86_64")]
mod cpuid;
pub mod executable;
pub mod features;
#[cfg(windows)]
pub mod owner;
#[cfg(windows)]
pub mod record;
pub mod signals;
pub mod tiles;
