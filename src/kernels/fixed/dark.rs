//! How large the values that each output sees are, relative to the largest of their image.
//!
//! All values of an image share a scale, so the error of a product is relative to the image's
//! largest value and not to the values that an output sees. Let `G` be the abs-max of the image,
//! and `W` that of an output's `n` weights. With three digits, the units are `u = G / 8,355,000` and
//! `v = W / 8,355,000`. The error of a factor is at most two units, and the omitted products of
//! digits amount to at most `128^2 (2 * 2^8 + 1)` units of both (`number`, `product`), so the error
//! of `n` products is at most `n u v (4 * 8,355,000 + 4 + 8,404,992)`, which is less than
//! `2^-20 n G W`. If weights have two digits, `v = W / 32,630`, and their error is at most 1.02 units.
//! Then an output has an error of less than `2^-14.9` of `W` times the magnitudes that it sees, and
//! of `n u v (2 * 32,630 + 3 + 128^2)`, which is less than `2^-21 n G W`.
//!
//! An output whose window has an abs-max `M` below [`Width::least`] units, but not of 0, is *dark*. For
//! any other output, `G` is at most 261.1 `M`, so its error is less than `2^-12 n M W`,
//! relative to what it sees itself. If it sees only zeros its products are exact. If rounding errors are
//! random, a thirtieth of that bound remains on average; and in the layers of ResNets `G` is 3 to
//! 30 `M` for all windows. A row of outputs that has a dark one is computed directly, and so are
//! all rows of an image whose abs-max is not finite.
//!
//! 261.1 is the range of nonzero high digits: a value whose high digit is not 0 is at least 32,640
//! units. It is also slightly more than the 255 steps of an image's bytes.
//!
//! This needs the abs-max of each pixel, a reduction across lanes, because channels are lanes. So
//! there are two steps. First the high digits of some channels of the pixel in the middle of each
//! window, which are available anyway, are checked ([`Suspects`]): where one of them is not 0, the
//! output is not dark. Only a chunk that has a pixel without any nonzero high digit checks all
//! windows ([`Check`]). Either way the decision depends on a single row of a single image.

use crate::codegen::region::Word;
use crate::codegen::vir::{
    Arith, Builder, Count, Distance, Inst, Integer, Mem, OverBudget, Program, Target, V,
};

use super::number::Width;
use super::sizes::{BLOCK, LANES_BYTES, SCALE};

impl Width {
    /// Values below this many units are dark: slightly less than the smallest magnitude that has a
    /// high digit, because numbers, the scale and its inverse are rounded.
    fn least(self) -> f32 {
        let margin = match self {
            Width::Two => 3,
            Width::Three => 640,
        };
        (self.high() - margin) as f32
    }
}

/// Checks whether some positions have a nonzero high digit. Everything that determines the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspects {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) width: Width,
    /// Rows, and positions of a row.
    pub(super) size: [usize; 2],
    /// Bytes from one row to the next.
    pub(super) row: i64,
}

impl Suspects {
    /// Arguments: the first position's high digits, and a word that becomes 0 if each position has
    /// a high digit that is not 0.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 2);
        let digits = b.arg(0);
        let fold = Fold::new(&mut b);
        let [rows, columns] = self.size;
        let (whole, rest) = (columns / BLOCK, columns % BLOCK);
        let position = self.width.position();
        b.repeat(Count::Fixed(rows as u32), |b| {
            let place = |i: usize| digits.at(i as i64 * position);
            b.repeat(Count::Fixed(whole as u32), |b| {
                fold.positions(b, &std::array::from_fn::<_, BLOCK, _>(place));
                b.advance(digits, BLOCK as i64 * position);
            });
            if rest > 0 {
                let last = |i: usize| place(i.min(rest - 1));
                let places: Vec<Mem> = (0..rest.next_power_of_two()).map(last).collect();
                fold.positions(b, &places);
            }
            b.advance(digits, self.row - (whole * BLOCK) as i64 * position);
        });
        fold.end(&mut b);
        b.finish()
    }
}

/// Registers of [`Suspects`].
struct Fold {
    /// For each distance, a mask of the lanes whose exchange partner is a higher lane.
    lower: Vec<(Distance, V)>,
    zero: V,
    /// Lanes whose position had no nonzero digit.
    found: V,
}

impl Fold {
    fn new(b: &mut Builder) -> Self {
        let [zero, found, all] = [b.vector(), b.vector(), b.vector()];
        b.bits(zero, 0);
        b.bits(found, 0);
        b.bits(all, u32::MAX);
        let lower = Distance::ALL.map(|distance| {
            let (mask, lanes) = (b.vector(), 0..BLOCK);
            let is_lower = |lane: &usize| lane & distance.lanes() == 0;
            let lanes = lanes.filter(is_lower).fold(0, |mask, lane| mask | 1 << lane);
            b.blend(mask, zero, all, lanes);
            (distance, mask)
        });
        b.release([all]);
        Fold { lower: lower.into(), zero, found }
    }

    /// Checks positions; their number is a power of two.
    fn positions(&self, b: &mut Builder, places: &[Mem]) {
        let depth = places.len().trailing_zeros() as usize;
        let any = self.merged(b, places, depth);
        let other = b.vector();
        for &(distance, _) in &self.lower[depth..] {
            b.push(Inst::Exchange { dst: other, src: any, distance });
            b.arith(Arith::Or, any, any, other);
        }
        // Compare as numbers: compared as bits, the value could be a denormal.
        b.from_integer(any, any);
        b.arith(Arith::Equal, any, any, self.zero);
        b.arith(Arith::Or, self.found, self.found, any);
        b.release([any, other]);
    }

    /// The bits that are set anywhere in each position, with the same number of lanes for each
    /// position.
    fn merged(&self, b: &mut Builder, places: &[Mem], depth: usize) -> V {
        let &[place] = places else {
            let (first, second) = places.split_at(places.len() / 2);
            let [first, second] = [first, second].map(|half| self.merged(b, half, depth - 1));
            let (distance, lower) = self.lower[depth - 1];
            let own = b.vector();
            b.push(Inst::Copy { dst: own, src: first });
            b.select(own, lower, second);
            b.select(second, lower, first);
            b.push(Inst::Exchange { dst: first, src: second, distance });
            b.arith(Arith::Or, own, own, first);
            b.release([first, second]);
            return own;
        };
        let v = b.vector();
        b.load(v, place);
        v
    }

    fn end(&self, b: &mut Builder) {
        let word = b.arg(1).at(0);
        write_word(b, self.found, word);
    }
}

/// Writes a word that is 0 if no bit of `found` is set. Overwrites `found` and uses one more
/// vector.
fn write_word(b: &mut Builder, found: V, place: Mem) {
    let one = b.vector();
    b.constant(one, 1.0);
    b.arith(Arith::And, found, found, one);
    b.sum_lanes(found);
    b.store_first(place, found);
    b.release([one]);
}

/// Determines which rows have a dark output from the magnitudes of pixels. Everything that
/// determines the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    /// The machine.
    pub(super) target: Target,
    /// How many digits numbers have.
    pub(super) width: Width,
    /// Rows, and windows of a row.
    pub(super) size: [usize; 2],
    /// Bytes from the magnitudes of a row's first window to those of the next row's.
    pub(super) row: i64,
    /// Byte offsets of the magnitudes that a window sees; each is followed by that of the next
    /// window.
    pub(super) taps: Vec<i64>,
    /// Whether windows that see only zeros count as dark.
    pub(super) zeros: bool,
}

impl Check {
    /// Arguments: the first magnitudes, the thread's memory, and words: the first becomes 0 if no
    /// window is dark, each following one if no window of its row is.
    pub(super) fn program(&self, name: String) -> Result<Program, OverBudget> {
        let mut b = Builder::new(name, self.target, 3);
        let [least, none, zero, any] = [b.vector(), b.vector(), b.vector(), b.vector()];
        b.load(none, b.arg(1).at(SCALE));
        b.constant(least, self.width.least());
        b.arith(Arith::Mul, least, least, none);
        // If the scale is NaN, no pixel counts as bright or as zero.
        b.arith(Arith::Sub, none, none, none);
        b.bits(zero, 0);
        b.bits(any, 0);
        let (src, words) = (b.arg(0), b.pointer(b.arg(2)));
        let [rows, columns] = self.size;
        let (whole, rest) = (columns / BLOCK, columns % BLOCK);
        b.repeat(Count::Fixed(rows as u32), |b| {
            b.advance(words, Word::BYTES);
            let found = b.vector();
            b.bits(found, 0);
            let registers = [least, none, zero, found];
            b.repeat(Count::Fixed(whole as u32), |b| {
                self.windows(b, registers, BLOCK);
                b.advance(src, LANES_BYTES);
            });
            if rest > 0 {
                self.windows(b, registers, rest);
            }
            b.arith(Arith::Or, any, any, found);
            write_word(b, found, words.at(0));
            b.release([found]);
            b.advance(src, self.row - whole as i64 * LANES_BYTES);
        });
        let word = b.arg(2).at(0);
        write_word(&mut b, any, word);
        b.finish()
    }

    /// Checks the next `count` windows and sets the bits of the lanes of `found` whose windows are
    /// dark.
    fn windows(&self, b: &mut Builder, [least, none, zero, found]: [V; 4], count: usize) {
        let [abs_max, other] = [b.vector(), b.vector()];
        for (i, &tap) in self.taps.iter().enumerate() {
            let place = b.arg(0).at(tap);
            if i == 0 {
                b.load(abs_max, place);
            } else {
                b.load(other, place);
                // As integers, NaN is above all other values.
                b.integer(Integer::Max, abs_max, abs_max, other);
            }
        }
        let bright = other;
        b.arith(Arith::LessOrEqual, bright, least, abs_max);
        if !self.zeros {
            b.arith(Arith::Equal, abs_max, abs_max, none);
            b.arith(Arith::Or, bright, bright, abs_max);
        }
        let dark = abs_max;
        b.bits(dark, u32::MAX);
        b.arith(Arith::AndNot, dark, bright, dark);
        if count < BLOCK {
            b.blend(dark, zero, dark, (1 << count) - 1);
        }
        b.arith(Arith::Or, found, found, dark);
        b.release([abs_max, other]);
    }
}
