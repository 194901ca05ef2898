//! ONNX models.
//!
//! | module | holds |
//! |---|---|
//! | [`proto`] | the file format |
//! | `open`, `wire` | bytes to messages: rejects what is not a model or too large, and checks versions |
//! | `tensor`, `external` | stored constants |
//! | `locations` | which other files a model refers to |
//! | `exact` | whether outputs of integers fit f32 |
//! | `types` | element types |
//! | `needed` | the part of a model that the requested outputs need |
//! | `inputs`, `given`, `bind` | inputs as they are declared, and the sizes of symbolic dimensions |
//! | `budget` | how much memory constants take, and whether their files hold that much |
//! | `functions` | operators that the model defines itself, inlined |
//! | `order` | nodes in the order of their operands; cycles and dangling names |
//! | `convert` | nodes to a graph |
//! | `images` | which values keep the images of a batch separate |
//! | `batch` | batch sizes hard-coded in a reshape |
//! | `rebatch` | changes the fixed batch of a model |
//! | `literal`, `movement` | arithmetic on values known during import |
//! | `ops` | the operators |
//!
//! Versions 7 to 28 of the standard operators are read. After version 22 the operators supported
//! here changed only in their lists of element types, and the added types are refused by name.

mod batch;
mod bind;
mod budget;
mod builder;
mod call;
mod convert;
mod exact;
mod external;
mod folded;
mod functions;
mod given;
mod images;
mod inputs;
mod literal;
mod locations;
mod movement;
mod needed;
mod open;
mod ops;
mod order;
pub mod proto;
mod rebatch;
mod refusal;
mod removable;
mod tensor;
mod types;
mod wire;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost::bytes::{Buf, Bytes};
use resnetc_ir::Graph;

use super::error::ImportError;

pub use super::dim::Dim;
pub(crate) use bind::shapes;
pub use external::{Beside, Given};
pub use inputs::{Bindings, InputInfo};
use needed::Needed;
pub use ops::{Operator, When, operators};

/// A model that was read but has no sizes yet.
///
/// ```no_run
/// use resnetc::import::onnx::{Bindings, Model};
///
/// let model = Model::read("resnet50.onnx".as_ref())?;
/// let graph = model.graph(&Bindings { batch: Some(8), ..Bindings::default() })?;
/// # Ok::<(), resnetc::import::ImportError>(())
/// ```
#[derive(Debug)]
pub struct Model {
    proto: proto::ModelProto,
    opset: i64,
    file: Option<PathBuf>,
    beside: Beside,
}

impl Model {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read, is not an ONNX model, or is of a version that is not supported.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let bytes = open::read_file(path)?;
        Model::decode(&mut Bytes::from(bytes), path)
    }

    /// Reads a model from the buffer `bytes`, which holds the file `path` in one chunk. Large
    /// constants of its graphs keep their parts of the buffer, as [`Buf::copy_to_bytes`] returns
    /// them, without copying.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn decode(bytes: &mut dyn Buf, path: &Path) -> Result<Self, ImportError> {
        let beside = path.parent().into();
        let (proto, opset) = open::decode(bytes).map_err(|e| e.in_file(path))?;
        Ok(Model { proto, opset, file: Some(path.to_path_buf()), beside })
    }

    /// Reads a model from memory. `beside` has the data that it keeps in other files.
    ///
    /// # Errors
    /// If the bytes are not an ONNX model, or of a version that is not supported.
    pub fn parse(bytes: &[u8], beside: impl Into<Beside>) -> Result<Self, ImportError> {
        let (proto, opset) = open::decode(&mut Bytes::copy_from_slice(bytes))?;
        Ok(Model { proto, opset, file: None, beside: beside.into() })
    }

    /// The declared inputs, without the constants that old files list among them.
    ///
    /// # Errors
    /// If an input is not a tensor of numbers.
    pub fn inputs(&self) -> Result<Vec<InputInfo>, ImportError> {
        inputs::describe(self.declared(), |_| true).map_err(|e| self.name_file(e))
    }

    /// As [`Model::inputs`], but only the inputs that the outputs of these names need; without
    /// names, all of them.
    ///
    /// # Errors
    /// As [`Model::inputs`]; also if there is no such output, or the model contradicts itself.
    pub fn inputs_of(&self, outputs: &[String]) -> Result<Vec<InputInfo>, ImportError> {
        if outputs.is_empty() {
            return self.inputs();
        }
        let graph = self.declared();
        let needed = Needed::of(&self.proto, graph, self.opset, outputs);
        needed.and_then(|needed| needed.inputs(graph)).map_err(|e| self.name_file(e))
    }

    /// The model as a graph with these sizes and these outputs.
    ///
    /// # Errors
    /// If a size is missing, the model contradicts itself, or nodes that the outputs need are not
    /// supported; the error lists all such nodes.
    pub fn graph(&self, bindings: &Bindings) -> Result<Graph, ImportError> {
        let convert = || {
            let graph = self.declared();
            let needed = Needed::of(&self.proto, graph, self.opset, &bindings.outputs)?;
            let bound = bind::bind(&needed.inputs(graph)?, bindings)?;
            convert::convert(graph, &needed, &bound, self.beside.clone())
        };
        let mut graph = convert().map_err(|e| self.name_file(e))?;
        if let Some(file) = &self.file {
            graph.set_file(file);
        }
        Ok(graph)
    }

    /// The names of the other files in which it keeps constants, and where they are.
    pub(crate) fn data_beside(&self) -> (BTreeSet<&str>, &Beside) {
        (locations::of(&self.proto, &self.beside), &self.beside)
    }

    fn declared(&self) -> &proto::GraphProto {
        static EMPTY: std::sync::OnceLock<proto::GraphProto> = std::sync::OnceLock::new();
        self.proto.graph.as_ref().unwrap_or_else(|| EMPTY.get_or_init(Default::default))
    }

    fn name_file(&self, error: ImportError) -> ImportError {
        match &self.file {
            Some(file) => error.in_file(file),
            None => error,
        }
    }
}

/// Reads a file as a graph.
///
/// # Errors
/// As [`Model::read`] and [`Model::graph`].
pub fn load(path: &Path, bindings: &Bindings) -> Result<Graph, ImportError> {
    Model::read(path)?.graph(bindings)
}

/// Reads a graph from memory; see [`Model::parse`].
///
/// # Errors
/// As [`Model::parse`] and [`Model::graph`].
pub fn parse(
    bytes: &[u8],
    folder: Option<&Path>,
    bindings: &Bindings,
) -> Result<Graph, ImportError> {
    Model::parse(bytes, folder)?.graph(bindings)
}

/// The inputs of a model file as declared; see [`Model::inputs`].
///
/// # Errors
/// As [`Model::read`] and [`Model::inputs`].
pub fn describe(path: &Path) -> Result<Vec<InputInfo>, ImportError> {
    Model::read(path)?.inputs()
}
