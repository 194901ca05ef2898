//! The compiled functions of one network before they are linked into memory
//! ([`CodeSpace`](super::code::CodeSpace)) or into any other Cranelift module, or dumped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cranelift_module::{FuncId, Linkage, Module, ModuleError, ModuleRelocTarget};
use serde::{Deserialize, Serialize};

use super::encoded::Encoded;
use super::error::CodegenError;
use super::machine::{Compiled, Cranelift, Scratch};
use super::region::Region;
use super::vir::Program;
use super::{a64, clif, driver, x64};
use crate::isa::{Backend, Isa};

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Keep the Cranelift IR as text and the offsets of the vector programs' lines, for dumps.
    pub keep_ir: bool,
    /// How many threads compile; the result does not depend on it.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { keep_ir: false, threads: 1 }
    }
}

/// Time spent, summed over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Time for kernels, in the back end of the instruction set.
    pub kernels: Duration,
    /// Time for regions, in Cranelift.
    pub regions: Duration,
}

/// What running a region needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionInfo {
    /// How many chunks it has.
    pub chunks: u64,
    /// How many base addresses it needs.
    pub bases: usize,
}

/// Compiled kernels and regions.
#[derive(Clone, Debug)]
pub struct Image {
    /// In the order of the programs.
    pub kernels: Vec<Compiled>,
    /// In the order of the regions.
    pub regions: Vec<Compiled>,
    /// In the order of the regions.
    pub infos: Vec<RegionInfo>,
    /// The instruction set that its kernels need.
    pub isa: Isa,
    /// How long compilation took.
    pub times: Times,
}

/// One function to compile.
#[derive(Clone, Copy)]
enum Job<'a> {
    Kernel(&'a Program),
    Region(&'a Region),
}

/// A finished job: its number, its outcome, its time.
type Done = (usize, Result<Compiled, CodegenError>, Duration);

impl Image {
    /// Compiles all `kernels`, with the back end of the instruction set, and all `regions`, whose
    /// [`Call::kernel`](super::region::Call::kernel) index into `kernels`.
    ///
    /// # Errors
    /// If a kernel relies on more than the instruction set has; otherwise the error of the first
    /// function, in order, that cannot be compiled.
    pub fn compile(
        cranelift: &Cranelift,
        isa: Isa,
        kernels: &[Program],
        regions: &[Region],
        options: Options,
    ) -> Result<Image, CodegenError> {
        if let Some(program) = kernels.iter().find(|k| !isa.target().includes(k.target)) {
            let (program, target) = (program.name.clone(), program.target);
            return Err(CodegenError::Excess { program, target, isa });
        }
        let arities: Vec<usize> = kernels.iter().map(|program| program.args).collect();
        let jobs = kernels.iter().map(Job::Kernel).chain(regions.iter().map(Job::Region));
        let jobs: Vec<Job<'_>> = jobs.collect();
        let mut done =
            run_all(&jobs, options.threads, |job, scratch| match *job {
                Job::Kernel(program) => match isa.backend() {
                    Backend::Clif => clif::compile(cranelift, scratch, program, options.keep_ir),
                    Backend::X64 => x64::encode(program)
                        .map(|code| kernel(program, code, x64::ALIGNMENT, options)),
                    Backend::A64 => a64::encode(program)
                        .map(|code| kernel(program, code, a64::ALIGNMENT, options)),
                },
                Job::Region(region) => {
                    driver::compile(cranelift, scratch, region, &arities, options.keep_ir)
                }
            });
        done.sort_by_key(|(index, ..)| *index);
        let mut times = Times::default();
        let mut functions = Vec::with_capacity(done.len());
        for ((_, outcome, time), job) in done.into_iter().zip(&jobs) {
            functions.push(outcome?);
            *match job {
                Job::Kernel(_) => &mut times.kernels,
                Job::Region(_) => &mut times.regions,
            } += time;
        }
        Ok(Image {
            regions: functions.split_off(kernels.len()),
            kernels: functions,
            infos: regions.iter().map(info).collect(),
            isa,
            times,
        })
    }

    /// Bytes of all functions.
    pub fn size(&self) -> usize {
        self.functions().map(|f| f.bytes.len()).sum()
    }

    /// All functions: kernels, then regions.
    pub fn functions(&self) -> impl Iterator<Item = &Compiled> {
        self.kernels.iter().chain(&self.regions)
    }

    /// Defines all functions in `module`, as local functions. Names are made unique by the function's
    /// position.
    ///
    /// # Errors
    /// If the module refuses, or runs out of memory.
    pub fn link(
        &self,
        cranelift: &Cranelift,
        module: &mut impl Module,
    ) -> Result<Linked, CodegenError> {
        let mut kernels = Vec::with_capacity(self.kernels.len());
        for (i, kernel) in self.kernels.iter().enumerate() {
            let name = format!("kernel{i}_{}", kernel.name);
            let id =
                module.declare_function(&name, Linkage::Local, &cranelift.kernel_signature(0))?;
            define(module, id, kernel, &[])?;
            kernels.push(id);
        }
        let mut regions = Vec::with_capacity(self.regions.len());
        for (i, region) in self.regions.iter().enumerate() {
            let name = format!("region{i}_{}", region.name);
            let id =
                module.declare_function(&name, Linkage::Local, &cranelift.region_signature())?;
            define(module, id, region, &kernels)?;
            regions.push(id);
        }
        Ok(Linked { kernels, regions })
    }
}

/// The functions of an image in a module, by number.
#[derive(Clone, Debug)]
pub struct Linked {
    /// In the order of the programs.
    pub kernels: Vec<FuncId>,
    /// In the order of the regions.
    pub regions: Vec<FuncId>,
}

/// A kernel that calls nothing.
fn kernel(program: &Program, encoded: Encoded, alignment: u64, options: Options) -> Compiled {
    Compiled {
        name: program.name.clone(),
        bytes: encoded.bytes,
        code: encoded.code,
        alignment,
        calls: Vec::new(),
        ir: None,
        lines: if options.keep_ir { encoded.lines } else { Vec::new() },
    }
}

fn info(region: &Region) -> RegionInfo {
    let places = region.pieces.iter().flat_map(|piece| piece.places());
    let bases = places.map(|place| place.base.0 as usize + 1);
    RegionInfo { chunks: region.chunk_count(), bases: bases.max().unwrap_or(0) }
}

fn define(
    module: &mut impl Module,
    id: FuncId,
    function: &Compiled,
    kernels: &[FuncId],
) -> Result<(), CodegenError> {
    let mut relocs = function.calls.clone();
    for reloc in &mut relocs {
        match reloc.name {
            ModuleRelocTarget::User { index, .. } => match kernels.get(index as usize) {
                Some(&kernel) => reloc.name = kernel.into(),
                None => return Err(ModuleError::Undeclared(format!("kernel {index}")).into()),
            },
            ModuleRelocTarget::FunctionOffset(_, offset) => {
                reloc.name = ModuleRelocTarget::FunctionOffset(id, offset);
            }
            _ => {}
        }
    }
    Ok(module.define_function_bytes(id, function.alignment, &function.bytes, &relocs)?)
}

/// Does all jobs in any order, on up to `threads` threads, this one included. If a thread cannot be
/// started, the others do more.
fn run_all<'a>(
    jobs: &[Job<'a>],
    threads: usize,
    compile: impl Fn(&Job<'a>, &mut Scratch) -> Result<Compiled, CodegenError> + Sync,
) -> Vec<Done> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut scratch, mut done) = (Scratch::new(), Vec::new());
        while let Some((index, job)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            let start = Instant::now();
            let outcome = compile(job, &mut scratch);
            done.push((index, outcome, start.elapsed()));
        }
        done
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(jobs.len()))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut done = work();
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}
