//! What is known of each epoch.

use std::fmt::Write as _;
use std::path::Path;

use resnetc::training::Norms;
use resnetc::{ErrorCode, whole_file};
use serde::{Deserialize, Serialize};

use super::evaluate::Score;
use crate::failure::Failure;
use crate::output;

/// One epoch, as a line of the log has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// A log has at most so many bytes: a hundred thousand epochs.
const MOST_BYTES: u64 = 50 << 20;

/// Lines as a file has them.
pub(super) fn text(file: &Path, lines: &[Line]) -> Result<String, Failure> {
    let mut text = String::new();
    for line in lines {
        let json = serde_json::to_string(line)
            .map_err(|e| Failure::file(file, format!("writing failed: {e}")))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{json}");
    }
    Ok(text)
}

/// The checksum of a log's contents; `None` if it cannot be read.
pub(super) fn checksum(file: &Path) -> Option<u32> {
    let mut sum = flate2::Crc::new();
    sum.update(&whole_file::read(file, MOST_BYTES).ok()?);
    Some(sum.sum())
}

/// The lines of a log, at least one.
pub(crate) fn read(file: &Path) -> Result<Vec<Line>, Failure> {
    let bytes = whole_file::read(file, MOST_BYTES).map_err(|e| Failure::unreadable(file, e))?;
    let wrong = |what: String| {
        Failure::file(file, what)
            .help("give a log that `resnetc train --log FILE.jsonl` wrote")
            .code(ErrorCode::Format)
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong("this is no text".to_owned()))?;
    let mut all: Vec<Line> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = serde_json::from_str::<Line>(line);
        let line = read.map_err(|e| wrong(format!("line {}: {e}", number + 1)))?;
        if line.figures().any(|figure| figure.abs() > f64::from(f32::MAX)) {
            return Err(wrong(format!("line {}: a number is beyond those of f32", number + 1)));
        }
        if all.last().is_some_and(|last| last.epoch >= line.epoch) {
            return Err(wrong(format!("line {}: epochs do not rise", number + 1)));
        }
        all.push(line);
    }
    match all.is_empty() {
        true => Err(wrong("it has no epochs".to_owned())),
        false => Ok(all),
    }
}

impl Line {
    /// All that can be drawn.
    fn figures(&self) -> impl Iterator<Item = f64> {
        let Line { train, test, norms, .. } = self;
        let scores = [train, test].into_iter().flat_map(|score| [score.loss, score.accuracy]);
        let norms = norms.iter().flat_map(|norms| [norms.value, norms.gradient]);
        scores.chain(norms).chain([self.images_per_second])
    }

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
