//! The distribution of a value's elements, in bounded memory: the extremes, how many are 0, and a
//! histogram of the magnitudes on either side of 0.

/// Bins on each side. As [`Histogram::reach`] is less than twice the largest magnitude, more than
/// half of them are in use.
pub(super) const BINS: usize = 4096;

/// The distribution of elements.
///
/// The width of the bins is a power of two, and doubles, as neighbours are merged, when an element
/// is beyond them. So the result does not depend on the order of the elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// The smallest and the largest element.
    pub(super) extremes: [f32; 2],
    pub(super) zeros: u64,
    /// Elements by magnitude, below 0 and above; empty until there is one. Bin `i` has magnitudes
    /// from `i * width` to `(i + 1) * width`.
    pub(super) sides: [Vec<u64>; 2],
    /// The number that no magnitude reaches: a power of two.
    reach: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        let extremes = [f32::INFINITY, f32::NEG_INFINITY];
        Histogram { extremes, zeros: 0, sides: [Vec::new(), Vec::new()], reach: 0.0 }
    }

    /// Counts elements.
    ///
    /// # Errors
    /// The first that is NaN or infinite; what was counted then means nothing.
    pub(super) fn add(&mut self, elements: &[f32]) -> Result<(), f32> {
        if elements.is_empty() {
            return Ok(());
        }
        let [lo, hi] = extremes(elements)?;
        self.extremes = [self.extremes[0].min(lo), self.extremes[1].max(hi)];
        self.stretch(f64::from(lo.abs().max(hi.abs())));
        let per_unit = BINS as f64 / self.reach;
        for &x in elements.iter() {
            if x == 0.0 {
                self.zeros += 1;
                continue;
            }
            let side = &mut self.sides[usize::from(x > 0.0)];
            if side.is_empty() {
                side.resize(BINS, 0);
            }
            // Exact: a product with a power of two, below BINS.
            side[(f64::from(x.abs()) * per_unit) as usize] += 1;
        }
        Ok(())
    }

    /// Makes bins for magnitudes up to this one.
    fn stretch(&mut self, most: f64) {
        if most == 0.0 {
            return;
        }
        if self.reach == 0.0 {
            // The power of two below or at the magnitude; the loop makes it the one above.
            let (_, exponent) = libm::frexp(most);
            self.reach = libm::ldexp(0.5, exponent);
        }
        while self.reach <= most {
            self.reach *= 2.0;
            for side in self.sides.iter_mut().filter(|side| !side.is_empty()) {
                for i in 0..BINS / 2 {
                    side[i] = side[2 * i] + side[2 * i + 1];
                }
                side[BINS / 2..].fill(0);
            }
        }
    }

    /// The width of a bin.
    pub(super) fn width(&self) -> f64 {
        self.reach / BINS as f64
    }

    /// How many elements were counted.
    pub(super) fn count(&self) -> u64 {
        self.zeros + self.sides.iter().flatten().sum::<u64>()
    }

    /// The number that a fraction of the elements is below, to the width of a bin.
    pub(super) fn quantile(&self, fraction: f64) -> f64 {
        let [lo, hi] = self.extremes.map(f64::from);
        let wanted = fraction * self.count() as f64;
        let width = self.width();
        let negative = self.sides[0].iter().enumerate().rev();
        let negative = negative.map(|(i, &n)| (-(i as f64 + 1.0) * width, width, n));
        let positive = self.sides[1].iter().enumerate();
        let positive = positive.map(|(i, &n)| (i as f64 * width, width, n));
        let zeros = std::iter::once((0.0, 0.0, self.zeros));
        let mut below = 0.0;
        for (start, width, n) in negative.chain(zeros).chain(positive).filter(|bin| bin.2 > 0) {
            let n = n as f64;
            if below + n >= wanted {
                return (start + width * (wanted - below) / n).clamp(lo, hi);
            }
            below += n;
        }
        hi
    }
}

/// The smallest and the largest element.
///
/// # Errors
/// The first that is NaN or infinite.
fn extremes(elements: &[f32]) -> Result<[f32; 2], f32> {
    let (mut lo, mut hi, mut finite) = (f32::INFINITY, f32::NEG_INFINITY, true);
    for &x in elements {
        lo = lo.min(x);
        hi = hi.max(x);
        finite &= x.is_finite();
    }
    match elements.iter().find(|x| !x.is_finite()) {
        Some(&x) if !finite => Err(x),
        _ => Ok([lo, hi]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(parts: &[&[f32]]) -> Histogram {
        let mut histogram = Histogram::new();
        parts.iter().for_each(|part| histogram.add(part).unwrap());
        histogram
    }

    fn element() -> impl Strategy<Value = f32> {
        let normal = (-40i32..40, -1.0f32..1.0).prop_map(|(e, x)| x * (e as f32).exp2());
        prop_oneof![6 => normal, 1 => Just(0.0), 1 => any::<f32>().prop_filter("finite", |x| x.is_finite())]
    }

    proptest! {
        #[test]
        fn the_order_of_elements_does_not_matter(
            mut elements in prop::collection::vec(element(), 1..200), cut in any::<prop::sample::Index>(),
        ) {
            let (a, b) = elements.split_at(cut.index(elements.len()));
            let parts = of(&[a, b].map(|part| part).into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>());
            elements.reverse();
            prop_assert_eq!(&parts, &of(&[&elements]));
            prop_assert_eq!(parts.count(), elements.len() as u64);
        }

        /// A quantile is at most a bin away from where as many elements are on either side.
        #[test]
        fn quantiles_are_between_elements(
            mut elements in prop::collection::vec(-100.0f32..100.0, 1..300), fraction in 0.0f64..=1.0,
        ) {
            let histogram = of(&[&elements]);
            elements.sort_by(f32::total_cmp);
            let at = fraction * elements.len() as f64;
            let [before, after] = [at.ceil() - 1.0, at.floor()]
                .map(|i| f64::from(elements[(i.max(0.0) as usize).min(elements.len() - 1)]));
            let (found, width) = (histogram.quantile(fraction), histogram.width());
            prop_assert!(found >= before - width && found <= after + width, "{found}: {before} to {after}");
        }
    }

    #[test]
    fn what_is_not_finite_is_returned() {
        let mut histogram = Histogram::new();
        assert!(histogram.add(&[1.0, f32::NAN]).is_err_and(f32::is_nan));
        assert_eq!(Histogram::new().add(&[f32::NEG_INFINITY, 0.0]), Err(f32::NEG_INFINITY));
        assert_eq!(Histogram::new().add(&[]), Ok(()));
    }

    #[test]
    fn more_than_half_of_the_bins_are_in_use() {
        for most in [1.0, 1.5, 2.0, 1e-40, f32::MIN_POSITIVE, f32::MAX, 0.3] {
            let histogram = of(&[&[most, 0.0]]);
            let last = histogram.sides[1].iter().rposition(|&n| n > 0).unwrap();
            assert!(last >= BINS / 2, "{most}: {last}");
        }
    }
}
