//! Products of pixels as they are.

use resnetc_ir::ty::BLOCK;

use super::form::{Form, SUMS};
use super::tile::{Tile, cuts};
use crate::codegen::region::{Extent, Piece};
use crate::kernels::KernelError;
use crate::kernels::conv;
use crate::kernels::geometry::{F32, Place};
use crate::kernels::sink::{ARENA, Levels, Pointer, Sink};

/// Bytes of a band of the gradient of a result.
const BAND_BYTES: usize = 14 << 10;

impl Form {
    /// Rows of a band: they divide the rows of the result.
    fn band_rows(&self) -> usize {
        let [rows, columns] = self.size;
        let fits = |count: &usize| count * columns * BLOCK * F32 as usize <= BAND_BYTES;
        let divides = |count: &usize| rows.is_multiple_of(*count);
        (1..=rows).rev().filter(divides).find(fits).unwrap_or(1)
    }
}

/// The tiles of blocks of the source.
pub(super) struct Tiles<'a> {
    pub(super) form: &'a Form,
    pub(super) dy: &'a Place,
    pub(super) src: &'a Place,
    pub(super) scratch: i64,
    /// Blocks of outputs that a tile has.
    pub(super) together: usize,
}

impl Tiles<'_> {
    /// The tiles of `count` blocks of the source that start at `first`, with `run` scalars each.
    pub(super) fn piece(
        &self,
        first: usize,
        count: usize,
        run: usize,
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let mut items = Vec::new();
        let mut chunks = Vec::new();
        for cut in cuts(sink.machine.target, self.together, run) {
            let piece = self.calls([first, count], cut, sink)?;
            chunks.clone_from(&piece.chunks);
            items.extend(piece.items);
        }
        Ok(Piece { chunks, items })
    }

    /// The calls for `calls` times `scalars` scalars, from the one `before` on.
    fn calls(
        &self,
        [first, count]: [usize; 2],
        [scalars, calls, before]: [usize; 3],
        sink: &mut Sink,
    ) -> Result<Piece, KernelError> {
        let form = self.form;
        let (d, s) = (self.dy.geometry.strides(), self.src.geometry.strides());
        let window = &form.gradient.window;
        let [down, across] = window.strides.map(|stride| stride as i64);
        let [tap_down, tap_across] = window.dilations.map(|dilation| dilation as i64);
        let step = if form.planar { tap_across * s.pixel } else { s.lane };
        let rows = form.band_rows();
        let tile = Tile {
            target: sink.machine.target,
            together: self.together,
            scalars,
            step,
            sums: form.output_bytes(),
            size: [rows, form.size[1]],
            dy: [d.plane, d.row, d.pixel],
            src: [down * s.row, across * s.pixel],
        };
        let name = format!("conv_weights r{} s{}", window.kernel[0], window.kernel[1]);
        let kernel = sink.program(&name, format!("{tile:?}"), |name| tile.program(name))?;
        sink.note_tile(kernel, [scalars, self.together]);
        let corner = conv::start(self.src.origin(), s, window);
        let mut levels = Levels::new([
            Pointer::new(
                ARENA,
                self.scratch + first as i64 * form.block_bytes() + before as i64 * SUMS,
            ),
            Pointer::new(self.dy.base, self.dy.origin()),
            Pointer::new(self.src.base, corner + first as i64 * s.plane + before as i64 * step),
        ]);
        let parts = levels.split(form.images, form.parts(), [0, d.image, s.image]);
        levels.widen(&parts, 0, form.part_bytes());
        let groups = form.output_blocks() / form.shared;
        let own = form.shared as i64;
        let of_group = match form.gradient.groups {
            1 => 0,
            _ => form.blocks as i64 * s.plane,
        };
        levels.chunk(groups, [own * form.output_bytes(), own * d.plane, of_group]);
        let tiles = self.together as i64;
        levels
            .chunk(form.shared / self.together, [tiles * form.output_bytes(), tiles * d.plane, 0]);
        levels.chunk(count, [form.block_bytes(), 0, s.plane]);
        levels.rest(parts);
        let bands = form.size[0] / rows;
        levels.inner(
            Extent::Fixed(bands as u32),
            [0, rows as i64 * d.row, rows as i64 * down * s.row],
        );
        let columns = if form.planar { 1 } else { window.kernel[1] };
        let per_tap = form.scalars() as i64 * SUMS;
        let per_row = window.kernel[1] as i64 * per_tap;
        levels.inner(Extent::Fixed(window.kernel[0] as u32), [per_row, 0, tap_down * s.row]);
        levels.inner(Extent::Fixed(columns as u32), [per_tap, 0, tap_across * s.pixel]);
        let scalars = scalars as i64;
        levels.inner(Extent::Fixed(calls as u32), [scalars * SUMS, 0, scalars * step]);
        Ok(levels.piece(kernel, &[]))
    }
}
