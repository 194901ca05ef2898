//! Residual operands: of the result's shape, or strided pixels of a larger image for some of the
//! channels.

use proptest::prelude::*;
use resnetc_ir::op::Residual;

/// How a residual fits a result, whatever the result's shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    strides: [usize; 2],
    /// Rows and columns after the last that is added, fewer than the stride.
    rest: [usize; 2],
    /// Channels of the result before and after those of the residual, if it has that many.
    around: [usize; 2],
}

impl Fit {
    /// The residual has the result's shape.
    pub(crate) const WHOLE: Fit = Fit { strides: [1; 2], rest: [0; 2], around: [0; 2] };

    /// The residual for a result of this shape, and its own shape.
    pub(crate) fn of(self, result: &[usize]) -> (Residual, [usize; 4]) {
        let [n, k, h, w] = result[..] else { panic!("{result:?} is not an image") };
        let before = self.around[0].min(k - 1);
        let after = self.around[1].min(k - 1 - before);
        let extent = |n: usize, axis: usize| {
            (n - 1) * self.strides[axis] + 1 + self.rest[axis] % self.strides[axis]
        };
        let residual = Residual { strides: self.strides, channel: before };
        (residual, [n, k - before - after, extent(h, 0), extent(w, 1)])
    }
}

/// No residual, one of the result's shape, or a strided one. Vectors and blocks begin at multiples
/// of 4, 8 and 16.
pub(crate) fn residual() -> impl Strategy<Value = Option<Fit>> {
    let channels =
        || prop_oneof![Just(0), prop::sample::select(vec![4usize, 8, 16, 32]), 0usize..40];
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let part = (pair(1..4), pair(0..3), [channels(), channels()])
        .prop_map(|(strides, rest, around)| Some(Fit { strides, rest, around }));
    prop_oneof![Just(None), Just(Some(Fit::WHOLE)), part.boxed()]
}
