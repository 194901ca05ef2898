//! Runs vector programs and regions lane by lane on checked memory: the oracle of the back ends.
//!
//! The emulator knows every width, so the 16-lane programs of AVX-512 can be tested on a machine
//! without it. Its arithmetic is the definition of the [`vir`](super::vir) instructions; a back end
//! whose results differ in any bit (except in NaN payloads) is wrong.

use super::error::CodegenError;
use super::integers;
use super::region::{Arg, Call, Extent, Item, Piece, Region};
use super::usage::Usage;
use super::vir::{
    Arith, Bytes, Count, EXPONENT_BASE, EXPONENT_MAGIC, Inst, Integer, Mem, P, POINTERS,
    POW2_MAGIC, POW2_SHIFT, Program, T, TILE_ROWS, Target, V,
};

/// Buffers of f32 at made-up addresses, far apart: an address outside a buffer is not in another
/// one either.
#[derive(Clone, Debug, Default)]
pub struct EmulatedMemory {
    buffers: Vec<Vec<f32>>,
}

/// The distance between the addresses of two buffers, as a power of two.
const SPACING: u32 = 40;

impl EmulatedMemory {
    /// No buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a buffer and returns its address, a multiple of a page.
    pub fn add(&mut self, buffer: Vec<f32>) -> u64 {
        self.buffers.push(buffer);
        (self.buffers.len() as u64) << SPACING
    }

    /// The buffer that `address` points into; empty if there is none.
    pub fn buffer(&self, address: u64) -> &[f32] {
        slot(address).and_then(|i| self.buffers.get(i)).map_or(&[], Vec::as_slice)
    }

    /// The buffer that `address` points into, to write to.
    pub fn buffer_mut(&mut self, address: u64) -> &mut [f32] {
        slot(address).and_then(|i| self.buffers.get_mut(i)).map_or(&mut [], Vec::as_mut_slice)
    }

    fn slice(&self, address: u64, len: usize) -> Result<&[f32], Fault> {
        let first = place(address)?;
        self.buffer(address).get(first..first + len).ok_or(Fault::OutOfBounds)
    }

    /// A byte, at any address.
    fn byte(&self, address: u64) -> Result<u8, Fault> {
        let word = self.slice(address & !3, 1)?[0];
        Ok(word.to_bits().to_le_bytes()[(address % 4) as usize])
    }

    fn set_byte(&mut self, address: u64, value: u8) -> Result<(), Fault> {
        let word = &mut self.slice_mut(address & !3, 1)?[0];
        let mut bytes = word.to_bits().to_le_bytes();
        bytes[(address % 4) as usize] = value;
        *word = f32::from_bits(u32::from_le_bytes(bytes));
        Ok(())
    }

    fn slice_mut(&mut self, address: u64, len: usize) -> Result<&mut [f32], Fault> {
        let first = place(address)?;
        self.buffer_mut(address).get_mut(first..first + len).ok_or(Fault::OutOfBounds)
    }
}

fn slot(address: u64) -> Option<usize> {
    ((address >> SPACING) as usize).checked_sub(1)
}

fn place(address: u64) -> Result<usize, Fault> {
    if address.is_multiple_of(4) {
        Ok((address & ((1 << SPACING) - 1)) as usize / 4)
    } else {
        Err(Fault::Misaligned)
    }
}

/// What is wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Some of the bytes are in no buffer.
    #[error("out of bounds")]
    OutOfBounds,
    /// The address is not a multiple of 4.
    #[error("misaligned")]
    Misaligned,
}

/// Why a program or a region could not be emulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EmulateError {
    /// An access outside the buffers, or not aligned to a value.
    #[error("{program}: `{inst}` accesses {address:#x}, which is {fault}")]
    Access {
        /// Name of the program.
        program: String,
        /// The instruction, as printed programs show it.
        inst: String,
        /// First byte.
        address: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The program breaks its own rules.
    #[error(transparent)]
    Program(#[from] CodegenError),
    /// The region breaks its own rules, or names a kernel, a base or a chunk that does not exist.
    #[error("region {region}: {what}")]
    Region {
        /// Name of the region.
        region: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Runs `program` on `args` (missing ones are 0). `fused` tells whether a multiply-add rounds once.
///
/// Vector registers start as NaN, so that a result that depends on an unwritten register is
/// noticed.
///
/// # Errors
/// If an access leaves the buffers or is misaligned, or the program is malformed.
pub fn emulate(
    program: &Program,
    args: &[u64],
    memory: &mut EmulatedMemory,
    fused: bool,
) -> Result<(), EmulateError> {
    Usage::of(program)?;
    match (program.target.lanes, fused) {
        (4, false) => EmulatedCpu::<4, false>::run(program, args, memory),
        (4, true) => EmulatedCpu::<4, true>::run(program, args, memory),
        (8, false) => EmulatedCpu::<8, false>::run(program, args, memory),
        (8, true) => EmulatedCpu::<8, true>::run(program, args, memory),
        (16, false) => EmulatedCpu::<16, false>::run(program, args, memory),
        (16, true) => EmulatedCpu::<16, true>::run(program, args, memory),
        _ => {
            let (program, target) = (program.name.clone(), program.target);
            Err(CodegenError::Target { program, target, backend: "the emulator" }.into())
        }
    }
}

/// Runs one chunk of `region`. [`Call::kernel`] and [`Base`](super::region::Base) index into
/// `kernels` and `bases`.
///
/// # Errors
/// As [`emulate`]; also if the region is malformed or has no such chunk.
pub fn emulate_region(
    region: &Region,
    kernels: &[Program],
    bases: &[u64],
    chunk: u64,
    memory: &mut EmulatedMemory,
    fused: bool,
) -> Result<(), EmulateError> {
    let wrong = |what| EmulateError::Region { region: region.name.clone(), what };
    let mut first = 0;
    for piece in &region.pieces {
        let count = piece.chunk_count();
        if chunk - first >= count {
            first += count;
            continue;
        }
        if !piece.is_well_formed() {
            return Err(wrong("a piece breaks its own rules"));
        }
        if piece.calls().into_iter().any(|call| call.kernel >= kernels.len()) {
            return Err(wrong("no such kernel"));
        }
        if piece.places().into_iter().any(|place| place.base.0 as usize >= bases.len()) {
            return Err(wrong("no such base"));
        }
        let mut indices = piece_indices(piece, chunk - first);
        Sequence { kernels, bases, memory, fused }.items(&piece.items, &mut indices)?;
        return Ok(());
    }
    Err(wrong("no such chunk"))
}

/// The outer indices of a piece's chunk, the last level fastest.
fn piece_indices(piece: &Piece, chunk: u64) -> Vec<u64> {
    let mut rest = chunk;
    let mut indices: Vec<u64> = piece
        .chunks
        .iter()
        .rev()
        .map(|&n| {
            let index = rest % u64::from(n);
            rest /= u64::from(n);
            index
        })
        .collect();
    indices.reverse();
    indices
}

/// What a chunk does.
struct Sequence<'a> {
    kernels: &'a [Program],
    bases: &'a [u64],
    memory: &'a mut EmulatedMemory,
    fused: bool,
}

impl Sequence<'_> {
    fn items(&mut self, items: &[Item], indices: &mut Vec<u64>) -> Result<(), EmulateError> {
        items.iter().try_for_each(|item| match item {
            Item::Call(call) => {
                let (outer, kernel) = (indices.len(), &self.kernels[call.kernel]);
                let (bases, memory, fused) = (self.bases, &mut *self.memory, self.fused);
                Nest { outer, call, kernel, bases, memory, fused }.level(indices)
            }
            Item::Repeat { count, items } => (0..u64::from(*count)).try_for_each(|index| {
                indices.push(index);
                let done = self.items(items, indices);
                indices.pop();
                done
            }),
            Item::When { word, is, items } => {
                let address = word.at(self.bases, indices);
                let value = self.memory.slice(address, 1).map_err(|fault| {
                    let inst = "the condition of a chunk".to_owned();
                    EmulateError::Access { program: String::new(), inst, address, fault }
                })?;
                match is.holds(value[0].to_bits()) {
                    true => self.items(items, indices),
                    false => Ok(()),
                }
            }
        })
    }
}

/// The inner loops of one call.
struct Nest<'a> {
    /// How many levels are outside the call's own.
    outer: usize,
    call: &'a Call,
    kernel: &'a Program,
    bases: &'a [u64],
    memory: &'a mut EmulatedMemory,
    fused: bool,
}

impl Nest<'_> {
    fn level(&mut self, indices: &mut Vec<u64>) -> Result<(), EmulateError> {
        let Some(extent) = self.call.loops.get(indices.len() - self.outer) else {
            let args: Vec<u64> = self.call.args.iter().map(|arg| self.arg(arg, indices)).collect();
            return emulate(self.kernel, &args, self.memory, self.fused);
        };
        for index in 0..turns(extent, indices) {
            indices.push(index);
            let done = self.level(indices);
            indices.pop();
            done?;
        }
        Ok(())
    }

    fn arg(&self, arg: &Arg, indices: &[u64]) -> u64 {
        match arg {
            Arg::Count(extent) => turns(extent, indices),
            Arg::Address(place) => place.at(self.bases, indices),
        }
    }
}

fn turns(extent: &Extent, indices: &[u64]) -> u64 {
    match *extent {
        Extent::Fixed(n) => u64::from(n),
        Extent::Rest { level, per, total } => {
            u64::from(per).min(u64::from(total).saturating_sub(indices[level] * u64::from(per)))
        }
    }
}

struct EmulatedCpu<'a, const LANES: usize, const FUSED: bool> {
    program: &'a Program,
    vectors: [[f32; LANES]; Target::MOST_VECTORS],
    tiles: [Tile; Target::MOST_TILES],
    pointers: [u64; POINTERS],
    memory: &'a mut EmulatedMemory,
}

/// What a register holds whose contents are unspecified: no address.
const LOST: u64 = 0xdead_dead_dead_dead;

/// A tile register, row by row.
type Tile = [[f32; TILE_ROWS]; TILE_ROWS];

impl<'a, const LANES: usize, const FUSED: bool> EmulatedCpu<'a, LANES, FUSED> {
    fn run(
        program: &'a Program,
        args: &[u64],
        memory: &'a mut EmulatedMemory,
    ) -> Result<(), EmulateError> {
        let mut pointers = [0; POINTERS];
        pointers.iter_mut().zip(args).take(program.args).for_each(|(p, &arg)| *p = arg);
        let vectors = [[f32::NAN; LANES]; Target::MOST_VECTORS];
        let tiles = [[[f32::NAN; TILE_ROWS]; TILE_ROWS]; Target::MOST_TILES];
        EmulatedCpu::<LANES, FUSED> { program, vectors, tiles, pointers, memory }
            .block(&program.body)
    }

    fn block(&mut self, body: &[Inst]) -> Result<(), EmulateError> {
        body.iter().try_for_each(|inst| self.step(inst))
    }

    fn step(&mut self, inst: &Inst) -> Result<(), EmulateError> {
        match *inst {
            Inst::Const { dst, value } => *self.at(dst) = [value; LANES],
            Inst::Load { dst, src } => self.load(inst, dst, src)?,
            Inst::Broadcast { dst, src } => *self.at(dst) = [self.read(inst, src, 1)?[0]; LANES],
            Inst::LoadFirst { dst, src } => {
                let mut lanes = [0.0; LANES];
                lanes[0] = f32::from_bits(u32::from_le_bytes(self.bytes(inst, src)?));
                *self.at(dst) = lanes;
            }
            Inst::Shuffle { dst, src, order } => {
                self.load(inst, dst, src)?;
                let values = self.get(dst);
                *self.at(dst) =
                    std::array::from_fn(|l| values[l - l % 4 + usize::from(order[l % 4] % 4)]);
            }
            Inst::Store { dst, src } => self.store(inst, dst, src, LANES)?,
            Inst::StoreFirst { dst, src } => self.store(inst, dst, src, 1)?,
            Inst::Prefetch { .. } => {}
            Inst::Copy { dst, src } => *self.at(dst) = self.get(src),
            Inst::MultiplyAdd { acc, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                for (l, sum) in self.at(acc).iter_mut().enumerate() {
                    *sum = multiply_add::<FUSED>(*sum, a[l], b[l]);
                }
            }
            Inst::MultiplyAddLane { acc, a, b, lane } => {
                let (a, b) = (self.get(a), self.get(b)[lane as usize]);
                for (l, sum) in self.at(acc).iter_mut().enumerate() {
                    *sum = multiply_add::<FUSED>(*sum, a[l], b);
                }
            }
            Inst::Arith { op, dst, a, b } => {
                let (a, b, op) = (self.get(a), self.get(b), lane(op));
                *self.at(dst) = std::array::from_fn(|l| op(a[l], b[l]));
            }
            Inst::Exchange { dst, src, distance } => {
                let src = self.get(src);
                *self.at(dst) = std::array::from_fn(|l| src[l ^ distance.lanes()]);
            }
            Inst::Blend { dst, a, b, mask } => {
                let (a, b) = (self.get(a), self.get(b));
                *self.at(dst) =
                    std::array::from_fn(|l| if mask >> l & 1 == 1 { b[l] } else { a[l] });
            }
            Inst::Round { dst, src } => *self.at(dst) = self.get(src).map(f32::round_ties_even),
            Inst::Pow2 { dst, src } => *self.at(dst) = self.get(src).map(pow2),
            Inst::Sqrt { dst, src } => *self.at(dst) = self.get(src).map(f32::sqrt),
            Inst::Exponent { dst, src } => *self.at(dst) = self.get(src).map(exponent),
            Inst::ToInteger { dst, src } => *self.at(dst) = self.get(src).map(integers::nearest),
            Inst::FromInteger { dst, src } => *self.at(dst) = self.get(src).map(integers::number),
            Inst::Integer { op, dst, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                *self.at(dst) = std::array::from_fn(|l| integers::lane(op, a[l], b[l]));
            }
            Inst::Shift { to, dst, src, by } => {
                *self.at(dst) = self.get(src).map(|x| integers::shift(to, x, by));
            }
            Inst::BroadcastBytes { dst, src } => {
                let bytes = self.bytes::<4>(inst, src)?;
                *self.at(dst) = [f32::from_bits(u32::from_le_bytes(bytes)); LANES];
            }
            Inst::LoadBytes { dst, src, signed } => {
                let bytes = self.bytes::<LANES>(inst, src)?;
                *self.at(dst) = bytes.map(|byte| integers::widened(byte, signed));
            }
            Inst::LoadByte { dst, src, signed } => {
                let [byte] = self.bytes::<1>(inst, src)?;
                let mut lanes = [0.0; LANES];
                lanes[0] = integers::widened(byte, signed);
                *self.at(dst) = lanes;
            }
            Inst::StoreByte { dst, src } => {
                let (address, value) = (self.address(dst), self.get(src)[0]);
                let stored = self.memory.set_byte(address, integers::low_byte(value));
                stored.map_err(|fault| self.fault(inst, address, fault))?;
            }
            Inst::Lookup { dst, src, table, index } => {
                let [position] = self.bytes::<1>(inst, src)?;
                let [byte] = self.bytes::<1>(inst, table.at(position.into()))?;
                let address = self.address(dst);
                let stored = self.memory.set_byte(address, byte);
                stored.map_err(|fault| self.fault(inst, address, fault))?;
                self.pointers[index.0 as usize] = LOST;
            }
            Inst::StorePacked { dst, src } => {
                let address = self.address(dst);
                let values = src.map(|v| self.get(v));
                for (l, &value) in (0..).zip(values.iter().flatten()) {
                    let stored = self.memory.set_byte(address + l, integers::limited_byte(value));
                    stored.map_err(|fault| self.fault(inst, address, fault))?;
                }
                src.into_iter().for_each(|v| *self.at(v) = [f32::NAN; LANES]);
            }
            Inst::LoadShorts { dst, src } => {
                let mut shorts = [0.0; LANES];
                for (l, short) in (0..).zip(&mut shorts) {
                    let src = Mem { offset: src.offset + 2 * l, ..src };
                    *short = integers::short(self.bytes::<2>(inst, src)?);
                }
                *self.at(dst) = shorts;
            }
            Inst::StoreBytes { dst, src } => {
                let address = self.address(dst);
                for (l, value) in (0..).zip(self.get(src)) {
                    let stored = self.memory.set_byte(address + l, integers::low_byte(value));
                    stored.map_err(|fault| self.fault(inst, address, fault))?;
                }
                *self.at(src) = [f32::NAN; LANES];
            }
            Inst::WidenBytes { dst, src } => {
                let mut pairs = [0.0; LANES];
                for (l, pair) in (0..).zip(&mut pairs) {
                    let src = Mem { offset: src.offset + 2 * l, ..src };
                    *pair = integers::widened_pair(self.bytes::<2>(inst, src)?);
                }
                *self.at(dst) = pairs;
            }
            Inst::Short { op, dst, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                *self.at(dst) = std::array::from_fn(|l| integers::shorts(op, a[l], b[l]));
            }
            Inst::PairDot { dst, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                *self.at(dst) = std::array::from_fn(|l| integers::pair_dot(a[l], b[l]));
            }
            Inst::PairSum { acc, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                for (l, sum) in self.at(acc).iter_mut().enumerate() {
                    *sum = integers::lane(Integer::Add, *sum, integers::pair_dot(a[l], b[l]));
                }
            }
            Inst::ByteDot { acc, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                for (l, sum) in self.at(acc).iter_mut().enumerate() {
                    *sum = integers::byte_dot(Bytes::Unsigned, *sum, a[l], b[l]);
                }
            }
            Inst::ByteDotLane { left, acc, a, b, lane } => {
                let (a, b) = (self.get(a)[lane as usize], self.get(b));
                for (l, sum) in self.at(acc).iter_mut().enumerate() {
                    *sum = integers::byte_dot(left, *sum, a, b[l]);
                }
            }
            Inst::Select { dst, mask, other } => {
                let (kept, mask, other) = (self.get(dst), self.get(mask), self.get(other));
                *self.at(dst) =
                    std::array::from_fn(|l| integers::select(kept[l], mask[l], other[l]));
            }
            Inst::Interleave { dst, even, odd } => {
                let half = |mem| self.read(inst, mem, LANES / 2).map(<[f32]>::to_vec);
                let (even, odd) = (half(even)?, half(odd)?);
                *self.at(dst) =
                    std::array::from_fn(|l| if l % 2 == 0 { even[l / 2] } else { odd[l / 2] });
            }
            Inst::TileZero { dst } => *self.tile(dst) = Tile::default(),
            Inst::TileLoad { dst, src, row } => {
                for m in 0..TILE_ROWS {
                    let address = self.row(src, row, m);
                    let values = self.memory.slice(address, TILE_ROWS);
                    let values = values.map_err(|fault| self.fault(inst, address, fault))?;
                    self.tiles[dst.0 as usize][m].copy_from_slice(values);
                }
            }
            Inst::TileStore { dst, src, row } => {
                for m in 0..TILE_ROWS {
                    let (address, values) = (self.row(dst, row, m), self.tile(src)[m]);
                    self.write(inst, address, &values)?;
                }
            }
            Inst::TileDot { left, acc, a, b } => {
                let (a, b) = (*self.tile(a), *self.tile(b));
                integers::dot(left, self.tile(acc), &a, &b);
            }
            Inst::CopyPointer { dst, src } => {
                self.pointers[dst.0 as usize] = self.pointers[src.0 as usize]
            }
            Inst::Number { dst, value } => {
                self.pointers[dst.0 as usize] = i64::from(value) as u64;
            }
            Inst::Advance { pointer, bytes } => {
                let p = &mut self.pointers[pointer.0 as usize];
                *p = p.wrapping_add_signed(bytes.into());
            }
            Inst::AdvanceBy { pointer, src } => {
                let words = self.read(inst, src, 2)?;
                let [low, high] = [words[0], words[1]].map(|word| u64::from(word.to_bits()));
                let p = &mut self.pointers[pointer.0 as usize];
                *p = p.wrapping_add(high << 32 | low);
            }
            Inst::Loop { count, ref body } => {
                let turns = match count {
                    Count::Fixed(n) => n.into(),
                    Count::Register(p) => self.pointers[p.0 as usize],
                };
                for _ in 0..turns {
                    self.block(body)?;
                }
            }
        }
        Ok(())
    }

    fn get(&self, v: V) -> [f32; LANES] {
        self.vectors[v.0 as usize]
    }

    fn at(&mut self, v: V) -> &mut [f32; LANES] {
        &mut self.vectors[v.0 as usize]
    }

    /// The address of row `m` of a tile.
    fn row(&self, first: Mem, distance: P, m: usize) -> u64 {
        let distance = self.pointers[distance.0 as usize].wrapping_mul(m as u64);
        self.address(first).wrapping_add(distance)
    }

    fn tile(&mut self, t: T) -> &mut Tile {
        &mut self.tiles[t.0 as usize]
    }

    fn address(&self, mem: Mem) -> u64 {
        self.pointers[mem.base.0 as usize].wrapping_add_signed(mem.offset)
    }

    fn load(&mut self, inst: &Inst, dst: V, src: Mem) -> Result<(), EmulateError> {
        let address = self.address(src);
        match self.memory.slice(address, LANES) {
            Ok(values) => self.vectors[dst.0 as usize].copy_from_slice(values),
            Err(fault) => return Err(self.fault(inst, address, fault)),
        }
        Ok(())
    }

    fn read(&self, inst: &Inst, src: Mem, len: usize) -> Result<&[f32], EmulateError> {
        let address = self.address(src);
        self.memory.slice(address, len).map_err(|fault| self.fault(inst, address, fault))
    }

    fn bytes<const N: usize>(&self, inst: &Inst, src: Mem) -> Result<[u8; N], EmulateError> {
        let address = self.address(src);
        let mut bytes = [0; N];
        for (byte, l) in bytes.iter_mut().zip(0..) {
            let read = self.memory.byte(address + l);
            *byte = read.map_err(|fault| self.fault(inst, address, fault))?;
        }
        Ok(bytes)
    }

    fn store(&mut self, inst: &Inst, dst: Mem, src: V, len: usize) -> Result<(), EmulateError> {
        self.write(inst, self.address(dst), &self.get(src)[..len])
    }

    fn write(&mut self, inst: &Inst, address: u64, values: &[f32]) -> Result<(), EmulateError> {
        match self.memory.slice_mut(address, values.len()) {
            Ok(place) => place.copy_from_slice(values),
            Err(fault) => return Err(self.fault(inst, address, fault)),
        }
        Ok(())
    }

    #[cold]
    fn fault(&self, inst: &Inst, address: u64, fault: Fault) -> EmulateError {
        EmulateError::Access {
            program: self.program.name.clone(),
            inst: inst.to_string(),
            address,
            fault,
        }
    }
}

fn multiply_add<const FUSED: bool>(sum: f32, a: f32, b: f32) -> f32 {
    if FUSED { fused(a, b, sum) } else { sum + a * b }
}

/// `a * b + c`, rounded once.
pub fn fused(a: f32, b: f32, c: f32) -> f32 {
    // The C library of MinGW rounds twice.
    if cfg!(windows) { libm::fmaf(a, b, c) } else { a.mul_add(b, c) }
}

fn lane(op: Arith) -> fn(f32, f32) -> f32 {
    match op {
        Arith::Add => |a, b| a + b,
        Arith::Sub => |a, b| a - b,
        Arith::Mul => |a, b| a * b,
        Arith::Div => |a, b| a / b,
        Arith::Max => |a, b| if a > b { a } else { b },
        Arith::Min => |a, b| if a < b { a } else { b },
        Arith::MaxNan => |a, b| match (a.is_nan() || b.is_nan(), b > a) {
            (true, _) => f32::NAN,
            (false, true) => b,
            (false, false) => a,
        },
        Arith::Equal => |a, b| mask(a == b),
        Arith::Less => |a, b| mask(a < b),
        Arith::LessOrEqual => |a, b| mask(a <= b),
        Arith::And => |a, b| f32::from_bits(a.to_bits() & b.to_bits()),
        Arith::AndNot => |a, b| f32::from_bits(!a.to_bits() & b.to_bits()),
        Arith::Or => |a, b| f32::from_bits(a.to_bits() | b.to_bits()),
    }
}

/// All bits, or none.
fn mask(set: bool) -> f32 {
    f32::from_bits(if set { u32::MAX } else { 0 })
}

fn pow2(x: f32) -> f32 {
    f32::from_bits((x + POW2_MAGIC).to_bits() << POW2_SHIFT)
}

fn exponent(x: f32) -> f32 {
    f32::from_bits(x.to_bits() >> POW2_SHIFT | EXPONENT_BASE.to_bits()) - EXPONENT_MAGIC
}
