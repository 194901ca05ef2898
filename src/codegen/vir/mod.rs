//! The vector program: straight-line vector code and counted loops over explicit registers.
//!
//! A kernel is one program. It is written for a [`Target`] (numbers of lanes and registers) and has
//! the same meaning on every back end: Cranelift at 128 bits, x86 at 256 and 512 bits, and the
//! emulator at any width. There is no allocator and no scheduler: the [`Builder`] hands out
//! registers and refuses to exceed the budget, so every finished program fits the machine.

mod builder;
mod constants;
mod places;
mod print;
mod vectors;
mod work;

pub use builder::{Builder, OverBudget};
pub use constants::{
    EXPONENT_BASE, EXPONENT_MAGIC, POW2_MAGIC, POW2_SHIFT, TILE_ROW_BYTES, TILE_ROWS,
};
pub use vectors::{VectorSet, Vectors};
pub use work::Work;

pub use crate::isa::Target;

/// Pointer and count registers of a program, loop counters included. x86-64 has 15 besides the
/// stack pointer.
pub const POINTERS: usize = 15;

/// The maximum number of arguments of a program, so that enough registers are left for counters.
pub const MAX_ARGS: usize = 10;

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
    /// Displacement in bytes. Instructions have 32 bits for it; a program that needs more is
    /// refused.
    pub offset: i64,
}

impl Mem {
    /// Whether an instruction can address the place.
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
    /// The larger; `a` if they are equal (zeros of either sign are); NaN where either is NaN.
    MaxNan,
    /// All bits set where `a == b`, no bits elsewhere.
    Equal,
    /// All bits set where `a < b`, no bits elsewhere.
    Less,
    /// All bits set where `a <= b`, no bits elsewhere.
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
    /// The larger, as signed numbers.
    Max,
    /// The smaller, as signed numbers.
    Min,
    /// `a & b`
    And,
    /// `a ^ b`
    Xor,
    /// `a * b`, modulo 2^32.
    Mul,
}

/// Arithmetic on 16-bit integers, two in a lane; results wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Short {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
}

/// Which integers bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// -128 to 127.
    Signed,
    /// 0 to 255.
    Unsigned,
}

/// The direction of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shift {
    /// Towards the high end.
    Left,
    /// Towards the low end.
    Right,
    /// Towards the low end, with copies of the sign bit shifted in.
    SignedRight,
}

/// The distance between lanes that change places, a power of two.
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
    /// All distances, the farthest first.
    pub const ALL: [Distance; 4] = [Distance::Eight, Distance::Four, Distance::Two, Distance::One];

    /// The distance in lanes.
    pub fn lanes(self) -> usize {
        self as usize
    }
}

/// How many times a loop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// This many times, at least once.
    Fixed(u32),
    /// As many times as the register holds, possibly never. The register keeps its value.
    Register(P),
}

/// A core's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// The first level.
    First,
    /// The second level.
    Second,
}

/// One instruction. Vectors hold `lanes` f32 values, or as many 32-bit integers; memory accesses
/// need no alignment beyond 4 bytes.
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
    /// One value, or four bytes, into the first lane; the other lanes are 0. Only on targets that
    /// multiply by lanes.
    LoadFirst {
        /// Result.
        dst: V,
        /// The first byte, at any address.
        src: Mem,
    },
    /// `lanes` consecutive values, each group of four in another order: lane `l` becomes value
    /// `l - l % 4 + order[l % 4]`.
    Shuffle {
        /// Result.
        dst: V,
        /// First value.
        src: Mem,
        /// The value that each lane of a group becomes, below 4.
        order: [u8; 4],
    },
    /// Stores all lanes to consecutive memory.
    Store {
        /// First value's place.
        dst: Mem,
        /// Source.
        src: V,
    },
    /// Stores only the first lane.
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
    /// `acc += a * b[lane]`: every lane of `a` times the same lane of `b`, rounded as
    /// [`Inst::MultiplyAdd`]. Only on targets that multiply by lanes.
    MultiplyAddLane {
        /// Read and written.
        acc: V,
        /// Factor.
        a: V,
        /// The register of the other factor.
        b: V,
        /// Its lane, below 4.
        lane: u8,
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
        /// One bit per lane.
        mask: u16,
    },
    /// Lanes change places: lane `l` becomes lane `l ^ distance`. A vector must have more lanes
    /// than the distance.
    Exchange {
        /// Result.
        dst: V,
        /// Source.
        src: V,
        /// How far each value moves.
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
    /// The exponent of a normal number above 0: the largest integer `n` with `2^n <= src`. It is
    /// -127 for 0 and 128 for infinity; anything else gives an unspecified finite result.
    Exponent {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The nearest 32-bit integer, ties to even; the smallest integer if there is none.
    ToInteger {
        /// Result.
        dst: V,
        /// Source.
        src: V,
    },
    /// The f32 nearest to an integer.
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
    /// The bits of every lane, shifted; bits shifted out are lost, and zeros are shifted in unless
    /// the direction says otherwise.
    Shift {
        /// The direction.
        to: Shift,
        /// Result.
        dst: V,
        /// Source.
        src: V,
        /// By how many bits, below 32.
        by: u8,
    },
    /// Four consecutive bytes into every lane.
    BroadcastBytes {
        /// Result.
        dst: V,
        /// The first byte, at any address.
        src: Mem,
    },
    /// `lanes` consecutive bytes as integers.
    LoadBytes {
        /// Result.
        dst: V,
        /// The first byte, at any address.
        src: Mem,
        /// Whether the bytes are signed.
        signed: bool,
    },
    /// A byte as an integer in the first lane; the other lanes are 0.
    LoadByte {
        /// Result.
        dst: V,
        /// The byte, at any address.
        src: Mem,
        /// Whether the byte is signed.
        signed: bool,
    },
    /// Stores the low byte of the first lane.
    StoreByte {
        /// The byte's place, at any address.
        dst: Mem,
        /// Source.
        src: V,
    },
    /// A byte becomes the element of a table of 256 bytes at its position.
    Lookup {
        /// The result's place, at any address.
        dst: Mem,
        /// The byte, at any address.
        src: Mem,
        /// The address of the table.
        table: P,
        /// Has unspecified contents afterwards; different from all the others.
        index: P,
    },
    /// Stores four vectors of integers, limited to 0..=255, as `4 * lanes` consecutive bytes.
    /// Afterwards the registers have unspecified contents. Only on targets that pack.
    StorePacked {
        /// The first byte's place, at any address.
        dst: Mem,
        /// Sources, all different.
        src: [V; 4],
    },
    /// `lanes` consecutive signed 16-bit integers as integers.
    LoadShorts {
        /// Result.
        dst: V,
        /// The first integer, at any address.
        src: Mem,
    },
    /// Stores integers as `lanes` consecutive bytes. Each must be in 0..=255. Afterwards the
    /// register has unspecified contents.
    StoreBytes {
        /// The first byte's place, at any address.
        dst: Mem,
        /// Source.
        src: V,
    },
    /// `2 * lanes` consecutive unsigned bytes as 16-bit integers. Only on targets with products of
    /// 16-bit integers, like [`Inst::Short`] and [`Inst::PairDot`].
    WidenBytes {
        /// Result.
        dst: V,
        /// The first byte, at any address.
        src: Mem,
    },
    /// `dst = a op b`, of 16-bit integers.
    Short {
        /// What is computed.
        op: Short,
        /// Result.
        dst: V,
        /// Left operand.
        a: V,
        /// Right operand.
        b: V,
    },
    /// In each lane the sum of two products of signed 16-bit integers, modulo 2^32.
    PairDot {
        /// Result.
        dst: V,
        /// Two integers per lane.
        a: V,
        /// Two integers per lane.
        b: V,
    },
    /// `acc` plus the same. Only on targets that sum pairs.
    PairSum {
        /// Read and written.
        acc: V,
        /// Two integers per lane.
        a: V,
        /// Two integers per lane.
        b: V,
    },
    /// `acc` plus, in each lane, the sum of four products, modulo 2^32: unsigned bytes of `a` times
    /// signed bytes of `b`. Only on targets with products of bytes in lanes.
    ByteDot {
        /// Read and written.
        acc: V,
        /// Four unsigned bytes per lane.
        a: V,
        /// Four signed bytes per lane.
        b: V,
    },
    /// `acc` plus, in each lane, the sum of four products, modulo 2^32, of the bytes of one lane of
    /// `a` and the signed bytes of `b`. Only on targets that multiply by lanes, and with such products
    /// of bytes in lanes.
    ByteDotLane {
        /// What the bytes of `a` are.
        left: Bytes,
        /// Read and written.
        acc: V,
        /// The register of the four bytes.
        a: V,
        /// Four signed bytes per lane.
        b: V,
        /// The lane of `a`, below 4.
        lane: u8,
    },
    /// `dst = dst & mask | other & !mask`. Only on targets that can, like [`Inst::Interleave`].
    Select {
        /// Read and written.
        dst: V,
        /// The bits that are kept.
        mask: V,
        /// The source of all other bits.
        other: V,
    },
    /// Values from two places alternately, half a vector of each.
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
    /// `acc += a * b`. `acc` is 16x16 integers of 32 bits; each element of `a` and `b`, 16x16, is
    /// four bytes, those of `b` signed. Row `m`, column `n` of `acc` gets the sum over `k` of the four products
    /// of the bytes of element `k` of row `m` of `a` and the bytes of element `n` of row `k` of
    /// `b`. Sums are taken modulo 2^32. The three registers must be different.
    TileDot {
        /// What the bytes of `a` are.
        left: Bytes,
        /// Read and written.
        acc: T,
        /// Left factor.
        a: T,
        /// Right factor.
        b: T,
    },
    /// Announces that the cache line of a place will be read soon. Has no other effect, and the
    /// place need not exist.
    Prefetch {
        /// The place.
        src: Mem,
        /// The cache that it is brought into.
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
    /// `pointer +=` the 64-bit integer at a place, the low half first.
    AdvanceBy {
        /// Read and written.
        pointer: P,
        /// Where the integer is, a number of bytes that may be negative.
        src: Mem,
    },
    /// The body, `count` times.
    Loop {
        /// How many times.
        count: Count,
        /// The body.
        body: Vec<Inst>,
    },
}

/// A finished kernel: takes `args` addresses or counts in the first pointer registers and returns
/// nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Names the kernel in dumps, perf maps and errors.
    pub name: String,
    /// The target that it was built for.
    pub target: Target,
    /// How many of `P(0)`, `P(1)`, ... are arguments.
    pub args: usize,
    /// How many pointer registers it uses, including arguments but not loop counters.
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
