//! safetensors files: a network's weights by name, and single tensors in and out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use resnetc_ir::Tensor;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::error::{ImportError, ImportErrorKind};
use super::foreign::{Format, Wanted};
use super::limits;
use crate::whole_file;

/// Tensors by name, shared rather than copied.
pub type WeightMap = BTreeMap<String, Arc<Tensor>>;

/// Reads every float tensor of a file. F16, BF16 and F64 become f32; tensors of integers, such as PyTorch's
/// `num_batches_tracked`, are left out.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or holds floats of another kind.
pub fn load(path: &Path) -> Result<WeightMap, ImportError> {
    parse(&read(path)?).map_err(|e| e.in_file(path))
}

/// As [`load`], from memory.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8]) -> Result<WeightMap, ImportError> {
    let mut weights = WeightMap::new();
    for (name, view) in open(bytes)?.iter() {
        if !is_integer(view.dtype()) {
            weights.insert(name.to_string(), Arc::new(convert(name, &view)?));
        }
    }
    Ok(weights)
}

/// Reads one tensor of a file; without a name, the only one that there is.
///
/// # Errors
/// As [`load`], and if there is no such tensor.
pub fn load_tensor(path: &Path, name: Option<&str>) -> Result<Tensor, ImportError> {
    let one = |bytes: &[u8]| {
        let file = open(bytes)?;
        let names = || {
            let mut names: Vec<String> = file.names().into_iter().map(String::from).collect();
            names.sort_unstable();
            names
        };
        let name = match (name, file.len()) {
            (Some(name), _) => name.to_string(),
            (None, 1) => names().remove(0),
            (None, _) => "<the only tensor>".to_string(),
        };
        match file.tensor(&name) {
            Ok(view) => convert(&name, &view),
            Err(_) => Err(ImportErrorKind::MissingTensor { name, available: names() }.into()),
        }
    };
    one(&read(path)?).map_err(|e| e.in_file(path))
}

/// Writes named tensors as F32. The file appears whole or not at all: a file that exists under this name is
/// replaced only after the new one is complete on disk.
///
/// # Errors
/// If the file cannot be written, or a name occurs twice.
pub fn save<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), ImportError> {
    let fail = |e: std::io::Error| -> ImportError {
        ImportError::from(ImportErrorKind::Io { action: "writing", source: e }).in_file(path)
    };
    let mut data: BTreeMap<&str, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in tensors {
        let bytes = tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect();
        if data.insert(name, (tensor.shape().to_vec(), bytes)).is_some() {
            return Err(fail(std::io::Error::other(format!("two tensors are named \"{name}\""))));
        }
    }
    let views = data
        .iter()
        .map(|(&name, (shape, bytes))| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let encoded = views.and_then(|views| safetensors::serialize(views, None));
    whole_file::write(path, &encoded.map_err(|e| fail(std::io::Error::other(e.to_string())))?)
        .map_err(fail)
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    whole_file::read(path, limits::FILE_BYTES).map_err(|source| {
        ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(path)
    })
}

fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, ImportError> {
    SafeTensors::deserialize(bytes).map_err(|e| {
        let reason = match Format::of(None, bytes) {
            Some(format) if !format.is_safetensors() => format.advise(Wanted::Weights),
            _ => format!("{e}; the file is truncated, damaged or of another format"),
        };
        ImportErrorKind::Format { expected: "safetensors file", reason }.into()
    })
}

fn is_integer(ty: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(ty, BOOL | U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
}

fn convert(name: &str, view: &TensorView<'_>) -> Result<Tensor, ImportError> {
    let bytes = view.data();
    let data: Vec<f32> = match view.dtype() {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        Dtype::F16 => {
            bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
        }
        Dtype::BF16 => {
            bytes.as_chunks().0.iter().map(|&b| half::bf16::from_le_bytes(b).to_f32()).collect()
        }
        other => {
            let found = format!("{other:?}");
            return Err(ImportErrorKind::ElementType { name: name.into(), found }.into());
        }
    };
    Tensor::new(view.shape(), data).ok_or_else(|| {
        let reason = format!("shape {:?} does not fit its data", view.shape());
        ImportErrorKind::Invalid { place: format!("tensor \"{name}\""), reason }.into()
    })
}
