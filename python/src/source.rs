//! What networks are loaded from.

use std::path::{Path, PathBuf};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use resnetc::spec::Spec;
use resnetc::{Compiler, Model, Network};

use crate::failure::Failure;
use crate::options::Given;

/// What a network is loaded from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A built-in name or a file.
    Named(PathBuf),
    /// An ONNX file in memory, and the folder for data that it keeps in other files.
    Bytes(PyBackedBytes, Option<PathBuf>),
    /// A spec in memory, as JSON.
    Spec(String),
}

/// A size of a model's inputs.
#[derive(Debug)]
pub(crate) enum Size {
    /// Images in a run.
    Batch(usize),
    /// Shapes of inputs, by name.
    Shapes(Vec<(String, Vec<usize>)>),
}

impl Source {
    /// Bytes, a path, a name or a dict.
    ///
    /// # Errors
    /// `TypeError` if it is something else, or a folder is given with a path.
    pub(crate) fn read(value: &Bound<'_, PyAny>, folder: Option<PathBuf>) -> PyResult<Self> {
        if value.is_instance_of::<PyBytes>() {
            return Ok(Source::Bytes(value.extract()?, folder.as_deref().map(lasting)));
        }
        if folder.is_some() {
            return Err(PyTypeError::new_err("`folder=` is for a model in bytes"));
        }
        if value.is_instance_of::<PyDict>() {
            let json = value.py().import("json")?.call_method1("dumps", (value,))?;
            return Ok(Source::Spec(json.extract()?));
        }
        let Ok(path) = value.extract::<PathBuf>() else {
            let given = value.get_type().name()?;
            let message = format!("a model is a path, a name, bytes or a dict, not {given}");
            return Err(PyTypeError::new_err(message));
        };
        Ok(Source::Named(lasting(&path)))
    }

    /// A name that a model can be loaded by again, for pickling; `None` for what is in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Source::Named(path) => Some(path),
            Source::Bytes(..) | Source::Spec(_) => None,
        }
    }

    /// The folder for data that is in other files.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Source::Named(_) | Source::Spec(_) => None,
            Source::Bytes(_, folder) => folder.as_deref(),
        }
    }

    /// What reports call it.
    pub(crate) fn label(&self) -> PathBuf {
        match self {
            Source::Named(path) => path.clone(),
            Source::Bytes(..) => PathBuf::from("bytes"),
            Source::Spec(_) => PathBuf::from("spec"),
        }
    }

    /// Loads it.
    pub(crate) fn load(&self, given: Given) -> Result<Network, Failure> {
        let compiler = Compiler::new(given.options()?);
        match self {
            Source::Named(path) => Ok(compiler.load(path)?),
            Source::Bytes(bytes, folder) => Ok(compiler.onnx_bytes(bytes, folder.as_deref())?),
            Source::Spec(json) => {
                let spec = Spec::from_json(json).map_err(resnetc::Error::from)?;
                Ok(compiler.spec(&spec)?)
            }
        }
    }

    /// Loads and compiles it, or finds it compiled.
    pub(crate) fn compile(&self, given: Given) -> Result<Model, Failure> {
        match self {
            Source::Named(path) => Ok(Compiler::new(given.options()?).compile(path)?),
            Source::Bytes(..) | Source::Spec(_) => Ok(self.load(given)?.compile()?),
        }
    }

    /// Compiles it for other sizes than `model`, which was compiled from it.
    pub(crate) fn resize(
        &self,
        given: Given,
        size: &Size,
        model: &Model,
    ) -> Result<Model, Failure> {
        match (self, size) {
            (Source::Named(_), Size::Batch(images)) => Ok(model.with_batch(*images)?),
            (Source::Named(_), Size::Shapes(shapes)) => {
                let shapes = shapes.iter().map(|(name, shape)| (&**name, &**shape));
                Ok(model.with_shapes(&shapes.collect::<Vec<_>>())?)
            }
            (Source::Bytes(..) | Source::Spec(_), _) => self.compile(given.sharing(model)),
        }
    }
}

/// A path that stays valid when the working folder changes. Built-in names stay as they are, and so
/// do paths that lead nowhere, for the message.
fn lasting(path: &Path) -> PathBuf {
    let is_builtin = path.to_str().and_then(Spec::builtin).is_some();
    match !is_builtin && path.exists() {
        true => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        false => path.to_owned(),
    }
}
