//! What [`clif`](super::clif), [`driver`](super::driver) and [`code`](super::code) share: Cranelift
//! configured for this machine, and machine code that is not linked yet.

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, types};
use cranelift_codegen::isa::{Builder, CallConv, OwnedTargetIsa, TargetFrontendConfig, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CodegenError as ClifError, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, ModuleReloc, ModuleRelocTarget};

use super::error::CodegenError;
use super::listing::CodeLine;

/// A compiled function. Its bytes call other functions by number; see [`Compiled::calls`].
#[derive(Clone)]
pub struct Compiled {
    /// Names it in dumps and profiles.
    pub name: String,
    /// Instructions, then constants.
    pub bytes: Vec<u8>,
    /// How many of the bytes are instructions; all of them if that is not known.
    pub code: usize,
    /// Alignment of its start address.
    pub alignment: u64,
    /// Relocations for the addresses of kernels; a kernel is
    /// `ModuleRelocTarget::user(0, its position)`.
    pub calls: Vec<ModuleReloc>,
    /// The Cranelift IR, if it was requested.
    pub ir: Option<String>,
    /// Where the lines of its vector program are, in order of offset, if that was requested. A line
    /// may be in several places, and in none if it has no code of its own.
    pub lines: Vec<CodeLine>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled")
            .field("name", &self.name)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Cranelift, set up for this machine.
#[derive(Clone)]
pub struct Cranelift {
    /// The target, set up for each [`Role`].
    kernels: OwnedTargetIsa,
    regions: OwnedTargetIsa,
    /// Whether a fused multiply-add is one instruction.
    fused: bool,
    /// Whether rounding to the nearest integer is one instruction.
    nearest: bool,
}

impl std::fmt::Debug for Cranelift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cranelift").field(&self.kernels.name()).finish()
    }
}

/// Code calls only code that is placed next to it, frames are small, nothing unwinds.
///
/// No optimization: programs are written as they are meant to run. Cranelift's optimizer sinks
/// arithmetic to where its value is last needed, so that the operands of a whole loop iteration
/// spill to the stack: a 6x8 tile drops from 39 to 12 GFLOP/s, and compiles at half the speed.
const SETTINGS: [(&str, &str); 6] = [
    ("opt_level", "none"),
    ("is_pic", "false"),
    ("use_colocated_libcalls", "false"),
    ("enable_probestack", "false"),
    ("unwind_info", "false"),
    ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
];

/// What a function is for, which decides how registers are allocated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// A vector program, which keeps its accumulators in registers.
    Kernel,
    /// The loops of a region around its calls. Calls clobber most registers, so there is little to
    /// keep in them: one pass over the function is enough, and takes half as long to compile.
    Region,
}

impl Role {
    /// What Cranelift calls the algorithm that allocates registers.
    fn allocator(self) -> &'static str {
        match self {
            Role::Kernel => "backtracking",
            Role::Region => "single_pass",
        }
    }
}

impl Cranelift {
    /// Cranelift for the CPU that this runs on.
    ///
    /// # Errors
    /// If Cranelift has no back end for it.
    pub fn host() -> Result<Self, CodegenError> {
        let builder = cranelift_native::builder().map_err(|e| CodegenError::Host(e.to_string()))?;
        Self::with(&builder)
    }

    /// Cranelift for the baseline CPU of this machine's architecture: no instruction set extension
    /// is used.
    ///
    /// # Errors
    /// If Cranelift has no back end for it.
    pub fn oldest() -> Result<Self, CodegenError> {
        let builder = cranelift_native::builder_with_options(false);
        let builder = builder.map_err(|e| CodegenError::Host(e.to_string()))?;
        Self::with(&builder)
    }

    /// Cranelift for another machine: a target triple, and the name of a level of instruction sets
    /// that its CPUs have.
    ///
    /// # Errors
    /// If Cranelift has no back end for it.
    #[cfg(feature = "object")]
    pub(crate) fn for_target(triple: &str, level: Option<&str>) -> Result<Self, CodegenError> {
        let host = |reason: String| CodegenError::Host(format!("{triple}: {reason}"));
        let builder = cranelift_codegen::isa::lookup_by_name(triple);
        let mut builder = builder.map_err(|e| host(e.to_string()))?;
        if let Some(level) = level {
            builder.enable(level).map_err(|e| host(e.to_string()))?;
        }
        Self::with(&builder)
    }

    /// Whether the target is x86-64.
    #[cfg(feature = "object")]
    pub(crate) fn is_x86(&self) -> bool {
        self.kernels.name() == "x64"
    }

    fn with(builder: &Builder) -> Result<Self, CodegenError> {
        let kernels = target(builder, Role::Kernel)?;
        let regions = target(builder, Role::Region)?;
        let flags = kernels.isa_flags();
        let has = |name| flags.iter().any(|f| f.name == name && f.as_bool() == Some(true));
        let x86 = kernels.name() == "x64";
        let (fused, nearest) = (!x86 || has("has_avx") && has("has_fma"), !x86 || has("has_sse41"));
        Ok(Cranelift { kernels, regions, fused, nearest })
    }

    /// The target, set up for such functions.
    fn isa(&self, role: Role) -> &dyn TargetIsa {
        match role {
            Role::Kernel => &*self.kernels,
            Role::Region => &*self.regions,
        }
    }

    /// What a builder of functions has to know of the target.
    pub(crate) fn frontend_config(&self) -> TargetFrontendConfig {
        self.kernels.frontend_config()
    }

    /// The target, shared, for a module to link functions in.
    pub fn owned_isa(&self) -> OwnedTargetIsa {
        self.kernels.clone()
    }

    /// The target and its instruction set extensions, as text.
    pub fn describe(&self) -> String {
        let flags = self.kernels.isa_flags();
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        format!("{} {}", self.kernels.triple(), flags.join(" "))
    }

    /// Whether kernels compiled by Cranelift round a multiply-add once.
    pub fn fused(&self) -> bool {
        self.fused
    }

    /// Whether rounding to the nearest integer is one instruction.
    pub fn nearest(&self) -> bool {
        self.nearest
    }

    /// The signature of a kernel: 64-bit arguments in registers, in the System V convention on
    /// every system, because that is what [`x64`](super::x64) encodes.
    pub fn kernel_signature(&self, args: usize) -> Signature {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params = vec![AbiParam::new(types::I64); args];
        signature
    }

    /// The signature of a region's function, `extern "C" fn(bases, chunk)`.
    pub fn region_signature(&self) -> Signature {
        let mut signature = Signature::new(self.regions.default_call_conv());
        signature.params = vec![AbiParam::new(types::I64); 2];
        signature
    }
}

/// Cranelift's target, set up for functions of a role.
fn target(builder: &Builder, role: Role) -> Result<OwnedTargetIsa, CodegenError> {
    let mut flags = settings::builder();
    for (name, value) in SETTINGS.into_iter().chain([("regalloc_algorithm", role.allocator())]) {
        flags.set(name, value).map_err(|e| CodegenError::Host(format!("setting {name}: {e}")))?;
    }
    let finished = builder.finish(settings::Flags::new(flags));
    finished.map_err(|e| CodegenError::Host(e.to_string()))
}

/// Allocations that are reused from one compiled function to the next.
pub struct Scratch {
    context: Context,
    frontend: FunctionBuilderContext,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch")
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// Empty.
    pub fn new() -> Self {
        Scratch { context: Context::new(), frontend: FunctionBuilderContext::new() }
    }

    /// Compiles what `write` puts into an empty function. The source locations that it sets are
    /// line numbers of the program.
    pub(super) fn compile(
        &mut self,
        cranelift: &Cranelift,
        role: Role,
        name: &str,
        signature: Signature,
        keep_ir: bool,
        write: impl FnOnce(FunctionBuilder<'_>) -> Result<(), CodegenError>,
    ) -> Result<Compiled, CodegenError> {
        self.context.clear();
        self.context.func = Function::new();
        self.context.func.signature = signature;
        write(FunctionBuilder::new(&mut self.context.func, &mut self.frontend))?;
        let ir = keep_ir.then(|| self.context.func.display().to_string());
        let refused = |reason| CodegenError::Encode { function: name.to_owned(), reason };
        self.context
            .compile(cranelift.isa(role), &mut ControlPlane::default())
            .map_err(|e| refused(explain(&e.inner)))?;
        let Some(code) = self.context.take_compiled_code() else {
            return Err(refused("Cranelift returned no code".to_owned()));
        };
        let unknown = FuncId::from_u32(0);
        let calls: Vec<ModuleReloc> = code
            .buffer
            .relocs()
            .iter()
            .map(|reloc| ModuleReloc::from_mach_reloc(reloc, &self.context.func, unknown))
            .collect();
        let foreign = |r: &&ModuleReloc| matches!(r.name, ModuleRelocTarget::LibCall(_));
        if let Some(reloc) = calls.iter().find(foreign) {
            return Err(refused(format!("it would need the library function {:?}", reloc.name)));
        }
        let sources = code.buffer.get_srclocs_sorted().iter().filter(|s| !s.loc.is_default());
        let mut lines: Vec<CodeLine> = sources
            .map(|s| CodeLine { offset: s.start as usize, line: s.loc.bits() as usize })
            .collect();
        lines.dedup_by_key(|l| l.line);
        let bytes = code.code_buffer().to_vec();
        let alignment = u64::from(code.buffer.alignment).max(super::x64::ALIGNMENT);
        let (name, code) = (name.to_owned(), bytes.len());
        Ok(Compiled { name, code, bytes, alignment, calls, ir, lines })
    }
}

fn explain(error: &ClifError) -> String {
    match error {
        ClifError::Verifier(errors) => format!("invalid IR:\n{errors}"),
        other => other.to_string(),
    }
}
