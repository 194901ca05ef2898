//! The values that a command puts into a network: from a file, or random.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc::check::random_values;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::import::{ImportError, ImportErrorKind};
use resnetc::ir::Tensor;
use resnetc::{Compiler, Error, Network};

use crate::args::{Common, Values};
use crate::failure::Failure;
use crate::npy;
use crate::units::shape;

/// A file of tensors.
pub(crate) struct TensorFile {
    path: PathBuf,
    tensors: Tensors,
}

enum Tensors {
    One(Arc<Tensor>),
    Named(WeightMap),
}

impl TensorFile {
    /// Reads a `.npy` or `.safetensors` file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let tensors = match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => Tensors::One(Arc::new(npy::read(path)?)),
            Some("safetensors") => Tensors::Named(safetensors::load(path)?),
            _ => {
                return Err(Failure::file(path, "this is no .npy and no .safetensors file")
                    .help("write it with numpy.save or safetensors.numpy.save_file"));
            }
        };
        Ok(TensorFile { path: path.to_owned(), tensors })
    }

    /// The tensor of this name; in a file with one tensor, that one.
    pub(crate) fn tensor(&self, names: &[&str]) -> Option<&Arc<Tensor>> {
        match &self.tensors {
            Tensors::One(tensor) => Some(tensor),
            Tensors::Named(map) => names.iter().find_map(|&name| map.get(name)),
        }
    }

    /// What the file holds for an input of a network that has `inputs` of them.
    fn input(&self, name: &str, inputs: usize) -> Result<&Arc<Tensor>, Failure> {
        let names: &[&str] = if inputs == 1 { &[name, "input"] } else { &[name] };
        let sole = match &self.tensors {
            Tensors::Named(map) if map.len() == 1 && inputs == 1 => map.values().next(),
            _ => None,
        };
        match &self.tensors {
            Tensors::One(_) if inputs != 1 => {
                let reason = format!("the model has {inputs} inputs, the file one tensor");
                Err(Failure::file(&self.path, reason).help("use a .safetensors file"))
            }
            _ => self.tensor(names).or(sole).ok_or_else(|| {
                let wanted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
                Failure::file(&self.path, format!("it has no tensor {}", wanted.join(" or ")))
            }),
        }
    }

    /// The tensor `output` or that of the output's name, if a `.safetensors` file has one.
    pub(crate) fn expected(&self, output: &str) -> Option<&Arc<Tensor>> {
        match &self.tensors {
            Tensors::One(_) => None,
            Tensors::Named(map) => map.get("output").or_else(|| map.get(output)),
        }
    }
}

/// A network and what goes into it.
pub(crate) struct Loaded {
    pub(crate) network: Network,
    /// One tensor an input.
    pub(crate) inputs: Vec<Arc<Tensor>>,
    /// Where they came from.
    pub(crate) file: Option<TensorFile>,
}

/// Loads MODEL and its inputs: random ones, or those of a file, whose first axis is the batch unless --batch is
/// given.
pub(crate) fn load(model: &Path, input: Option<&Path>, common: &Common) -> Result<Loaded, Failure> {
    let Some(path) = input else {
        let network = common.load_to_run(model, Values::Random)?;
        let inputs = random(&network, common.seed());
        return Ok(Loaded { network, inputs, file: None });
    };
    common.check(Some(model), Values::Given)?;
    let file = TensorFile::read(path)?;
    let mut network = common.load_to_run(model, Values::Given)?;
    if let Some(batch) = other_batch(&network, &file)?
        && common.batch.is_none()
    {
        match Compiler::new(common.options(Some(model), Some(batch))).load(model) {
            Ok(bound) => network = bound,
            // The shapes are compared below.
            Err(Error::Import(ImportError { kind, .. }))
                if matches!(*kind, ImportErrorKind::FixedBatch { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    let inputs = matching(&network, &file)?;
    Ok(Loaded { network, inputs, file: Some(file) })
}

/// The first extent of the file's first input, if the network has another one.
fn other_batch(network: &Network, file: &TensorFile) -> Result<Option<usize>, Failure> {
    let graph = network.graph();
    let Some(&first) = graph.inputs().first() else { return Ok(None) };
    let node = graph.node(first);
    let given = file.input(&node.name, graph.inputs().len())?.shape().first().copied();
    Ok(given.filter(|&n| n > 0 && Some(&n) != node.ty.shape.first()))
}

/// The file's tensors for all inputs, if they have the right shapes.
fn matching(network: &Network, file: &TensorFile) -> Result<Vec<Arc<Tensor>>, Failure> {
    let graph = network.graph();
    let take = |&id| {
        let node = graph.node(id);
        let tensor = file.input(&node.name, graph.inputs().len())?;
        match tensor.shape() == node.ty.shape {
            true => Ok(Arc::clone(tensor)),
            false => Err(Failure::file(
                &file.path,
                format!(
                    "its shape is {}, but input \"{}\" of the model is {}",
                    shape(tensor.shape()),
                    node.name,
                    shape(&node.ty.shape)
                ),
            )),
        }
    };
    graph.inputs().iter().map(take).collect()
}

/// Random values for all inputs.
pub(crate) fn random(network: &Network, seed: u64) -> Vec<Arc<Tensor>> {
    random_values(network.graph(), seed).into_iter().map(Arc::new).collect()
}
