//! Which registers a program uses: the emulator and every back end check this before they trust a
//! program.

use super::error::CodegenError;
use super::vir::{Bytes, Count, Inst, Mem, P, POINTERS, Program, T, VectorSet, loop_depth};
use crate::isa::IntegerDot;

/// Lanes of a register that a product can have as its factor.
const LANES_OF_FACTORS: u8 = 4;

/// The registers of a program that was checked against its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// One bit for each vector register that an instruction names.
    pub vectors: u32,
    /// Address and count registers, arguments included, loop counters not.
    pub pointers: usize,
    /// How deep loops nest: each level holds one more register, its counter.
    pub loops: usize,
    /// Tile registers, from the first to the last that an instruction names.
    pub tiles: usize,
}

impl Usage {
    /// Scans and checks `program`.
    ///
    /// # Errors
    /// If it has a lane count that no target has, names registers beyond its target or its own
    /// declaration, or has an instruction that its target lacks or that breaks its rules.
    pub fn of(program: &Program) -> Result<Usage, CodegenError> {
        let wrong = |what| Err(CodegenError::Malformed { program: program.name.clone(), what });
        if let Some(flaw) = program.target.flaw() {
            return wrong(flaw);
        }
        let mut named = Named::new(program.args);
        visit(&program.body, &mut named);
        let Named { vectors, pointers, tiles, dot, by_lane, lane, pair_sums, .. } = named;
        let Named { selects, packs, shifted, far, alike, lanes, .. } = named;
        let loops = loop_depth(&program.body);
        if tiles > program.target.tiles || dot > program.target.dot {
            return wrong("a tile register or a product of bytes outside the target");
        }
        if by_lane && !program.target.by_lane {
            return wrong("a product by a lane on a target without it");
        }
        if lane >= LANES_OF_FACTORS {
            return wrong("a factor is a lane beyond the fourth");
        }
        if pair_sums && !program.target.pair_sums {
            return wrong("a sum of pairs on a target without it");
        }
        if selects && !program.target.selects {
            return wrong("a selection of bits on a target without it");
        }
        if packs && !program.target.packs() {
            return wrong("integers are packed on a target that does not pack");
        }
        if shifted {
            return wrong("a shift by 32 bits or more");
        }
        if far {
            return wrong("a place is 2 GiB or more away from its register");
        }
        if lanes > program.target.lanes {
            return wrong("an exchange with lanes that the target does not have");
        }
        if alike {
            return wrong("an instruction whose registers must all be different names one twice");
        }
        if vectors >> program.target.vectors != 0 {
            return wrong("a vector register outside the target");
        }
        if pointers > program.pointers || program.pointers + loops > POINTERS {
            return wrong("an address register that was not declared, or too many of them");
        }
        Ok(Usage { vectors: vectors as u32, pointers: program.pointers, loops, tiles })
    }
}

/// What instructions name.
struct Named {
    /// One bit for each register.
    vectors: VectorSet,
    pointers: usize,
    tiles: usize,
    /// What the instructions on bytes need.
    dot: IntegerDot,
    /// Whether any instruction multiplies by a lane.
    by_lane: bool,
    /// The last lane that is a factor.
    lane: u8,
    /// Whether any instruction sums pairs.
    pair_sums: bool,
    /// Whether any instruction selects bits or interleaves values.
    selects: bool,
    /// Whether any instruction packs integers.
    packs: bool,
    /// Whether any shift is by more bits than a lane has.
    shifted: bool,
    /// Whether any place is farther from its register than a displacement can express.
    far: bool,
    /// The fewest lanes that all instructions need.
    lanes: usize,
    /// Whether an instruction whose registers must be different names one twice.
    alike: bool,
}

impl Named {
    /// Nothing but the arguments.
    fn new(args: usize) -> Self {
        Named {
            vectors: 0,
            pointers: args,
            tiles: 0,
            dot: IntegerDot::None,
            by_lane: false,
            lane: 0,
            pair_sums: false,
            selects: false,
            packs: false,
            shifted: false,
            far: false,
            lanes: 0,
            alike: false,
        }
    }

    fn factor(&mut self, lane: u8) {
        self.by_lane = true;
        self.lane = self.lane.max(lane);
    }

    fn pointer(&mut self, p: P) {
        self.pointers = self.pointers.max(p.0 as usize + 1);
    }

    fn place(&mut self, m: Mem) {
        self.pointer(m.base);
        self.far |= !m.is_near();
    }

    fn tile(&mut self, t: T) {
        self.tiles = self.tiles.max(t.0 as usize + 1);
    }
}

/// Records every register that the instructions name.
fn visit(body: &[Inst], named: &mut Named) {
    for inst in body {
        named.vectors |= inst.vectors().named();
        inst.places().for_each(|place| named.place(place));
        match *inst {
            Inst::Lookup { dst, src, table, index } => {
                named.alike |= [dst.base, src.base, table].contains(&index);
                [table, index].into_iter().for_each(|p| named.pointer(p));
            }
            Inst::StorePacked { src, .. } => {
                named.packs = true;
                named.alike |= (1..4).any(|i| src[..i].contains(&src[i]));
            }
            Inst::Exchange { distance, .. } => {
                named.lanes = named.lanes.max(distance.lanes() + 1);
            }
            Inst::LoadFirst { .. } => named.by_lane = true,
            Inst::MultiplyAddLane { lane, .. } => named.factor(lane),
            Inst::ByteDotLane { left, lane, .. } => {
                named.dot = named.dot.max(match left {
                    Bytes::Signed => IntegerDot::SignedLanes,
                    Bytes::Unsigned => IntegerDot::Lanes,
                });
                named.factor(lane);
            }
            Inst::WidenBytes { .. } | Inst::Short { .. } | Inst::PairDot { .. } => {
                named.dot = named.dot.max(IntegerDot::Pairs);
            }
            Inst::PairSum { .. } => named.pair_sums = true,
            Inst::ByteDot { .. } => named.dot = named.dot.max(IntegerDot::Lanes),
            Inst::Shift { by, .. } => named.shifted |= by >= 32,
            Inst::Select { .. } | Inst::Interleave { .. } => named.selects = true,
            Inst::TileZero { dst } => named.tile(dst),
            Inst::TileLoad { dst: t, row, .. } | Inst::TileStore { src: t, row, .. } => {
                named.tile(t);
                named.pointer(row);
            }
            Inst::TileDot { acc, a, b, .. } => {
                named.dot = IntegerDot::Tiles;
                named.alike |= acc == a || acc == b || a == b;
                [acc, a, b].into_iter().for_each(|t| named.tile(t));
            }
            Inst::CopyPointer { dst, src } => [dst, src].into_iter().for_each(|p| named.pointer(p)),
            Inst::Number { dst: p, .. }
            | Inst::Advance { pointer: p, .. }
            | Inst::AdvanceBy { pointer: p, .. } => named.pointer(p),
            Inst::Loop { count, ref body } => {
                if let Count::Register(p) = count {
                    named.pointer(p);
                }
                visit(body, named);
            }
            // Whatever else they name is a vector or a place.
            _ => {}
        }
    }
}
