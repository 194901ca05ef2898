//! Nested loops over strided operands: each operand's address is affine in the indices.
//!
//! The innermost levels are compiled into a kernel, the others run in the driver.

use crate::codegen::region::{Base, Extent, Piece};
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target};

use super::KernelError;
use super::geometry::F32;
use super::sink::{Levels, Pointer, Sink};

/// The maximum number of operands: the result and the sources.
pub const OPERANDS: usize = 9;

/// One loop: its number of iterations, and each operand's stride (result first) in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level {
    /// Number of iterations.
    pub extent: usize,
    /// Bytes that each operand advances per iteration.
    pub strides: [i64; OPERANDS],
}

/// A loop nest, outermost level first.
#[derive(Clone, Debug)]
pub struct Loops {
    /// Where each operand starts, the result first.
    pub starts: Vec<(Base, i64)>,
    /// The loops.
    pub levels: Vec<Level>,
}

/// Levels that a kernel runs itself.
const INNER_LEVELS: usize = 3;

/// The maximum number of elements of one call; outer loops run in the driver, which can distribute
/// them over threads.
const CALL_ELEMENTS: usize = 16 * 1024;

/// A kernel of the innermost levels.
pub trait Kernel {
    /// Everything that its code depends on, except the machine.
    fn form(&self, operands: usize, levels: &[Level]) -> String;

    /// Its program: arguments are the operands, the result first.
    ///
    /// # Errors
    /// If it does not fit the target's registers.
    fn program(
        &self,
        name: String,
        target: Target,
        operands: usize,
        levels: &[Level],
    ) -> Result<Program, OverBudget>;
}

impl Level {
    /// The extent, and the strides of the operands that there are.
    pub fn form(&self, operands: usize) -> (usize, &[i64]) {
        (self.extent, &self.strides[..operands])
    }
}

impl Loops {
    /// Lowers the loops around a kernel; nothing if they have no iterations.
    ///
    /// # Errors
    /// If the kernel does not fit the machine's registers.
    pub fn lower(
        mut self,
        name: &str,
        kernel: &dyn Kernel,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        if self.levels.iter().any(|l| l.extent == 0) {
            return Ok(Vec::new());
        }
        self.levels = collapse(self.levels);
        match self.levels[..] {
            [only] if only.extent > CALL_ELEMENTS => self.lower_long(only, name, kernel, sink),
            _ => Ok(vec![self.lower_collapsed(name, kernel, sink)?]),
        }
    }

    /// Cuts a single long loop into runs and a rest.
    fn lower_long(
        self,
        only: Level,
        name: &str,
        kernel: &dyn Kernel,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let run = CALL_ELEMENTS / 4;
        let outer =
            Level { extent: only.extent / run, strides: only.strides.map(|s| s * run as i64) };
        let inner = Level { extent: run, ..only };
        let mut rest = self.clone();
        rest.levels = vec![Level { extent: only.extent % run, ..only }];
        let done = outer.extent as i64;
        rest.starts.iter_mut().zip(outer.strides).for_each(|(s, stride)| s.1 += done * stride);
        let whole = Loops { levels: vec![outer, inner], ..self };
        let mut pieces = vec![whole.lower_collapsed(name, kernel, sink)?];
        if rest.levels[0].extent > 0 {
            pieces.push(rest.lower_collapsed(name, kernel, sink)?);
        }
        Ok(pieces)
    }

    fn lower_collapsed(
        self,
        name: &str,
        kernel: &dyn Kernel,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let inner = inner_levels(&self.levels);
        let (outer, inner) = self.levels.split_at(self.levels.len() - inner);
        let operands = self.starts.len();
        let (form, target) = (kernel.form(operands, inner), sink.machine.target);
        let program = |name| kernel.program(name, target, operands, inner);
        let kernel = sink.program(name, form, program)?;
        let parts = sink.machine.parts();
        Ok(match operands {
            1 => piece::<1>(&self.starts, outer, kernel, parts),
            2 => piece::<2>(&self.starts, outer, kernel, parts),
            3 => piece::<3>(&self.starts, outer, kernel, parts),
            4 => piece::<4>(&self.starts, outer, kernel, parts),
            5 => piece::<5>(&self.starts, outer, kernel, parts),
            6 => piece::<6>(&self.starts, outer, kernel, parts),
            7 => piece::<7>(&self.starts, outer, kernel, parts),
            8 => piece::<8>(&self.starts, outer, kernel, parts),
            _ => piece::<9>(&self.starts, outer, kernel, parts),
        })
    }
}

fn piece<const N: usize>(
    starts: &[(Base, i64)],
    outer: &[Level],
    kernel: usize,
    parts: usize,
) -> Piece {
    let mut levels =
        Levels::<N>::new(std::array::from_fn(|i| Pointer::new(starts[i].0, starts[i].1)));
    let strides = |l: &Level| std::array::from_fn(|i| l.strides[i]);
    // The outermost loop with enough iterations is cut into chunks; loops outside it become chunk
    // levels unchanged.
    let cut = outer.iter().position(|l| l.extent >= parts).unwrap_or(outer.len().saturating_sub(1));
    let mut split = None;
    for (i, level) in outer.iter().enumerate().take(cut + 1) {
        match i < cut {
            true => drop(levels.chunk(level.extent, strides(level))),
            false => split = Some(levels.split(level.extent, parts, strides(level))),
        }
    }
    split.into_iter().for_each(|s| levels.rest(s));
    for level in outer.iter().skip(cut + 1) {
        levels.inner(Extent::Fixed(level.extent as u32), strides(level));
    }
    levels.piece(kernel, &[])
}

/// Advances the pointers of operands.
pub(super) fn advance(b: &mut Builder, pointers: &[P], bytes: impl Fn(usize) -> i64) {
    pointers.iter().enumerate().for_each(|(i, &p)| b.advance(p, bytes(i)));
}

/// Runs a level inside a kernel. `body` runs the levels inside it, and leaves the pointers behind
/// the outermost of them.
pub(super) fn repeat(
    b: &mut Builder,
    pointers: &[P],
    level: Level,
    inner: &[Level],
    body: impl FnOnce(&mut Builder),
) {
    b.repeat(Count::Fixed(level.extent as u32), |b| {
        body(b);
        let moved = |i: usize| inner[0].strides[i] * inner[0].extent as i64;
        advance(b, pointers, |i| level.strides[i] - moved(i));
    });
}

/// Drops levels with a single iteration and joins neighbours that traverse memory like one loop.
/// The result is never empty.
pub(super) fn collapse(levels: Vec<Level>) -> Vec<Level> {
    let mut kept: Vec<Level> = Vec::new();
    for level in levels.into_iter().filter(|l| l.extent != 1) {
        match kept.last_mut() {
            Some(outer) if outer.strides == level.strides.map(|s| s * level.extent as i64) => {
                *outer = Level { extent: outer.extent * level.extent, strides: level.strides };
            }
            _ => kept.push(level),
        }
    }
    if kept.is_empty() {
        kept.push(Level { extent: 1, strides: [F32; OPERANDS] });
    }
    kept
}

/// How many of the innermost levels the kernel runs itself.
fn inner_levels(levels: &[Level]) -> usize {
    let mut elements = 1;
    let fits = levels.iter().rev().take(INNER_LEVELS).take_while(|l| {
        elements *= l.extent;
        elements <= CALL_ELEMENTS
    });
    fits.count().max(1)
}
