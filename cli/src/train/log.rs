//! What is known of each epoch.

use std::fmt::Write as _;
use std::path::PathBuf;

use resnetc::training::Norms;
use serde::{Deserialize, Serialize};

use super::evaluate::Score;
use crate::failure::Failure;
use crate::output;

/// One epoch, as a line of the log has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) epoch: usize,
    /// All steps up to its end.
    pub(crate) steps: u64,
    /// The learning rate of its last step.
    pub(crate) rate: f64,
    /// What the steps found, while the weights changed.
    pub(crate) train: Score,
    /// What the network of its end does with the test pictures.
    pub(crate) test: Score,
    /// How long its steps took.
    pub(crate) seconds: f64,
    /// Training pictures in a second.
    pub(crate) images_per_second: f64,
    /// How large values and gradients were in its last step, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) norms: Vec<BlockNorms>,
}

/// The norms of a block, both finite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BlockNorms {
    pub(crate) block: String,
    /// Of its result.
    pub(crate) value: f64,
    /// Of the gradient with respect to its result.
    pub(crate) gradient: f64,
}

impl BlockNorms {
    /// Those that are finite.
    pub(super) fn finite(norms: Vec<Norms>) -> Vec<Self> {
        let norms = norms.into_iter().map(|Norms { block, value, gradient }| BlockNorms {
            block,
            value: value.into(),
            gradient: gradient.into(),
        });
        norms.filter(|norms| norms.value.is_finite() && norms.gradient.is_finite()).collect()
    }
}

/// The lines so far, and the file that has them.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<PathBuf>,
    lines: Vec<Line>,
}

impl Log {
    /// A log that goes on after some lines.
    pub(super) fn new(file: Option<PathBuf>, lines: Vec<Line>) -> Self {
        Log { file, lines }
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a line, and writes the file anew.
    pub(super) fn add(&mut self, line: Line) -> Result<(), Failure> {
        self.lines.push(line);
        let Some(file) = &self.file else { return Ok(()) };
        let mut text = String::new();
        for line in &self.lines {
            let json = serde_json::to_string(line)
                .map_err(|e| Failure::file(file, format!("writing failed: {e}")))?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{json}");
        }
        output::write_file(file, text.as_bytes())
    }
}

impl Line {
    /// The line as people read it.
    pub(super) fn print(&self, epochs: usize) -> Result<(), Failure> {
        let Line { epoch, rate, train, test, seconds, images_per_second, .. } = self;
        let width = epochs.to_string().len();
        output::print(&format!(
            "epoch {epoch:>width$}/{epochs}  rate {rate:<8.3e} loss {:.4}  accuracy {:6.2} %  \
             test loss {:.4}  test accuracy {:6.2} %  {seconds:.1} s  {images_per_second:.0} \
             pictures/s\n",
            train.loss,
            100.0 * train.accuracy,
            test.loss,
            100.0 * test.accuracy,
        ))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The line of an epoch with a loss.
    pub(crate) fn line(epoch: usize, loss: f64) -> Line {
        let score = Score { loss, accuracy: 0.5 };
        Line {
            epoch,
            steps: epoch as u64,
            rate: 0.1,
            train: score,
            test: score,
            seconds: 1.0,
            images_per_second: 1.0,
            norms: Vec::new(),
        }
    }
}
