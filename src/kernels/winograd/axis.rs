//! The tiles along one axis of an image. The last one may lack outputs.

use std::ops::Range;

use super::transform::Run;

/// Rows of tiles that have the same number of existing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Class {
    /// The first row of tiles.
    pub(in crate::kernels) first: usize,
    /// How many rows of tiles.
    pub(in crate::kernels) count: usize,
    /// Rows of outputs of each tile that exist.
    pub(in crate::kernels) rows: usize,
}

/// Classes of the tiles in `range`, of `m` outputs each, along an axis of `size` outputs.
pub(super) fn classes(m: usize, size: usize, range: Range<usize>) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for tile in range {
        let rows = m.min(size - tile * m);
        match classes.last_mut() {
            Some(class) if class.rows == rows => class.count += 1,
            _ => classes.push(Class { first: tile, count: 1, rows }),
        }
    }
    classes
}

/// Identical blocks of rows of tiles: `count` blocks of `rows` rows, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Blocks {
    pub(in crate::kernels) first: usize,
    pub(in crate::kernels) rows: usize,
    pub(in crate::kernels) count: usize,
}

/// An axis of an image, cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Axis {
    /// Outputs along the axis.
    pub(in crate::kernels) size: usize,
    /// Outputs of a tile.
    pub(in crate::kernels) outputs: usize,
}

impl Axis {
    pub(in crate::kernels) fn tiles(self) -> usize {
        self.size.div_ceil(self.outputs)
    }

    /// The tiles `first..first + count`, classified by how many outputs exist.
    pub(in crate::kernels) fn classes(self, first: usize, count: usize) -> Vec<Class> {
        classes(self.outputs, self.size, first..first + count)
    }

    /// All tiles, by how many elements exist; `seen` has that for a number of outputs.
    pub(in crate::kernels) fn runs(self, seen: impl Fn(usize) -> usize) -> Vec<Run> {
        let run = |class: Class| Run { tiles: class.count, columns: seen(class.rows) };
        self.classes(0, self.tiles()).into_iter().map(run).collect()
    }

    /// All tiles in order, in `shares` as equal as possible, and those in blocks of `rows` tiles;
    /// the last block of a share has what is left. Identical neighbours are together.
    pub(in crate::kernels) fn blocks(self, shares: usize, rows: usize) -> Vec<Blocks> {
        // Tiles all of whose outputs exist.
        let whole = self.size / self.outputs;
        let bounds = |share: usize| share * self.tiles() / shares;
        let mut blocks: Vec<Blocks> = Vec::new();
        for share in 0..shares {
            let end = bounds(share + 1);
            for first in (bounds(share)..end).step_by(rows) {
                let rows = rows.min(end - first);
                match blocks.last_mut() {
                    Some(last) if last.rows == rows && first + rows <= whole => last.count += 1,
                    _ => blocks.push(Blocks { first, rows, count: 1 }),
                }
            }
        }
        blocks
    }
}
