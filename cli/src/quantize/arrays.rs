//! Arrays to calibrate with: files of a folder, each with the values of one or more runs.

use std::path::{Path, PathBuf};

use resnetc::ErrorCode;
use resnetc::ir::{DType, Graph};
use resnetc::quantize::{Run, Samples, Stage};

use super::progress::{Comparing, verb};
use crate::failure::Failure;
use crate::inputs::ArrayFile;
use crate::progress::Progress;
use crate::units::{self, shape};

/// The extensions of files of arrays.
const EXTENSIONS: [&str; 3] = ["npy", "npz", "safetensors"];

/// An input of a network.
struct Port {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
}

/// The files of arrays in a folder, by name, or a file of arrays; none if there are none.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_array = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
    };
    let mut files = match path.is_dir() {
        true => {
            let unreadable = |e| Failure::unreadable(path, e);
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            let paths: Result<Vec<PathBuf>, _> =
                entries.map(|entry| entry.map(|entry| entry.path())).collect();
            paths.map_err(unreadable)?
        }
        false => vec![path.to_owned()],
    };
    files.retain(is_array);
    files.sort();
    Ok(files)
}

/// Files of arrays, and the inputs that they are for.
pub(super) struct Arrays {
    files: Vec<PathBuf>,
    ports: Vec<Port>,
    comparing: Comparing,
}

impl Arrays {
    /// Files with values of the inputs of a graph.
    pub(super) fn new(files: Vec<PathBuf>, graph: &Graph) -> Self {
        let port = |&id| {
            let node = graph.node(id);
            let (name, shape) = (node.name.clone(), node.ty.shape.clone());
            Port { name, shape, dtype: graph.input_dtype(id) }
        };
        Arrays {
            files,
            ports: graph.inputs().iter().map(port).collect(),
            comparing: Comparing::default(),
        }
    }

    /// The values of each input in a file, and how many runs they are for.
    fn values(&self, path: &Path) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        let file = ArrayFile::read(path)?;
        let mut runs = None;
        let mut all = Vec::new();
        for port in &self.ports {
            let array = file.input(&port.name, self.ports.len())?;
            let name = units::name(&port.name);
            let here = divided(array.shape(), &port.shape).ok_or_else(|| {
                let (found, wanted) = (shape(array.shape()), shape(&port.shape));
                let reason =
                    format!("input \"{name}\" of the model is {wanted}, but it is {found}");
                Failure::file(path, reason)
                    .code(ErrorCode::InputShape)
                    .help("the first axis may be a multiple of the model's: several runs")
            })?;
            if *runs.get_or_insert(here) != here {
                let reason = format!("its arrays are for different numbers of runs (\"{name}\")");
                return Err(Failure::file(path, reason).code(ErrorCode::InputShape));
            }
            let values = array.values(port.dtype).map_err(|e| {
                let reason = format!("input \"{name}\" of the model is {}, but {e}", port.dtype);
                Failure::file(path, reason).code(e.code())
            })?;
            all.push(values.into_data());
        }
        Ok((all, runs.unwrap_or(0)))
    }
}

/// How often the second shape is in the first along its first axis.
fn divided(found: &[usize], wanted: &[usize]) -> Option<usize> {
    match (found, wanted) {
        (found, wanted) if found == wanted => Some(1),
        ([rows, found @ ..], [batch, wanted @ ..]) if found == wanted && *batch > 0 => {
            (rows % batch == 0).then_some(rows / batch)
        }
        _ => None,
    }
}

impl Samples for Arrays {
    type Error = Failure;

    fn each(&mut self, stage: Stage, run: Run<'_>) -> Result<(), Failure> {
        let mut bar = Progress::counting(verb(stage), Some(self.files.len() as u64));
        for (done, file) in self.files.iter().enumerate() {
            let (values, runs) = self.values(file)?;
            for i in 0..runs {
                let part = |values: &'_ Vec<f32>| {
                    let size = values.len() / runs;
                    i * size..(i + 1) * size
                };
                let inputs: Vec<&[f32]> =
                    values.iter().map(|values| &values[part(values)]).collect();
                run(&inputs).map_err(|e| Failure::from(e).in_file(file))?;
            }
            bar.set(done as u64 + 1);
        }
        Ok(())
    }

    fn progress(&mut self, _: Stage, done: usize, total: usize) {
        self.comparing.show(done, total);
    }
}
