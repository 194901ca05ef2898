//! What all forms of data sets have: limits, two halves, classes.

use std::path::Path;

use resnetc::ErrorCode;
use resnetc::one_line::path_line;

use crate::failure::Failure;

/// The most pictures of a data set: their numbers fit into 32 bits.
pub(super) const MOST_SAMPLES: usize = 100_000_000;
/// The most classes: all labels can be represented in f32.
pub(super) const MOST_CLASSES: usize = 1 << 24;

/// A half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// What the network learns from.
    Train,
    /// What it is measured with.
    Test,
}

impl Split {
    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Test => "test",
        }
    }
}

/// The error about a file that a data set must have.
pub(super) fn missing(folder: &Path, name: &str) -> Failure {
    Failure::file(folder, format!("the file {name} of the data set is missing"))
        .help(format!("copy it to {}", path_line(folder)))
        .code(ErrorCode::Io)
}

/// The names of classes that have none: their numbers.
pub(super) fn numbers(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}
