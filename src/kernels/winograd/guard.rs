//! Rows of tiles whose values differ too much in magnitude for a transform are computed directly.
//!
//! Every image and every row of tiles has a word in the thread's memory, which a
//! [check](super::energy) writes. If it is zero, the output transform runs; if not, a direct
//! convolution of the same rows runs, on the untransformed filters ([`plain`](super::plain)) and on
//! a copy of the rows in which the channels of a pixel are consecutive. Each decision depends on a
//! single row of a single image, so results depend neither on how chunks are cut nor on the
//! position in a batch.

use crate::codegen::region::{Address, Base, Extent, Item, Word};
use crate::codegen::vir::Target;
use crate::kernels::KernelError;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::budget::widest_tile;
use crate::kernels::conv::elements::Elements;
use crate::kernels::conv::micro::{Channels, Micro, Shortcut, Start, Sum};
use crate::kernels::copy::Copy;
use crate::kernels::geometry::{F32, Strides};
use crate::kernels::residual::{Read, Reads};
use crate::kernels::sink::{Levels, Pointer, Sink, THREAD, aligned};
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs, split};

use super::matrices::TAPS;
use super::plain::Plain;
use super::{Class, OutputGroups, TiledConv, Tiling};

/// The words of some rows of tiles, and the memory in which rows are copied.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Offset in the thread's memory of the first row's word.
    words: i64,
    /// The row of tiles to which that word belongs.
    first_row: usize,
    /// Strides of the words over the levels outside the rows: chunks, and repeats over images.
    outer: Vec<i64>,
    /// Offset in the thread's memory of the copied rows.
    rows: i64,
}

impl Tiling {
    /// Bytes of a copied row of pixels, with all channels.
    fn copied_row(&self) -> i64 {
        self.seen()[1] as i64 * self.value_tile()
    }
}

impl Guard {
    /// The words of `count` rows of tiles from row `first_row` on, and the copied rows, from
    /// `start` on in the thread's memory, which is reserved.
    pub(super) fn new(
        form: &Tiling,
        start: i64,
        (first_row, count): (usize, usize),
        outer: Vec<i64>,
        sink: &mut Sink,
    ) -> Self {
        let rows = start + aligned(count as i64 * Word::BYTES);
        let most = form.transforms.inputs() as i64;
        sink.reserve((rows + most * form.copied_row()) as usize);
        Guard { words: start, first_row, outer, rows }
    }

    /// Where the check of a class of rows writes its first word.
    pub(super) fn first_word(&self, class: Class) -> Pointer {
        Pointer::new(THREAD, self.word(class))
    }

    fn word(&self, class: Class) -> i64 {
        self.words + (class.first - self.first_row) as i64 * Word::BYTES
    }

    /// `items` for each row of a class whose word has the state `is`; `inside` is the number of
    /// repeat levels between the guard's outer levels and the rows.
    pub(super) fn each_row(&self, class: Class, inside: usize, is: Word, items: Vec<Item>) -> Item {
        let strides =
            self.outer.iter().copied().chain(vec![0; inside]).chain([Word::BYTES]).collect();
        let word = Address { base: THREAD, offset: self.word(class), strides };
        Item::Repeat { count: class.count as u32, items: vec![Item::When { word, is, items }] }
    }
}

impl TiledConv<'_> {
    /// The check of all rows of a class, whose rows of energies begin at `energies`. `outer` adds
    /// the outer levels, with the strides of energies and words.
    pub(super) fn check_call(
        &self,
        class: Class,
        (base, energies): (Base, i64),
        guard: &Guard,
        outer: impl FnOnce(&mut Levels<2>),
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.form;
        let check = form.check(sink.machine.target, class.rows);
        let name = form.name("check", self.conv, self.operands);
        let kernel = sink.program(&name, format!("winograd {check:?}"), |n| check.program(n))?;
        let energies = Pointer::new(base, energies + form.first_energy());
        let mut levels = Levels::new([energies, guard.first_word(class)]);
        outer(&mut levels);
        let row = form.transforms.advance() as i64 * form.energy_row();
        levels.inner(Extent::Fixed(class.count as u32), [row, Word::BYTES]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// Computes the energies of the rows that windows see, from row `first` on, into rows of
    /// energies from `energies` on. `outer` adds all levels, with the strides of image, gains and
    /// energies.
    pub(super) fn energy_call(
        &self,
        first: usize,
        gains: (Base, i64),
        (base, energies): (Base, i64),
        outer: impl FnOnce(&mut Levels<3>, Strides),
        sink: &mut Sink,
    ) -> Result<(Levels<3>, usize), KernelError> {
        let form = self.form;
        let (src, start) = self.source();
        let energy = form.energy(sink.machine.target, src.plane);
        let name = form.name("energy", self.conv, self.operands);
        let kernel = sink.program(&name, format!("winograd {energy:?}"), |n| energy.program(n))?;
        let start = start + first as i64 * src.row;
        let mut levels = Levels::new([
            Pointer::new(self.operands.src.base, start),
            Pointer::new(gains.0, gains.1),
            Pointer::new(base, energies + form.first_energy()),
        ]);
        outer(&mut levels, src);
        Ok((levels, kernel))
    }
}

/// Computes rows of tiles directly.
pub(super) struct Direct<'a> {
    pub(super) layer: &'a TiledConv<'a>,
    pub(super) guard: &'a Guard,
    /// Vectors of outputs per panel.
    pub(super) vectors: usize,
    /// The untransformed filters.
    pub(super) plain: Plain,
    /// Where the plain panel of the first group of outputs is.
    pub(super) panels: (Base, i64),
}

impl Direct<'_> {
    /// The copy of a row of tiles. `outer` adds the levels outside the rows, with the strides of
    /// image and copy.
    pub(super) fn copy(
        &self,
        class: Class,
        outer: impl FnOnce(&mut Levels<2>, Strides),
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let form = self.layer.form;
        let (src, start) = self.layer.source();
        let pixels = form.seen()[1];
        let copy = Copy { target: sink.machine.target, pixels, pixel: form.value_tile() };
        let name = form.name("copy", self.layer.conv, self.layer.operands);
        let kernel = sink.program(&name, format!("{copy:?}"), |n| copy.program(n))?;
        let down = form.transforms.advance() as i64 * src.row;
        let mut levels = Levels::new([
            Pointer::new(self.layer.operands.src.base, start + class.first as i64 * down),
            Pointer::new(THREAD, self.guard.rows),
        ]);
        outer(&mut levels, src);
        levels.repeat([down, 0]);
        let rows = form.transforms.seen(class.rows) as u32;
        levels.inner(Extent::Fixed(rows), [src.row, form.copied_row()]);
        let planes = form.inputs.div_ceil(16) as u32;
        levels.inner(Extent::Fixed(planes), [src.plane, 16 * F32]);
        Ok(Item::Call(levels.call(kernel, &[])))
    }

    /// The products of a copied row of tiles with all filters of some groups of outputs. `outer`
    /// adds the levels outside the rows, with the strides of copy, filters, result and residual;
    /// `inner` adds those over groups.
    pub(super) fn products(
        &self,
        class: Class,
        groups: &OutputGroups,
        outer: impl FnOnce(&mut Levels<4>, Strides, Strides),
        inner: impl FnOnce(&mut Levels<4>, Strides, Strides),
        sink: &mut Sink,
    ) -> Result<Item, KernelError> {
        let TiledConv { form, conv, operands } = *self.layer;
        let target = sink.machine.target;
        let lanes = self.vectors * target.lanes;
        let first = groups.first * lanes;
        let reads = match operands.residual {
            Some(added) => added.reads(first, lanes, form.outputs, target),
            None => Reads::none(self.vectors),
        };
        let dst = operands.dst.geometry.strides();
        let added = operands.residual.filter(|_| !reads.is_empty());
        let res = added.map_or(dst, |added| added.strides());
        let micro = self.micro(target, reads.vectors, [dst, res]);
        let name = form.name("fallback", conv, operands);
        let kernel = sink.program(&name, format!("{micro:?}"), |n| micro.program(n))?;
        let m = form.transforms.outputs as i64;
        let panel = self.plain.panel_bytes();
        let place = added.map_or(operands.dst, |added| added.place);
        let down = class.first as i64 * m;
        let mut levels = Levels::new([
            Pointer::new(THREAD, self.guard.rows),
            Pointer::new(self.panels.0, self.panels.1 + groups.first as i64 * panel),
            Pointer::new(
                operands.dst.base,
                operands.dst.origin() + down * dst.row + dst.channel(first),
            ),
            Pointer::new(place.base, place.origin() + down * res.row + reads.start),
        ]);
        outer(&mut levels, dst, res);
        levels.repeat([0, 0, m * dst.row, m * res.row]);
        inner(&mut levels, dst, res);
        levels.pass_if(3, micro.has_shortcut());
        Ok(Item::Call(levels.call(kernel, &[Extent::Fixed(class.rows as u32)])))
    }

    fn micro(&self, target: Target, reads: Vec<Vec<Read>>, [dst, res]: [Strides; 2]) -> Micro {
        let form = self.layer.form;
        let pixel = form.value_tile();
        let stride = form.transforms.stride as i64;
        let at = |x: usize| Pixel {
            src: x as i64 * stride * pixel,
            dst: x as i64 * dst.pixel,
            res: x as i64 * res.pixel,
        };
        let pixels: Vec<Pixel> = (0..form.size[1]).map(at).collect();
        let widest = widest_tile(target, self.vectors, true).unwrap_or(1);
        let (widths, _) = split(pixels.len(), widest, self.vectors);
        let channels = Channels::Shared { block: 1, blocks: form.inputs, tail: 0, step: F32 };
        Micro {
            target,
            vectors: self.vectors,
            dst_block: dst.plane,
            start: Start::Bias,
            sum: Sum { tap_rows: (TAPS, form.copied_row()), tap_columns: (TAPS, pixel), channels },
            stored: self.plain.stored,
            shortcut: match reads.iter().all(Vec::is_empty) {
                true => Shortcut::None,
                false => Shortcut::Residual(reads),
            },
            tiles: runs(&pixels, &widths),
            band: [stride * form.copied_row(), dst.row, res.row],
            elements: Elements::Floats(self.layer.conv.activation.into()),
            summation: Summation::Chain,
            ahead: Ahead::Not,
        }
    }
}
