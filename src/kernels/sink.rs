//! What lowering produces: programs (one a distinct form), packed constants, pieces of regions.

use std::collections::HashMap;

use crate::codegen::region::{Address, Arg, Base, Call, Extent, Item, Piece};
use crate::codegen::vir::{OverBudget, Program, Target, Work};

use super::KernelError;

/// Base address of the arena, which holds every value.
pub const ARENA: Base = Base(0);
/// Base address of the packed constants.
pub const WEIGHTS: Base = Base(1);

/// Base address of the memory that the running thread has for itself; what a chunk leaves there is
/// lost.
pub const THREAD: Base = Base(2);
/// How many base addresses there are.
pub const BASES: usize = 3;

/// Bytes to which packed constants and values are aligned: a cache line.
pub const ALIGN: usize = 64;

/// The next multiple of a cache line.
pub(super) fn aligned(bytes: i64) -> i64 {
    (bytes as usize).next_multiple_of(ALIGN) as i64
}

/// What lowering knows of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Vector width and register count.
    pub target: Target,
    /// Threads that will run the chunks of a region.
    pub threads: usize,
    /// Bytes of a core's own cache, the one that should hold a chunk's source.
    pub cache_bytes: usize,
}

/// Chunks that a thread should get of work that is mostly memory traffic, so that threads of
/// unequal speed finish together.
const CHUNKS_PER_THREAD: usize = 4;

impl Machine {
    /// Into how many chunks a region of little arithmetic is cut.
    pub fn parts(&self) -> usize {
        CHUNKS_PER_THREAD * self.threads
    }
}

/// Writes elements into the place where they are packed.
pub type Writer<T> = Box<dyn FnOnce(&mut [T]) + Send>;

/// Writes packed constants into their place, as elements of the type that most of them have.
pub enum Fill {
    /// Writes values.
    Floats(Writer<f32>),
    /// Writes anything else; numbers are in the machine's byte order, which is little-endian
    /// wherever code is compiled.
    Bytes(Writer<u8>),
}

/// A stretch of the packed constants.
pub struct Pack {
    /// Offset in bytes from [`WEIGHTS`], a multiple of [`ALIGN`].
    pub offset: usize,
    /// How many bytes; a multiple of four where values are written.
    pub bytes: usize,
    /// Writes them.
    pub fill: Fill,
}

impl Pack {
    /// Writes into all constants as the emulator has them, which knows words of 32 bits only.
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
    /// The machine that everything is made for.
    pub machine: Machine,
    programs: Vec<Program>,
    known: HashMap<String, usize>,
    tiles: HashMap<usize, [usize; 2]>,
    packs: Vec<Pack>,
    weight_bytes: usize,
    thread_bytes: usize,
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
        }
    }

    /// The index of the program of this form, built on first use.
    ///
    /// `form` must say everything that the code depends on, but for the machine.
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

    /// Notes the accumulators of a program's widest tile, pixels and vectors of outputs: for
    /// reports.
    pub fn note_tile(&mut self, kernel: usize, tile: [usize; 2]) {
        self.tiles.insert(kernel, tile);
    }

    /// What was noted of a program's tile.
    pub fn tile(&self, kernel: usize) -> Option<[usize; 2]> {
        self.tiles.get(&kernel).copied()
    }

    /// What one call of a program executes.
    pub fn work(&self, kernel: usize) -> Work {
        self.programs.get(kernel).map(Program::work).unwrap_or_default()
    }

    /// Reserves `len` values of packed constants and returns their offset in bytes. `fill` writes
    /// them, later and perhaps on another thread; what it leaves is zero.
    pub fn pack(&mut self, len: usize, fill: impl FnOnce(&mut [f32]) + Send + 'static) -> i64 {
        self.pack_with(len * size_of::<f32>(), Fill::Floats(Box::new(fill)))
    }

    /// As [`Sink::pack`], of `bytes` that are no values.
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

    /// Asks that every thread have `bytes` for itself, from [`THREAD`] on, while it runs a chunk.
    pub fn reserve(&mut self, bytes: usize) {
        self.thread_bytes = self.thread_bytes.max(bytes);
    }

    /// The most bytes of its own that a chunk needs.
    pub fn thread_bytes(&self) -> usize {
        self.thread_bytes
    }

    /// Everything collected: programs, packed constants and the bytes that these take.
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
    /// Whether each pointer is handed to the kernel.
    passed: [bool; N],
}

impl<const N: usize> Levels<N> {
    /// A single call with these arguments.
    pub fn new(pointers: [Pointer; N]) -> Self {
        Levels { chunks: Vec::new(), loops: Vec::new(), pointers, passed: [true; N] }
    }

    /// Leaves a pointer out of the call unless the kernel takes it.
    pub fn pass_if(&mut self, position: usize, takes: bool) {
        self.passed[position] = takes;
    }

    /// Adds a level whose turns are chunks of their own, and returns its number.
    pub fn chunk(&mut self, count: usize, strides: [i64; N]) -> usize {
        debug_assert!(self.loops.is_empty(), "chunk levels come first");
        self.chunks.push(count as u32);
        self.stride(strides);
        self.chunks.len() - 1
    }

    /// Adds the level of an [`Item::Repeat`] that the call will stand in.
    pub fn repeat(&mut self, strides: [i64; N]) {
        debug_assert!(self.loops.is_empty(), "repeats stand outside the call's own loops");
        self.stride(strides);
    }

    /// Adds a level that runs inside a chunk.
    pub fn inner(&mut self, extent: Extent, strides: [i64; N]) {
        self.loops.push(extent);
        self.stride(strides);
    }

    /// Adds a level of `total` turns, cut into `parts` chunks as even as can be; `1` part makes a
    /// plain inner loop. All chunk levels must be added before the first call that makes an inner
    /// loop, so the inner half is returned for [`Levels::rest`].
    pub fn split(&mut self, total: usize, parts: usize, strides: [i64; N]) -> Split<N> {
        let per = total.div_ceil(parts.clamp(1, total.max(1)));
        let level = self.chunk(total.div_ceil(per), strides.map(|s| s * per as i64));
        Split { level, per, total, strides }
    }

    /// Adds the inner half of a split level.
    pub fn rest(&mut self, split: Split<N>) {
        self.inner(split.extent(), split.strides);
    }

    fn stride(&mut self, strides: [i64; N]) {
        self.pointers.iter_mut().zip(strides).for_each(|(p, s)| p.strides.push(s));
    }

    /// A call of `kernel` with the pointers, then `counts`, to be put into a piece of the same
    /// chunk levels.
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

/// A level that was cut into chunks: what is left to run inside each.
#[derive(Clone, Copy, Debug)]
pub struct Split<const N: usize> {
    level: usize,
    per: usize,
    total: usize,
    strides: [i64; N],
}

impl<const N: usize> Split<N> {
    /// How many turns a chunk has.
    pub fn extent(&self) -> Extent {
        match self.total % self.per {
            0 => Extent::Fixed(self.per as u32),
            _ => Extent::Rest { level: self.level, per: self.per as u32, total: self.total as u32 },
        }
    }
}
