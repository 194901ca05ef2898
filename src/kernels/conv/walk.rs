//! The walk over the pixels of a result.

use crate::kernels::tiling::Pixel;

/// The output pixels: `images` times `rows` rows of `columns` pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes from one image, row and column to the next, in the source, the result and the
    /// shortcut's operand.
    pub(super) image: Pixel,
    pub(super) row: Pixel,
    pub(super) column: Pixel,
}

impl Walk {
    /// Images of one pixel are better treated as the pixels of one row: tiles then run over images.
    pub(super) fn merged(self) -> Walk {
        if self.rows * self.columns != 1 {
            return self;
        }
        Walk { images: 1, columns: self.images, column: self.image, ..self }
    }

    /// The pixels of a band of `rows` rows.
    pub(super) fn band(&self, rows: usize) -> Vec<Pixel> {
        let at = |p: Pixel, n: usize| Pixel {
            src: p.src * n as i64,
            dst: p.dst * n as i64,
            res: p.res * n as i64,
        };
        let row = |y: usize| {
            (0..self.columns).map(move |x| {
                let (r, c) = (at(self.row, y), at(self.column, x));
                Pixel { src: r.src + c.src, dst: r.dst + c.dst, res: r.res + c.res }
            })
        };
        (0..rows).flat_map(row).collect()
    }
}
