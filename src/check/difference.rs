//! How far computed values are from the expected ones.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// How far computed values are from the expected ones, which are known in f64.
///
/// NaN differs from NaN by 0 and from everything else by infinity. Serializes with
/// [`relative`](Self::relative) and [`ulp`](Self::ulp); JSON has no infinity and shows it as
/// `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The largest difference of two elements.
    pub max_abs: f64,
    /// The largest difference of two elements, both rounded to f32: 0 for a result that is as exact
    /// as f32 allows.
    pub max_abs_rounded: f64,
    /// The largest finite magnitude expected.
    pub largest: f64,
    /// The largest difference that is explained by how f32 code rounds earlier values; 0 if that
    /// was not computed.
    pub explained: f64,
}

impl Difference {
    /// Compares element by element.
    pub fn of(found: &[f32], expected: impl IntoIterator<Item = f64>) -> Self {
        Difference::between(found.iter().map(|&x| f64::from(x)), expected)
    }

    /// Compares values that are both known in f64, element by element.
    pub fn between(
        found: impl IntoIterator<Item = f64>,
        expected: impl IntoIterator<Item = f64>,
    ) -> Self {
        let mut difference = Difference::default();
        for (found, expected) in found.into_iter().zip(expected) {
            difference.add(found, expected);
        }
        difference
    }

    fn add(&mut self, found: f64, expected: f64) {
        self.max_abs = self.max_abs.max(gap(found, expected));
        let rounded = |x: f64| f64::from(x as f32);
        self.max_abs_rounded = self.max_abs_rounded.max(gap(rounded(found), rounded(expected)));
        if expected.is_finite() {
            self.largest = self.largest.max(expected.abs());
        }
    }

    /// The largest difference relative to the largest magnitude.
    pub fn relative(&self) -> f64 {
        if self.max_abs == 0.0 { 0.0 } else { self.max_abs / self.largest }
    }

    /// The largest difference from the expected values rounded to f32, in units in the last place
    /// of the largest magnitude expected: the distance of that f32 from its neighbour.
    ///
    /// One unit for the whole value, not one for each element: the error of a sum scales with its
    /// terms, which need not be small where the sum happens to be.
    pub fn ulp(&self) -> f64 {
        if self.max_abs_rounded == 0.0 { 0.0 } else { self.max_abs_rounded / unit(self.largest) }
    }

    /// Whether the relative difference is above a tolerance, and not explained by rounding.
    pub fn is_above(&self, tolerance: f64) -> bool {
        self.relative() > tolerance && !self.is_explained()
    }

    /// Whether rounding explains the difference, however large it is.
    pub fn is_explained(&self) -> bool {
        self.max_abs <= self.explained
    }
}

fn gap(found: f64, expected: f64) -> f64 {
    let gap = (found - expected).abs();
    match found == expected || found.is_nan() && expected.is_nan() {
        true => 0.0,
        false if gap.is_nan() => f64::INFINITY,
        false => gap,
    }
}

/// The unit in the last place of a magnitude, as an f32.
fn unit(magnitude: f64) -> f64 {
    let below = (magnitude as f32).clamp(0.0, f32::MAX.next_down());
    f64::from(below.next_up()) - f64::from(below)
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Difference", 5)?;
        fields.serialize_field("max_abs", &self.max_abs)?;
        fields.serialize_field("relative", &self.relative())?;
        fields.serialize_field("ulp", &self.ulp())?;
        fields.serialize_field("largest", &self.largest)?;
        fields.serialize_field("explained", &self.explained)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_relative_to_the_greatest_value_expected() {
        let difference = Difference::of(&[1.0, -3.5], [1.25, -4.0]);
        assert_eq!((difference.max_abs, difference.largest), (0.5, 4.0));
        assert_eq!(difference.relative(), 0.125);
        assert_eq!(Difference::of(&[0.0], [0.0]).relative(), 0.0);
        assert_eq!(Difference::of(&[1.0], [0.0]).relative(), f64::INFINITY);
    }

    #[test]
    fn an_explained_difference_is_above_no_tolerance() {
        let difference = Difference { explained: 0.5, ..Difference::of(&[0.5], [0.0]) };
        assert!(!difference.is_above(1e-4) && difference.is_explained());
        assert!(Difference { max_abs: 0.6, ..difference }.is_above(1e-4));
        let nan = Difference { explained: 1e300, ..Difference::of(&[f32::NAN], [0.0]) };
        assert!(nan.is_above(1e-4));
    }

    #[test]
    fn what_is_no_number_must_be_none_on_both_sides() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let relative =
            |found, expected: f64| Difference::of(&[1.0, found], [1.0, expected]).relative();
        assert_eq!(relative(nan, f64::NAN), 0.0);
        assert_eq!(relative(inf, f64::INFINITY), 0.0);
        assert_eq!(relative(nan, 1.0), f64::INFINITY);
        assert_eq!(relative(1.0, f64::NAN), f64::INFINITY);
        assert_eq!(relative(inf, f64::NEG_INFINITY), f64::INFINITY);
    }

    #[test]
    fn a_unit_in_the_last_place_is_that_of_the_greatest_value() {
        let next = |x: f32| x.next_up();
        assert_eq!(Difference::of(&[next(1.0)], [1.0]).ulp(), 1.0);
        assert_eq!(Difference::of(&[next(next(5.0)), 0.0], [5.0, 0.0]).ulp(), 2.0);
        // The neighbours of a small element are closer than those of the largest.
        assert_eq!(Difference::of(&[next(1.0), 1024.0], [1.0, 1024.0]).ulp(), 1.0 / 1024.0);
        // No f32 is nearer to a third than this one, and both measures say so.
        let third = Difference::of(&[1.0 / 3.0], [1.0 / 3.0]);
        assert!(third.ulp() == 0.0 && third.max_abs > 0.0 && third.relative() < 6e-8);
        assert_eq!(Difference::of(&[f32::from_bits(3)], [0.0]).ulp(), 3.0);
        assert_eq!(Difference::of(&[f32::NAN], [1.0]).ulp(), f64::INFINITY);
        assert_eq!(Difference::of(&[f32::MAX], [f64::from(f32::MAX)]).ulp(), 0.0);
        assert_eq!(Difference::of(&[f32::MAX.next_down()], [f64::from(f32::MAX)]).ulp(), 1.0);
    }

    #[test]
    fn both_ways_to_measure_are_in_a_report() {
        let json = serde_json::to_value(Difference::of(&[1.5], [1.0])).expect("plain data");
        assert_eq!(json["max_abs"], 0.5);
        assert_eq!(json["relative"], 0.5);
        assert_eq!(json["ulp"], 4_194_304.0);
        assert_eq!(json["largest"], 1.0);
        assert_eq!(json["explained"], 0.0);
    }
}
