//! The front door: description in, model out.

use std::path::Path;

use resnetc_ir::Graph;

use crate::compile::compile;
use crate::error::Error;
use crate::import::{ImportError, ImportErrorKind, foreign, limits, onnx, safetensors};
use crate::options::{Options, Source};
use crate::runtime::file::FileBuffer;
use crate::runtime::model::Model;
use crate::spec::{Spec, Weights};

/// Loads networks under one set of options.
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    options: Options,
}

/// A network that was loaded and not compiled yet.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Graph,
    options: Options,
    random_weights: Option<u64>,
}

impl Compiler {
    /// A compiler with these options.
    pub fn new(options: Options) -> Self {
        Compiler { options }
    }

    /// Loads what `model` names: a built-in network (`resnet50`), a spec (`.toml`, `.json`) or an ONNX file, see
    /// [`Compiler::onnx`].
    ///
    /// # Errors
    /// If there is no such network or file, or it cannot be taken; the error names the file and every offending
    /// node or key.
    pub fn load(&self, model: impl AsRef<Path>) -> Result<Network, Error> {
        let path = model.as_ref();
        if let Some(spec) = path.to_str().and_then(Spec::builtin) {
            return self.spec(&spec);
        }
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("onnx") => self.onnx(path),
            Some("toml" | "json") => self.spec(&Spec::load(path)?),
            _ => Err(Error::UnknownModel { model: path.to_owned(), reason: no_model(path) }),
        }
    }

    /// Builds the network of a spec, with the weights that the options name or seeded random ones.
    ///
    /// # Errors
    /// If the spec makes no sense or the weights do not fit it.
    pub fn spec(&self, spec: &Spec) -> Result<Network, Error> {
        let (weights, random_weights) = match &self.options.weights {
            Some(file) => {
                self.options.check(Source::Weighted)?;
                let mut buffer = read(file, limits::FILE_BYTES)?;
                let map = safetensors::decode(&mut buffer).map_err(|e| e.in_file(file))?;
                (Weights::Map(map), None)
            }
            None => {
                self.options.check(Source::Drawn)?;
                let seed = self.options.seed;
                (Weights::Random { seed }, Some(seed))
            }
        };
        let graph = spec.build(&weights, self.options.batch.unwrap_or(1))?;
        Ok(Network { random_weights, ..self.network(graph) })
    }

    /// Imports an ONNX file. It is read once, whole: what becomes of it later makes no difference.
    ///
    /// # Errors
    /// If it cannot be taken, or was changed while it was read.
    pub fn onnx(&self, file: &Path) -> Result<Network, Error> {
        self.options.check(Source::Onnx)?;
        let mut buffer = read(file, limits::ONNX_BYTES)?;
        Ok(self.network(onnx::Model::decode(&mut buffer, file)?.graph(&self.bindings())?))
    }

    /// Imports an ONNX model from memory. Data that it keeps in other files is looked for in `folder`.
    ///
    /// # Errors
    /// If it cannot be taken.
    pub fn onnx_bytes(&self, bytes: &[u8], folder: Option<&Path>) -> Result<Network, Error> {
        self.options.check(Source::Onnx)?;
        Ok(self.network(onnx::Model::parse(bytes, folder)?.graph(&self.bindings())?))
    }

    /// Takes a graph as it stands.
    ///
    /// # Errors
    /// If an option is set that says how a network is loaded: shapes and weights of a graph are fixed.
    pub fn graph(&self, graph: Graph) -> Result<Network, Error> {
        self.options.check(Source::Graph)?;
        Ok(self.network(graph))
    }

    fn network(&self, graph: Graph) -> Network {
        Network { graph, options: self.options.clone(), random_weights: None }
    }

    fn bindings(&self) -> onnx::Bindings {
        onnx::Bindings { batch: self.options.batch, dims: self.options.dims.clone() }
    }
}

/// Why a path names no network, and what to do.
fn no_model(path: &Path) -> String {
    if path.is_dir() {
        return "this is a folder; give the .onnx file in it".to_owned();
    }
    if let Some(format) = foreign::Format::of_file(path) {
        return format.advise(foreign::Wanted::Model);
    }
    match foreign::head(path) {
        // The key of the first field of a model.
        Some(head) if head.starts_with(b"\x08") => {
            "the file may be an ONNX model; give it a name that ends in .onnx".to_owned()
        }
        _ => format!(
            "no built-in network and no .onnx, .toml or .json file; {}",
            Spec::builtin_hint(&path.to_string_lossy())
        ),
    }
}

/// Reads a file whose parts are given back one by one.
fn read(file: &Path, most: u64) -> Result<FileBuffer, ImportError> {
    FileBuffer::read(file, most).map_err(|source| {
        ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(file)
    })
}

impl Network {
    /// The graph as it was described, before any pass.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The seed of its weights, if they are random: those of a spec or a built-in network that was given none.
    pub fn random_weights(&self) -> Option<u64> {
        self.random_weights
    }

    /// How it will be compiled.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same network, to be compiled under other options. Those that say how a network is loaded (batch, dims,
    /// weights, seed) stay as they were.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Network {
        Network { options: options.loaded_as(&self.options), ..self.clone() }
    }

    /// The network as the bytes of an ONNX file, which any engine reads; [`export::onnx`](crate::export::onnx)
    /// also writes files.
    ///
    /// # Errors
    /// If it has values that ONNX cannot express, or is too large for a file.
    pub fn to_onnx(&self) -> Result<Vec<u8>, Error> {
        Ok(crate::export::onnx::encode(&self.graph)?)
    }

    /// Compiles it.
    ///
    /// # Errors
    /// If an operator cannot be compiled, the CPU lacks the instruction set, or the system refuses memory.
    pub fn compile(self) -> Result<Model, Error> {
        compile(self.graph, &self.options)
    }
}
