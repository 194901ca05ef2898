//! Machine code as bytes and a list of functions.

use cranelift_codegen::binemit::Reloc;
use cranelift_module::{FuncId, ModuleReloc, ModuleRelocTarget};
use serde::{Deserialize, Serialize};

use crate::codegen::image::{Image, RegionInfo, Times};
use crate::codegen::machine::Compiled;
use crate::isa::Isa;

/// The functions of an image; their bytes follow one another elsewhere.
#[derive(Serialize, Deserialize)]
pub(super) struct Functions {
    isa: Isa,
    kernels: Vec<Function>,
    regions: Vec<(Function, RegionInfo)>,
}

#[derive(Serialize, Deserialize)]
struct Function {
    name: String,
    bytes: usize,
    /// How many of the bytes are instructions.
    code: usize,
    alignment: u64,
    calls: Vec<Call>,
}

/// A place that needs an address once all functions have theirs.
#[derive(Serialize, Deserialize)]
struct Call {
    offset: u32,
    kind: String,
    target: Target,
    addend: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Target {
    /// A kernel, by position.
    Kernel(u32),
    /// An offset in the same function.
    Here(u32),
}

/// The kinds of calls that Cranelift makes of calls to functions nearby, by name.
const KINDS: [(&str, Reloc); 6] = [
    ("abs8", Reloc::Abs8),
    ("x86-call-pc-rel-4", Reloc::X86CallPCRel4),
    ("x86-pc-rel-4", Reloc::X86PCRel4),
    ("arm64-call", Reloc::Arm64Call),
    ("s390x-plt-rel-32-dbl", Reloc::S390xPLTRel32Dbl),
    ("riscv-call-plt", Reloc::RiscvCallPlt),
];

impl Functions {
    /// Those of an image, and all bytes.
    ///
    /// # Errors
    /// If a function refers to anything but kernels.
    pub(super) fn of(image: &Image) -> Result<(Self, Vec<u8>), String> {
        let mut code = Vec::with_capacity(image.size());
        let mut function = |compiled: &Compiled| {
            code.extend_from_slice(&compiled.bytes);
            Function::of(compiled)
        };
        let kernels = image.kernels.iter().map(&mut function).collect::<Result<_, _>>()?;
        let regions = image.regions.iter().zip(&image.infos);
        let regions = regions.map(|(region, &info)| Ok::<_, String>((function(region)?, info)));
        let regions = regions.collect::<Result<_, _>>()?;
        Ok((Functions { isa: image.isa, kernels, regions }, code))
    }

    /// The image of these functions with the bytes `code`; `None` if those do not fit.
    pub(super) fn image(self, mut code: &[u8]) -> Option<Image> {
        let mut compiled = |function: Function| {
            let (bytes, rest) = code.split_at_checked(function.bytes)?;
            code = rest;
            function.compiled(bytes)
        };
        let kernels = self.kernels.into_iter().map(&mut compiled).collect::<Option<_>>()?;
        let (mut regions, mut infos) = (Vec::new(), Vec::new());
        for (region, info) in self.regions {
            regions.push(compiled(region)?);
            infos.push(info);
        }
        let times = Times::default();
        code.is_empty().then_some(Image { kernels, regions, infos, isa: self.isa, times })
    }
}

impl Function {
    fn of(compiled: &Compiled) -> Result<Self, String> {
        let call = |reloc: &ModuleReloc| {
            let kind = KINDS.iter().find(|(_, kind)| *kind == reloc.kind);
            let target = match reloc.name {
                ModuleRelocTarget::User { index, .. } => Some(Target::Kernel(index)),
                ModuleRelocTarget::FunctionOffset(_, offset) => Some(Target::Here(offset)),
                _ => None,
            };
            let (Some((kind, _)), Some(target)) = (kind, target) else {
                let (name, kind) = (&compiled.name, reloc.kind);
                return Err(format!(
                    "{name} refers to something by {kind}, which cannot be stored"
                ));
            };
            let (offset, addend) = (reloc.offset, reloc.addend);
            Ok(Call { offset, kind: (*kind).to_owned(), target, addend })
        };
        Ok(Function {
            name: compiled.name.clone(),
            bytes: compiled.bytes.len(),
            code: compiled.code,
            alignment: compiled.alignment,
            calls: compiled.calls.iter().map(call).collect::<Result<_, _>>()?,
        })
    }

    fn compiled(self, bytes: &[u8]) -> Option<Compiled> {
        let reloc = |call: Call| {
            let name = match call.target {
                Target::Kernel(index) => ModuleRelocTarget::user(0, index),
                Target::Here(offset) => {
                    ModuleRelocTarget::FunctionOffset(FuncId::from_u32(0), offset)
                }
            };
            let (_, kind) = *KINDS.iter().find(|(kind, _)| *kind == call.kind)?;
            let fits = (call.offset as usize).checked_add(4)? <= bytes.len();
            fits.then_some(ModuleReloc { offset: call.offset, kind, name, addend: call.addend })
        };
        let valid = self.alignment.is_power_of_two() && self.code <= bytes.len();
        valid.then_some(())?;
        Some(Compiled {
            name: self.name,
            bytes: bytes.to_vec(),
            code: self.code,
            alignment: self.alignment,
            calls: self.calls.into_iter().map(reloc).collect::<Option<_>>()?,
            ir: None,
            lines: Vec::new(),
        })
    }
}
