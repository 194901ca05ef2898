//! From vector programs to machine code. Knows nothing of graphs.
//!
//! | room | holds |
//! |---|---|
//! | [`vir`] | the vector program, its builder, its printed form |
//! | [`region`] | the driver's input: nests of kernel calls over independent chunks |
//! | [`emulate`] | runs a vector program lane by lane on checked memory: the oracle of the back ends |
//! | [`clif`] | vector program -> Cranelift IR, 128-bit vectors, any CPU |
//! | [`x64`] | vector program -> AVX2+FMA and AVX-512 instructions |
//! | [`driver`] | region -> Cranelift IR |
//! | [`code`] | owns the executable memory of one compiled network |

pub mod clif;
pub mod code;
pub mod driver;
pub mod emulate;
pub mod region;
pub mod vir;
pub mod x64;
