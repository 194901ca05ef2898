//! The matrix products: one for each element of the tile, (tiles x input channels) times (input
//! channels x outputs).

use crate::codegen::vir::Target;
use crate::kernels::conv::ahead::Ahead;
use crate::kernels::conv::budget::widest_tile;
use crate::kernels::conv::elements::Elements;
use crate::kernels::conv::micro::{Channels, Micro, Shortcut, Start, Sum};
use crate::kernels::conv::shorts::Stored;
use crate::kernels::epilogue::Epilogue;
use crate::kernels::geometry::F32;
use crate::kernels::residual::Reads;
use crate::kernels::summation::Summation;
use crate::kernels::tiling::{Pixel, runs, split};

use super::Tiling;

/// How many vectors of outputs a product computes at a time: as few as keep the multiply-add pipes
/// busy with `tiles` tiles, among the numbers that divide the outputs.
pub(super) fn vectors(form: &Tiling, tiles: usize, target: Target) -> usize {
    vectors_of(form, tiles, target, |vectors| widest_tile(target, vectors, true))
}

/// The same for register tiles of which the widest, for a number of vectors, has `widest` pixels.
pub(super) fn vectors_of(
    form: &Tiling,
    tiles: usize,
    target: Target,
    widest: impl Fn(usize) -> Option<usize>,
) -> usize {
    let block = (16 / target.lanes).max(1);
    let candidates = [block, 2 * block, 4 * block];
    let cost = |&vectors: &usize| {
        let widest = widest(vectors)?;
        let blocks = vectors / block;
        let whole = form.output_blocks().is_multiple_of(blocks);
        whole.then(|| split(tiles, widest, vectors).1 * 4 / blocks)
    };
    let best = candidates.iter().filter_map(|v| Some((cost(v)?, *v))).min();
    best.map_or(block, |(_, vectors)| vectors)
}

/// Half cycles of one step of the reduction over all tiles, for 16 outputs.
pub(super) fn step_cost(form: &Tiling, tiles: usize, target: Target) -> f64 {
    let vectors = vectors(form, tiles, target);
    let widest = widest_tile(target, vectors, true).unwrap_or(1);
    let blocks = vectors as f64 * target.lanes as f64 / 16.0;
    split(tiles, widest, vectors).1 as f64 / blocks
}

/// The product of `tiles` tiles over `channels` input channels.
pub(super) struct TileProducts<'a> {
    pub(super) form: &'a Tiling,
    pub(super) target: Target,
    pub(super) tiles: usize,
    pub(super) channels: usize,
    /// Vectors of outputs.
    pub(super) vectors: usize,
    /// Whether the product is added to what is already stored in the result's place.
    pub(super) accumulate: bool,
}

impl TileProducts<'_> {
    pub(super) fn micro(&self) -> Micro {
        let form = self.form;
        let tile = |i: usize| Pixel {
            src: i as i64 * form.value_tile(),
            dst: i as i64 * 16 * F32,
            res: i as i64 * 16 * F32,
        };
        let tiles: Vec<Pixel> = (0..self.tiles).map(tile).collect();
        let widest = widest_tile(self.target, self.vectors, true).unwrap_or(1);
        let (widths, _) = split(self.tiles, widest, self.vectors);
        let block = form.product_block(self.tiles);
        Micro {
            target: self.target,
            vectors: self.vectors,
            dst_block: block,
            start: Start::Zero,
            sum: Sum {
                tap_rows: (1, 0),
                tap_columns: (1, 0),
                channels: Channels::Shared {
                    block: 16,
                    blocks: self.channels / 16,
                    tail: self.channels % 16,
                    step: 16 * F32,
                },
            },
            stored: Stored::Floats,
            shortcut: match self.accumulate {
                true => Shortcut::Residual(Reads::whole(self.vectors, block, self.target).vectors),
                false => Shortcut::None,
            },
            tiles: runs(&tiles, &widths),
            band: [0; 3],
            elements: Elements::Floats(Epilogue::default()),
            summation: Summation::Chain,
            ahead: Ahead::of(widths.len()),
        }
    }
}
