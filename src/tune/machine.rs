//! What must be the same for measured times to be valid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::caches::core_cache_bytes;
use crate::host::cpu::description;
use crate::isa::Isa;
use crate::kernels::precision::Precision;

/// Raised when kernels change so much that earlier times no longer show which algorithm is the
/// fastest.
const GENERATOR: u32 = 2;

/// CPU, instruction set, threads, and the version of this compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineKey {
    /// Version of this library.
    pub resnetc: String,
    /// Version of its kernels.
    pub generator: u32,
    /// The CPU: its architecture, and what Linux reports about it.
    pub cpu: BTreeMap<String, String>,
    /// Bytes of a core's private cache, by which kernels partition their work.
    pub core_cache_bytes: usize,
    /// The instruction set.
    pub isa: String,
    /// Threads of a run.
    pub threads: usize,
    /// How many bits numbers have; files of full precision do not mention it.
    #[serde(default, skip_serializing_if = "Precision::is_full")]
    pub precision: Precision,
}

impl MachineKey {
    /// The key of this machine, for code of an instruction set on a number of threads, with numbers
    /// of full precision.
    pub fn of(isa: Isa, threads: usize) -> Self {
        let mut cpu = description().clone();
        cpu.insert("architecture".to_owned(), std::env::consts::ARCH.to_owned());
        MachineKey {
            resnetc: env!("CARGO_PKG_VERSION").to_owned(),
            generator: GENERATOR,
            cpu,
            core_cache_bytes: core_cache_bytes(),
            isa: isa.name().to_owned(),
            threads,
            precision: Precision::Full,
        }
    }

    /// A file name: the same for equal keys, and different for different keys except for rare hash
    /// collisions.
    pub fn file_name(&self) -> String {
        let mut hash = Fnv::default();
        for (name, value) in &self.cpu {
            hash.add(name);
            hash.add(value);
        }
        hash.add(&self.resnetc);
        hash.add(&self.generator.to_string());
        hash.add(&self.core_cache_bytes.to_string());
        let half = if self.precision.is_full() { "" } else { "-half" };
        format!("tuned-{}-t{}{half}-{:016x}.json", self.isa, self.threads, hash.0)
    }
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits): unlike the standard library's, it is the same
/// on every machine and in every version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds a text and a terminator.
    fn add(&mut self, text: &str) {
        self.bytes(text.bytes().chain([0]));
    }

    fn bytes(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_is_in_the_name() {
        let key = MachineKey::of(Isa::Baseline, 2);
        assert_eq!(key.file_name(), key.clone().file_name());
        let mut cpu = key.cpu.clone();
        cpu.insert("model name".to_owned(), "another".to_owned());
        let others = [
            MachineKey { resnetc: "0.0.0".to_owned(), ..key.clone() },
            MachineKey { generator: GENERATOR + 1, ..key.clone() },
            MachineKey { cpu, ..key.clone() },
            MachineKey { core_cache_bytes: key.core_cache_bytes + 1, ..key.clone() },
            MachineKey { isa: "avx2".to_owned(), ..key.clone() },
            MachineKey { threads: 3, ..key.clone() },
            MachineKey { precision: Precision::Half, ..key.clone() },
        ];
        for other in others {
            assert_ne!(other.file_name(), key.file_name(), "{other:?}");
        }
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the algorithm's published test vectors.
        for (text, expected) in [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c)] {
            let mut hash = Fnv::default();
            hash.bytes(text.bytes());
            assert_eq!(hash.0, expected, "{text}");
        }
    }
}
