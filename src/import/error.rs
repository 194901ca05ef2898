//! What can be wrong with a model or weight file that the user supplies.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use resnetc_ir::memory::NoMemory;

use super::dim::Dim;
use super::limits;
use crate::advice::{Advice, OptionName};
use crate::error_code::ErrorCode;
use crate::nearest::nearest;
use crate::one_line::{name_line as name, one_line, path_line};

/// The longest reason or list that is shown.
const LONGEST: usize = 1000;

/// Why a file was not imported: the file, if the bytes came from one, what is wrong with it, and
/// what to do.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportError {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub kind: Box<ImportErrorKind>,
}

impl ImportError {
    /// What went wrong, as a stable name.
    pub fn code(&self) -> ErrorCode {
        match &*self.kind {
            ImportErrorKind::Io { source, .. } if source.kind() == ErrorKind::OutOfMemory => {
                ErrorCode::OutOfMemory
            }
            ImportErrorKind::Io { .. } => ErrorCode::Io,
            ImportErrorKind::Memory { .. } => ErrorCode::OutOfMemory,
            ImportErrorKind::Format { .. } => ErrorCode::Format,
            ImportErrorKind::Version { .. } => ErrorCode::Version,
            ImportErrorKind::Invalid { .. } => ErrorCode::InvalidModel,
            ImportErrorKind::Limit { .. } => ErrorCode::Limit,
            ImportErrorKind::ExternalData { .. } => ErrorCode::ExternalData,
            ImportErrorKind::UnboundDims { .. } => ErrorCode::UnboundDimension,
            ImportErrorKind::UnknownDim { .. } => ErrorCode::UnknownDimension,
            ImportErrorKind::UnknownOutput { .. } | ImportErrorKind::ManyValues { .. } => {
                ErrorCode::UnknownOutput
            }
            ImportErrorKind::UnknownInput { .. } => ErrorCode::UnknownInput,
            ImportErrorKind::GivenShape { .. } => ErrorCode::GivenShape,
            ImportErrorKind::ImpossibleShape { .. } => ErrorCode::GivenShape,
            ImportErrorKind::Conflict { .. } => ErrorCode::Conflict,
            ImportErrorKind::FixedBatch { .. } => ErrorCode::FixedBatch,
            ImportErrorKind::FixedDim { .. } => ErrorCode::FixedDimension,
            ImportErrorKind::Unsupported { .. } => ErrorCode::UnsupportedNode,
            ImportErrorKind::MissingTensor { .. } => ErrorCode::MissingTensor,
            ImportErrorKind::ElementType { .. } | ImportErrorKind::Elements { .. } => {
                ErrorCode::ElementType
            }
        }
    }

    /// There is not enough memory for a part of a file.
    pub(super) fn memory(place: impl Into<String>) -> impl FnOnce(NoMemory) -> Self {
        let place = place.into();
        move |NoMemory { bytes }| ImportErrorKind::Memory { place, bytes }.into()
    }

    /// A part of a model is wrong.
    pub(super) fn invalid(place: impl Into<String>, reason: impl Into<String>) -> Self {
        ImportErrorKind::Invalid { place: place.into(), reason: reason.into() }.into()
    }

    /// A model has more nodes than the limit.
    pub(super) fn too_many_nodes() -> Self {
        let advice = Advice::plain("an ONNX simplifier may reduce their number");
        let place = "graph".into();
        ImportErrorKind::Limit { place, what: "nodes", limit: limits::NODES, advice }.into()
    }

    /// An input of a model is wrong, or cannot have the size that is requested.
    pub(super) fn invalid_input(input: &str, reason: impl Into<String>) -> Self {
        ImportError::invalid(format!("input \"{input}\""), reason)
    }

    /// The options for an input or output contradict each other.
    pub(super) fn conflict(place: String, reason: impl Into<String>) -> Self {
        ImportErrorKind::Conflict { place, reason: reason.into() }.into()
    }

    /// Adds the name of the file, unless a more specific file is already named.
    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_path_buf());
        self
    }

    /// What is wrong, without what to do about it.
    pub(crate) fn what(&self) -> String {
        let file = self.file.iter().map(|file| format!("{}: ", path_line(file)));
        let cause = match &*self.kind {
            ImportErrorKind::Io { source, .. } => format!(": {source}"),
            _ => String::new(),
        };
        format!("{}{}{cause}", file.collect::<String>(), self.kind)
    }
}

impl From<ImportErrorKind> for ImportError {
    fn from(kind: ImportErrorKind) -> Self {
        ImportError { file: None, kind: Box::new(kind) }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what();
        f.write_str(&what)?;
        match self.kind.advice() {
            Some(advice) if what.contains('\n') => write!(f, "\n{advice}"),
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// The message is complete, so there is no `source()` to show after it.
impl std::error::Error for ImportError {}

/// What is wrong with an imported file. What to do about it is [`ImportErrorKind::advice`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportErrorKind {
    /// The file cannot be read or written.
    #[error("{action} failed")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system does not have enough memory for what the file holds or computes.
    #[error("{}: not enough memory for {bytes} bytes", name(.place))]
    Memory {
        /// Which part of the file.
        place: String,
        /// How much was requested.
        bytes: usize,
    },
    /// The file is in another format, or cut short.
    #[error("this is not a {expected}: {reason}")]
    Format {
        /// The format that was expected.
        expected: &'static str,
        /// What the bytes look like, and what to do.
        reason: String,
    },
    /// The file is newer or older than what this importer knows.
    #[error("{what} {found} is not supported (supported: {lowest} to {highest})")]
    Version {
        /// Which version number this is about.
        what: &'static str,
        /// The number in the file.
        found: i64,
        /// The lowest number accepted.
        lowest: i64,
        /// The highest number accepted.
        highest: i64,
        /// What to do about it.
        advice: Advice,
    },
    /// The model contradicts itself.
    #[error("{}: {}", name(.place), one_line(.reason, LONGEST))]
    Invalid {
        /// Which part of the model.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model exceeds a limit of the importer: see [`limits`].
    #[error("{}: more than {limit} {what}, which is the limit", name(.place))]
    Limit {
        /// Which part of the model.
        place: String,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
        /// What to do about it.
        advice: Advice,
    },
    /// Data that the model keeps in a separate file cannot be read.
    #[error(
        "tensor \"{}\" is stored in \"{}\": {}", name(.tensor), name(.location), one_line(.reason, LONGEST)
    )]
    ExternalData {
        /// The tensor's name.
        tensor: String,
        /// The location written in the model.
        location: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// Symbolic dimensions that were given no size, and inputs that were given no shape.
    #[error("{}", list_unbound(.dims, .shapeless))]
    UnboundDims {
        /// Every dimension.
        dims: Vec<UnboundDim>,
        /// The name of every input that is declared without a shape.
        shapeless: Vec<String>,
    },
    /// A size was given for a symbolic dimension that no input has.
    #[error("no input has a dimension \"{}\"{}", self::name(.name), known_dims(.known))]
    UnknownDim {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// An output was requested, and nothing in the model has its name.
    #[error("there is no output \"{}\"{}; {}", self::name(.name), suggestion(.name, .known.iter().chain(.values)), all_outputs(.known))]
    UnknownOutput {
        /// The name requested.
        name: String,
        /// The names of the model's outputs.
        known: Vec<String>,
        /// The names of its other values.
        values: Vec<String>,
    },
    /// The name of a requested output is that of several values.
    #[error("the output \"{}\" could be any of several values: {}", self::name(.name), list_names(.values))]
    ManyValues {
        /// The name requested.
        name: String,
        /// The names of the nodes that compute the values.
        values: Vec<String>,
    },
    /// A shape was given for an input that the model does not have, or that the chosen outputs do
    /// not need.
    #[error("there is no input \"{}\"{}; {}", self::name(.name), suggestion(.name, .known), all_names(.known))]
    UnknownInput {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The shape given for an input contradicts its declaration.
    #[error(
        "input \"{}\" is {}, but {} was given{}",
        name(.input),
        list_dims(.declared),
        one_line(&format!("{given:?}"), LONGEST),
        advice.as_ref().map_or(String::new(), |advice| format!("; {advice}"))
    )]
    GivenShape {
        /// The input.
        input: String,
        /// Its dimensions as declared.
        declared: Vec<Dim>,
        /// The shape that was given.
        given: Vec<usize>,
        /// What the shape seems to be, and how to get the right one.
        advice: Option<String>,
    },
    /// The shape or batch given for an input has an extent of 0, or too many dimensions.
    #[error("input \"{}\": {}", name(.input), one_line(.reason, LONGEST))]
    ImpossibleShape {
        /// The input.
        input: String,
        /// What is wrong with its shape.
        reason: String,
    },
    /// The caller's options contradict each other.
    #[error("{}: {}", name(.place), one_line(.reason, LONGEST))]
    Conflict {
        /// Which input or output they are about.
        place: String,
        /// How they contradict each other.
        reason: String,
    },
    /// The requested batch differs from that of the inputs, which cannot be changed.
    #[error(
        "batch {wanted} was requested, but input \"{}\" has the fixed shape {}, and {}",
        name(.input),
        one_line(&format!("{shape:?}"), LONGEST),
        one_line(.reason, LONGEST)
    )]
    FixedBatch {
        /// The batch requested.
        wanted: usize,
        /// The first input.
        input: String,
        /// Its declared shape.
        shape: Vec<usize>,
        /// Why the batch cannot be changed.
        reason: String,
    },
    /// The size given for a dimension that is not a batch differs from the fixed one.
    #[error(
        "size {wanted} was requested, but axis {axis} of input \"{}\" is {found}",
        name(.input)
    )]
    FixedDim {
        /// The input.
        input: String,
        /// Which of its dimensions.
        axis: usize,
        /// The declared size.
        found: usize,
        /// The size requested.
        wanted: usize,
    },
    /// Nodes that cannot be compiled: all of them, so that one message shows everything that is
    /// missing.
    #[error("{}", list_refused(.nodes))]
    Unsupported {
        /// Every offending node, in model order.
        nodes: Vec<RefusedNode>,
    },
    /// A weight file does not hold the requested tensor.
    #[error("no tensor \"{}\"; the file holds {}", self::name(.name), list_names(.available))]
    MissingTensor {
        /// The name requested.
        name: String,
        /// The names in the file.
        available: Vec<String>,
    },
    /// A tensor has an element type that cannot be read: weights must be floats, arrays must be
    /// numbers of 8 bits or more.
    #[error("tensor \"{}\" has element type {found}; weights are F32, F16, BF16 or F64, and inputs also integers of 8 to 64 bits and BOOL", self::name(.name))]
    ElementType {
        /// The tensor's name.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// An array or an input has elements of a type that cannot be read: text, records, complex
    /// numbers.
    #[error("{}: {}", name(.place), one_line(.reason, LONGEST))]
    Elements {
        /// Which array or input.
        place: String,
        /// What its elements are, and what can be read.
        reason: String,
    },
}

impl ImportErrorKind {
    /// What to do about it, if known.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            ImportErrorKind::Version { advice, .. } | ImportErrorKind::Limit { advice, .. } => {
                Some(*advice)
            }
            ImportErrorKind::ExternalData { .. } => {
                Some(Advice::plain("keep the model's data files in the model's folder"))
            }
            ImportErrorKind::UnboundDims { shapeless, .. } if shapeless.is_empty() => {
                Some(Advice::new("give each of them a size with {}", &[OptionName::Dims]))
            }
            ImportErrorKind::UnboundDims { dims, .. } if dims.is_empty() => {
                Some(Advice::new("give each of them a shape with {}", &[OptionName::Shapes]))
            }
            ImportErrorKind::UnboundDims { .. } => Some(Advice::new(
                "give them sizes with {} and shapes with {}",
                &[OptionName::Dims, OptionName::Shapes],
            )),
            ImportErrorKind::FixedBatch { .. } => {
                Some(Advice::plain("export the model with a dynamic batch"))
            }
            ImportErrorKind::FixedDim { .. } => {
                Some(Advice::plain("export the model with that axis dynamic, or for that size"))
            }
            ImportErrorKind::Unsupported { nodes } if nodes.iter().any(|n| n.is_removable) => {
                Some(Advice::plain(
                    "an ONNX simplifier may remove the nodes marked removable: they read only constants",
                ))
            }
            _ => None,
        }
    }
}

/// A symbolic dimension without a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnboundDim {
    /// The model input.
    pub input: String,
    /// Which of its dimensions.
    pub axis: usize,
    /// The name of the dimension.
    pub name: String,
}

/// A node that cannot be compiled, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNode {
    /// The operator, with its domain if that is not the standard one.
    pub op: String,
    /// The node's name, or that of its first output.
    pub name: String,
    /// The attribute at fault, if any.
    pub attribute: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether everything it reads is constant or a shape, so that a tool that folds constants can
    /// remove it.
    pub is_removable: bool,
}

impl fmt::Display for RefusedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\": ", name(&self.op), name(&self.name))?;
        if let Some(attribute) = &self.attribute {
            write!(f, "attribute {}: ", name(attribute))?;
        }
        f.write_str(&one_line(&self.reason, LONGEST))?;
        f.write_str(if self.is_removable { " (removable)" } else { "" })
    }
}

/// Dimensions as they are declared.
fn list_dims(dims: &[Dim]) -> String {
    let one = |dim: &Dim| match dim {
        Dim::Fixed(n) => n.to_string(),
        Dim::Symbol(symbol) => name(symbol),
    };
    let list: Vec<String> = dims.iter().map(one).collect();
    one_line(&format!("[{}]", list.join(", ")), LONGEST)
}

/// The name that may have been meant.
fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    match nearest(wrong, known.into_iter().map(String::as_str)) {
        Some(near) => format!(" (did you mean \"{}\"?)", name(near)),
        None => String::new(),
    }
}

fn list_unbound(dims: &[UnboundDim], shapeless: &[String]) -> String {
    let mut parts = Vec::new();
    if !dims.is_empty() {
        parts.push(list_sizeless(dims));
    }
    if !shapeless.is_empty() {
        let (s, has) = if shapeless.len() == 1 { ("", "has") } else { ("s", "have") };
        parts.push(format!("input{s} {} {has} no declared shape", list_names(shapeless)));
    }
    parts.join(", and ")
}

fn list_sizeless(dims: &[UnboundDim]) -> String {
    const SHOWN: usize = 20;
    let one = |d: &UnboundDim| {
        format!("dimension \"{}\" (axis {} of input \"{}\")", name(&d.name), d.axis, name(&d.input))
    };
    let list: Vec<String> = dims.iter().take(SHOWN).map(one).collect();
    let more = match dims.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let has = if dims.len() == 1 { "has" } else { "have" };
    format!("{}{more} {has} no size", list.join(", "))
}

fn list_refused(nodes: &[RefusedNode]) -> String {
    let mut text = format!(
        "{} node{} cannot be compiled",
        nodes.len(),
        if nodes.len() == 1 { "" } else { "s" }
    );
    // Enough for any real network, and a bound for hostile files.
    const SHOWN: usize = 1000;
    for node in nodes.iter().take(SHOWN) {
        text.push_str(&format!("\n  {node}"));
    }
    if nodes.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", nodes.len() - SHOWN));
    }
    text
}

/// The dimensions that could have been meant.
fn known_dims(known: &[String]) -> String {
    match known.is_empty() {
        true => ": all sizes of this model are fixed".to_owned(),
        false => format!("; {}", all_names(known)),
    }
}

/// Which names there are, as a clause.
fn all_names(names: &[String]) -> String {
    let verb = if names.len() == 1 { "there is only" } else { "there are" };
    format!("{verb} {}", list_names(names))
}

/// Which outputs there are, and that other values can be named.
fn all_outputs(names: &[String]) -> String {
    let are = if names.len() == 1 { "the output is" } else { "the outputs are" };
    format!("{are} {}, and any other value of the network can be named, too", list_names(names))
}

fn list_names(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text =
        names.iter().take(SHOWN).map(|n| format!("\"{}\"", name(n))).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    if names.is_empty() { "nothing".into() } else { text }
}
