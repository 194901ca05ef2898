//! Rows of an image, in stripes of which each is a chunk.

/// `count` times `rows` rows of an image, from row `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) count: usize,
}

/// All rows, so many a stripe; what is left is a stripe of its own.
pub(super) fn stripes(total: usize, rows: usize) -> Vec<Stripe> {
    cut(total, rows, total / rows)
}

/// The same, with the last stripe apart from the others even where it has as many rows.
pub(super) fn stripes_and_last(total: usize, rows: usize) -> Vec<Stripe> {
    cut(total, rows, total.div_ceil(rows) - 1)
}

/// `count` stripes of so many rows, and one of the rest.
fn cut(total: usize, rows: usize, count: usize) -> Vec<Stripe> {
    let first = count * rows;
    let whole = Stripe { first: 0, rows, count };
    let last = Stripe { first, rows: total - first, count: 1 };
    [whole, last].into_iter().filter(|s| s.count > 0 && s.rows > 0).collect()
}
