//! CPUs and systems that code can be exported for.

use std::fmt;
use std::str::FromStr;

use crate::codegen::error::CodegenError;
use crate::codegen::machine::Cranelift;
use crate::host::caches::core_cache_bytes;
use crate::host::cpu::Vendor;
use crate::isa::{ISAS, Isa};
use crate::kernels::sink::Machine;
use crate::options::Numerics;

/// What code is exported for: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExportTarget(usize);

struct Row {
    name: &'static str,
    /// What it is, for people.
    doc: &'static str,
    /// `None` for this machine.
    fixed: Option<Fixed>,
}

/// A target that does not depend on this machine.
struct Fixed {
    triple: &'static str,
    /// Cranelift's name of the level of instruction sets.
    level: Option<&'static str>,
    isa: Isa,
    /// Bytes of a core's own cache, which decide how work is cut.
    cache_bytes: usize,
    /// The C compiler in the line that builds a program.
    compiler: &'static str,
}

const KIB: usize = 1024;

const LINUX_X86: &str = "x86_64-unknown-linux-gnu";

const MAC_ARM: &str = "aarch64-apple-darwin";

const MAC_X86: &str = "x86_64-apple-darwin";

const WINDOWS: &str = "x86_64-pc-windows-gnu";

const ROWS: [Row; 8] = [
    Row { name: "native", doc: "this machine, without tile registers", fixed: None },
    Row {
        name: "x86-64",
        doc: "any x86-64 CPU, Linux",
        fixed: Some(Fixed {
            triple: LINUX_X86,
            level: None,
            isa: Isa::Baseline,
            cache_bytes: 256 * KIB,
            compiler: "cc",
        }),
    },
    Row {
        name: "x86-64-v3",
        doc: "x86-64 with AVX2 and FMA, Linux",
        fixed: Some(Fixed {
            triple: LINUX_X86,
            level: Some("x86-64-v3"),
            isa: Isa::Avx2,
            cache_bytes: 512 * KIB,
            compiler: "cc",
        }),
    },
    Row {
        name: "x86-64-v4",
        doc: "x86-64 with AVX-512, Linux",
        fixed: Some(Fixed {
            triple: LINUX_X86,
            level: Some("x86-64-v4"),
            isa: Isa::Avx512,
            cache_bytes: 1024 * KIB,
            compiler: "cc",
        }),
    },
    Row {
        name: "aarch64",
        doc: "any 64-bit Arm CPU, Linux",
        fixed: Some(Fixed {
            triple: "aarch64-unknown-linux-gnu",
            level: None,
            isa: Isa::Neon,
            cache_bytes: 512 * KIB,
            compiler: "aarch64-linux-gnu-gcc",
        }),
    },
    Row {
        name: "aarch64-macos",
        doc: "Apple's 64-bit Arm CPUs, macOS (never run)",
        fixed: Some(Fixed {
            triple: MAC_ARM,
            level: None,
            isa: Isa::Neon,
            cache_bytes: 4096 * KIB,
            compiler: "cc -arch arm64",
        }),
    },
    Row {
        name: "x86-64-macos",
        doc: "x86-64 with AVX2 and FMA, macOS (never run)",
        fixed: Some(Fixed {
            triple: MAC_X86,
            level: Some("x86-64-v3"),
            isa: Isa::Avx2,
            cache_bytes: 256 * KIB,
            compiler: "cc -arch x86_64",
        }),
    },
    Row {
        name: "x86-64-windows",
        doc: "x86-64 with AVX2 and FMA, Windows (run in Wine only)",
        fixed: Some(Fixed {
            triple: WINDOWS,
            level: Some("x86-64-v3"),
            isa: Isa::Avx2,
            cache_bytes: 512 * KIB,
            compiler: "x86_64-w64-mingw32-gcc",
        }),
    },
];

impl ExportTarget {
    /// This machine. Tile registers are left out: programs would have to ask the system for them.
    pub fn native() -> Self {
        ExportTarget(0)
    }

    /// All targets.
    pub fn all() -> impl Iterator<Item = ExportTarget> {
        (0..ROWS.len()).map(ExportTarget)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        ROWS[self.0].name
    }

    /// What it is, in a few words.
    pub fn doc(self) -> &'static str {
        ROWS[self.0].doc
    }

    /// The instruction set of its kernels.
    pub fn isa(self) -> Isa {
        let usable = |isa: &Isa| isa.target().tiles == 0 && isa.missing().is_none();
        match &ROWS[self.0].fixed {
            Some(fixed) => fixed.isa,
            None => ISAS.into_iter().find(usable).unwrap_or(Isa::Baseline),
        }
    }

    /// The C compiler that links its objects.
    pub(super) fn compiler(self) -> &'static str {
        ROWS[self.0].fixed.as_ref().map_or("cc", |fixed| fixed.compiler)
    }

    /// The machine that work is cut for.
    pub(super) fn machine(self, threads: usize, numerics: Numerics) -> Machine {
        let target = self.isa().target();
        let machine = match &ROWS[self.0].fixed {
            Some(fixed) => Machine::new(target, threads, fixed.cache_bytes, Vendor::Other),
            None => Machine::new(target, threads, core_cache_bytes(), Vendor::host()),
        };
        numerics.on(machine)
    }

    pub(super) fn cranelift(self) -> Result<Cranelift, CodegenError> {
        match &ROWS[self.0].fixed {
            Some(fixed) => Cranelift::for_target(fixed.triple, fixed.level),
            None => Cranelift::host(),
        }
    }
}

impl fmt::Display for ExportTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExportTarget {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        ExportTarget::all().find(|target| target.name() == name).ok_or_else(|| {
            let names: Vec<&str> = ExportTarget::all().map(ExportTarget::name).collect();
            format!("unknown target \"{name}\"; expected one of {}", names.join(", "))
        })
    }
}
