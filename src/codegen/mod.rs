//! From vector programs to machine code. Knows nothing about graphs.
//!
//! | module | holds |
//! |---|---|
//! | [`vir`] | the vector program, its builder, its printed form |
//! | [`region`] | the driver's input: nests of kernel calls over independent chunks |
//! | `integers` | integers in lanes, bytes in tiles |
//! | [`emulate`] | runs a vector program lane by lane on checked memory: the oracle of the back ends |
//! | [`clif`] | vector program -> Cranelift IR, 128-bit vectors, any CPU |
//! | [`x64`] | vector program -> AVX2+FMA and AVX-512 instructions |
//! | [`a64`] | vector program -> instructions of 64-bit Arm's Advanced SIMD |
//! | [`encoded`] | what these two return |
//! | [`driver`] | region -> Cranelift IR |
//! | [`image`] | the compiled functions of one network, not linked yet |
//! | [`usage`] | which registers a program uses, and whether its target has them |
//! | [`liveness`] | which registers hold nothing that is needed |
//! | [`listing`] | machine code annotated with the lines of the program that it was compiled from |
//! | [`error`] | what can go wrong |
//! | [`machine`] | Cranelift configured for this machine, and code not linked yet |
//! | [`code`] | owns the executable memory of one compiled network |

pub mod a64;
pub mod clif;
pub mod code;
pub mod driver;
pub mod emulate;
pub mod encoded;
pub mod error;
pub mod image;
pub(crate) mod integers;
pub mod listing;
pub mod liveness;
pub mod machine;
pub mod perf_map;
pub mod region;
pub mod usage;
pub mod vir;
pub mod x64;
