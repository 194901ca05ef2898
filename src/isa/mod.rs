//! Instruction sets as data: what programs may rely on, which back end encodes them, and what the
//! CPU must have.
//!
//! Every property of an instruction set is read from its row; nothing infers it from the number of
//! lanes. A new instruction set is a new row and, if no back end encodes its instructions, a new
//! variant of [`Backend`], which rustc then requires `codegen/image.rs` to handle.

mod choice;
mod target;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use choice::{IsaChoice, IsaError};
pub use target::{IntegerDot, Target};

use crate::host::features::{Feature, Lack};

/// The back end that encodes kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Cranelift: 4 lanes, any CPU that it supports.
    Clif,
    /// The x86-64 encoder: 4 or 8 lanes with AVX2, 16 with AVX-512F.
    X64,
    /// The A64 encoder: 4 lanes with Advanced SIMD.
    A64,
}

/// The row of an instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// The name on the command line, in files and in reports.
    pub name: &'static str,
    /// What programs may count on: lanes, registers, instructions.
    pub target: Target,
    /// Who encodes its kernels.
    pub backend: Backend,
    /// What the CPU must have.
    pub features: &'static [Feature],
}

/// Generates the enumeration, the list and the rows from one table, so that they cannot disagree.
macro_rules! instruction_sets {
    ($($(#[$doc:meta])* $isa:ident = $row:expr;)*) => {
        /// Which instructions kernels are made of. In files it is its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum Isa {
            $($(#[$doc])* $isa,)*
        }

        /// All instruction sets, the widest first.
        pub const ISAS: [Isa; [$(stringify!($isa)),*].len()] = [$(Isa::$isa),*];

        impl Isa {
            /// Its row.
            pub const fn descriptor(self) -> &'static Descriptor {
                match self {
                    $(Isa::$isa => const { &$row },)*
                }
            }
        }
    };
}

instruction_sets! {
    /// x86-64 with AVX-512F and tiles of 16 by 16 with products of signed bytes, AMX-INT8.
    Amx = Descriptor {
        name: "amx",
        target: Target {
            lanes: 16,
            vectors: 32,
            tiles: 8,
            fused: true,
            by_lane: false,
            pair_sums: true,
            selects: true,
            dot: IntegerDot::Tiles,
        },
        backend: Backend::X64,
        features: &[
            Feature::Avx512F,
            Feature::Avx512Bw,
            Feature::Avx512Vnni,
            Feature::AmxTile,
            Feature::AmxInt8,
        ],
    };
    /// x86-64 with AVX-512F and products of bytes in its lanes.
    Avx512Vnni = Descriptor {
        name: "avx512vnni",
        target: Target {
            lanes: 16,
            vectors: 32,
            tiles: 0,
            fused: true,
            by_lane: false,
            pair_sums: true,
            selects: false,
            dot: IntegerDot::Lanes,
        },
        backend: Backend::X64,
        features: &[Feature::Avx512F, Feature::Avx512Bw, Feature::Avx512Vnni],
    };
    /// x86-64 with AVX-512F and AVX-512BW: 512-bit vectors.
    Avx512 = Descriptor {
        name: "avx512",
        target: Target {
            lanes: 16,
            vectors: 32,
            tiles: 0,
            fused: true,
            by_lane: false,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::Pairs,
        },
        backend: Backend::X64,
        features: &[Feature::Avx512F, Feature::Avx512Bw],
    };
    /// x86-64 with AVX2, FMA, and products of bytes in 256-bit vectors.
    AvxVnni = Descriptor {
        name: "avxvnni",
        target: Target {
            lanes: 8,
            vectors: 16,
            tiles: 0,
            fused: true,
            by_lane: false,
            pair_sums: true,
            selects: false,
            dot: IntegerDot::Lanes,
        },
        backend: Backend::X64,
        features: &[Feature::Avx2, Feature::Fma, Feature::AvxVnni],
    };
    /// x86-64 with AVX2 and FMA: 256-bit vectors.
    Avx2 = Descriptor {
        name: "avx2",
        target: Target {
            lanes: 8,
            vectors: 16,
            tiles: 0,
            fused: true,
            by_lane: false,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::Pairs,
        },
        backend: Backend::X64,
        features: &[Feature::Avx2, Feature::Fma],
    };
    /// 64-bit Arm with Advanced SIMD, and products of unsigned and signed bytes in its lanes.
    NeonI8mm = Descriptor {
        name: "neoni8mm",
        target: Target {
            lanes: 4,
            vectors: 32,
            tiles: 0,
            fused: true,
            by_lane: true,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::Lanes,
        },
        backend: Backend::A64,
        features: &[Feature::Neon, Feature::DotProd, Feature::I8mm],
    };
    /// 64-bit Arm with Advanced SIMD, and products of signed bytes in its lanes.
    NeonDot = Descriptor {
        name: "neondot",
        target: Target {
            lanes: 4,
            vectors: 32,
            tiles: 0,
            fused: true,
            by_lane: true,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::SignedLanes,
        },
        backend: Backend::A64,
        features: &[Feature::Neon, Feature::DotProd],
    };
    /// 64-bit Arm with Advanced SIMD: 128-bit vectors. Every such CPU with a system for
    /// applications has it.
    Neon = Descriptor {
        name: "neon",
        target: Target {
            lanes: 4,
            vectors: 32,
            tiles: 0,
            fused: true,
            by_lane: true,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::Pairs,
        },
        backend: Backend::A64,
        features: &[Feature::Neon],
    };
    /// 128-bit vectors, all code from Cranelift: any CPU.
    Baseline = Descriptor {
        name: "baseline",
        target: Target {
            lanes: 4,
            vectors: 16,
            tiles: 0,
            fused: false,
            by_lane: false,
            pair_sums: false,
            selects: false,
            dot: IntegerDot::Pairs,
        },
        backend: Backend::Clif,
        features: &[],
    };
}

impl Isa {
    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        self.descriptor().name
    }

    /// What programs may count on.
    pub const fn target(self) -> Target {
        self.descriptor().target
    }

    /// Who encodes its kernels.
    pub const fn backend(self) -> Backend {
        self.descriptor().backend
    }

    /// The first thing that this instruction set needs and that is missing here, as far as can be
    /// known without requesting it. Has no side effects; [`Isa::enable`] may still be refused.
    pub fn missing(self) -> Option<Lack> {
        self.descriptor().features.iter().find_map(|feature| feature.lack())
    }

    /// Makes the instruction set usable in this process: requests tile registers from the system if
    /// the instruction set has them. Calling it again has no effect.
    ///
    /// # Errors
    /// What the CPU lacks, or what the system refuses.
    pub fn enable(self) -> Result<(), IsaError> {
        let features = self.descriptor().features.iter();
        // Request nothing if the instruction set would still be unusable.
        let known = self.missing().map_or(Ok(()), Err);
        let enabled = known.and_then(|()| features.copied().try_for_each(Feature::enable));
        enabled.map_err(|lack| IsaError { isa: self, lack })
    }
}

impl From<Isa> for &'static str {
    fn from(isa: Isa) -> Self {
        isa.name()
    }
}

impl TryFrom<String> for Isa {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = ISAS.into_iter().find(|isa| isa.name() == name);
        known.ok_or_else(|| format!("unknown instruction set \"{name}\""))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Target {
    /// 128-bit vectors, 16 registers: the target of [`Isa::Baseline`].
    pub const V128: Target = Isa::Baseline.target();
    /// The target of [`Isa::Avx2`].
    pub const AVX2: Target = Isa::Avx2.target();
    /// The target of [`Isa::AvxVnni`].
    pub const AVX_VNNI: Target = Isa::AvxVnni.target();
    /// The target of [`Isa::Avx512Vnni`].
    pub const AVX512_VNNI: Target = Isa::Avx512Vnni.target();
    /// The target of [`Isa::Avx512`].
    pub const AVX512: Target = Isa::Avx512.target();
    /// The target of [`Isa::Neon`].
    pub const NEON: Target = Isa::Neon.target();
    /// The target of [`Isa::NeonDot`].
    pub const NEON_DOT: Target = Isa::NeonDot.target();
    /// The target of [`Isa::NeonI8mm`].
    pub const NEON_I8MM: Target = Isa::NeonI8mm.target();
    /// The target of [`Isa::Amx`].
    pub const AMX: Target = Isa::Amx.target();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_targets_that_there_can_be_with_names_of_their_own() {
        for (i, isa) in ISAS.into_iter().enumerate() {
            assert_eq!(isa.target().flaw(), None, "{isa}");
            assert!(ISAS[..i].iter().all(|other| other.name() != isa.name()), "{isa}");
            // `auto` takes the first one available.
            let wider = |other: &&Isa| other.target().lanes < isa.target().lanes;
            assert_eq!(ISAS[..i].iter().find(wider), None, "{isa} is wider");
        }
        assert!(ISAS[ISAS.len() - 1].descriptor().features.is_empty(), "one runs everywhere");
    }

    #[test]
    fn what_lacks_is_not_enabled() {
        for isa in ISAS {
            match (isa.missing(), isa.enable()) {
                (Some(lack), refused) => assert_eq!(refused, Err(IsaError { isa, lack })),
                (None, Err(e)) => assert!(matches!(e.lack, Lack::Refused { .. }), "{e}"),
                (None, Ok(())) => assert_eq!(isa.enable(), Ok(())),
            }
        }
    }
}
