//! What can be wrong with a description, or with the weights for it.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use resnetc_ir::GraphError;

use crate::advice::{Advice, OptionName};
use crate::error_code::ErrorCode;
use crate::one_line::{name_line, one_line, path_line};

/// The longest message that is shown.
const LONGEST: usize = 1000;

/// How many tensors of a kind a message lists.
const LISTED: usize = 1000;

/// Why no graph can be built from a description: the file at fault, if the fault is in one, and
/// what is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpecError {
    /// The file of the description or of the weights.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub kind: Box<SpecErrorKind>,
}

/// What is wrong with a description or with the weights for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecErrorKind {
    /// The file cannot be read.
    #[error("reading failed: {0}")]
    Io(std::io::Error),
    /// The text is not valid TOML or JSON, lacks a key, or has an unknown key or a value of another
    /// type than the key's.
    #[error("{}{}", place(*.line), one_line(.message, LONGEST))]
    Syntax {
        /// The line, counted from 1, if it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// A number in the text is negative or too large to be a size.
    #[error("{}{}", place(*.line), one_line(.message, LONGEST))]
    Number {
        /// The line, counted from 1, if it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// A value is out of range, has no effect, or conflicts with another one.
    #[error("spec key \"{key}\": {reason}")]
    Invalid {
        /// The key, as in the file.
        key: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A batch of no images was requested.
    #[error("a batch of 0 images was requested; it must be 1 or more")]
    NoImages,
    /// A value of the network would have too many elements.
    #[error("value \"{name}\" of shape {shape:?}: more than {limit} elements, which is the limit")]
    TooLarge {
        /// The value's name.
        name: String,
        /// Its shape; the first extent is the batch.
        shape: Vec<usize>,
        /// How many elements are allowed.
        limit: usize,
    },
    /// The system does not have enough memory for random weights.
    #[error("not enough memory for {bytes} bytes of random weights, those of \"{name}\"")]
    Memory {
        /// The tensor's name.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// Weights do not fit the network; lists every mismatch at once.
    #[error("{}", list(.missing, .unexpected, .wrong_shape, .wrong_type))]
    Weights {
        /// Tensors that the network needs and the file lacks.
        missing: Vec<String>,
        /// Tensors in the file that the network does not use.
        unexpected: Vec<String>,
        /// Tensors of another shape than the network's.
        wrong_shape: Vec<WrongShape>,
        /// Tensors whose elements are not floats.
        wrong_type: Vec<WrongType>,
    },
    /// A layer does not fit the one before it.
    #[error("the network cannot be built")]
    Graph(#[from] GraphError),
}

impl SpecError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match &*self.kind {
            SpecErrorKind::Io(e) if e.kind() == ErrorKind::OutOfMemory => ErrorCode::OutOfMemory,
            SpecErrorKind::Io(_) => ErrorCode::Io,
            SpecErrorKind::Syntax { .. } => ErrorCode::SpecSyntax,
            SpecErrorKind::Number { .. } | SpecErrorKind::Invalid { .. } => ErrorCode::SpecValue,
            SpecErrorKind::NoImages => ErrorCode::GivenShape,
            SpecErrorKind::TooLarge { .. } => ErrorCode::Limit,
            SpecErrorKind::Memory { .. } => ErrorCode::OutOfMemory,
            SpecErrorKind::Weights { .. } => ErrorCode::SpecWeights,
            SpecErrorKind::Graph(_) => ErrorCode::SpecGraph,
        }
    }

    /// Adds the name of the file, unless a more specific file is already named.
    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_path_buf());
        self
    }

    /// What is wrong, without what to do about it.
    pub(crate) fn what(&self) -> String {
        let file = self.file.iter().map(|file| format!("{}: ", path_line(file)));
        format!("{}{}", file.collect::<String>(), self.kind)
    }

    /// What to do about it, if known.
    pub(crate) fn advice(&self) -> Option<Advice> {
        match &*self.kind {
            SpecErrorKind::TooLarge { .. } => {
                Some(Advice::new("choose a smaller {}, or smaller images in the spec", BATCH))
            }
            _ => None,
        }
    }

    /// The value of a key is wrong.
    pub(super) fn invalid(key: &'static str, reason: impl Into<String>) -> Self {
        SpecErrorKind::Invalid { key, reason: reason.into() }.into()
    }

    /// One tensor is missing.
    pub(super) fn missing(name: String) -> Self {
        SpecErrorKind::Weights {
            missing: vec![name],
            unexpected: Vec::new(),
            wrong_shape: Vec::new(),
            wrong_type: Vec::new(),
        }
        .into()
    }
}

const BATCH: &[OptionName] = &[OptionName::Batch];

impl<T: Into<SpecErrorKind>> From<T> for SpecError {
    fn from(kind: T) -> Self {
        SpecError { file: None, kind: Box::new(kind.into()) }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        self.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for SpecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.kind)
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
        let name = name_line(&self.name);
        write!(f, "{name} is {:?} instead of {:?}", self.found, self.expected)
    }
}

/// A tensor whose elements are not floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongType {
    /// The tensor's name in the file.
    pub name: String,
    /// The type of its elements, as the file has it.
    pub found: String,
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", name_line(&self.name), self.found)
    }
}

fn place(line: Option<usize>) -> String {
    line.map(|l| format!("line {l}: ")).unwrap_or_default()
}

fn list(
    missing: &[String],
    unexpected: &[String],
    wrong_shape: &[WrongShape],
    wrong_type: &[WrongType],
) -> String {
    let names = |names: &[String]| -> Vec<String> {
        names.iter().take(LISTED).map(|name| name_line(name)).collect()
    };
    let shapes = wrong_shape.iter().take(LISTED).map(WrongShape::to_string).collect();
    let types = wrong_type.iter().take(LISTED).map(WrongType::to_string).collect();
    let mut text = String::from("the weights do not fit the network");
    for (what, count, listed) in [
        ("missing", missing.len(), names(missing)),
        ("unexpected", unexpected.len(), names(unexpected)),
        ("of the wrong shape", wrong_shape.len(), shapes),
        ("of the wrong type (weights are F32, F16, BF16 or F64)", wrong_type.len(), types),
    ] {
        if count > 0 {
            let more = if count > LISTED { ", ..." } else { "" };
            text.push_str(&format!("\n  {count} {what}: {}{more}", listed.join(", ")));
        }
    }
    if missing.is_empty() && unexpected.is_empty() && wrong_type.is_empty() {
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
