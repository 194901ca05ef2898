//! Programs as text, one line per instruction.

use std::fmt;

use super::{Arith, Bytes, Cache, Count, Inst, Integer, Mem, P, Program, Shift, Short, T, V};

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
            Inst::LoadFirst { dst, src } => write!(f, "{dst} = load_first {src}"),
            Inst::Broadcast { dst, src } => write!(f, "{dst} = broadcast {src}"),
            Inst::Shuffle { dst, src, order: [a, b, c, d] } => {
                write!(f, "{dst} = shuffle {src}, {a}{b}{c}{d}")
            }
            Inst::Store { dst, src } => write!(f, "store {dst}, {src}"),
            Inst::StoreFirst { dst, src } => write!(f, "store_first {dst}, {src}"),
            Inst::Copy { dst, src } => write!(f, "{dst} = {src}"),
            Inst::MultiplyAdd { acc, a, b } => write!(f, "{acc} += {a} * {b}"),
            Inst::MultiplyAddLane { acc, a, b, lane } => write!(f, "{acc} += {a} * {b}[{lane}]"),
            Inst::Arith { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", op.name()),
            Inst::Blend { dst, a, b, mask } => write!(f, "{dst} = blend {a}, {b}, {mask:#06x}"),
            Inst::Exchange { dst, src, distance } => {
                write!(f, "{dst} = exchange {src}, {}", distance.lanes())
            }
            Inst::Round { dst, src } => write!(f, "{dst} = round {src}"),
            Inst::Pow2 { dst, src } => write!(f, "{dst} = pow2 {src}"),
            Inst::Sqrt { dst, src } => write!(f, "{dst} = sqrt {src}"),
            Inst::Exponent { dst, src } => write!(f, "{dst} = exponent {src}"),
            Inst::ToInteger { dst, src } => write!(f, "{dst} = to_integer {src}"),
            Inst::FromInteger { dst, src } => write!(f, "{dst} = from_integer {src}"),
            Inst::Integer { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", op.name()),
            Inst::Shift { to: Shift::Left, dst, src, by } => write!(f, "{dst} = {src} << {by}"),
            Inst::Shift { to: Shift::Right, dst, src, by } => write!(f, "{dst} = {src} >> {by}"),
            Inst::Shift { to: Shift::SignedRight, dst, src, by } => {
                write!(f, "{dst} = {src} >>> {by}")
            }
            Inst::BroadcastBytes { dst, src } => write!(f, "{dst} = broadcast_bytes {src}"),
            Inst::LoadBytes { dst, src, signed: false } => write!(f, "{dst} = load_bytes {src}"),
            Inst::LoadBytes { dst, src, signed: true } => {
                write!(f, "{dst} = load_signed_bytes {src}")
            }
            Inst::LoadByte { dst, src, signed: false } => write!(f, "{dst} = load_byte {src}"),
            Inst::LoadByte { dst, src, signed: true } => {
                write!(f, "{dst} = load_signed_byte {src}")
            }
            Inst::StoreByte { dst, src } => write!(f, "store_byte {dst}, {src}"),
            Inst::Lookup { dst, src, table, index } => {
                write!(f, "lookup {dst}, {src}, {table}, {index}")
            }
            Inst::StorePacked { dst, src: [a, b, c, d] } => {
                write!(f, "store_packed {dst}, {a}, {b}, {c}, {d}")
            }
            Inst::LoadShorts { dst, src } => write!(f, "{dst} = load_shorts {src}"),
            Inst::StoreBytes { dst, src } => write!(f, "store_bytes {dst}, {src}"),
            Inst::WidenBytes { dst, src } => write!(f, "{dst} = widen_bytes {src}"),
            Inst::Short { op: Short::Add, dst, a, b } => write!(f, "{dst} = short_add {a}, {b}"),
            Inst::Short { op: Short::Sub, dst, a, b } => write!(f, "{dst} = short_sub {a}, {b}"),
            Inst::PairDot { dst, a, b } => write!(f, "{dst} = {a} pair_dot {b}"),
            Inst::PairSum { acc, a, b } => write!(f, "{acc} += {a} pair_dot {b}"),
            Inst::ByteDot { acc, a, b } => write!(f, "{acc} += {a} byte_dot {b}"),
            Inst::ByteDotLane { left: Bytes::Signed, acc, a, b, lane } => {
                write!(f, "{acc} += signed {a}[{lane}] byte_dot {b}")
            }
            Inst::ByteDotLane { left: Bytes::Unsigned, acc, a, b, lane } => {
                write!(f, "{acc} += {a}[{lane}] byte_dot {b}")
            }
            Inst::Select { dst, mask, other } => {
                write!(f, "{dst} = {dst} where {mask} else {other}")
            }
            Inst::Interleave { dst, even, odd } => write!(f, "{dst} = interleave {even}, {odd}"),
            Inst::TileZero { dst } => write!(f, "{dst} = zero"),
            Inst::TileLoad { dst, src, row } => write!(f, "{dst} = load {src}, {row}"),
            Inst::TileStore { dst, src, row } => write!(f, "store {dst}, {row}, {src}"),
            Inst::TileDot { left: Bytes::Signed, acc, a, b } => write!(f, "{acc} += {a} dot {b}"),
            Inst::TileDot { left: Bytes::Unsigned, acc, a, b } => {
                write!(f, "{acc} += unsigned {a} dot {b}")
            }
            Inst::Prefetch { src, cache: Cache::First } => write!(f, "prefetch_first {src}"),
            Inst::Prefetch { src, cache: Cache::Second } => write!(f, "prefetch {src}"),
            Inst::Number { dst, value } => write!(f, "{dst} = {value}"),
            Inst::CopyPointer { dst, src } => write!(f, "{dst} = {src}"),
            Inst::Advance { pointer, bytes } => write!(f, "{pointer} += {bytes}"),
            Inst::AdvanceBy { pointer, src } => write!(f, "{pointer} += {src}"),
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
            Arith::Equal => "equal",
            Arith::Less => "less",
            Arith::LessOrEqual => "less_or_equal",
            Arith::And => "and_bits",
            Arith::AndNot => "and_not_bits",
            Arith::Or => "or_bits",
        }
    }
}

impl Integer {
    /// The name in printed programs.
    pub fn name(self) -> &'static str {
        match self {
            Integer::Add => "integer_add",
            Integer::Sub => "integer_sub",
            Integer::Max => "integer_max",
            Integer::Min => "integer_min",
            Integer::And => "and",
            Integer::Xor => "xor",
            Integer::Mul => "integer_mul",
        }
    }
}
