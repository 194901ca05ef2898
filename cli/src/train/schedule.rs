//! The learning rate of each step.

use std::f64::consts::PI;

/// A learning rate that rises and falls. Times are in epochs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schedule {
    /// The highest rate.
    pub(super) rate: f64,
    /// For how long it rises from 0, in proportion to the time.
    pub(super) warm_up: f64,
    /// The end.
    pub(super) epochs: f64,
    /// What comes after the rise.
    pub(super) course: Course,
}

/// How a rate falls.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Course {
    /// Not at all.
    Constant,
    /// It is divided by 10 at these times (He et al., 2015, section 4.2).
    Steps(Vec<f64>),
    /// As half a period of a cosine, down to 0 (Loshchilov and Hutter, "SGDR", 2017, equation 5).
    Cosine,
}

impl Schedule {
    /// The rate of a step, which are counted from 0.
    pub(super) fn at(&self, step: u64, steps_per_epoch: usize) -> f64 {
        let time = step as f64 / steps_per_epoch as f64;
        if time < self.warm_up {
            // So that the first step has a rate, and the last of the rise has all of it.
            return self.rate * (step + 1) as f64 / (self.warm_up * steps_per_epoch as f64);
        }
        match &self.course {
            Course::Constant => self.rate,
            Course::Steps(times) => {
                let passed = times.iter().filter(|&&at| time >= at).count();
                self.rate / 10f64.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
            Course::Cosine => {
                let share = (time - self.warm_up) / (self.epochs - self.warm_up);
                self.rate * 0.5 * (1.0 + (PI * share).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(warm_up: f64, course: Course) -> Schedule {
        Schedule { rate: 0.4, warm_up, epochs: 10.0, course }
    }

    #[test]
    fn a_rate_rises_and_falls() {
        let constant = schedule(0.0, Course::Constant);
        assert_eq!([0, 7, 99].map(|step| constant.at(step, 10)), [0.4; 3]);
        let steps = schedule(2.0, Course::Steps(vec![5.0, 7.5]));
        let at = [0, 9, 19, 20, 49, 50, 74, 75].map(|step| steps.at(step, 10));
        for (found, expected) in at.into_iter().zip([0.02, 0.2, 0.4, 0.4, 0.4, 0.04, 0.04, 0.004]) {
            assert!((found - expected).abs() < 1e-12, "{at:?}");
        }
        let cosine = schedule(2.0, Course::Cosine);
        let at = [19, 20, 60, 99].map(|step| cosine.at(step, 10));
        assert!((at[0] - 0.4).abs() < 1e-12 && (at[1] - 0.4).abs() < 1e-12);
        assert!((at[2] - 0.2).abs() < 1e-12 && at[3] > 0.0 && at[3] < 4e-4, "{at:?}");
    }
}
