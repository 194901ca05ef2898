//! What lowering produces: programs (one for each distinct form), packed constants, pieces of
//! regions.

use std::collections::HashMap;
use std::ops::Range;

use crate::codegen::region::{Address, Arg, Base, Call, Extent, Item, Piece};
use crate::codegen::vir::{OverBudget, Program, Target, Work};
use crate::host::cpu::Vendor;

use super::KernelError;
use super::precision::Precision;
use super::rates::Rates;
use super::summation::Summation;

/// Base address of the arena, which holds every value.
pub const ARENA: Base = Base(0);
/// Base address of the packed constants.
pub const WEIGHTS: Base = Base(1);

/// Base address of the running thread's private memory; its contents are lost after each chunk.
pub const THREAD: Base = Base(2);
/// How many base addresses there are.
pub const BASES: usize = 3;

/// Bytes to which packed constants and values are aligned: a cache line.
pub const ALIGN: usize = 64;

/// The next multiple of a cache line.
pub(super) fn aligned(bytes: i64) -> i64 {
    (bytes as usize).next_multiple_of(ALIGN) as i64
}

/// What lowering knows about the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Vector width and register count.
    pub target: Target,
    /// Threads that will run the chunks of a region.
    pub threads: usize,
    /// Bytes of a core's own cache, the one that should hold a chunk's source.
    pub cache_bytes: usize,
    /// What the parts of convolutions cost on its cores.
    pub rates: Rates,
    /// How many bits numbers have.
    pub precision: Precision,
    /// How the sums of images are added up that are computed directly.
    pub images: Summation,
    /// Whether results must have the same bits on every machine.
    pub portable: bool,
}

/// Chunks that each thread should get if the work is mostly memory traffic, so that threads of
/// unequal speed finish together.
const CHUNKS_PER_THREAD: usize = 4;

impl Machine {
    /// A machine with a vendor's CPU, numbers of full precision, and sums of one term after the other.
    pub fn new(target: Target, threads: usize, cache_bytes: usize, vendor: Vendor) -> Self {
        let rates = Rates::of(vendor, target, cache_bytes);
        let (precision, images) = (Precision::Full, Summation::Chain);
        Machine { target, threads, cache_bytes, rates, precision, images, portable: false }
    }

    /// The machine for which everything is chosen that changes rounding: this one, or one that
    /// stands for all, a server CPU with AVX2.
    pub fn rounding(&self) -> Self {
        match self.portable {
            true => Machine::new(Target::AVX2, self.threads, 1 << 20, Vendor::Amd),
            false => *self,
        }
    }

    /// Whether a product and its sum may be rounded once. Where bits must be the same everywhere
    /// they are not: which operators share a kernel can depend on the batch.
    pub fn contracts(&self) -> bool {
        !self.portable
    }

    /// The number of chunks into which a region with little arithmetic is cut.
    pub fn parts(&self) -> usize {
        CHUNKS_PER_THREAD * self.threads
    }
}

/// Writes elements to the place where they are packed.
pub type Writer<T> = Box<dyn FnOnce(&mut [T]) + Send>;

/// Writes packed constants to their place.
pub enum Fill {
    /// Writes f32 values.
    Floats(Writer<f32>),
    /// Writes anything else; numbers are in the machine's byte order, which is little-endian
    /// wherever code is compiled.
    Bytes(Writer<u8>),
}

/// A range of the packed constants.
pub struct Pack {
    /// Offset in bytes from [`WEIGHTS`], a multiple of [`ALIGN`].
    pub offset: usize,
    /// Number of bytes; a multiple of four if values are written.
    pub bytes: usize,
    /// Writes the constants.
    pub fill: Fill,
}

impl Pack {
    /// Writes to `all` constants as the emulator stores them, in 32-bit words.
    pub fn write_words(self, all: &mut [f32]) {
        let place = &mut all[self.offset / 4..][..self.bytes.div_ceil(4)];
        match self.fill {
            Fill::Floats(fill) => fill(place),
            Fill::Bytes(fill) => {
                let mut bytes = vec![0; place.len() * 4];
                fill(&mut bytes[..self.bytes]);
                let words = bytes.as_chunks().0;
                place.iter_mut().zip(words).for_each(|(w, b)| *w = f32::from_le_bytes(*b));
            }
        }
    }
}

/// Collects what the steps of a network lower to.
pub struct Sink {
    /// The machine that everything is lowered for.
    pub machine: Machine,
    programs: Vec<Program>,
    known: HashMap<String, usize>,
    tiles: HashMap<usize, [usize; 2]>,
    packs: Vec<Pack>,
    weight_bytes: usize,
    thread_bytes: usize,
    preparation: Preparation,
    after: usize,
}

/// What a step does first: it packs weights that are values.
#[derive(Default)]
struct Preparation {
    /// The free part of the memory for them, as offsets in the arena.
    free: Range<i64>,
    /// The regions, one after another.
    stages: Vec<Vec<Piece>>,
}

impl Sink {
    /// An empty sink.
    pub fn new(machine: Machine) -> Self {
        Sink {
            machine,
            programs: Vec::new(),
            known: HashMap::new(),
            tiles: HashMap::new(),
            packs: Vec::new(),
            weight_bytes: 0,
            thread_bytes: 0,
            preparation: Preparation::default(),
            after: 0,
        }
    }

    /// Begins a step that has this memory for packed weights, as offsets in the arena.
    pub fn begin(&mut self, free: Range<i64>) {
        self.preparation = Preparation { free, stages: Vec::new() };
        self.after = 0;
    }

    /// Notes that the last regions of the step only bring together what the one before them computed.
    pub fn note_after(&mut self, regions: usize) {
        self.after = regions;
    }

    /// How many regions of the step come after the one that does its work.
    pub fn after(&self) -> usize {
        self.after
    }

    /// Reserves memory for weights that each run packs, and returns its offset in the arena.
    ///
    /// # Errors
    /// If the step has not so much: a bug.
    pub fn reserve_packed(&mut self, bytes: usize) -> Result<i64, KernelError> {
        let free = &mut self.preparation.free;
        let end = free.start + bytes.next_multiple_of(ALIGN) as i64;
        if end > free.end {
            let lacking = end - free.end;
            let reason = format!("{lacking} bytes are lacking for its packed weights");
            return Err(KernelError::Unsupported { op: "conv", node: String::new(), reason });
        }
        Ok(std::mem::replace(&mut free.start, end))
    }

    /// Adds to what the step does before everything else. Stages run one after another.
    pub fn prepare(&mut self, stage: usize, pieces: Vec<Piece>) {
        let stages = &mut self.preparation.stages;
        stages.resize_with(stages.len().max(stage + 1), Vec::new);
        stages[stage].extend(pieces);
    }

    /// What the step does first, as regions.
    pub fn take_preparation(&mut self) -> Vec<Vec<Piece>> {
        let mut stages = std::mem::take(&mut self.preparation).stages;
        stages.retain(|pieces| !pieces.is_empty());
        stages
    }

    /// The index of the program of this form, built on first use.
    ///
    /// `form` must contain everything that the code depends on, except the machine.
    ///
    /// # Errors
    /// If the form does not fit the machine's registers.
    pub fn program(
        &mut self,
        name: &str,
        form: String,
        build: impl FnOnce(String) -> Result<Program, OverBudget>,
    ) -> Result<usize, KernelError> {
        if let Some(&index) = self.known.get(&form) {
            return Ok(index);
        }
        let index = self.programs.len();
        let program = build(name.to_owned())
            .map_err(|source| KernelError::Budget { kernel: form.clone(), source })?;
        self.programs.push(program);
        self.known.insert(form, index);
        Ok(index)
    }

    /// The name of a program.
    pub fn name(&self, kernel: usize) -> &str {
        self.programs.get(kernel).map_or("", |p| &p.name)
    }

    /// Records, for reports, the accumulators of a program's widest tile: pixels and vectors of
    /// outputs.
    pub fn note_tile(&mut self, kernel: usize, tile: [usize; 2]) {
        self.tiles.insert(kernel, tile);
    }

    /// The widest tile that was recorded for a program.
    pub fn tile(&self, kernel: usize) -> Option<[usize; 2]> {
        self.tiles.get(&kernel).copied()
    }

    /// What one call of a program executes.
    pub fn work(&self, kernel: usize) -> Work {
        self.programs.get(kernel).map(Program::work).unwrap_or_default()
    }

    /// Reserves `len` values of packed constants and returns their offset in bytes. `fill` writes
    /// them later, perhaps on another thread; what it does not write is zero.
    pub fn pack(&mut self, len: usize, fill: impl FnOnce(&mut [f32]) + Send + 'static) -> i64 {
        self.pack_with(len * size_of::<f32>(), Fill::Floats(Box::new(fill)))
    }

    /// As [`Sink::pack`], for `bytes` bytes that are not values.
    pub fn pack_bytes(
        &mut self,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]) + Send + 'static,
    ) -> i64 {
        self.pack_with(bytes, Fill::Bytes(Box::new(fill)))
    }

    fn pack_with(&mut self, bytes: usize, fill: Fill) -> i64 {
        let offset = self.weight_bytes;
        self.weight_bytes = (offset + bytes).next_multiple_of(ALIGN);
        self.packs.push(Pack { offset, bytes, fill });
        offset as i64
    }

    /// Reserves `bytes` of private memory, from [`THREAD`] on, for every thread while it runs a
    /// chunk.
    pub fn reserve(&mut self, bytes: usize) {
        self.thread_bytes = self.thread_bytes.max(bytes);
    }

    /// The maximum number of bytes of private memory that a chunk needs.
    pub fn thread_bytes(&self) -> usize {
        self.thread_bytes
    }

    /// Everything collected: programs, packed constants, and the size of the constants in bytes.
    pub fn finish(self) -> (Vec<Program>, Vec<Pack>, usize) {
        (self.programs, self.packs, self.weight_bytes)
    }
}

/// A pointer argument while its strides are being collected.
#[derive(Clone, Debug)]
pub struct Pointer {
    base: Base,
    offset: i64,
    strides: Vec<i64>,
}

impl Pointer {
    /// An address `offset` bytes into `base`.
    pub fn new(base: Base, offset: i64) -> Self {
        Pointer { base, offset, strides: Vec::new() }
    }

    /// The address `bytes` further on.
    pub fn after(mut self, bytes: i64) -> Self {
        self.offset += bytes;
        self
    }

    /// The base and the offset.
    pub fn start(&self) -> (Base, i64) {
        (self.base, self.offset)
    }

    fn place(self) -> Address {
        Address { base: self.base, offset: self.offset, strides: self.strides }
    }
}

/// Builds a piece level by level, outermost first.
#[derive(Clone, Debug)]
pub struct Levels<const N: usize> {
    chunks: Vec<u32>,
    loops: Vec<Extent>,
    pointers: [Pointer; N],
    /// Whether each pointer is passed to the kernel.
    passed: [bool; N],
}

impl<const N: usize> Levels<N> {
    /// A single call with these arguments.
    pub fn new(pointers: [Pointer; N]) -> Self {
        Levels { chunks: Vec::new(), loops: Vec::new(), pointers, passed: [true; N] }
    }

    /// Omits a pointer from the call unless the kernel takes it.
    pub fn pass_if(&mut self, position: usize, takes: bool) {
        self.passed[position] = takes;
    }

    /// Adds a level whose iterations are separate chunks, and returns its number.
    pub fn chunk(&mut self, count: usize, strides: [i64; N]) -> usize {
        debug_assert!(self.loops.is_empty(), "chunk levels come first");
        self.chunks.push(count as u32);
        self.stride(strides);
        self.chunks.len() - 1
    }

    /// Adds the level of an [`Item::Repeat`] that the call will be in.
    pub fn repeat(&mut self, strides: [i64; N]) {
        debug_assert!(self.loops.is_empty(), "repeats are outside the call's own loops");
        self.stride(strides);
    }

    /// Adds a level that runs inside a chunk.
    pub fn inner(&mut self, extent: Extent, strides: [i64; N]) {
        self.loops.push(extent);
        self.stride(strides);
    }

    /// Adds a level of `total` iterations, cut into `parts` chunks as evenly as possible; `1` part
    /// makes a plain inner loop. All chunk levels must be added before the first inner loop, so the
    /// inner half is returned for [`Levels::rest`].
    pub fn split(&mut self, total: usize, parts: usize, strides: [i64; N]) -> Split<N> {
        let per = total.div_ceil(parts.clamp(1, total.max(1)));
        let level = self.chunk(total.div_ceil(per), strides.map(|s| s * per as i64));
        Split { level, per, total, strides }
    }

    /// Makes a pointer advance by this many bytes from chunk to chunk of a split level, and not
    /// inside of a chunk.
    pub fn widen(&mut self, split: &Split<N>, pointer: usize, bytes: i64) {
        self.pointers[pointer].strides[split.level] = bytes;
    }

    /// Adds the inner half of a split level.
    pub fn rest(&mut self, split: Split<N>) {
        self.inner(split.extent(), split.strides);
    }

    fn stride(&mut self, strides: [i64; N]) {
        self.pointers.iter_mut().zip(strides).for_each(|(p, s)| p.strides.push(s));
    }

    /// A call of `kernel` with the pointers, then `counts`, for a piece with the same chunk levels.
    pub fn call(self, kernel: usize, counts: &[Extent]) -> Call {
        let passed = self.pointers.into_iter().zip(self.passed).filter(|(_, passed)| *passed);
        let addresses = passed.map(|(p, _)| Arg::Address(p.place()));
        let args = addresses.chain(counts.iter().map(|&e| Arg::Count(e))).collect();
        Call { kernel, loops: self.loops, args }
    }

    /// The piece that consists of one such call.
    pub fn piece(self, kernel: usize, counts: &[Extent]) -> Piece {
        Piece { chunks: self.chunks.clone(), items: vec![Item::Call(self.call(kernel, counts))] }
    }
}

/// A level that was cut into chunks: the loop that remains inside each chunk.
#[derive(Clone, Copy, Debug)]
pub struct Split<const N: usize> {
    level: usize,
    per: usize,
    total: usize,
    strides: [i64; N],
}

impl<const N: usize> Split<N> {
    /// How many iterations a chunk has.
    pub fn extent(&self) -> Extent {
        match self.total % self.per {
            0 => Extent::Fixed(self.per as u32),
            _ => Extent::Rest { level: self.level, per: self.per as u32, total: self.total as u32 },
        }
    }
}
