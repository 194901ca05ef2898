//! Extensions of a CPU's instruction set, by name: whether they are available, and permission to
//! use them where that is needed.

use std::fmt;

use super::tiles;

/// An instruction set extension that kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// 256-bit vectors.
    Avx2,
    /// Fused multiply-add on 128-bit and 256-bit vectors.
    Fma,
    /// 512-bit vectors, 32 of them, and masks.
    Avx512F,
    /// Bytes and 16-bit integers in 512-bit vectors.
    Avx512Bw,
    /// Products of bytes on 512-bit vectors.
    Avx512Vnni,
    /// Products of bytes on 256-bit vectors.
    AvxVnni,
    /// Tile registers.
    AmxTile,
    /// Products of tiles of bytes.
    AmxInt8,
    /// 128-bit vectors on 64-bit Arm: Advanced SIMD.
    Neon,
    /// Products of signed bytes on these.
    DotProd,
    /// Products of unsigned and signed bytes on these.
    I8mm,
}

/// Why an extension cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The CPU does not have it.
    #[error("this CPU does not have {0}")]
    Cpu(Feature),
    /// The CPU has it, but the system does not save its registers.
    #[error("this CPU has {0}, but the system does not let programs use it")]
    System(Feature),
    /// The system lets programs use it, but refuses it to this process.
    #[error("the system does not let this process use {feature}: {reason}")]
    Refused {
        /// The requested extension.
        feature: Feature,
        /// The system's error message.
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
            Feature::Avx512Bw => "AVX-512BW",
            Feature::Avx512Vnni => "AVX-512 VNNI",
            Feature::AvxVnni => "AVX-VNNI",
            Feature::AmxTile => "AMX-TILE",
            Feature::AmxInt8 => "AMX-INT8",
            Feature::Neon => "Advanced SIMD",
            Feature::DotProd => "DotProd",
            Feature::I8mm => "I8MM",
        }
    }

    /// Why it cannot be used here, as far as can be known without requesting it. Has no side
    /// effects.
    pub fn lack(self) -> Option<Lack> {
        match self {
            _ if !self.is_in_cpu() => Some(Lack::Cpu(self)),
            Feature::AmxTile if !tiles::are_offered() => Some(Lack::System(self)),
            // The standard library's detection includes the system's support.
            Feature::Avx2
            | Feature::Fma
            | Feature::Avx512F
            | Feature::Avx512Bw
            | Feature::Avx512Vnni
            | Feature::AvxVnni
            | Feature::AmxTile
            | Feature::AmxInt8
            | Feature::Neon
            | Feature::DotProd
            | Feature::I8mm => None,
        }
    }

    /// Makes it usable in this process, on all of its threads. Calling it again has no effect.
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
            Feature::Avx2
            | Feature::Fma
            | Feature::Avx512F
            | Feature::Avx512Bw
            | Feature::Avx512Vnni
            | Feature::AvxVnni
            | Feature::AmxInt8
            | Feature::Neon
            | Feature::DotProd
            | Feature::I8mm => Ok(()),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_in_cpu(self) -> bool {
        match self {
            Feature::Avx2 => is_x86_feature_detected!("avx2"),
            Feature::Fma => is_x86_feature_detected!("fma"),
            Feature::Avx512F => is_x86_feature_detected!("avx512f"),
            Feature::Avx512Bw => is_x86_feature_detected!("avx512bw"),
            Feature::Avx512Vnni => is_x86_feature_detected!("avx512vnni"),
            Feature::AvxVnni => is_x86_feature_detected!("avxvnni"),
            Feature::AmxTile => tiles::cpu_has(tiles::AMX_TILE),
            Feature::AmxInt8 => tiles::cpu_has(tiles::AMX_INT8),
            Feature::Neon | Feature::DotProd | Feature::I8mm => false,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn is_in_cpu(self) -> bool {
        use std::arch::is_aarch64_feature_detected;
        match self {
            Feature::Neon => is_aarch64_feature_detected!("neon"),
            Feature::DotProd => is_aarch64_feature_detected!("dotprod"),
            Feature::I8mm => is_aarch64_feature_detected!("i8mm"),
            Feature::Avx2
            | Feature::Fma
            | Feature::Avx512F
            | Feature::Avx512Bw
            | Feature::Avx512Vnni
            | Feature::AvxVnni
            | Feature::AmxTile
            | Feature::AmxInt8 => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn is_in_cpu(self) -> bool {
        false
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

    const ALL: [Feature; 11] = [
        Feature::Avx2,
        Feature::Fma,
        Feature::Avx512F,
        Feature::Avx512Bw,
        Feature::Avx512Vnni,
        Feature::AvxVnni,
        Feature::AmxTile,
        Feature::AmxInt8,
        Feature::Neon,
        Feature::DotProd,
        Feature::I8mm,
    ];

    /// `ARCH_GET_XCOMP_PERM` reports what the process may use; queries must not change it.
    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn a_question_does_not_enable_and_a_request_does() {
        // The test program may already have permission before this test runs; the query must not be
        // what grants it.
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
