//! Rows of an image, in stripes that are one chunk each.

/// `count` stripes of `rows` rows of an image, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) count: usize,
}

/// All rows in stripes of `rows` rows; the rest is a separate stripe.
pub(super) fn stripes(total: usize, rows: usize) -> Vec<Stripe> {
    cut(total, rows, total / rows)
}

/// As [`stripes`], but the last stripe is separate even if it has as many rows as the others.
pub(super) fn stripes_and_last(total: usize, rows: usize) -> Vec<Stripe> {
    cut(total, rows, total.div_ceil(rows) - 1)
}

/// `count` stripes of `rows` rows, and one with the rest.
fn cut(total: usize, rows: usize, count: usize) -> Vec<Stripe> {
    let first = count * rows;
    let whole = Stripe { first: 0, rows, count };
    let last = Stripe { first, rows: total - first, count: 1 };
    [whole, last].into_iter().filter(|s| s.count > 0 && s.rows > 0).collect()
}
