//! What this machine offers: instruction sets, caches, cores.

use std::fmt;
use std::str::FromStr;

use crate::advice::{Advice, OptionName};
use crate::codegen::vir::Target;
use crate::runtime::tiles;

/// Which instructions kernels are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// 128-bit vectors, all code from Cranelift: any CPU.
    Baseline,
    /// x86-64 with AVX2 and FMA: 256-bit vectors.
    Avx2,
    /// x86-64 with AVX-512F: 512-bit vectors.
    Avx512,
    /// The same, and tiles of 16 by 16 with products of signed bytes, AMX-INT8.
    Amx,
}

/// A request for an instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsaChoice {
    /// The widest that the CPU has.
    #[default]
    Auto,
    /// This one, or an error.
    Exactly(Isa),
}

/// The CPU cannot run the instruction set that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), IsaError::ADVICE)]
pub struct IsaError {
    /// What was asked for.
    pub isa: Isa,
    /// What the CPU lacks.
    pub missing: &'static str,
}

impl IsaError {
    /// What to do about it.
    pub(crate) const ADVICE: Advice =
        Advice::new("leave {} at auto, which takes the widest that there is", &[OptionName::Isa]);

    /// What is wrong, without what to do about it.
    pub(crate) fn what(&self) -> String {
        format!("this CPU has no {}, which {} needs", self.missing, self.isa)
    }
}

/// All instruction sets, the widest first.
pub const ISAS: [Isa; 4] = [Isa::Amx, Isa::Avx512, Isa::Avx2, Isa::Baseline];

impl Isa {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Baseline => "baseline",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Amx => "amx",
        }
    }

    /// Vector width and register count.
    pub fn target(self) -> Target {
        match self {
            Isa::Baseline => Target::V128,
            Isa::Avx2 => Target::AVX2,
            Isa::Avx512 => Target::AVX512,
            Isa::Amx => Target::AMX,
        }
    }

    /// What this CPU lacks for the instruction set, if anything. To ask for [`Isa::Amx`] asks the system to let this
    /// process use tiles.
    pub fn missing(self) -> Option<&'static str> {
        match self {
            Isa::Baseline => None,
            Isa::Avx2 if !has_avx2() => Some("AVX2 with FMA"),
            Isa::Avx512 | Isa::Amx if !has_avx512() => Some("AVX-512F"),
            Isa::Amx if !tiles::available() => {
                Some("AMX-INT8, or the system does not let it be used")
            }
            Isa::Avx2 | Isa::Avx512 | Isa::Amx => None,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl IsaChoice {
    /// The instruction set to compile for.
    ///
    /// # Errors
    /// If the CPU lacks the one that was asked for.
    pub fn resolve(self) -> Result<Isa, IsaError> {
        match self {
            IsaChoice::Auto => {
                Ok(ISAS.into_iter().find(|i| i.missing().is_none()).unwrap_or(Isa::Baseline))
            }
            IsaChoice::Exactly(isa) => match isa.missing() {
                None => Ok(isa),
                Some(missing) => Err(IsaError { isa, missing }),
            },
        }
    }
}

impl FromStr for IsaChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "auto" {
            return Ok(IsaChoice::Auto);
        }
        let known = ISAS.into_iter().find(|i| i.name() == name).map(IsaChoice::Exactly);
        known.ok_or_else(|| {
            let names = ISAS.map(Isa::name).join(", ");
            format!("unknown instruction set \"{name}\"; there are auto, {names}")
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// Bytes of a core's own last cache before the shared one (L2), as Linux reports it; 512 KiB where it does not.
pub fn core_cache_bytes() -> usize {
    const DEFAULT: usize = 512 * 1024;
    cache_bytes(2).unwrap_or(DEFAULT)
}

/// Bytes of the last cache before memory, as Linux reports it; 16 MiB where it does not.
pub fn last_cache_bytes() -> usize {
    const DEFAULT: usize = 16 << 20;
    (2..=4).rev().find_map(cache_bytes).unwrap_or(DEFAULT)
}

/// Linux numbers the caches of a core from 0 on: data and instructions, then one a level.
fn cache_bytes(index: usize) -> Option<usize> {
    let size = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
    parse_size(std::fs::read_to_string(size).ok()?.trim())
}

/// `512K`, `1M` or a plain number.
fn parse_size(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1024),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1024 * 1024),
            None => (text, 1),
        },
    };
    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|&n| n > 0)
}
