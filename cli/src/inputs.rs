//! The values that a command puts into a network: from a file, or random.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc::check::network_values;
use resnetc::errors::ElementError;
use resnetc::import::onnx::InputInfo;
use resnetc::import::{ImportError, ImportErrorKind, npy, safetensors};
use resnetc::ir::{DType, Tensor};
use resnetc::training::names;
use resnetc::{Array, Compiler, Description, Error, ErrorCode, Network, Options, whole_file};

use crate::args::{Common, Values, note_random_weights};
use crate::failure::Failure;
use crate::npz::Npz;
use crate::units::{self, shape};

/// A file of arrays.
pub(crate) struct ArrayFile {
    path: PathBuf,
    arrays: Arrays,
}

enum Arrays {
    One(Array),
    Named(BTreeMap<String, Array>),
}

impl ArrayFile {
    /// Reads a `.npy`, `.npz` or `.safetensors` file; `file.npz:name` is one array of such a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (file, member) = member(path);
        let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let arrays = match (extension.as_deref(), member) {
            (Some("npz"), Some(name)) => Arrays::One(Npz::read(&file)?.array(&name)?),
            (Some("npz"), None) => Arrays::Named(Npz::read(&file)?.arrays()?),
            (Some("npy"), None) => Arrays::One(npy::read(&file)?),
            (Some("safetensors"), None) => Arrays::Named(safetensors::load_arrays(&file)?),
            _ => {
                // The name of a pipe has no extension.
                if path.exists() {
                    whole_file::check_regular(path).map_err(|e| Failure::unreadable(path, e))?;
                }
                return Err(Failure::file(path, "this is not a .npy, .npz or .safetensors file")
                    .code(ErrorCode::Format)
                    .help("write it with numpy.save, numpy.savez or safetensors.numpy.save_file"));
            }
        };
        Ok(ArrayFile { path: path.to_owned(), arrays })
    }

    /// The array for an input of a network that has `inputs` of them.
    pub(crate) fn input(&self, name: &str, inputs: usize) -> Result<&Array, Failure> {
        let arrays = match &self.arrays {
            Arrays::One(array) if inputs == 1 => return Ok(array),
            Arrays::One(_) => {
                let reason = format!("the model has {inputs} inputs, but the file has one array");
                return Err(Failure::file(&self.path, reason)
                    .code(ErrorCode::MissingTensor)
                    .help("use a .npz or .safetensors file with arrays named like the inputs"));
            }
            Arrays::Named(arrays) => arrays,
        };
        let names: &[&str] =
            if inputs == 1 && name != "input" { &[name, "input"] } else { &[name] };
        let sole = arrays.values().next().filter(|_| arrays.len() == 1 && inputs == 1);
        names.iter().find_map(|&name| arrays.get(name)).or(sole).ok_or_else(|| {
            let wanted: Vec<String> =
                names.iter().map(|n| format!("\"{}\"", units::name(n))).collect();
            let held: Vec<&str> = arrays.keys().map(String::as_str).take(SHOWN).collect();
            let reason = format!("it has no array {}", wanted.join(" or "));
            Failure::file(&self.path, reason)
                .code(ErrorCode::MissingTensor)
                .help(format!("the file has {}", units::name(&held.join(", "))))
        })
    }

    /// The error about an array of the file that has another shape than an output.
    pub(crate) fn other_shape(&self, found: &[usize], output: &str, wanted: &[usize]) -> Failure {
        let (found, output, wanted) = (shape(found), units::name(output), shape(wanted));
        let reason =
            format!("its output is {found}, but output \"{output}\" of the model is {wanted}");
        Failure::file(&self.path, reason).code(ErrorCode::InputShape)
    }

    /// The array `output` or the one named like the output, if a file of named arrays has one.
    pub(crate) fn expected(&self, output: &str) -> Option<Result<Tensor, Failure>> {
        let Arrays::Named(arrays) = &self.arrays else { return None };
        let (name, array) = arrays.get_key_value("output").or(arrays.get_key_value(output))?;
        let fail = |e: ElementError| {
            let name = units::name(name);
            Failure::file(&self.path, format!("array \"{name}\": {e}")).code(e.code())
        };
        Some(array.values(DType::F32).map_err(fail))
    }
}

/// How many names of a file are shown.
const SHOWN: usize = 10;
/// A file, and the array in it that the path names, if any. A file with exactly this name takes
/// precedence.
fn member(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.to_ascii_lowercase().rfind(".npz:") {
        Some(at) if !path.exists() => {
            let end = at + ".npz".len();
            (PathBuf::from(&text[..end]), Some(text[end + 1..].to_owned()))
        }
        _ => (path.to_owned(), None),
    }
}

/// A network and its inputs.
pub(crate) struct Loaded {
    pub(crate) network: Network,
    /// One tensor per input.
    pub(crate) inputs: Vec<Arc<Tensor>>,
    /// The file that the inputs came from.
    pub(crate) file: Option<ArrayFile>,
}

/// Loads MODEL and its inputs: random ones, or those of a file, which then also determine the
/// shapes.
pub(crate) fn load(model: &Path, input: Option<&Path>, common: &Common) -> Result<Loaded, Failure> {
    let Some(path) = input else {
        let network = common.load_to_run(model, Values::Random)?;
        let inputs = random(&network, common.seed())?;
        return Ok(Loaded { network, inputs, file: None });
    };
    common.check(Some(model), Values::Given)?;
    let file = ArrayFile::read(path)?;
    let options = common.options(Some(model), None);
    let description = Description::open(model)?;
    let infos = description.inputs(&options.outputs)?;
    let shapes = shapes(&infos, &file, &options)?;
    let options = options.shapes(shapes);
    let network = Compiler::new(options).build(&description).map_err(|e| at(path, e))?;
    note_random_weights(model, &network);
    let inputs = values(&network, &file)?;
    Ok(Loaded { network, inputs, file: Some(file) })
}

/// The shapes of the arrays for the inputs. A shape that the user also gives must be the same.
fn shapes(
    infos: &[InputInfo],
    file: &ArrayFile,
    options: &Options,
) -> Result<BTreeMap<String, Vec<usize>>, Failure> {
    let mut shapes = options.shapes.clone();
    for info in infos {
        let found = file.input(&info.name, infos.len())?.shape();
        if let Some(said) = shapes.insert(info.name.clone(), found.to_vec())
            && said != found
        {
            let (found, said) = (shape(found), shape(&said));
            return Err(Failure::file(&file.path, format!("its shape is {found}, not {said}"))
                .code(ErrorCode::Conflict)
                .help(format!("leave out --shape {}=...", info.name)));
        }
    }
    Ok(shapes)
}

/// A shape that does not fit is an error of the array's file.
fn at(path: &Path, error: Error) -> Failure {
    match &error {
        Error::Import(ImportError { kind, .. })
            if matches!(
                **kind,
                ImportErrorKind::GivenShape { .. } | ImportErrorKind::ImpossibleShape { .. }
            ) =>
        {
            Failure::file(path, kind).code(error.code())
        }
        _ => error.into(),
    }
}

/// The file's values for all inputs, if their types can hold them.
fn values(network: &Network, file: &ArrayFile) -> Result<Vec<Arc<Tensor>>, Failure> {
    let graph = network.graph();
    let take = |&id| {
        let name = &graph.node(id).name;
        let dtype = graph.input_dtype(id);
        let array = file.input(name, graph.inputs().len())?;
        let wanted = &graph.node(id).ty.shape;
        if array.shape() != wanted {
            let (name, found, wanted) = (units::name(name), shape(array.shape()), shape(wanted));
            let reason = format!("input \"{name}\" of the model is {wanted}, but it is {found}");
            return Err(Failure::file(&file.path, reason).code(ErrorCode::InputShape));
        }
        let values = array.values(dtype);
        values.map(Arc::new).map_err(|e| {
            let name = units::name(name);
            let reason = match &e {
                ElementError::Memory { .. } => format!("input \"{name}\": {e}"),
                _ => format!("input \"{name}\" of the model is {dtype}, but {e}"),
            };
            Failure::file(&file.path, reason).code(e.code())
        })
    };
    graph.inputs().iter().map(take).collect()
}

/// Values for all inputs, to run the network on them many times: a step of training has the
/// learning rate 0, so that the parameters stay as they are.
pub(crate) fn steady(network: &Network, seed: u64) -> Result<Vec<Arc<Tensor>>, Failure> {
    let mut values = random(network, seed)?;
    if network.start().contains_key(names::RATE) {
        let graph = network.graph();
        for (value, &input) in values.iter_mut().zip(graph.inputs()) {
            if graph.node(input).name == names::RATE {
                *value =
                    Arc::new(Tensor::new([1], vec![0.0]).unwrap_or_else(|| Tensor::scalar(0.0)));
            }
        }
    }
    Ok(values)
}

/// Values for all inputs: random ones, apart from those that a step of training starts with.
pub(crate) fn random(network: &Network, seed: u64) -> Result<Vec<Arc<Tensor>>, Failure> {
    Ok(network_values(network, seed)?)
}
