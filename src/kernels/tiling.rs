//! Which pixels an accumulator tile covers.
//!
//! A convolution (or matrix product) computes its output pixels in tiles of a few pixels times a
//! few vectors of output channels, all in registers. Because code is compiled for one shape, the
//! pixels of a tile need not be regular: their addresses are displacements in the instructions. So
//! a tile may extend past the end of a row, and any number of pixels is covered without a slow
//! remainder (49 = 4 * 6 + 5 * 5).

/// Byte offsets of one output pixel: where its window starts, where its result goes, and what its
/// shortcut reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pixel {
    /// Offset in the source.
    pub src: i64,
    /// Offset in the result.
    pub dst: i64,
    /// Offset in the operand that the shortcut reads: the residual's pixel, or the start of a
    /// projection's window.
    pub res: i64,
}

impl Pixel {
    fn minus(self, other: Pixel) -> Pixel {
        Pixel { src: self.src - other.src, dst: self.dst - other.dst, res: self.res - other.res }
    }
}

/// `count` tiles of the same form, `step` apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TileRun {
    /// First pixel of the first tile.
    pub start: Pixel,
    /// The pixels of a tile, relative to its first.
    pub pixels: Vec<Pixel>,
    /// Distance from one tile to the next.
    pub step: Pixel,
    /// How many tiles.
    pub count: usize,
}

/// Cost of one step of the reduction for a tile of `pixels` x `vectors` accumulators, in half
/// cycles of a core with two FMA pipes of latency 4 and two load ports: that of the scarcest
/// resource.
pub fn step_cost(pixels: usize, vectors: usize) -> usize {
    const LATENCY: usize = 8;
    (pixels * vectors).max(pixels + vectors).max(LATENCY)
}

/// Splits `n` pixels into tiles of at most `widest`, cheapest first by [`step_cost`], wide tiles
/// first. Returns the tile widths and the sum of their costs.
pub fn split(n: usize, widest: usize, vectors: usize) -> (Vec<usize>, usize) {
    // The tiles from the widest down, each a cost and a rank as tie-breaker.
    let widest = widest.max(1);
    let tiles: Vec<u64> =
        (1..=widest).rev().map(|p| key(step_cost(p, vectors), widest - p)).collect();
    // least[i]: the key of the minimum cost of i pixels, without its rank; last[i]: the width of
    // its last tile.
    let (mut least, mut last) = (vec![0; n + 1], vec![0; n + 1]);
    for i in 1..=n {
        let wide = widest.saturating_sub(i);
        let before = &least[i.saturating_sub(widest)..i];
        let best = before.iter().zip(&tiles[wide..]).map(|(rest, tile)| rest + tile).min();
        let best = best.unwrap_or(0);
        (least[i], last[i]) = (best & !RANK, widest - (best & RANK) as usize);
    }
    let mut widths = Vec::new();
    let mut left = n;
    while left > 0 {
        widths.push(last[left]);
        left -= last[left];
    }
    widths.sort_unstable_by(|a, b| b.cmp(a));
    (widths, (least[n] >> RANK_BITS) as usize)
}

const RANK_BITS: u32 = 16;
const RANK: u64 = (1 << RANK_BITS) - 1;

/// A cost and a rank in one number that compares by cost first, then by rank.
fn key(cost: usize, rank: usize) -> u64 {
    (cost as u64) << RANK_BITS | rank as u64
}

/// Covers `pixels` with tiles of these widths, in order, and joins neighbours with the same form
/// into runs.
pub fn runs(pixels: &[Pixel], widths: &[usize]) -> Vec<TileRun> {
    let mut runs: Vec<TileRun> = Vec::new();
    let mut rest = pixels;
    for &width in widths {
        let (tile, after) = rest.split_at(width);
        rest = after;
        let start = tile[0];
        let form: Vec<Pixel> = tile.iter().map(|p| p.minus(start)).collect();
        match runs.last_mut() {
            Some(run) if run.pixels == form && run.accepts(start) => run.push(start),
            _ => runs.push(TileRun { start, pixels: form, step: Pixel::default(), count: 1 }),
        }
    }
    runs
}

impl TileRun {
    fn accepts(&self, start: Pixel) -> bool {
        let distance = start.minus(self.start);
        let n = self.count as i64;
        self.count == 1
            || (distance
                == Pixel { src: self.step.src * n, dst: self.step.dst * n, res: self.step.res * n })
    }

    fn push(&mut self, start: Pixel) {
        if self.count == 1 {
            self.step = start.minus(self.start);
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seven_by_seven_has_no_slow_tile() {
        let (widths, cost) = split(49, 6, 2);
        assert!(widths.iter().all(|&w| w >= 4), "{widths:?}");
        assert_eq!(cost, 49 * 2);
    }

    proptest! {
        #[test]
        fn tiles_cover_every_pixel_once_and_in_order(n in 1usize..300, widest in 1usize..14, vectors in 1usize..5, row in 1usize..40) {
            let pixels: Vec<Pixel> = (0..n)
                .map(|i| { let (y, x) = ((i / row) as i64, (i % row) as i64); Pixel { src: y * 999 + x * 4, dst: y * 777 + x * 64, res: x } })
                .collect();
            let (widths, _) = split(n, widest, vectors);
            let mut covered = Vec::new();
            for run in runs(&pixels, &widths) {
                for i in 0..run.count as i64 {
                    for p in &run.pixels {
                        covered.push(Pixel {
                            src: run.start.src + run.step.src * i + p.src,
                            dst: run.start.dst + run.step.dst * i + p.dst,
                            res: run.start.res + run.step.res * i + p.res,
                        });
                    }
                }
            }
            prop_assert_eq!(covered, pixels);
        }
    }
}
