//! Calibration inputs, which are read several times.

use super::error::QuantizeError;

/// What calibration inputs are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// To find the range of every value.
    Ranges,
    /// To find the error of every layer.
    Errors,
    /// Not at all: some inputs that were kept are used to find out which layers to leave in f32.
    Layers,
}

/// Calibration inputs. They are read once for each of the first two [`Stage`]s, so a long list of
/// pictures need not be in memory.
pub trait Samples {
    /// What reading can fail with; it also carries the errors of quantizing.
    type Error: From<QuantizeError>;

    /// Passes the values of every run to a function, in the same order each time. A run has the
    /// values of each input of the network, in the order of
    /// [`Graph::inputs`](crate::ir::Graph::inputs) and row-major; as many as the input has elements.
    ///
    /// # Errors
    /// If an input cannot be read; and the errors of the function.
    fn each(&mut self, stage: Stage, run: Run<'_>) -> Result<(), Self::Error>;

    /// Hears how far a stage is that reads nothing.
    fn progress(&mut self, stage: Stage, done: usize, total: usize) {
        let _ = (stage, done, total);
    }
}

/// A function that takes the values of one run: those of each input.
pub type Run<'a> = &'a mut dyn FnMut(&[&[f32]]) -> Result<(), QuantizeError>;

/// For each run, the values of each input.
impl Samples for Vec<Vec<Vec<f32>>> {
    type Error = QuantizeError;

    fn each(&mut self, _: Stage, run: Run<'_>) -> Result<(), QuantizeError> {
        self.iter().try_for_each(|inputs| {
            let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
            run(&inputs)
        })
    }
}

/// Some runs of all, spread evenly over them, whose number is not known in advance.
#[derive(Debug)]
pub(super) struct Spread {
    most: usize,
    /// Every run whose number is a multiple of this is kept.
    step: usize,
    seen: usize,
    pub(super) kept: Vec<Vec<Vec<f32>>>,
}

impl Spread {
    /// Keeps at most this many runs, and more than half of that if there are as many.
    pub(super) fn new(most: usize) -> Self {
        Spread { most: most.max(2), step: 1, seen: 0, kept: Vec::new() }
    }

    pub(super) fn add(&mut self, inputs: &[&[f32]]) {
        if self.seen.is_multiple_of(self.step) {
            if self.kept.len() == self.most {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.step *= 2;
            }
            if self.seen.is_multiple_of(self.step) {
                self.kept.push(inputs.iter().map(|values| values.to_vec()).collect());
            }
        }
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_spread_evenly() {
        for count in 0..200 {
            let mut spread = Spread::new(8);
            (0..count).for_each(|i| spread.add(&[&[i as f32]]));
            let kept: Vec<usize> = spread.kept.iter().map(|run| run[0][0] as usize).collect();
            let step = spread.step;
            let wanted: Vec<usize> = (0..count).step_by(step).collect();
            assert_eq!(kept, wanted, "of {count}");
            assert!(kept.len() <= 8 && (count <= 8 || kept.len() > 4), "{} of {count}", kept.len());
        }
    }
}
