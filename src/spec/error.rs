//! What can be wrong with a description, or with the weights for it.

use std::fmt;
use std::path::{Path, PathBuf};

use resnetc_ir::GraphError;

use crate::error_code::ErrorCode;
use crate::one_line::one_line;

/// Why no graph can be built from a description.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The file cannot be read.
    #[error("{}: reading failed: {error}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The text is not valid TOML or JSON, or has a wrong key or value.
    #[error("{}{}", place(.file.as_ref(), *.line), one_line(.message, 1000))]
    Syntax {
        /// The file, if the text came from one.
        file: Option<PathBuf>,
        /// The line, counted from 1, if it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// A value is out of range, or conflicts with another one.
    #[error("spec key \"{key}\": {reason}")]
    Invalid {
        /// The key, as in the file.
        key: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// Weights do not fit the network; lists every mismatch at once.
    #[error("{}", list(.missing, .unexpected, .wrong_shape))]
    Weights {
        /// Tensors that the network needs and the file lacks.
        missing: Vec<String>,
        /// Tensors in the file that the network does not use.
        unexpected: Vec<String>,
        /// Tensors of another shape than the network's.
        wrong_shape: Vec<WrongShape>,
    },
    /// A layer does not fit the one before it.
    #[error("the network cannot be built")]
    Graph(#[from] GraphError),
}

impl SpecError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match self {
            SpecError::Io { .. } => ErrorCode::Io,
            SpecError::Syntax { .. } => ErrorCode::SpecSyntax,
            SpecError::Invalid { .. } => ErrorCode::SpecValue,
            SpecError::Weights { .. } => ErrorCode::SpecWeights,
            SpecError::Graph(_) => ErrorCode::SpecGraph,
        }
    }

    /// The same error, for a description that was read from a file.
    pub(super) fn in_file(self, file: &Path) -> Self {
        match self {
            SpecError::Invalid { .. } => {
                let message = self.to_string();
                SpecError::Syntax { file: Some(file.into()), line: None, message }
            }
            other => other,
        }
    }

    /// One tensor is missing.
    pub(super) fn missing(name: String) -> Self {
        SpecError::Weights { missing: vec![name], unexpected: Vec::new(), wrong_shape: Vec::new() }
    }
}

/// A tensor whose shape is not the network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongShape {
    /// The tensor's name.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<usize>,
    /// The file's shape.
    pub found: Vec<usize>,
}

impl fmt::Display for WrongShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?} instead of {:?}", self.name, self.found, self.expected)
    }
}

fn place(file: Option<&PathBuf>, line: Option<usize>) -> String {
    let file = file.map(|f| format!("{}: ", f.display())).unwrap_or_default();
    let line = line.map(|l| format!("line {l}: ")).unwrap_or_default();
    file + &line
}

fn list(missing: &[String], unexpected: &[String], wrong_shape: &[WrongShape]) -> String {
    let wrong: Vec<String> = wrong_shape.iter().map(WrongShape::to_string).collect();
    let mut text = String::from("the weights do not fit the network");
    for (what, names) in
        [("missing", missing), ("unexpected", unexpected), ("of the wrong shape", &wrong)]
    {
        if !names.is_empty() {
            text.push_str(&format!("\n  {} {what}: {}", names.len(), names.join(", ")));
        }
    }
    if missing.is_empty() && unexpected.is_empty() {
        text.push_str(&hint(wrong_shape).unwrap_or_default());
    }
    text
}

/// What to change in the description if the only mismatch is the number of classes or of the
/// images' channels.
fn hint(wrong_shape: &[WrongShape]) -> Option<String> {
    // The classifier's weights are a matrix with one row per class, and its bias has one entry per
    // class; only the first convolution's weights see the images.
    let classes = |w: &WrongShape| match (&w.expected[..], &w.found[..]) {
        ([_, rest @ ..], [found, other @ ..]) if rest == other && rest.len() <= 1 => Some(*found),
        _ => None,
    };
    let channels = |w: &WrongShape| match (&w.expected[..], &w.found[..]) {
        ([k, _, kernel @ ..], [l, found, other @ ..]) if (k, kernel) == (l, other) => Some(*found),
        _ => None,
    };
    let all = |of: &dyn Fn(&WrongShape) -> Option<usize>| {
        let mut found = wrong_shape.iter().map(of);
        let first = found.next()??;
        found.all(|n| n == Some(first)).then_some(first)
    };
    let change = match all(&classes) {
        Some(n) => {
            format!("the file is for a network with {n} classes: a spec with `classes = {n}`")
        }
        None if wrong_shape.len() == 1 => {
            let n = all(&channels)?;
            format!(
                "the file is for a network for images with {n} channels: a spec with `channels = {n}` under `[input]`"
            )
        }
        None => return None,
    };
    Some(format!("\n{change} describes it (docs/SPEC.md)"))
}
