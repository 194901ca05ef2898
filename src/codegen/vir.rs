//! The vector program: straight-line vector code and counted loops over explicit registers.
//!
//! A kernel is one program. It is written for a [`Target`] (how many lanes, how many registers) and means the same
//! on every back end: Cranelift at 128 bits, x86 at 256 and 512 bits, and the emulator at any width.
//! There is no allocator and no scheduler: the [`Builder`] hands out registers and refuses to exceed the budget,
//! so a program that was built fits the machine as it stands.

use std::fmt;

/// What a program may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// f32 lanes of a vector register: 4, 8 or 16.
    pub lanes: usize,
    /// Vector registers: 16 or 32.
    pub vectors: usize,
    /// Tile registers: 8, or none.
    pub tiles: usize,
}

/// Rows of a tile register; each is as long as a vector of 16 lanes, 64 bytes.
pub const TILE_ROWS: usize = 16;

impl Target {
    /// 128-bit vectors, 16 registers: what Cranelift offers everywhere.
    pub const V128: Target = Target { lanes: 4, vectors: 16, tiles: 0 };
    /// AVX2 with FMA.
    pub const AVX2: Target = Target { lanes: 8, vectors: 16, tiles: 0 };
    /// AVX-512F.
    pub const AVX512: Target = Target { lanes: 16, vectors: 32, tiles: 0 };
    /// AVX-512F, and AMX with products of bfloat16.
    pub const AMX: Target = Target { tiles: 8, ..Target::AVX512 };

    /// Bytes of a vector register.
    pub fn vector_bytes(self) -> i32 {
        (self.lanes * 4) as i32
    }
}

/// Pointer and count registers of a program, loop counters included. x86-64 has 15 beside the stack pointer.
pub const POINTERS: usize = 15;

/// The most arguments a program takes: what the System V convention passes in registers.
pub const MAX_ARGS: usize = 6;

/// A vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct V(pub u8);

/// A 64-bit register that holds an address or a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct P(pub u8);

/// A tile register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct T(pub u8);

/// A place in memory: an address register and a displacement in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mem {
    /// The address.
    pub base: P,
    /// Added to it, in bytes.
    pub offset: i32,
}

impl P {
    /// The memory `offset` bytes past this address.
    pub fn at(self, offset: i32) -> Mem {
        Mem { base: self, offset }
    }
}

/// Lane-wise arithmetic of two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arith {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// `a > b ? a : b`: where either is NaN, `b`. (What x86's `maxps` does.)
    Max,
    /// `a < b ? a : b`: where either is NaN, `b`.
    Min,
    /// The greater, `a` if they are equal (zeros of either sign are); NaN where either is NaN.
    MaxNan,
}

/// How often a loop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// This often, at least once.
    Fixed(u32),
    /// As often as the register says, possibly never. The register keeps its value.
    Register(P),
}

/// A core's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// The smallest.
    First,
    /// The one behind it.
    Second,
}

/// One instruction. Vectors hold `lanes` f32 values; memory accesses need no alignment beyond 4 bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Inst {
    /// Every lane of `dst` becomes `value`.
    Const {
        /// Result.
        dst: V,
        /// The value.
        value: f32,
    },
    /// `lanes` consecutive values.
    Load {
        /// Result.
        dst: V,
        /// First value.
        src: Mem,
    },
    /// One value into every lane.
    Broadcast {
        /// Result.
        dst: V,
        /// The value.
        src: Mem,
    },
    /// `lanes` consecutive values, those of each four of them in another order: lane `l` becomes value
    /// `l - l % 4 + order[l % 4]`.
    Shuffle {
        /// Result.
        dst: V,
        /// First value.
        src: Mem,
        /// Which value each lane of a four becomes, below 4.
        order: [u8; 4],
    },
    /// All lanes to consecutive memory.
    Store {
        /// First value's place.
        dst: Mem,
        /// Source.
        src: V,
    },
    /// The first lane only.
    StoreFirst {
        /// The value's place.
        dst: Mem,
        /// Source.
        src: V,
    },
    /// `dst = src`.
    Copy {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// `acc += a * b`, rounded once where the machine can and twice where it cannot.
    MultiplyAdd {
        /// Read and written.
        acc: V,
        /// Factor.
        a: V,
        /// Factor.
        b: V,
    },
    /// `dst = a op b`.
    Arith {
        /// What is computed.
        op: Arith,
        /// Result.
        dst: V,
        /// Left operand.
        a: V,
        /// Right operand.
        b: V,
    },
    /// Lane `l` of `dst` is lane `l` of `b` where bit `l` of `mask` is set, else of `a`.
    Blend {
        /// Result.
        dst: V,
        /// Taken where the bit is clear.
        a: V,
        /// Taken where the bit is set.
        b: V,
        /// One bit a lane.
        mask: u16,
    },
    /// To the nearest integer, ties to even.
    Round {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// `2^src` for integral `src` in `-126..=127`; any other value gives an unspecified finite or infinite result.
    Pow2 {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The square root; NaN below 0.
    Sqrt {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The exponent of a normal number above 0: the greatest integer `n` with `2^n <= src`. It is -127 for 0 and 128
    /// for infinity; anything else gives an unspecified finite result.
    Exponent {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The upper half of every lane's bits, the lower half 0: the value as bfloat16, rounded toward zero. Only on targets
    /// with tiles, as all that follows here of halves and tiles.
    UpperHalf {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The upper half of every lane of `a` in the lower half, that of `b` in the upper: pairs of bfloat16.
    PairHalves {
        /// Result; another register than `b`.
        dst: V,
        /// Goes to the lower halves.
        a: V,
        /// Goes to the upper halves.
        b: V,
    },
    /// All elements 0.
    TileZero {
        /// Result.
        dst: T,
    },
    /// All rows.
    TileLoad {
        /// Result.
        dst: T,
        /// First row.
        src: Mem,
        /// Bytes from a row to the next.
        row: P,
    },
    /// All rows to memory.
    TileStore {
        /// First row's place.
        dst: Mem,
        /// Source.
        src: T,
        /// Bytes from a row to the next.
        row: P,
    },
    /// `acc += a * b`, of 16x16 f32, 16 rows of 16 pairs of bfloat16, and 16 pairs of rows of 16: row `m`, column `n` of
    /// `acc` gets the sum over `k` of both products of pair `k` of row `m` of `a` and element `n` of row `k` of `b`. The
    /// products of lower halves are summed in the order of `k`, rounding to nearest after each, those of upper halves
    /// likewise; then both sums are added, and that to `acc`. Denormal operands and results are zero.
    TileDot {
        /// Read and written.
        acc: T,
        /// Left factor.
        a: T,
        /// Right factor.
        b: T,
    },
    /// Says that the cache line of a place will be read soon. Changes nothing, and the place need not exist.
    Prefetch {
        /// The place.
        src: Mem,
        /// How near it is brought.
        cache: Cache,
    },
    /// `dst = value`.
    Number {
        /// Result.
        dst: P,
        /// The value.
        value: i32,
    },
    /// `dst = src`.
    CopyPointer {
        /// Result.
        dst: P,
        /// Source.
        src: P,
    },
    /// `pointer += bytes`.
    Advance {
        /// Read and written.
        pointer: P,
        /// May be negative.
        bytes: i32,
    },
    /// The body, `count` times.
    Loop {
        /// How often.
        count: Count,
        /// What.
        body: Vec<Inst>,
    },
}

/// A finished kernel: takes `args` addresses or counts in the first pointer registers, returns nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Names the kernel in dumps, perf maps and errors.
    pub name: String,
    /// What it was built for.
    pub target: Target,
    /// How many of `P(0)`, `P(1)`, ... are arguments.
    pub args: usize,
    /// How many pointer registers it uses, arguments included, loop counters not.
    pub pointers: usize,
    /// The instructions.
    pub body: Vec<Inst>,
}

/// The program would need more registers than the target has.
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
}

/// Writes a [`Program`].
///
/// Registers are handed out until the budget is used up; the first refusal sticks and is what [`Builder::finish`]
/// returns, so that kernels need not check at each step.
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

    /// `n` tile registers, for all of the program.
    pub fn tiles(&mut self, n: usize) -> Vec<T> {
        let first = self.tiles;
        self.tiles += n;
        if self.tiles > self.target.tiles {
            self.refused.get_or_insert(OverBudget::Tiles(self.target.tiles));
        }
        (first..self.tiles).map(|t| T(t as u8)).collect()
    }

    /// An address register with the value of `src`, until it is given back with [`Builder::release_pointer`].
    pub fn pointer(&mut self, src: P) -> P {
        let dst = self.free_pointer();
        self.push(Inst::CopyPointer { dst, src });
        dst
    }

    /// A count register with this value, until it is given back with [`Builder::release_pointer`].
    pub fn number(&mut self, value: i32) -> P {
        let dst = self.free_pointer();
        self.push(Inst::Number { dst, value });
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

    /// Asks for the cache line of a place ahead of time.
    pub fn prefetch(&mut self, src: Mem, cache: Cache) {
        self.push(Inst::Prefetch { src, cache });
    }

    /// `acc += a * b`.
    pub fn multiply_add(&mut self, acc: V, a: V, b: V) {
        self.push(Inst::MultiplyAdd { acc, a, b });
    }

    /// `dst = a op b`.
    pub fn arith(&mut self, op: Arith, dst: V, a: V, b: V) {
        self.push(Inst::Arith { op, dst, a, b });
    }

    /// Lane `l` becomes lane `l` of `b` where bit `l` of `mask` is set, else of `a`.
    pub fn blend(&mut self, dst: V, a: V, b: V, mask: u16) {
        self.push(Inst::Blend { dst, a, b, mask });
    }

    /// `dst = src` with the lower half of every lane 0.
    pub fn upper_half(&mut self, dst: V, src: V) {
        self.push(Inst::UpperHalf { dst, src });
    }

    /// Pairs of the upper halves of `a` and of `b`.
    pub fn pair_halves(&mut self, dst: V, a: V, b: V) {
        self.push(Inst::PairHalves { dst, a, b });
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

    /// `acc += a * b`, of pairs of bfloat16.
    pub fn tile_dot(&mut self, acc: T, a: T, b: T) {
        self.push(Inst::TileDot { acc, a, b });
    }

    /// `pointer += bytes`; nothing for 0.
    pub fn advance(&mut self, pointer: P, bytes: i32) {
        if bytes != 0 {
            self.push(Inst::Advance { pointer, bytes });
        }
    }

    /// Runs what `body` appends `count` times. A fixed count of 1 is no loop, one of 0 is nothing.
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
    /// If it needed more registers than the target has.
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

/// How deep loops nest.
pub fn loop_depth(body: &[Inst]) -> usize {
    body.iter()
        .map(|inst| match inst {
            Inst::Loop { body, .. } => 1 + loop_depth(body),
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

impl Program {
    /// Multiply-adds, and instructions, that one call executes; loops over a register count as one turn.
    pub fn work(&self) -> Work {
        Work::of(&self.body)
    }
}

/// Counts of executed instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Vector multiply-adds.
    pub multiply_adds: u64,
    /// Products of tiles.
    pub tile_dots: u64,
    /// Prefetches.
    pub prefetches: u64,
    /// All instructions.
    pub instructions: u64,
}

impl Work {
    const ONE: Work = Work { multiply_adds: 0, tile_dots: 0, prefetches: 0, instructions: 1 };

    /// Vector multiply-adds; a product of tiles is as many as vectors of 16 lanes would take.
    pub fn arithmetic(&self) -> u64 {
        self.multiply_adds + self.tile_dots * (2 * TILE_ROWS * TILE_ROWS) as u64
    }

    fn of(body: &[Inst]) -> Work {
        let mut sum = Work::default();
        for inst in body {
            let (turns, inner) = match inst {
                Inst::Loop { count: Count::Fixed(n), body } => (u64::from(*n), Work::of(body)),
                Inst::Loop { count: Count::Register(_), body } => (1, Work::of(body)),
                Inst::MultiplyAdd { .. } => (1, Work { multiply_adds: 1, ..Work::ONE }),
                Inst::TileDot { .. } => (1, Work { tile_dots: 1, ..Work::ONE }),
                Inst::Prefetch { .. } => (1, Work { prefetches: 1, ..Work::ONE }),
                _ => (1, Work::ONE),
            };
            sum.multiply_adds += turns * inner.multiply_adds;
            sum.tile_dots += turns * inner.tile_dots;
            sum.prefetches += turns * inner.prefetches;
            sum.instructions += turns * inner.instructions;
        }
        sum
    }
}

impl fmt::Display for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for T {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Display for P {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl fmt::Display for Mem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => write!(f, "[{}]", self.base),
            n => {
                write!(f, "[{} {} {}]", self.base, if n < 0 { '-' } else { '+' }, n.unsigned_abs())
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::Fixed(n) => write!(f, "{n}"),
            Count::Register(p) => write!(f, "{p}"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program \"{}\" lanes {} args {} {{", self.name, self.target.lanes, self.args)?;
        print(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

impl fmt::Display for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inst::Const { dst, value } => write!(f, "{dst} = const {value:?}"),
            Inst::Load { dst, src } => write!(f, "{dst} = load {src}"),
            Inst::Broadcast { dst, src } => write!(f, "{dst} = broadcast {src}"),
            Inst::Shuffle { dst, src, order: [a, b, c, d] } => {
                write!(f, "{dst} = shuffle {src}, {a}{b}{c}{d}")
            }
            Inst::Store { dst, src } => write!(f, "store {dst}, {src}"),
            Inst::StoreFirst { dst, src } => write!(f, "store_first {dst}, {src}"),
            Inst::Copy { dst, src } => write!(f, "{dst} = {src}"),
            Inst::MultiplyAdd { acc, a, b } => write!(f, "{acc} += {a} * {b}"),
            Inst::Arith { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", op.name()),
            Inst::Blend { dst, a, b, mask } => write!(f, "{dst} = blend {a}, {b}, {mask:#06x}"),
            Inst::Round { dst, src } => write!(f, "{dst} = round {src}"),
            Inst::Pow2 { dst, src } => write!(f, "{dst} = pow2 {src}"),
            Inst::Sqrt { dst, src } => write!(f, "{dst} = sqrt {src}"),
            Inst::Exponent { dst, src } => write!(f, "{dst} = exponent {src}"),
            Inst::UpperHalf { dst, src } => write!(f, "{dst} = upper_half {src}"),
            Inst::PairHalves { dst, a, b } => write!(f, "{dst} = pair_halves {a}, {b}"),
            Inst::TileZero { dst } => write!(f, "{dst} = zero"),
            Inst::TileLoad { dst, src, row } => write!(f, "{dst} = load {src}, {row}"),
            Inst::TileStore { dst, src, row } => write!(f, "store {dst}, {row}, {src}"),
            Inst::TileDot { acc, a, b } => write!(f, "{acc} += {a} dot {b}"),
            Inst::Prefetch { src, cache: Cache::First } => write!(f, "prefetch_first {src}"),
            Inst::Prefetch { src, cache: Cache::Second } => write!(f, "prefetch {src}"),
            Inst::Number { dst, value } => write!(f, "{dst} = {value}"),
            Inst::CopyPointer { dst, src } => write!(f, "{dst} = {src}"),
            Inst::Advance { pointer, bytes } => write!(f, "{pointer} += {bytes}"),
            Inst::Loop { count, .. } => write!(f, "loop {count} {{"),
        }
    }
}

fn print(f: &mut fmt::Formatter<'_>, body: &[Inst], depth: usize) -> fmt::Result {
    for inst in body {
        writeln!(f, "{:1$}{inst}", "", 2 * depth)?;
        if let Inst::Loop { body, .. } = inst {
            print(f, body, depth + 1)?;
            writeln!(f, "{:1$}}}", "", 2 * depth)?;
        }
    }
    Ok(())
}

impl Arith {
    /// The name in printed programs.
    pub fn name(self) -> &'static str {
        match self {
            Arith::Add => "add",
            Arith::Sub => "sub",
            Arith::Mul => "mul",
            Arith::Div => "div",
            Arith::Max => "max",
            Arith::Min => "min",
            Arith::MaxNan => "max_nan",
        }
    }
}
