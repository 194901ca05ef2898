//! What is known of each epoch.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::evaluate::Score;
use crate::failure::Failure;
use crate::output;

/// One epoch, as a line of the log has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) epoch: usize,
    /// All steps up to its end.
    pub(super) steps: u64,
    /// The learning rate of its last step.
    pub(super) rate: f64,
    /// What the steps found, while the weights changed.
    pub(super) train: Score,
    /// What the network of its end does with the test pictures.
    pub(super) test: Score,
    /// How long its steps took.
    pub(super) seconds: f64,
    /// Training pictures in a second.
    pub(super) images_per_second: f64,
}

/// The lines so far, and the file that has them.
#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<PathBuf>,
    text: String,
}

impl Log {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Log { file, text: String::new() }
    }

    /// Prints the line, and adds it to the file.
    pub(super) fn add(&mut self, line: &Line, epochs: usize) -> Result<(), Failure> {
        if let Some(file) = &self.file {
            let json = serde_json::to_string(line)
                .map_err(|e| Failure::file(file, format!("writing failed: {e}")))?;
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{json}");
            output::write_file(file, self.text.as_bytes())?;
        }
        let Line { epoch, rate, train, test, seconds, images_per_second, .. } = line;
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
