//! The vector program: straight-line vector code and counted loops over explicit registers.
//!
//! A kernel is one program. It is written for a [`Target`] (how many lanes, how many registers) and
//! means the same on every back end: Cranelift at 128 bits, x86 at 256 and 512 bits, and the
//! emulator at any width. There is no allocator and no scheduler: the [`Builder`] hands out
//! registers and refuses to exceed the budget, so a program that was built fits the machine as it
//! stands.

mod builder;
mod constants;
mod print;
mod work;

pub use builder::{Builder, OverBudget};
pub use constants::{
    EXPONENT_BASE, EXPONENT_MAGIC, POW2_MAGIC, POW2_SHIFT, TILE_ROW_BYTES, TILE_ROWS,
};
pub use work::Work;

pub use crate::isa::Target;

/// Pointer and count registers of a program, loop counters included. x86-64 has 15 beside the stack
/// pointer.
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
    /// Added to it, in bytes. Instructions have 32 bits for it; a program that needs more is
    /// refused.
    pub offset: i64,
}

impl Mem {
    /// Whether an instruction can name the place.
    pub fn is_near(self) -> bool {
        i32::try_from(self.offset).is_ok()
    }
}

impl P {
    /// The memory `offset` bytes past this address.
    pub fn at(self, offset: i64) -> Mem {
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
    /// All bits set where `a == b`, else none.
    Equal,
    /// All bits set where `a < b`, else none.
    Less,
    /// All bits set where `a <= b`, else none.
    LessOrEqual,
    /// The bits that are set in both.
    And,
    /// The bits that are set in `b` and not in `a`.
    AndNot,
    /// The bits that are set in either.
    Or,
}

/// Lane-wise arithmetic of two vectors of integers, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integer {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// The greater as signed numbers.
    Max,
    /// The smaller as signed numbers.
    Min,
    /// `a & b`
    And,
    /// `a ^ b`
    Xor,
}

/// The way that bits are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shift {
    /// Towards the high end.
    Left,
    /// Towards the low end.
    Right,
}

/// How far apart lanes are that change places, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Distance {
    /// Neighbours.
    One = 1,
    /// The halves of each four lanes.
    Two = 2,
    /// The halves of each eight lanes.
    Four = 4,
    /// The halves of sixteen lanes.
    Eight = 8,
}

impl Distance {
    /// All of them, the farthest first.
    pub const ALL: [Distance; 4] = [Distance::Eight, Distance::Four, Distance::Two, Distance::One];

    /// In lanes.
    pub fn lanes(self) -> usize {
        self as usize
    }
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

/// One instruction. Vectors hold `lanes` f32 values, or as many integers of 32 bits; memory
/// accesses need no alignment beyond 4 bytes.
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
    /// `lanes` consecutive values, those of each four of them in another order: lane `l` becomes
    /// value `l - l % 4 + order[l % 4]`.
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
    /// Lanes change places: lane `l` becomes lane `l ^ distance`. A vector has more lanes than the
    /// distance.
    Exchange {
        /// Result.
        dst: V,
        /// Source.
        src: V,
        /// How far each value goes.
        distance: Distance,
    },
    /// To the nearest integer, ties to even.
    Round {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// `2^src` for integral `src` in `-126..=127`; any other value gives an unspecified finite or
    /// infinite result.
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
    /// The exponent of a normal number above 0: the greatest integer `n` with `2^n <= src`. It is
    /// -127 for 0 and 128 for infinity; anything else gives an unspecified finite result.
    Exponent {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The nearest integer of 32 bits, ties to even; the smallest one for what is none. Only on
    /// targets with tiles, as all that follows here of integers and tiles.
    ToInteger {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The nearest number to an integer.
    FromInteger {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// `dst = a op b`, of integers.
    Integer {
        /// What is computed.
        op: Integer,
        /// Result.
        dst: V,
        /// Left operand.
        a: V,
        /// Right operand.
        b: V,
    },
    /// The bits of every lane, moved; what leaves is lost, and what enters is 0.
    Shift {
        /// Where to.
        to: Shift,
        /// Result.
        dst: V,
        /// Source.
        src: V,
        /// By how many bits, below 32.
        by: u8,
    },
    /// `dst = dst & mask | other & !mask`.
    Select {
        /// Read and written.
        dst: V,
        /// Which bits it keeps.
        mask: V,
        /// Where it gets all others from.
        other: V,
    },
    /// Values of two places in turn, half as many of each as there are lanes.
    Interleave {
        /// Result.
        dst: V,
        /// First value for the even lanes.
        even: Mem,
        /// First value for the odd lanes.
        odd: Mem,
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
    /// `acc += a * b`, of 16x16 integers of 32 bits, 16 rows of 16 fours of signed bytes, and 16
    /// fours of rows of 16: row `m`, column `n` of `acc` gets the sum over `k` of the four products
    /// of the bytes of element `k` of row `m` of `a` and those of element `n` of row `k` of `b`.
    /// Sums are taken modulo 2^32. The registers are three different ones.
    TileDot {
        /// Read and written.
        acc: T,
        /// Left factor.
        a: T,
        /// Right factor.
        b: T,
    },
    /// Says that the cache line of a place will be read soon. Changes nothing, and the place need
    /// not exist.
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
    /// `pointer +=` the integer of 64 bits at a place, the low half first.
    AdvanceBy {
        /// Read and written.
        pointer: P,
        /// The integer, in bytes; may be negative.
        src: Mem,
    },
    /// The body, `count` times.
    Loop {
        /// How often.
        count: Count,
        /// What.
        body: Vec<Inst>,
    },
}

impl Inst {
    /// The places in memory that it names itself; those of a loop's body are not its own.
    pub fn places(&self) -> impl Iterator<Item = Mem> {
        let (one, other) = match *self {
            Inst::Load { src: place, .. }
            | Inst::Broadcast { src: place, .. }
            | Inst::Shuffle { src: place, .. }
            | Inst::Store { dst: place, .. }
            | Inst::StoreFirst { dst: place, .. }
            | Inst::Prefetch { src: place, .. }
            | Inst::TileLoad { src: place, .. }
            | Inst::TileStore { dst: place, .. }
            | Inst::AdvanceBy { src: place, .. } => (Some(place), None),
            Inst::Interleave { even, odd, .. } => (Some(even), Some(odd)),
            Inst::Const { .. }
            | Inst::Copy { .. }
            | Inst::Round { .. }
            | Inst::Pow2 { .. }
            | Inst::Sqrt { .. }
            | Inst::Exponent { .. }
            | Inst::Exchange { .. }
            | Inst::MultiplyAdd { .. }
            | Inst::Arith { .. }
            | Inst::Blend { .. }
            | Inst::ToInteger { .. }
            | Inst::FromInteger { .. }
            | Inst::Integer { .. }
            | Inst::Shift { .. }
            | Inst::Select { .. }
            | Inst::TileZero { .. }
            | Inst::TileDot { .. }
            | Inst::Number { .. }
            | Inst::CopyPointer { .. }
            | Inst::Advance { .. }
            | Inst::Loop { .. } => (None, None),
        };
        one.into_iter().chain(other)
    }
}

/// A finished kernel: takes `args` addresses or counts in the first pointer registers, returns
/// nothing.
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
