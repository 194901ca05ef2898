//! Owns the executable memory of one compiled network.

use std::fmt;
use std::io;
use std::mem;
use std::ptr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{ModuleError, ModuleResult, default_libcall_names};

use super::error::CodegenError;
use super::image::{Image, RegionInfo};
use super::machine::{Compiled, Cranelift};
use crate::host::code_memory::CodeMemory;

/// The type of a region's function.
type RegionFn = extern "C" fn(bases: *const *mut u8, chunk: u64);

/// Bytes that the linker may add to a function for each call it makes.
const VENEER: usize = 24;

/// The base addresses of a run. Only holds them: their users must make sure that they are valid.
#[derive(Clone, Debug)]
pub struct Bases(Box<[*mut u8]>);

// SAFETY: the pointers are only numbers here; the caller of `CodeSpace::run_chunk` vouches for the
// memory.
unsafe impl Send for Bases {}
// SAFETY: as above; a shared reference only reads them.
unsafe impl Sync for Bases {}

impl Bases {
    /// `count` null pointers.
    pub fn new(count: usize) -> Self {
        Bases(vec![ptr::null_mut(); count].into())
    }

    /// Sets one address. An index out of range is ignored; [`CodeSpace::run_chunk`] then does
    /// nothing for regions that need it.
    pub fn set(&mut self, index: usize, address: *mut u8) {
        if let Some(place) = self.0.get_mut(index) {
            *place = address;
        }
    }

    /// All addresses.
    pub fn as_slice(&self) -> &[*mut u8] {
        &self.0
    }
}

/// A function in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its address.
    pub start: usize,
    /// Bytes of instructions.
    pub bytes: usize,
    /// A kernel's problem line, or a region's node.
    pub name: &'a str,
}

/// Executable code: written once, then executable and not writable, freed when dropped.
pub struct CodeSpace {
    regions: Vec<(RegionFn, RegionInfo)>,
    /// Where each function starts, kernels first: for tools that map addresses to names.
    starts: Vec<usize>,
    size: usize,
    link_time: Duration,
    /// Declared last: the functions above point into it.
    _module: OwnedModule,
}

impl fmt::Debug for CodeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSpace")
            .field("regions", &self.regions.len())
            .field("size", &self.size)
            .finish()
    }
}

impl CodeSpace {
    /// Puts the functions of `image` into memory, and makes the instruction set that they need
    /// usable ([`Isa::enable`](crate::isa::Isa::enable)).
    ///
    /// # Errors
    /// If this CPU lacks the instructions, or the system refuses them or executable memory.
    pub fn new(cranelift: &Cranelift, image: &Image) -> Result<Self, CodegenError> {
        let start = Instant::now();
        image.isa.enable()?;
        let mut builder = JITBuilder::with_isa(cranelift.owned_isa(), default_libcall_names());
        builder.memory_provider(Box::new(Contiguous::new(capacity(image.functions()))));
        let mut module = OwnedModule::new(JITModule::new(builder));
        let module_ref = module.get()?;
        let linked = image.link(cranelift, module_ref)?;
        module_ref.finalize_definitions()?;
        let all = linked.kernels.iter().chain(&linked.regions);
        let starts = all.map(|&id| module_ref.get_finalized_function(id) as usize).collect();
        let regions = linked.regions.iter().zip(&image.infos).map(|(&id, &info)| {
            let code = module_ref.get_finalized_function(id);
            // SAFETY: `Cranelift::region_signature` is the signature of a `RegionFn`, and
            // `image.link` returns the functions that were compiled with it. The code stays in
            // place as long as `module` does.
            (unsafe { mem::transmute::<*const u8, RegionFn>(code) }, info)
        });
        let regions = regions.collect();
        Ok(CodeSpace {
            regions,
            starts,
            size: image.size(),
            link_time: start.elapsed(),
            _module: module,
        })
    }

    /// Bytes of code and constants.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How long it took to put the code into memory.
    pub fn link_time(&self) -> Duration {
        self.link_time
    }

    /// The functions of `image`, from which this was made: address, bytes of code, name.
    pub fn symbols<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = Symbol<'a>> {
        let functions = image.functions().zip(&self.starts);
        functions.map(|(f, &start)| Symbol { start, bytes: f.code, name: &f.name })
    }

    /// How many regions there are.
    pub fn region_count(&self) -> usize {
        self.regions.len()
    }

    /// What running a region needs, if there is such a region.
    pub fn region(&self, region: usize) -> Option<RegionInfo> {
        self.regions.get(region).map(|(_, info)| *info)
    }

    /// Runs one chunk of a region. Does nothing if there is no such region or chunk, or `bases` are
    /// too few.
    ///
    /// # Safety
    /// For every address that the kernels of this chunk read or write, as the
    /// [`Region`](super::region::Region) and its programs compute it from `bases`: it must be
    /// inside one live allocation that may be accessed that way, and until this returns nothing
    /// else may write what is read, or access what is written.
    pub unsafe fn run_chunk(&self, region: usize, bases: &Bases, chunk: u64) {
        if let Some((function, info)) = self.regions.get(region)
            && chunk < info.chunks
            && bases.0.len() >= info.bases
        {
            function(bases.0.as_ptr(), chunk);
        }
    }
}

fn capacity<'a>(functions: impl Iterator<Item = &'a Compiled>) -> usize {
    functions.map(|f| f.bytes.len() + VENEER * f.calls.len() + f.alignment as usize).sum()
}

/// A module that frees its memory when dropped.
struct OwnedModule(Mutex<Option<JITModule>>);

impl OwnedModule {
    fn new(module: JITModule) -> Self {
        OwnedModule(Mutex::new(Some(module)))
    }

    fn get(&mut self) -> Result<&mut JITModule, CodegenError> {
        let module = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        module.as_mut().ok_or_else(|| CodegenError::Memory("it was already freed".to_owned()))
    }
}

impl Drop for OwnedModule {
    fn drop(&mut self) {
        let module = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(module) = module {
            // SAFETY: the only function pointers into the memory are in the `CodeSpace` that owns
            // this and is being dropped, and it hands none out. Nothing is executing the code,
            // because running it borrows the owner.
            unsafe { module.free_memory() };
        }
    }
}

/// Hands out one piece of memory part by part, so that all functions are within range of each
/// other's direct calls, and no function wastes pages and cache sets by having its own.
struct Contiguous {
    /// `None` before the first function is placed, and when it was freed.
    memory: Option<CodeMemory>,
    capacity: usize,
    used: usize,
}

impl Contiguous {
    fn new(capacity: usize) -> Self {
        Contiguous { memory: None, capacity, used: 0 }
    }
}

impl JITMemoryProvider for Contiguous {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        if !matches!(kind, JITMemoryKind::Executable) {
            // Constants are part of functions; there is no other data.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let place = self.used.next_multiple_of(align as usize);
        if place + size > self.capacity {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let memory = match &mut self.memory {
            Some(memory) => memory,
            none => none.insert(CodeMemory::new(self.capacity)?),
        };
        self.used = place + size;
        Ok(memory.start().wrapping_add(place))
    }

    unsafe fn free_memory(&mut self) {
        self.memory = None;
    }

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        let published = self.memory.as_mut().map_or(Ok(()), CodeMemory::publish);
        published.map_err(|err| ModuleError::Allocation { err })
    }
}
