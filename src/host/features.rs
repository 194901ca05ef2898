//! Extensions of a CPU's instruction set, by name: whether they are here, and their permission
//! where one is needed.

use std::fmt;

use super::tiles;

/// An extension of an instruction set that kernels are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// 256-bit vectors.
    Avx2,
    /// Fused multiply-add on 128-bit and 256-bit vectors.
    Fma,
    /// 512-bit vectors, 32 of them, and masks.
    Avx512F,
    /// Tile registers.
    AmxTile,
    /// Products of tiles of bytes.
    AmxInt8,
}

/// Why an extension cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The CPU does not have it.
    #[error("this CPU has no {0}")]
    Cpu(Feature),
    /// The CPU has it, but the system does not save its registers.
    #[error("this CPU has {0}, but the system does not let programs use it")]
    System(Feature),
    /// The system lets programs use it, but refuses it to this process.
    #[error("the system refuses {feature} to this process: {reason}")]
    Refused {
        /// What was asked for.
        feature: Feature,
        /// What the system says.
        reason: String,
    },
}

impl Feature {
    /// The name in the vendor's manuals.
    pub fn name(self) -> &'static str {
        match self {
            Feature::Avx2 => "AVX2",
            Feature::Fma => "FMA",
            Feature::Avx512F => "AVX-512F",
            Feature::AmxTile => "AMX-TILE",
            Feature::AmxInt8 => "AMX-INT8",
        }
    }

    /// Why it cannot be used here, as far as that is known without a request. Changes nothing.
    pub fn lack(self) -> Option<Lack> {
        match self {
            _ if !self.is_in_cpu() => Some(Lack::Cpu(self)),
            Feature::AmxTile if !tiles::are_offered() => Some(Lack::System(self)),
            // The detection of the standard library covers the system's part.
            Feature::Avx2
            | Feature::Fma
            | Feature::Avx512F
            | Feature::AmxTile
            | Feature::AmxInt8 => None,
        }
    }

    /// Makes it usable in this process, on all of its threads. To repeat it changes nothing.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn enable(self) -> Result<(), Lack> {
        if let Some(lack) = self.lack() {
            return Err(lack);
        }
        match self {
            Feature::AmxTile => {
                tiles::enable().map_err(|e| Lack::Refused { feature: self, reason: e.to_string() })
            }
            Feature::Avx2 | Feature::Fma | Feature::Avx512F | Feature::AmxInt8 => Ok(()),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_in_cpu(self) -> bool {
        match self {
            Feature::Avx2 => is_x86_feature_detected!("avx2"),
            Feature::Fma => is_x86_feature_detected!("fma"),
            Feature::Avx512F => is_x86_feature_detected!("avx512f"),
            Feature::AmxTile => tiles::cpu_has(tiles::AMX_TILE),
            Feature::AmxInt8 => tiles::cpu_has(tiles::AMX_INT8),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_in_cpu(self) -> bool {
        match self {
            Feature::Avx2
            | Feature::Fma
            | Feature::Avx512F
            | Feature::AmxTile
            | Feature::AmxInt8 => false,
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Feature; 5] =
        [Feature::Avx2, Feature::Fma, Feature::Avx512F, Feature::AmxTile, Feature::AmxInt8];

    /// `ARCH_GET_XCOMP_PERM` tells what the process may use; questions must not change it.
    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn a_question_does_not_enable_and_a_request_does() {
        // The test program may have been allowed before this test runs; the question must not be
        // what allowed it.
        let before = tiles::are_enabled();
        let _ = ALL.map(Feature::lack);
        assert_eq!(tiles::are_enabled(), before);
        let enabled = Feature::AmxTile.enable();
        assert_eq!(tiles::are_enabled(), enabled.is_ok(), "{enabled:?}");
    }

    #[test]
    fn a_request_is_refused_for_what_is_known_to_lack() {
        for feature in ALL {
            if let Some(lack) = feature.lack() {
                assert_eq!(feature.enable(), Err(lack));
            }
        }
    }
}
