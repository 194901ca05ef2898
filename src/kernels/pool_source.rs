//! The gradient of a maximum pool of a blocked image.
//!
//! Windows overlap, so a chunk is a whole image of sixteen channels: it sets the result to zeros,
//! then adds the gradient of each window to the first of its largest elements, row by row of
//! windows.

use resnetc_ir::op::Pool;

use crate::codegen::region::{Extent, Item, Piece};
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, P, Program, Target};

use super::KernelError;
use super::geometry::{Place, Strides};
use super::pool::{Inside, inside};
use super::sink::{Levels, Pointer, Sink};
use super::steps::number;

/// Lowers the gradient of the pool of `x` at the windows' gradients `dy`.
///
/// # Errors
/// If a kernel does not fit the machine's registers.
pub fn lower(
    pool: &Pool,
    [dy, x]: [&Place; 2],
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let [n, c, h, w] = x.geometry.nchw();
    let [_, _, rows, columns] = dy.geometry.nchw();
    let target = sink.machine.target;
    let [d, s, t] = [dy, x, dst].map(|place| place.geometry.strides());
    let window = &pool.window;
    let planes = c.div_ceil(s.block);
    let zeros = Zeros { size: [h, w], to: t };
    let kernel = sink.program("pool_zeros", format!("{zeros:?}"), |n| zeros.program(n, target))?;
    let mut levels = Levels::new([Pointer::new(dst.base, dst.origin())]);
    levels.chunk(n, [t.image]);
    levels.chunk(planes, [t.plane]);
    let chunks = vec![n as u32, planes as u32];
    let mut items = vec![Item::Call(levels.call(kernel, &[]))];
    let row = Row {
        columns: (0..columns).map(|x| inside(window, 1, w, x, false)).collect(),
        strides: window.strides[1] as i64,
        taps: window.dilations.map(|dilation| dilation as i64),
        dy: d.pixel,
        x: s,
        to: t,
    };
    let name = format!("max_pool_source r{} s{}", window.kernel[0], window.kernel[1]);
    let kernel = sink.program(&name, format!("{row:?}"), |n| row.program(n, target))?;
    let stride = window.strides[0] as i64;
    let mut y = 0;
    while y < rows {
        let first = inside(window, 0, h, y, false);
        let is_like = |i: usize| first.is_followed(inside(window, 0, h, y + i, false), i, stride);
        let count = (1..rows - y).take_while(|&i| is_like(i)).count() + 1;
        let mut levels = Levels::new([
            Pointer::new(x.base, x.origin() + first.first * s.row),
            Pointer::new(dy.base, dy.origin() + y as i64 * d.row),
            Pointer::new(dst.base, dst.origin() + first.first * t.row),
        ]);
        levels.chunk(n, [s.image, d.image, t.image]);
        levels.chunk(planes, [s.plane, d.plane, t.plane]);
        levels.inner(Extent::Fixed(count as u32), [stride * s.row, d.row, stride * t.row]);
        items.push(Item::Call(levels.call(kernel, &[Extent::Fixed(first.taps as u32)])));
        y += count;
    }
    Ok(vec![Piece { chunks, items }])
}

/// The kernel that sets an image of sixteen channels to zeros.
#[derive(Debug)]
struct Zeros {
    size: [usize; 2],
    to: Strides,
}

impl Zeros {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 1);
        let zero = number(&mut b, 0.0);
        let ([rows, columns], to) = (self.size, b.arg(0));
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.repeat(Count::Fixed(columns as u32), |b| {
                for v in 0..(self.to.block / target.lanes) as i64 {
                    b.store(to.at(v * target.vector_bytes()), zero);
                }
                b.advance(to, self.to.pixel);
            });
            b.advance(to, self.to.row - columns as i64 * self.to.pixel);
        });
        b.finish()
    }
}

/// The kernel of a row of windows. Arguments: the first row of the image that they see, their
/// gradients, the same row of the result, the number of rows that they see.
#[derive(Debug)]
struct Row {
    columns: Vec<Inside>,
    /// Pixels between windows.
    strides: i64,
    /// Rows and pixels between taps.
    taps: [i64; 2],
    /// Bytes between the gradients of windows.
    dy: i64,
    x: Strides,
    to: Strides,
}

impl Row {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 4);
        let mut at = 0;
        while at < self.columns.len() {
            let first = self.columns[at];
            let is_like = |i: usize| first.is_followed(self.columns[at + i], i, self.strides);
            let count = (1..self.columns.len() - at).take_while(|&i| is_like(i)).count() + 1;
            let [x, dy, to] = [0, 1, 2].map(|i| b.pointer(b.arg(i)));
            b.advance(x, first.first * self.x.pixel);
            b.advance(dy, at as i64 * self.dy);
            b.advance(to, first.first * self.to.pixel);
            b.repeat(Count::Fixed(count as u32), |b| {
                for v in 0..(self.x.block / target.lanes) as i64 {
                    self.window(b, [x, dy, to], first.taps, v * target.vector_bytes());
                }
                b.advance(x, self.strides * self.x.pixel);
                b.advance(dy, self.dy);
                b.advance(to, self.strides * self.to.pixel);
            });
            [x, dy, to].into_iter().for_each(|pointer| b.release_pointer(pointer));
            at += count;
        }
        b.finish()
    }

    /// A vector of windows, `at` bytes into a pixel: their maximum, then the first tap that equals
    /// it. Nothing equals a NaN.
    fn window(&self, b: &mut Builder, [x, dy, to]: [P; 3], taps: usize, at: i64) {
        let [x, again, to] = [x, x, to].map(|pointer| b.pointer(pointer));
        let (most, value) = (number(b, f32::NEG_INFINITY), b.vector());
        let place = |row: P, tap: i64, pixel: i64| row.at(tap * self.taps[1] * pixel + at);
        b.repeat(Count::Register(b.arg(3)), |b| {
            for tap in 0..taps as i64 {
                b.load(value, place(x, tap, self.x.pixel));
                b.arith(Arith::MaxNan, most, most, value);
            }
            b.advance(x, self.taps[0] * self.x.row);
        });
        // What is left to give is the gradient until it is given.
        let (left, given) = (b.vector(), b.vector());
        b.load(left, dy.at(at));
        b.repeat(Count::Register(b.arg(3)), |b| {
            for tap in 0..taps as i64 {
                b.load(value, place(again, tap, self.x.pixel));
                b.arith(Arith::Equal, value, value, most);
                b.arith(Arith::And, given, value, left);
                b.arith(Arith::AndNot, left, value, left);
                let to = place(to, tap, self.to.pixel);
                b.load(value, to);
                b.arith(Arith::Add, value, value, given);
                b.store(to, value);
            }
            b.advance(again, self.taps[0] * self.x.row);
            b.advance(to, self.taps[0] * self.to.row);
        });
        b.release([most, value, left, given]);
        [x, again, to].into_iter().for_each(|pointer| b.release_pointer(pointer));
    }
}
