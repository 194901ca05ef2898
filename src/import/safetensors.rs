//! safetensors files: a network's weights by name, and single tensors in and out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost::bytes::{Buf, Bytes};
use resnetc_ir::Tensor;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::error::{ImportError, ImportErrorKind};
use super::foreign::{Format, Wanted};
use super::{limits, stored};
use crate::whole_file;

/// Tensors by name, shared rather than copied.
pub type WeightMap = BTreeMap<String, Arc<Tensor>>;

/// Reads every float tensor of a file. F16, BF16 and F64 become f32; tensors of integers, such as PyTorch's
/// `num_batches_tracked`, are left out.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or holds floats of another kind.
pub fn load(path: &Path) -> Result<WeightMap, ImportError> {
    decode(&mut Bytes::from(read(path)?)).map_err(|e| e.in_file(path))
}

/// As [`load`], from memory.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8]) -> Result<WeightMap, ImportError> {
    decode(&mut Bytes::copy_from_slice(bytes))
}

/// As [`load`], from the buffer `bytes`, which holds the file in one chunk. Large tensors of f32 keep the parts of the
/// buffer in which they stand, as [`Buf::copy_to_bytes`] returns them, and do not copy them.
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: &mut dyn Buf) -> Result<WeightMap, ImportError> {
    let start = SafeTensors::read_metadata(bytes.chunk());
    let (header, metadata) = start.map_err(|e| damaged(bytes.chunk(), &e))?;
    bytes.advance(size_of::<u64>() + header);
    let mut weights = WeightMap::new();
    // Tensors lie one behind the other without gaps, which is checked with the header.
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        let data = bytes.copy_to_bytes(end - start);
        if !is_integer(info.dtype) {
            let tensor = convert(&name, &info.shape, info.dtype, data)?;
            weights.insert(name, Arc::new(tensor));
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
            Ok(view) => {
                let data = Bytes::copy_from_slice(view.data());
                convert(&name, view.shape(), view.dtype(), data)
            }
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
        .collect::<Result<Vec<_>, SafeTensorError>>();
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
    SafeTensors::deserialize(bytes).map_err(|e| damaged(bytes, &e))
}

fn damaged(bytes: &[u8], error: &SafeTensorError) -> ImportError {
    let reason = match Format::of(None, bytes) {
        Some(format) if !format.is_safetensors() => format.advise(Wanted::Weights),
        _ => format!("{error}; the file is truncated, damaged or of another format"),
    };
    ImportErrorKind::Format { expected: "safetensors file", reason }.into()
}

fn is_integer(ty: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(ty, BOOL | U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
}

fn convert(name: &str, shape: &[usize], ty: Dtype, bytes: Bytes) -> Result<Tensor, ImportError> {
    let data: Vec<f32> = match ty {
        Dtype::F32 => return fits(name, shape, stored::tensor(shape, bytes)),
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
    fits(name, shape, Tensor::new(shape, data))
}

fn fits(name: &str, shape: &[usize], tensor: Option<Tensor>) -> Result<Tensor, ImportError> {
    tensor.ok_or_else(|| {
        let reason = format!("shape {shape:?} does not fit its data");
        ImportErrorKind::Invalid { place: format!("tensor \"{name}\""), reason }.into()
    })
}
