//! Positions on axes.

/// How values become positions.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ScaleForm {
    Linear,
    Log,
}

/// Maps values from one interval to positions in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    form: ScaleForm,
    from: (f64, f64),
    to: (f64, f64),
}

/// A value with a line and a label on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) at: f64,
}

impl Scale {
    /// Equal differences are equal distances. `from` must not be empty.
    pub(crate) fn linear(from: (f64, f64), to: (f64, f64)) -> Self {
        let end = if from.1 > from.0 { from.1 } else { from.0 + 1.0 };
        Scale { form: ScaleForm::Linear, from: (from.0, end), to }
    }

    /// Equal ratios are equal distances. `from` is positive.
    pub(crate) fn log(from: (f64, f64), to: (f64, f64)) -> Self {
        let start = from.0.max(f64::MIN_POSITIVE);
        let end = if from.1 > start { from.1 } else { 2.0 * start };
        Scale { form: ScaleForm::Log, from: (start, end), to }
    }

    /// The position of a value; values beyond the interval are at its ends.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let (start, end) = self.from;
        let value = value.clamp(start, end);
        let share = match self.form {
            ScaleForm::Linear => (value - start) / (end - start),
            ScaleForm::Log => (value.ln() - start.ln()) / (end.ln() - start.ln()),
        };
        self.to.0 + share * (self.to.1 - self.to.0)
    }

    /// About `count` round values.
    pub(crate) fn ticks(&self, count: usize) -> Vec<Tick> {
        let values = match self.form {
            ScaleForm::Linear => linear_ticks(self.from, count),
            ScaleForm::Log => match log_ticks(self.from, count) {
                few if few.len() < 2 => linear_ticks(self.from, count),
                ticks => ticks,
            },
        };
        values.into_iter().map(|value| Tick { value, at: self.at(value) }).collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks((start, end): (f64, f64), count: usize) -> Vec<f64> {
    let rough = (end - start) / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&s| s >= rough);
    let step = step.unwrap_or(power);
    // An interval below all numbers of full precision.
    if !step.is_normal() {
        return Vec::new();
    }
    let (first, last) = ((start / step).ceil() as i64, (end / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Powers of ten, with 2 and 5 times them in between if there are few.
fn log_ticks((start, end): (f64, f64), count: usize) -> Vec<f64> {
    let (first, last) = (start.log10().floor() as i32, end.log10().ceil() as i32);
    let between = |factors: &[f64]| -> Vec<f64> {
        let all = (first..=last).flat_map(|p| factors.iter().map(move |f| f * 10f64.powi(p)));
        all.filter(|v| (start..=end).contains(v)).collect()
    };
    let all = between(&[1.0, 2.0, 5.0]);
    if all.len() <= count { all } else { between(&[1.0]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let values = |scale: Scale, n| scale.ticks(n).iter().map(|t| t.value).collect::<Vec<_>>();
        assert_eq!(values(Scale::linear((0.0, 9.5), (0.0, 1.0)), 5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(values(Scale::log((1.0, 10.0), (0.0, 1.0)), 5), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(values(Scale::log((0.5, 2e4), (0.0, 1.0)), 6), [1.0, 10.0, 100.0, 1e3, 1e4]);
        // No power of ten, nor 2 or 5 times one, lies in between.
        assert_eq!(values(Scale::log((71.0, 95.0), (0.0, 1.0)), 5), [75.0, 80.0, 85.0, 90.0, 95.0]);
        assert!(values(Scale::linear((0.0, 5e-324), (0.0, 1.0)), 5).is_empty());
    }

    proptest! {
        #[test]
        fn greater_values_lie_further_and_none_beyond_the_ends(
            start in 1e-3f64..1e3, length in 1e-3f64..1e6, a in 0.0f64..1.0, b in 0.0f64..1.0,
        ) {
            let value = |share: f64| start + share * length;
            for scale in [Scale::linear, Scale::log] {
                let scale = scale((start, start + length), (0.0, 100.0));
                let (x, y) = (scale.at(value(a.min(b))), scale.at(value(a.max(b))));
                prop_assert!((0.0..=100.0).contains(&x) && x <= y && y <= 100.0);
                for tick in scale.ticks(6) {
                    prop_assert!((-1e-6..=100.0 + 1e-6).contains(&tick.at));
                }
                prop_assert!(scale.ticks(6).len() <= 13);
            }
        }

        #[test]
        fn an_interval_of_one_value_has_a_place_for_it(value in -1e6f64..1e6) {
            let scale = Scale::linear((value, value), (0.0, 100.0));
            prop_assert!(scale.at(value).is_finite());
        }
    }
}
