//! Sources of bytes that are multiplied as 16-bit integers: each chunk widens the rows that it sees,
//! into the thread's memory, before it multiplies them. That is little work, because every value
//! serves many outputs, and the network's memory holds bytes only.

use crate::codegen::region::{Extent, Item};
use crate::codegen::vir::{Builder, Count, OverBudget, P, Program, Target};
use crate::kernels::KernelError;
use crate::kernels::geometry::Strides;
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD};

use resnetc_ir::op::Window;
use resnetc_ir::ty::BLOCK;

use super::walk::Walk;

/// Bytes that are widened together: a pixel of a blocked source, or 16 pixels of a planar one, which
/// must have so much to its right that all of them can be read.
pub(super) const UNIT: usize = BLOCK;

/// Units whose code is unrolled.
const UNROLLED: usize = 8;

/// Bytes of a widened value.
const LANE: i64 = 2;

/// Bytes of a widened unit.
const WIDE_UNIT: i64 = UNIT as i64 * LANE;

/// The copy of a source.
#[derive(Clone, Debug)]
pub(super) struct WideSource {
    /// Strides of the copy. Planes are as far apart as the rows of a chunk require
    /// ([`WideSource::plane`]), and there is one image.
    pub(super) strides: Strides,
    /// Units of a row that are seen, and the bytes between two of them in the source.
    units: usize,
    unit_step: i64,
    /// Rows that an output row sees beside those that are its own.
    head: usize,
    /// Rows of the copy from an output row to the next.
    rows: usize,
    /// The same in pixels, for columns.
    columns: usize,
    /// Bytes in the source: between images, between the rows of two output rows, between rows.
    image: i64,
    output_row: i64,
    row: i64,
}

/// Where the chunks of a product are.
pub(super) struct Chunks {
    pub(super) images: usize,
    /// Bands of rows, output rows of a band, and the parts into which bands are cut.
    pub(super) bands: usize,
    pub(super) band_rows: usize,
    pub(super) band_parts: usize,
    /// Tiles and their parts, if they are cut.
    pub(super) tiles: Option<[usize; 2]>,
}

impl Chunks {
    /// The maximum number of output rows of a chunk.
    pub(super) fn rows(&self) -> usize {
        self.bands.div_ceil(self.band_parts.clamp(1, self.bands)) * self.band_rows
    }
}

impl WideSource {
    /// The copy of what `walk` sees through a window whose rows have `taps` columns that are read.
    pub(super) fn of(window: &Window, taps: usize, src: Strides, walk: &Walk) -> Self {
        let reach = |axis: usize, taps: usize| (taps - 1) * window.dilations[axis] + 1;
        let [rows_seen, columns_seen] = [reach(0, window.kernel[0]), reach(1, taps)];
        let rows = window.strides[0].min(rows_seen);
        // Pixels that no window sees are left out of a blocked row.
        let is_picked = src.block == BLOCK && columns_seen == 1;
        let stride = if is_picked { 1 } else { window.strides[1] };
        let pixels = (walk.columns - 1) * stride + columns_seen;
        let (units, unit_step) = match src.block {
            BLOCK if is_picked => (pixels, walk.column.src),
            BLOCK => (pixels, src.pixel),
            _ => (pixels.div_ceil(UNIT), UNIT as i64),
        };
        let strides = Strides {
            image: 0,
            plane: 0,
            row: units as i64 * WIDE_UNIT,
            pixel: src.block as i64 * LANE,
            block: src.block,
            lane: LANE,
            origin: 0,
        };
        let head = rows_seen - rows;
        let (image, output_row, row) = (walk.image.src, walk.row.src, src.row);
        let columns = stride;
        WideSource { strides, units, unit_step, head, rows, columns, image, output_row, row }
    }

    /// The walk over the copy.
    pub(super) fn walk(&self, walk: Walk) -> Walk {
        let mut own = walk;
        own.image.src = 0;
        own.row.src = self.rows as i64 * self.strides.row;
        own.column.src = self.columns as i64 * self.strides.pixel;
        own
    }

    /// Bytes between the planes of a copy for this many output rows.
    pub(super) fn plane(&self, output_rows: usize) -> i64 {
        (self.head + output_rows * self.rows) as i64 * self.strides.row
    }

    /// Units of a copy for this many output rows and planes.
    pub(super) fn work(&self, output_rows: usize, planes: usize) -> usize {
        (self.head + output_rows * self.rows) * self.units * planes
    }

    /// The calls that make the copy, from the first plane's corner of the first image on.
    pub(super) fn items(
        &self,
        name: &str,
        corner: &Pointer,
        planes: (usize, i64),
        chunks: &Chunks,
        sink: &mut Sink,
    ) -> Result<Vec<Item>, KernelError> {
        let plane = self.plane(chunks.rows());
        sink.reserve(planes.0 * plane as usize);
        let head = Widen { rows: self.head, groups: 1, ..self.widen(chunks, sink.machine.target) };
        let body = self.widen(chunks, sink.machine.target);
        let mut items = Vec::new();
        for (widen, first) in [(head, 0), (body, self.head as i64)] {
            if widen.rows == 0 {
                continue;
            }
            let form = format!("{widen:?}");
            let kernel =
                sink.program(&format!("widen {name}"), form, |name| widen.program(name))?;
            let mut levels = Levels::new([
                corner.clone().after(first * self.row),
                Pointer::new(THREAD, first * self.strides.row),
            ]);
            levels.chunk(chunks.images, [self.image, 0]);
            let band = self.output_row * chunks.band_rows as i64;
            let bands = levels.split(chunks.bands, chunks.band_parts, [band, 0]);
            if let Some([tiles, parts]) = chunks.tiles {
                levels.split(tiles, parts, [0; 2]);
            }
            levels.inner(Extent::Fixed(planes.0 as u32), [planes.1, plane]);
            let count = if first == 0 && self.head > 0 { Extent::Fixed(1) } else { bands.extent() };
            items.push(Item::Call(levels.call(kernel, &[count])));
        }
        Ok(items)
    }

    /// The rows of a band.
    fn widen(&self, chunks: &Chunks, target: Target) -> Widen {
        Widen {
            // A vector is at most a unit in 16 bits.
            target: target.narrowed(UNIT / 2),
            units: self.units,
            unit_step: self.unit_step,
            rows: self.rows,
            row: self.row,
            groups: chunks.band_rows,
            group: self.output_row,
        }
    }
}

/// A program that widens rows. Everything that determines the code.
#[derive(Clone, Copy, Debug)]
struct Widen {
    target: Target,
    units: usize,
    unit_step: i64,
    /// Consecutive rows, and the bytes between two of them.
    rows: usize,
    row: i64,
    /// Groups of such rows, and the bytes between two of them.
    groups: usize,
    group: i64,
}

impl Widen {
    /// Arguments: the first unit, its place in the copy, and how many times all groups are widened.
    fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let (src, dst, count) = (b.arg(0), b.arg(1), b.arg(2));
        b.repeat(Count::Register(count), |b| {
            b.repeat(Count::Fixed(self.groups as u32), |b| {
                b.repeat(Count::Fixed(self.rows as u32), |b| {
                    self.row(b, src, dst);
                    b.advance(src, self.row);
                });
                b.advance(src, self.group - self.rows as i64 * self.row);
            });
        });
        b.finish()
    }

    fn row(&self, b: &mut Builder, src: P, dst: P) {
        let from = b.pointer(src);
        let turns = self.units / UNROLLED;
        for (turns, units) in [(turns, UNROLLED), (1, self.units % UNROLLED)] {
            b.repeat(Count::Fixed(turns as u32), |b| {
                (0..units as i64).for_each(|unit| self.unit(b, from, dst, unit));
                b.advance(from, units as i64 * self.unit_step);
                b.advance(dst, units as i64 * WIDE_UNIT);
            });
        }
        b.release_pointer(from);
    }

    fn unit(&self, b: &mut Builder, src: P, dst: P, unit: i64) {
        let vector = self.target.vector_bytes();
        let value = b.vector();
        for part in 0..WIDE_UNIT / vector {
            b.widen_bytes(value, src.at(unit * self.unit_step + part * vector / LANE));
            b.store(dst.at(unit * WIDE_UNIT + part * vector), value);
        }
        b.release([value]);
    }
}
