//! Writes programs instruction by instruction, and hands out their registers.

use super::{
    Arith, Bytes, Cache, Count, Distance, Inst, Integer, MAX_ARGS, Mem, P, POINTERS, Program,
    Shift, Short, T, Target, V, loop_depth,
};

/// The program needs more than the target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// Too many vectors live at once.
    #[error("the kernel needs more than {0} vector registers")]
    Vectors(usize),
    /// Too many tiles at once.
    #[error("the kernel needs more than {0} tile registers")]
    Tiles(usize),
    /// Too many addresses, counts and nested loops at once.
    #[error("the kernel needs more than {0} address and count registers")]
    Pointers(usize),
    /// Two places that share an address register are too far apart.
    #[error(
        "it reads or writes memory {0} bytes away from an address, and instructions reach 2 GiB; a smaller image or \
         batch needs less"
    )]
    Distance(i64),
}

/// The most bytes by which an address is moved at once: more than any value has.
const FARTHEST: u64 = 1 << 36;

/// Writes a [`Program`].
///
/// Registers are handed out until the budget is exhausted. The first refusal is sticky and
/// [`Builder::finish`] returns it, so kernels need not check at each step.
#[derive(Debug)]
pub struct Builder {
    name: String,
    target: Target,
    args: usize,
    free: Vec<V>,
    tiles: usize,
    pointers: usize,
    free_pointers: Vec<P>,
    blocks: Vec<Vec<Inst>>,
    refused: Option<OverBudget>,
}

impl Builder {
    /// A program with `args` arguments, which are `P(0)..P(args)`.
    pub fn new(name: impl Into<String>, target: Target, args: usize) -> Self {
        debug_assert!(args <= MAX_ARGS);
        Builder {
            name: name.into(),
            target,
            args,
            free: (0..target.vectors as u8).rev().map(V).collect(),
            tiles: 0,
            pointers: args,
            free_pointers: Vec::new(),
            blocks: vec![Vec::new()],
            refused: None,
        }
    }

    /// What the program is built for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// An argument.
    pub fn arg(&self, position: usize) -> P {
        debug_assert!(position < self.args);
        P(position as u8)
    }

    /// A vector register, until it is given back with [`Builder::release`].
    pub fn vector(&mut self) -> V {
        self.free.pop().unwrap_or_else(|| {
            self.refused.get_or_insert(OverBudget::Vectors(self.target.vectors));
            V(0)
        })
    }

    /// `n` vector registers.
    pub fn vectors(&mut self, n: usize) -> Vec<V> {
        (0..n).map(|_| self.vector()).collect()
    }

    /// Gives vector registers back.
    pub fn release(&mut self, vectors: impl IntoIterator<Item = V>) {
        self.free.extend(vectors);
    }

    /// `n` tile registers, for the whole program.
    pub fn tiles(&mut self, n: usize) -> Vec<T> {
        let first = self.tiles;
        self.tiles += n;
        if self.tiles > self.target.tiles {
            self.refused.get_or_insert(OverBudget::Tiles(self.target.tiles));
        }
        (first..self.tiles).map(|t| T(t as u8)).collect()
    }

    /// An address register with the value of `src`, until it is given back with
    /// [`Builder::release_pointer`].
    pub fn pointer(&mut self, src: P) -> P {
        let dst = self.free_pointer();
        self.push(Inst::CopyPointer { dst, src });
        dst
    }

    /// A count register with this value, until it is given back with [`Builder::release_pointer`].
    pub fn number(&mut self, value: i64) -> P {
        let dst = self.free_pointer();
        match i32::try_from(value) {
            Ok(value) => self.push(Inst::Number { dst, value }),
            Err(_) => drop(self.refused.get_or_insert(OverBudget::Distance(value))),
        }
        dst
    }

    fn free_pointer(&mut self) -> P {
        self.free_pointers.pop().unwrap_or_else(|| {
            self.pointers += 1;
            P((self.pointers - 1) as u8)
        })
    }

    /// Gives an address register back.
    pub fn release_pointer(&mut self, pointer: P) {
        self.free_pointers.push(pointer);
    }

    /// Appends an instruction.
    pub fn push(&mut self, inst: Inst) {
        if let Some(far) = inst.places().find(|place| !place.is_near()) {
            self.refused.get_or_insert(OverBudget::Distance(far.offset));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(inst);
        }
    }

    /// `dst = value` in every lane.
    pub fn constant(&mut self, dst: V, value: f32) {
        self.push(Inst::Const { dst, value });
    }

    /// Loads a vector.
    pub fn load(&mut self, dst: V, src: Mem) {
        self.push(Inst::Load { dst, src });
    }

    /// Loads one value into the first lane; the others become 0.
    pub fn load_first(&mut self, dst: V, src: Mem) {
        self.push(Inst::LoadFirst { dst, src });
    }

    /// Loads one value into every lane.
    pub fn broadcast(&mut self, dst: V, src: Mem) {
        self.push(Inst::Broadcast { dst, src });
    }

    /// Stores a vector.
    pub fn store(&mut self, dst: Mem, src: V) {
        self.push(Inst::Store { dst, src });
    }

    /// Stores the first lane.
    pub fn store_first(&mut self, dst: Mem, src: V) {
        self.push(Inst::StoreFirst { dst, src });
    }

    /// Prefetches the cache line of a place.
    pub fn prefetch(&mut self, src: Mem, cache: Cache) {
        self.push(Inst::Prefetch { src, cache });
    }

    /// `acc += a * b`.
    pub fn multiply_add(&mut self, acc: V, a: V, b: V) {
        self.push(Inst::MultiplyAdd { acc, a, b });
    }

    /// `acc += a * b[lane]`.
    pub fn multiply_add_lane(&mut self, acc: V, a: V, b: V, lane: u8) {
        self.push(Inst::MultiplyAddLane { acc, a, b, lane });
    }

    /// `dst = a op b`.
    pub fn arith(&mut self, op: Arith, dst: V, a: V, b: V) {
        self.push(Inst::Arith { op, dst, a, b });
    }

    /// Lane `l` becomes lane `l` of `b` where bit `l` of `mask` is set, else of `a`.
    pub fn blend(&mut self, dst: V, a: V, b: V, mask: u16) {
        self.push(Inst::Blend { dst, a, b, mask });
    }

    /// Every lane of `dst` becomes the sum of all its lanes: halves are added first, then halves of
    /// these sums. Uses one more register.
    pub fn sum_lanes(&mut self, dst: V) {
        let other = self.vector();
        let lanes = self.target.lanes;
        for distance in Distance::ALL.into_iter().filter(|d| d.lanes() < lanes) {
            self.push(Inst::Exchange { dst: other, src: dst, distance });
            self.arith(Arith::Add, dst, dst, other);
        }
        self.release([other]);
    }

    /// Sets every lane of `dst` to these bits.
    pub fn bits(&mut self, dst: V, bits: u32) {
        self.constant(dst, f32::from_bits(bits));
    }

    /// `dst` becomes the integer nearest to `src`.
    pub fn to_integer(&mut self, dst: V, src: V) {
        self.push(Inst::ToInteger { dst, src });
    }

    /// `dst` becomes the number nearest to the integer `src`.
    pub fn from_integer(&mut self, dst: V, src: V) {
        self.push(Inst::FromInteger { dst, src });
    }

    /// `dst = a op b`, of integers.
    pub fn integer(&mut self, op: Integer, dst: V, a: V, b: V) {
        self.push(Inst::Integer { op, dst, a, b });
    }

    /// Shifts the bits of every lane.
    pub fn shift(&mut self, to: Shift, dst: V, src: V, by: u8) {
        self.push(Inst::Shift { to, dst, src, by });
    }

    /// Loads four consecutive bytes into every lane.
    pub fn broadcast_bytes(&mut self, dst: V, src: Mem) {
        self.push(Inst::BroadcastBytes { dst, src });
    }

    /// Loads bytes as integers.
    pub fn load_bytes(&mut self, dst: V, src: Mem, signed: bool) {
        self.push(Inst::LoadBytes { dst, src, signed });
    }

    /// Loads a byte as an integer into the first lane.
    pub fn load_byte(&mut self, dst: V, src: Mem, signed: bool) {
        self.push(Inst::LoadByte { dst, src, signed });
    }

    /// Stores the low byte of the first lane.
    pub fn store_byte(&mut self, dst: Mem, src: V) {
        self.push(Inst::StoreByte { dst, src });
    }

    /// Stores the element of a table at the position that a byte is; the contents of `index` are
    /// lost.
    pub fn lookup(&mut self, dst: Mem, src: Mem, table: P, index: P) {
        self.push(Inst::Lookup { dst, src, table, index });
    }

    /// Stores four vectors of integers, limited to 0..=255, as bytes; the registers' contents are
    /// lost.
    pub fn store_packed(&mut self, dst: Mem, src: [V; 4]) {
        self.push(Inst::StorePacked { dst, src });
    }

    /// Loads signed 16-bit integers as integers.
    pub fn load_shorts(&mut self, dst: V, src: Mem) {
        self.push(Inst::LoadShorts { dst, src });
    }

    /// Stores integers in 0..=255 as bytes; the register's contents are lost.
    pub fn store_bytes(&mut self, dst: Mem, src: V) {
        self.push(Inst::StoreBytes { dst, src });
    }

    /// Loads unsigned bytes as 16-bit integers.
    pub fn widen_bytes(&mut self, dst: V, src: Mem) {
        self.push(Inst::WidenBytes { dst, src });
    }

    /// `dst = a op b`, of 16-bit integers.
    pub fn short(&mut self, op: Short, dst: V, a: V, b: V) {
        self.push(Inst::Short { op, dst, a, b });
    }

    /// `dst = a * b`, of pairs of 16-bit integers.
    pub fn pair_dot(&mut self, dst: V, a: V, b: V) {
        self.push(Inst::PairDot { dst, a, b });
    }

    /// `acc += a * b`, of pairs of 16-bit integers.
    pub fn pair_sum(&mut self, acc: V, a: V, b: V) {
        self.push(Inst::PairSum { acc, a, b });
    }

    /// `acc += a * b`, of fours of bytes, unsigned times signed.
    pub fn byte_dot(&mut self, acc: V, a: V, b: V) {
        self.push(Inst::ByteDot { acc, a, b });
    }

    /// `acc += a[lane] * b`, of fours of bytes; those of `b` are signed.
    pub fn byte_dot_lane(&mut self, left: Bytes, acc: V, a: V, b: V, lane: u8) {
        self.push(Inst::ByteDotLane { left, acc, a, b, lane });
    }

    /// `dst = dst & mask | other & !mask`.
    pub fn select(&mut self, dst: V, mask: V, other: V) {
        self.push(Inst::Select { dst, mask, other });
    }

    /// Loads values from two places alternately.
    pub fn interleave(&mut self, dst: V, even: Mem, odd: Mem) {
        self.push(Inst::Interleave { dst, even, odd });
    }

    /// `dst = 0`.
    pub fn tile_zero(&mut self, dst: T) {
        self.push(Inst::TileZero { dst });
    }

    /// Loads a tile.
    pub fn tile_load(&mut self, dst: T, src: Mem, row: P) {
        self.push(Inst::TileLoad { dst, src, row });
    }

    /// Stores a tile.
    pub fn tile_store(&mut self, dst: Mem, src: T, row: P) {
        self.push(Inst::TileStore { dst, src, row });
    }

    /// `acc += a * b`, of fours of bytes; those of `b` are signed.
    pub fn tile_dot(&mut self, left: Bytes, acc: T, a: T, b: T) {
        self.push(Inst::TileDot { left, acc, a, b });
    }

    /// `pointer += bytes`; no instruction for 0, and several where one instruction does not reach
    /// that far.
    pub fn advance(&mut self, pointer: P, bytes: i64) {
        let mut left = bytes;
        if left.unsigned_abs() > FARTHEST {
            self.refused.get_or_insert(OverBudget::Distance(left));
            return;
        }
        while left != 0 {
            let step = left.clamp(i32::MIN.into(), i32::MAX.into());
            self.push(Inst::Advance { pointer, bytes: step as i32 });
            left -= step;
        }
    }

    /// `pointer +=` the integer of 64 bits at a place.
    pub fn advance_by(&mut self, pointer: P, src: Mem) {
        self.push(Inst::AdvanceBy { pointer, src });
    }

    /// Runs what `body` appends `count` times. A fixed count of 1 emits the body without a loop, a
    /// count of 0 emits nothing.
    pub fn repeat(&mut self, count: Count, body: impl FnOnce(&mut Self)) {
        self.blocks.push(Vec::new());
        body(self);
        let block = self.blocks.pop().unwrap_or_default();
        match count {
            Count::Fixed(0) => {}
            Count::Fixed(1) => {
                self.blocks.last_mut().into_iter().for_each(|b| b.extend_from_slice(&block))
            }
            _ => self.push(Inst::Loop { count, body: block }),
        }
    }

    /// The program.
    ///
    /// # Errors
    /// If it needs more registers than the target has, or a place out of range.
    pub fn finish(mut self) -> Result<Program, OverBudget> {
        let body = self.blocks.pop().unwrap_or_default();
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        if self.pointers + loop_depth(&body) > POINTERS {
            return Err(OverBudget::Pointers(POINTERS));
        }
        Ok(Program {
            name: self.name,
            target: self.target,
            args: self.args,
            pointers: self.pointers,
            body,
        })
    }
}
