//! Sums over everything but the channels, and the mean and the variance of each channel.
//!
//! An image is cut into bands of rows that the first-level cache holds. The sums of each band are
//! stored in scratch memory, for sixteen channels at a time, and a second region combines them.
//! Bands depend on the shape alone, so sums do not depend on the number of threads, and no sum has
//! so many terms that their roundings add up.

use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::op::Binary;
use resnetc_ir::ty::BLOCK;

use crate::codegen::region::Piece;
use crate::codegen::vir::{Arith, Builder, Count, OverBudget, Program, Target, V};

use super::KernelError;
use super::expression::Code;
use super::geometry::{F32, Place};
use super::loops::OPERANDS;
use super::sink::{ARENA, Levels, Pointer, Sink};
use super::steps::number;
use super::view::View;

/// Bytes of an image's band.
const BAND_BYTES: usize = 32 << 10;

/// The bands of an image `[N, C, H, W]`.
#[derive(Clone, Copy, Debug)]
struct Bands {
    images: usize,
    channels: usize,
    columns: usize,
    /// Bands of an image, all of the same number of rows.
    count: usize,
    rows: usize,
}

impl Bands {
    fn of([images, channels, height, columns]: [usize; 4]) -> Self {
        let fits = |rows: usize| rows * columns * BLOCK * F32 as usize <= BAND_BYTES;
        let divides = |rows: &usize| height.is_multiple_of(*rows);
        let rows = (1..=height).rev().filter(divides).find(|&rows| fits(rows)).unwrap_or(1);
        Bands { images, channels, columns, count: height / rows, rows }
    }

    /// Bands of all images.
    fn parts(&self) -> usize {
        self.images * self.count
    }

    /// Bytes of a row of sums: one for each channel, in whole blocks.
    fn row(&self) -> i64 {
        self.channels.next_multiple_of(BLOCK) as i64 * F32
    }

    /// Pixels of a band.
    fn pixels(&self) -> usize {
        self.rows * self.columns
    }
}

/// Scratch memory for this number of sums of an image, in bytes.
pub fn scratch_bytes(image: [usize; 4], sums: usize) -> usize {
    let bands = Bands::of(image);
    bands.parts() * sums * bands.row() as usize
}

/// How an operand advances, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Strides {
    image: i64,
    block: i64,
    row: i64,
    pixel: i64,
    /// Between the channels of a block: 0 if all have the same number.
    lane: i64,
}

/// Those of an operand that broadcasts to an image; `None` if its channels are apart.
fn strides(place: &Place) -> Option<Strides> {
    let view = View::broadcast(place, 4);
    let step = |axis: usize, index: usize| view.offset(axis, index) - view.offset(axis, 0);
    let has_channels = view.axes[1].is_some();
    let (block, lane) = match has_channels {
        true => (step(1, BLOCK), step(1, 1)),
        false => (0, 0),
    };
    let strides = Strides { image: step(0, 1), block, row: step(2, 1), pixel: step(3, 1), lane };
    (lane == 0 || lane == F32).then_some(strides)
}

/// What a band leaves in scratch memory.
#[derive(Clone, Debug)]
enum Part<'a> {
    /// The sums of an expression.
    Sums(&'a Expression),
    /// The mean, and the sum of squares of deviations from it.
    Moments,
}

impl Part<'_> {
    fn sums(&self) -> usize {
        match self {
            Part::Sums(expression) => expression.results.len(),
            Part::Moments => 2,
        }
    }
}

/// Lowers the sums of an expression of images. The second list of pieces is a region of its own.
///
/// # Errors
/// If an operand's channels are not in blocks, or the kernel does not fit the machine's registers.
pub fn sums(
    expression: &Expression,
    sources: &[&Place],
    scratch: i64,
    dst: &Place,
    sink: &mut Sink,
) -> Result<[Vec<Piece>; 2], KernelError> {
    lower(&Part::Sums(expression), sources, scratch, dst, sink)
}

/// Lowers the mean and the variance of each channel of an image, as [`sums`].
///
/// # Errors
/// As [`sums`].
pub fn moments(
    src: &Place,
    scratch: i64,
    dst: &Place,
    sink: &mut Sink,
) -> Result<[Vec<Piece>; 2], KernelError> {
    lower(&Part::Moments, &[src], scratch, dst, sink)
}

fn lower(
    part: &Part<'_>,
    sources: &[&Place],
    scratch: i64,
    dst: &Place,
    sink: &mut Sink,
) -> Result<[Vec<Piece>; 2], KernelError> {
    let mut image = [1; 4];
    for source in sources {
        let shape = source.geometry.nchw();
        image.iter_mut().zip(shape).for_each(|(most, extent)| *most = extent.max(*most));
    }
    let bands = Bands::of(image);
    let first = first(part, sources, (bands, scratch), sink)?;
    let second = second(part, (bands, scratch), dst, sink)?;
    sink.note_after(1);
    Ok([vec![first], second])
}

/// The sums of each band.
fn first(
    part: &Part<'_>,
    sources: &[&Place],
    (bands, scratch): (Bands, i64),
    sink: &mut Sink,
) -> Result<Piece, KernelError> {
    let refused = |reason: &str| KernelError::Unsupported {
        op: "channel_sums",
        node: String::new(),
        reason: reason.to_owned(),
    };
    let [operands, sums] = Expression::MAX_COMPILED;
    if sources.len() > operands || part.sums() > sums {
        return Err(refused("it has too many operands or results"));
    }
    let apart = || refused("its channels are not in blocks");
    let strides: Vec<Strides> =
        sources.iter().map(|s| strides(s).ok_or_else(apart)).collect::<Result<_, _>>()?;
    let Bands { rows, columns, .. } = bands;
    let contracts = sink.machine.contracts();
    let band = Band { part, strides: &strides, rows, columns, sum_row: bands.row(), contracts };
    let form = format!("{band:?}");
    let name = match part {
        Part::Sums(_) => "channel_sums",
        Part::Moments => "moments",
    };
    let target = sink.machine.target;
    let kernel = sink.program(name, form, |name| band.program(name, target))?;
    let own = part.sums() as i64 * bands.row();
    let start = |i: usize| match i.checked_sub(1).and_then(|i| sources.get(i)) {
        Some(source) => Pointer::new(source.base, source.origin()),
        None => Pointer::new(ARENA, scratch),
    };
    let of = |to_scratch: i64, to_source: &dyn Fn(&Strides) -> i64| -> [i64; OPERANDS] {
        std::array::from_fn(|i| match i.checked_sub(1) {
            None => to_scratch,
            Some(i) => strides.get(i).map_or(0, to_source),
        })
    };
    let mut levels = Levels::<OPERANDS>::new(std::array::from_fn(start));
    (1 + sources.len()..OPERANDS).for_each(|i| levels.pass_if(i, false));
    levels.chunk(bands.images, of(own * bands.count as i64, &|s| s.image));
    levels.chunk(bands.count, of(own, &|s| s.row * bands.rows as i64));
    // How the blocks are cut changes no sum.
    let blocks = bands.channels.div_ceil(BLOCK);
    let cut = sink.machine.parts().div_ceil(bands.parts());
    let blocks = levels.split(blocks, cut, of(BLOCK as i64 * F32, &|s| s.block));
    levels.rest(blocks);
    Ok(levels.piece(kernel, &[]))
}

/// The sums of the bands: whole vectors of channels, then single channels.
fn second(
    part: &Part<'_>,
    (bands, scratch): (Bands, i64),
    dst: &Place,
    sink: &mut Sink,
) -> Result<Vec<Piece>, KernelError> {
    let target = sink.machine.target;
    let lanes = target.lanes;
    let to_row = bands.channels as i64 * F32;
    let (vectors, tail) = (bands.channels / lanes, bands.channels % lanes);
    let mut pieces = Vec::new();
    for (count, lanes, before) in [(vectors, lanes, 0), (tail, 1, vectors * lanes)] {
        if count == 0 {
            continue;
        }
        let total = Total {
            moments: matches!(part, Part::Moments).then(|| bands.pixels()),
            sums: part.sums(),
            parts: bands.parts(),
            rows: [bands.row(), to_row],
            whole: lanes > 1,
        };
        let kernel =
            sink.program("channel_totals", format!("{total:?}"), |n| total.program(n, target))?;
        let before = before as i64 * F32;
        let mut levels = Levels::new([
            Pointer::new(dst.base, dst.origin() + before),
            Pointer::new(ARENA, scratch + before),
        ]);
        levels.chunk(count, [lanes as i64 * F32; 2]);
        pieces.push(levels.piece(kernel, &[]));
    }
    Ok(pieces)
}

/// Pixels of one iteration.
const UNROLL: usize = 4;

/// The kernel of a band and a block of channels. Arguments: the sums, the sources.
#[derive(Debug)]
struct Band<'a> {
    part: &'a Part<'a>,
    strides: &'a [Strides],
    rows: usize,
    columns: usize,
    /// Bytes between the sums.
    sum_row: i64,
    /// Whether a product and its sum are rounded once.
    contracts: bool,
}

impl Band<'_> {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 1 + self.strides.len());
        for v in 0..(BLOCK / target.lanes) as i64 {
            let at = v * target.vector_bytes();
            let sums = match self.part {
                Part::Sums(expression) => self.sums(&mut b, expression, at, &[]),
                Part::Moments => self.moments(&mut b, at),
            };
            for (r, &sum) in sums.iter().enumerate() {
                b.store(b.arg(0).at(at + r as i64 * self.sum_row), sum);
            }
            b.release(sums);
        }
        b.finish()
    }

    /// The mean, and the squares of deviations from it.
    fn moments(&self, b: &mut Builder, at: i64) -> Vec<V> {
        let mut moments = self.sums(b, &Expression::identity(), at, &[]);
        let (count, mean) = (number(b, (self.rows * self.columns) as f32), moments[0]);
        b.arith(Arith::Div, mean, mean, count);
        b.release([count]);
        let (x, mean_of_band) = (Term::Operand(0), Term::Operand(1));
        let squares = Expression {
            steps: vec![
                Step::Binary(Binary::Sub, [x, mean_of_band]),
                Step::Binary(Binary::Mul, [Term::Step(0), Term::Step(0)]),
            ],
            results: vec![Term::Step(1)],
        };
        moments.extend(self.sums(b, &squares, at, &[(1, mean)]));
        moments
    }

    /// The sums of the results of an expression over the band, for the vector `at` bytes into a
    /// block. Operands that are not sources are in the registers `given`.
    fn sums(
        &self,
        b: &mut Builder,
        expression: &Expression,
        at: i64,
        given: &[(usize, V)],
    ) -> Vec<V> {
        let code = Code::new(expression, self.contracts);
        let sums: Vec<V> = expression.results.iter().map(|_| number(b, 0.0)).collect();
        let mut kept = vec![None; self.strides.len() + given.len()];
        given.iter().for_each(|&(operand, register)| kept[operand] = Some(register));
        let fixed = |s: &Strides| s.row == 0 && s.pixel == 0;
        let own: Vec<usize> =
            (0..self.strides.len()).filter(|&i| fixed(&self.strides[i])).collect();
        for &source in &own {
            let register = b.vector();
            self.load(b, source, 0, at, register);
            kept[source] = Some(register);
        }
        let (rows, columns) = self.extents();
        let pixels = |b: &mut Builder, count: usize| {
            for pixel in 0..count as i64 {
                let load = |b: &mut Builder, source: usize, register: V| {
                    self.load(b, source, pixel, at, register);
                };
                code.emit(b, &kept, &load, &mut |b, r, result| {
                    b.arith(Arith::Add, sums[r], sums[r], result);
                });
            }
            self.advance(b, |s| s.pixel * count as i64);
        };
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.repeat(Count::Fixed((columns / UNROLL) as u32), |b| pixels(b, UNROLL));
            if columns % UNROLL > 0 {
                pixels(b, columns % UNROLL);
            }
            self.advance(b, |s| s.row - s.pixel * columns as i64);
        });
        self.advance(b, |s| -s.row * rows as i64);
        b.release(own.into_iter().filter_map(|source| kept[source]));
        sums
    }

    /// Rows and columns; one long row if all sources store them like that.
    fn extents(&self) -> (usize, usize) {
        let is_long = |s: &Strides| s.row == s.pixel * self.columns as i64;
        match self.strides.iter().all(is_long) {
            true => (1, self.rows * self.columns),
            false => (self.rows, self.columns),
        }
    }

    fn advance(&self, b: &mut Builder, bytes: impl Fn(&Strides) -> i64) {
        for (source, strides) in self.strides.iter().enumerate() {
            b.advance(b.arg(1 + source), bytes(strides));
        }
    }

    fn load(&self, b: &mut Builder, source: usize, pixel: i64, at: i64, register: V) {
        let strides = &self.strides[source];
        let before = pixel * strides.pixel;
        match strides.lane {
            0 => b.broadcast(register, b.arg(1 + source).at(before)),
            _ => b.load(register, b.arg(1 + source).at(before + at)),
        }
    }
}

/// The kernel that adds up the sums of bands. Arguments: the result, the sums.
#[derive(Clone, Copy, Debug)]
struct Total {
    /// Pixels of a band if these are means and squares of deviations.
    moments: Option<usize>,
    sums: usize,
    /// Number of bands.
    parts: usize,
    /// Bytes between the sums of a band, and between those of the result.
    rows: [i64; 2],
    /// Whether a call is for a vector of channels, not for one.
    whole: bool,
}

impl Total {
    fn program(&self, name: String, target: Target) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, target, 2);
        let totals: Vec<V> = (0..self.sums).map(|_| number(&mut b, 0.0)).collect();
        self.over_parts(&mut b, |b| {
            let part = b.vector();
            for (r, &total) in totals.iter().enumerate() {
                self.load(b, part, r);
                b.arith(Arith::Add, total, total, part);
            }
            b.release([part]);
        });
        if let (Some(pixels), &[mean, variance]) = (self.moments, &totals[..]) {
            self.finish_moments(&mut b, pixels, mean, variance);
        }
        for (r, &total) in totals.iter().enumerate() {
            let place = b.arg(0).at(r as i64 * self.rows[1]);
            match self.whole {
                true => b.store(place, total),
                false => b.store_first(place, total),
            }
        }
        b.release(totals);
        b.finish()
    }

    /// From the sums of the bands' means and squares to the moments of all pixels: deviations from
    /// the mean of all are those from a band's mean and the deviation of that mean (Chan, Golub and
    /// LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979).
    fn finish_moments(&self, b: &mut Builder, pixels: usize, mean: V, variance: V) {
        let parts = number(b, self.parts as f32);
        b.arith(Arith::Div, mean, mean, parts);
        let between = number(b, 0.0);
        self.over_parts(b, |b| {
            let part = b.vector();
            self.load(b, part, 0);
            b.arith(Arith::Sub, part, part, mean);
            b.multiply_add(between, part, part);
            b.release([part]);
        });
        let pixels = number(b, pixels as f32);
        b.multiply_add(variance, between, pixels);
        b.arith(Arith::Mul, pixels, pixels, parts);
        b.arith(Arith::Div, variance, variance, pixels);
        b.release([parts, between, pixels]);
    }

    fn over_parts(&self, b: &mut Builder, body: impl FnOnce(&mut Builder)) {
        let band = self.rows[0] * self.sums as i64;
        b.repeat(Count::Fixed(self.parts as u32), |b| {
            body(b);
            b.advance(b.arg(1), band);
        });
        b.advance(b.arg(1), -band * self.parts as i64);
    }

    fn load(&self, b: &mut Builder, register: V, r: usize) {
        let place = b.arg(1).at(r as i64 * self.rows[0]);
        match self.whole {
            true => b.load(register, place),
            false => b.broadcast(register, place),
        }
    }
}
