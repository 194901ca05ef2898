//! Descriptions of networks, as they are stored in files: what can be known before sizes are
//! chosen.

use std::path::{Path, PathBuf};

use resnetc_ir::DType;

use crate::cache::FileVersion;
use crate::error::Error;
use crate::import::onnx::{self, Dim, InputInfo};
use crate::import::{ImportError, ImportErrorKind, foreign, limits};
use crate::runtime::file::FileBuffer;
use crate::spec::Spec;
use crate::whole_file;

/// The description of a network whose sizes are not chosen yet.
/// [`Compiler::build`](crate::Compiler::build) turns it into a network.
///
/// ```no_run
/// use resnetc::{Compiler, Description, Options};
///
/// # fn main() -> Result<(), resnetc::Error> {
/// let description = Description::open("detector.onnx")?;
/// let input = description.inputs(&[])?[0].name.clone();
/// let options = Options::default().shapes([(input, vec![1, 3, 640, 480])]);
/// let network = Compiler::new(options).build(&description)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Description(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    /// A spec, and the file that it was read from.
    Spec(Box<Spec>, Option<PathBuf>),
    Onnx(Box<onnx::Model>, FileVersion),
}

impl Description {
    /// Opens what `model` names: a built-in network (`resnet50`), a spec (`.toml`, `.json`) or an
    /// ONNX file.
    ///
    /// # Errors
    /// If there is no such network or file, or the file is not a description.
    pub fn open(model: impl AsRef<Path>) -> Result<Self, Error> {
        Description::opened(model.as_ref(), None)
    }

    /// As [`Description::open`], for a network that may be in the folder `cache`.
    pub(crate) fn opened(path: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        match Named::of(path)? {
            Named::Onnx => Description::onnx(path, cache),
            Named::Spec(spec, file) => Ok(Description(Kind::Spec(spec, file))),
        }
    }

    /// Opens an ONNX file, whatever its name is.
    pub(crate) fn onnx(file: &Path, cache: Option<&Path>) -> Result<Self, Error> {
        let read = |file: &Path| read(file, limits::ONNX_BYTES);
        let (version, mut buffer) = FileVersion::read(file, cache, read)?;
        let model = Box::new(onnx::Model::decode(&mut buffer, file)?);
        Ok(Description(Kind::Onnx(model, version)))
    }

    /// The spec, unless it is an ONNX file.
    pub fn spec(&self) -> Option<&Spec> {
        match &self.0 {
            Kind::Spec(spec, _) => Some(spec),
            Kind::Onnx(..) => None,
        }
    }

    /// The declared inputs that the outputs of these names need; without names, all inputs.
    ///
    /// # Errors
    /// If an input is not a tensor of numbers, or there is no such output.
    pub fn inputs(&self, outputs: &[String]) -> Result<Vec<InputInfo>, Error> {
        match &self.0 {
            Kind::Onnx(model, _) => Ok(model.inputs_of(outputs)?),
            Kind::Spec(spec, _) => Ok(vec![spec_input(spec)]),
        }
    }
}

/// What a name or a path stands for.
pub(crate) enum Named {
    /// A spec, and the file that it was read from.
    Spec(Box<Spec>, Option<PathBuf>),
    /// An ONNX file, which is not opened.
    Onnx,
}

impl Named {
    /// What `path` names: a built-in network, a spec, which is read, or an ONNX file.
    ///
    /// # Errors
    /// If it is none of them, or the spec is not valid.
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        if let Some(spec) = path.to_str().and_then(Spec::builtin) {
            return Ok(Named::Spec(Box::new(spec), None));
        }
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("onnx") => Ok(Named::Onnx),
            Some("toml" | "json") => {
                Ok(Named::Spec(Box::new(Spec::load(path)?), Some(path.to_owned())))
            }
            _ => Err(Error::UnknownModel { model: path.to_owned(), reason: no_model(path) }),
        }
    }
}

/// Reads a file into a buffer whose parts are freed one by one.
pub(crate) fn read(file: &Path, most: u64) -> Result<FileBuffer, ImportError> {
    FileBuffer::read(file, most).map_err(|source| {
        ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(file)
    })
}

/// Why a path does not name a network, and what to do.
fn no_model(path: &Path) -> String {
    if path.is_dir() {
        return "this is a folder; give the .onnx file in it".to_owned();
    }
    if path.exists()
        && let Err(reason) = whole_file::check_regular(path)
    {
        return reason.to_string();
    }
    if let Some(format) = foreign::Format::of_file(path) {
        return format.advise(foreign::Wanted::Model);
    }
    match foreign::head(path) {
        // The protobuf key of a model's first field.
        Some(head) if head.starts_with(b"\x08") => {
            "the file may be an ONNX model; give it a name that ends in .onnx".to_owned()
        }
        _ => format!(
            "no built-in network and no .onnx, .toml or .json file; {}",
            Spec::builtin_hint(&path.to_string_lossy())
        ),
    }
}

/// The one input of a spec's network.
pub(crate) fn spec_input(spec: &Spec) -> InputInfo {
    let fixed = [spec.input.channels, spec.input.height, spec.input.width].map(Dim::Fixed);
    let batch = Dim::Symbol("batch".to_owned());
    let dims = Some(std::iter::once(batch).chain(fixed).collect());
    InputInfo { name: "input".to_owned(), dims, dtype: DType::F32 }
}
