//! Maximum and mean over windows of a blocked image.
//!
//! The kernel computes one row of outputs. Columns whose windows leave the image have separate
//! code, those in between are a loop. The number of the window's rows inside the image is an
//! argument, so rows at the edge need no separate code.

use resnetc_ir::op::{Pool, Window};

use crate::codegen::region::{Extent, Piece};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target, V};

use super::KernelError;
use super::conversions::{Constants, Conversions, Prepared};
use super::element::Element;
use super::geometry::{F32, Place, Strides};
use super::sink::{Levels, Pointer, Sink, WEIGHTS};

/// The kind of pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The maximum.
    Max,
    /// The mean.
    Average {
        /// Whether padding counts as elements with value 0.
        count_include_pad: bool,
    },
}

/// The taps of a window along one axis that are inside the image: the first tap's element, and the
/// number of taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) first: i64,
    pub(super) taps: usize,
    /// The divisor of a mean along this axis.
    divisor: usize,
}

impl Inside {
    /// Whether the `i`-th window after this one, at steps of `stride`, is of the same form.
    pub(super) fn is_followed(&self, other: Inside, i: usize, stride: i64) -> bool {
        let Inside { first, taps, divisor } = *self;
        other == Inside { first: first + stride * i as i64, taps, divisor }
    }
}

/// The taps of the window of an output along an axis.
pub(super) fn inside(
    window: &Window,
    axis: usize,
    extent: usize,
    output: usize,
    count_include_pad: bool,
) -> Inside {
    let (before, after) = match axis {
        0 => (window.pads.top, window.pads.bottom),
        _ => (window.pads.left, window.pads.right),
    };
    let start = (output * window.strides[axis]) as i64 - before as i64;
    let at = |tap: usize| start + (tap * window.dilations[axis]) as i64;
    let taps = || 0..window.kernel[axis];
    let live = taps().filter(|&t| (0..extent as i64).contains(&at(t))).count();
    let first = taps().map(at).find(|&e| e >= 0).unwrap_or(0);
    // Padding counts, but what a rounded-up window covers beyond it does not.
    let padded = taps().filter(|&t| at(t) < (extent + after) as i64).count();
    Inside { first, taps: live, divisor: if count_include_pad { padded } else { live } }
}

/// A windowed pool of a blocked image.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    /// What is computed of each window.
    pub kind: Kind,
    /// The windows.
    pub pool: &'a Pool,
    /// How elements become numbers and numbers results; none for a maximum.
    pub conversions: Conversions,
}

impl Windows<'_> {
    /// Lowers it.
    ///
    /// # Errors
    /// If the kernel does not fit the machine's registers.
    pub fn lower(
        &self,
        src: &Place,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let [_, _, _, w] = src.geometry.nchw();
        let [_, _, _, columns] = dst.geometry.nchw();
        let window = &self.pool.window;
        let include = matches!(self.kind, Kind::Average { count_include_pad: true });
        let row = Row {
            kind: self.kind,
            window: *window,
            columns: (0..columns).map(|x| inside(window, 1, w, x, include)).collect(),
            src: src.geometry.strides(),
            pixel: dst.geometry.strides().pixel,
            elements: [Element::stored("pool", src)?, Element::stored("pool", dst)?],
            conversions: self.conversions,
        };
        row.lower(include, src, dst, sink)
    }
}

/// Everything that determines the code. Arguments: source row, result row, divisors, number of the
/// window's rows inside the image.
#[derive(Clone, Debug)]
struct Row {
    kind: Kind,
    window: Window,
    columns: Vec<Inside>,
    src: Strides,
    pixel: i64,
    /// Of source and result.
    elements: [Element; 2],
    conversions: Conversions,
}

impl Row {
    /// Lowers all rows. `include` is whether padding counts.
    fn lower(
        &self,
        include: bool,
        src: &Place,
        dst: &Place,
        sink: &mut Sink,
    ) -> Result<Vec<Piece>, KernelError> {
        let [n, c, h, w] = src.geometry.nchw();
        let [_, _, rows, columns] = dst.geometry.nchw();
        let (s, d) = (self.src, dst.geometry.strides());
        let ([r, t], kind) = (self.window.kernel, self.kind);
        let name = format!("pool n{n} c{c} h{h} w{w} r{r} s{t} {kind:?}");
        let target = sink.machine.target;
        let kernel = sink.program(&name, format!("pool {self:?}"), |n| self.program(n, target))?;
        let mut pieces = Vec::new();
        let mut y = 0;
        while y < rows {
            let first = inside(&self.window, 0, h, y, include);
            // Evenly spaced rows with the same number of taps share a piece.
            let stride = self.window.strides[0] as i64;
            let like =
                |i: usize| first.is_followed(inside(&self.window, 0, h, y + i, include), i, stride);
            let count = (1..rows - y).take_while(|&i| like(i)).count() + 1;
            let divisors: Vec<f32> =
                self.columns.iter().map(|x| (x.divisor * first.divisor) as f32).collect();
            let table = match self.kind {
                Kind::Max => 0,
                Kind::Average { .. } => {
                    sink.pack(columns, move |out| out.copy_from_slice(&divisors))
                }
            };
            let mut levels = Levels::new([
                Pointer::new(src.base, src.origin() + first.first * s.row),
                Pointer::new(dst.base, dst.origin() + y as i64 * d.row),
                Pointer::new(WEIGHTS, table),
            ]);
            levels.chunk(n, [s.image, d.image, 0]);
            let planes = c.div_ceil(s.block);
            let parts = sink.machine.parts();
            let blocks = levels.split(planes, parts, [s.plane, d.plane, 0]);
            let lines = levels.split(count, parts.div_ceil(n * planes), [stride * s.row, d.row, 0]);
            levels.rest(blocks);
            levels.rest(lines);
            pieces.push(levels.piece(kernel, &[Extent::Fixed(first.taps as u32)]));
            y += count;
        }
        Ok(pieces)
    }

    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 4);
        let conversions = self.conversions.prepare(&mut b, Constants::Kept);
        let stride = self.window.strides[1] as i64;
        let mut x = 0;
        while x < self.columns.len() {
            let first = self.columns[x];
            let like = |i: usize| first.is_followed(self.columns[x + i], i, stride);
            let count = (1..self.columns.len() - x).take_while(|&i| like(i)).count() + 1;
            self.columns(&mut b, &conversions, x, count);
            x += count;
        }
        b.finish()
    }

    /// `count` columns of the same form, from `x` on.
    fn columns(&self, b: &mut Builder, conversions: &Prepared, x: usize, count: usize) {
        let first = self.columns[x];
        let src = b.pointer(b.arg(0));
        let dst = b.pointer(b.arg(1));
        b.advance(src, first.first * self.src.pixel);
        b.advance(dst, x as i64 * self.pixel);
        b.repeat(Count::Fixed(count as u32), |b| {
            self.pixel(b, conversions, [src, dst], x);
            b.advance(src, self.window.strides[1] as i64 * self.src.pixel);
            b.advance(dst, self.pixel);
        });
        b.release_pointer(src);
        b.release_pointer(dst);
    }

    /// One output pixel: its 16 channels.
    fn pixel(&self, b: &mut Builder, conversions: &Prepared, [src, dst]: [P; 2], x: usize) {
        let is_max = self.kind == Kind::Max;
        let n = 16 / b.target().lanes;
        let [from, to] = self.elements;
        let bytes = |v: usize, of: Element| (v * b.target().lanes) as i64 * of.bytes();
        let offsets: Vec<[i64; 2]> = (0..n).map(|v| [bytes(v, from), bytes(v, to)]).collect();
        let acc: Vec<V> = b.vectors(n);
        for &a in &acc {
            if is_max { from.smallest(b, a) } else { b.constant(a, 0.0) }
        }
        let row = b.pointer(src);
        let tap = self.window.dilations[1] as i64 * self.src.pixel;
        b.repeat(Count::Register(b.arg(3)), |b| {
            let value = b.vector();
            for t in 0..self.columns[x].taps as i64 {
                for (v, &a) in acc.iter().enumerate() {
                    let place = row.at(t * tap + offsets[v][0]);
                    if is_max {
                        from.max(b, a, value, place);
                    } else {
                        from.load(b, value, place);
                        conversions.to_number(b, 0, value);
                        b.arith(Arith::Add, a, a, value);
                    }
                }
            }
            b.release([value]);
            b.advance(row, self.window.dilations[0] as i64 * self.src.row);
        });
        b.release_pointer(row);
        if let Kind::Average { .. } = self.kind {
            let divisor = b.vector();
            b.broadcast(divisor, b.arg(2).at(x as i64 * F32));
            acc.iter().for_each(|&a| b.arith(Arith::Div, a, a, divisor));
            b.release([divisor]);
        }
        for (&a, [_, at]) in acc.iter().zip(&offsets) {
            match is_max {
                true => to.store_integers(b, dst.at(*at), a),
                false => conversions.store(b, to, dst.at(*at), a),
            }
        }
        b.release(acc);
    }
}
