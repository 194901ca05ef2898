//! How right a network is about a data set.

use resnetc::spec::{Spec, Weights};
use resnetc::training::highest;
use resnetc::{Compiler, Options};
use serde::{Deserialize, Serialize};

use super::data::Batches;
use crate::failure::Failure;

/// How right a network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Score {
    /// The mean cross-entropy of the pictures.
    pub(crate) loss: f64,
    /// The share of pictures whose class has the highest score.
    pub(crate) accuracy: f64,
}

/// Sums over pictures, of which [`Score`] has the means.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    loss: f64,
    correct: usize,
    pictures: usize,
}

impl Tally {
    /// Adds pictures with the mean of their losses.
    pub(super) fn add(&mut self, mean: f64, correct: usize, pictures: usize) {
        self.loss += mean * pictures as f64;
        self.correct += correct;
        self.pictures += pictures;
    }

    /// How many pictures were added.
    pub(super) fn pictures(&self) -> usize {
        self.pictures
    }

    /// The means so far; those of nothing are 0.
    pub(super) fn score(&self) -> Score {
        let pictures = self.pictures.max(1) as f64;
        Score { loss: self.loss / pictures, accuracy: self.correct as f64 / pictures }
    }
}

/// Runs a network on all pictures of `batches`, which have at most `batch` each.
pub(super) fn evaluate(
    spec: &Spec,
    weights: &Weights,
    batch: usize,
    options: Options,
    mut batches: Batches,
) -> Result<Score, Failure> {
    let graph = spec.build(weights, batch).map_err(resnetc::Error::from)?;
    let model = Compiler::new(options).graph(graph)?.compile()?;
    let mut context = model.context()?;
    let mut tally = Tally::default();
    while let Some(next) = batches.next() {
        let next = next?;
        // The last batch may be smaller; what follows it is computed and not read.
        let given = next.images.len();
        let input = context.input_mut(0)?;
        input[..given].copy_from_slice(&next.images);
        input[given..].fill(0.0);
        model.run(&mut context)?;
        for (scores, &label) in context.output(0)?.chunks_exact(spec.classes).zip(&next.labels) {
            let best = highest(scores);
            tally.add(cross_entropy(scores, label), usize::from(best == label), 1);
        }
        batches.recycle(next);
    }
    Ok(tally.score())
}

/// The negative logarithm of the probability that softmax gives to a class.
fn cross_entropy(scores: &[f32], label: usize) -> f64 {
    let most = scores.iter().fold(f64::NEG_INFINITY, |most, &score| most.max(f64::from(score)));
    let sum: f64 = scores.iter().map(|&score| (f64::from(score) - most).exp()).sum();
    most + sum.ln() - f64::from(scores[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_those_of_softmax() {
        assert!((cross_entropy(&[0.0; 4], 2) - 4f64.ln()).abs() < 1e-12);
        // Scores whose exponentials no float holds.
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert_eq!(cross_entropy(&[1000.0, 0.0], 0), 0.0);
        assert_eq!(highest(&[1.0, 3.0, 3.0, 2.0]), 1);
    }
}
