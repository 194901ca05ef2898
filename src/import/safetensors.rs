//! safetensors files: a network's weights by name, and arrays of any element type, read and
//! written.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use prost::bytes::{Buf, Bytes};
use resnetc_ir::memory::{NoMemory, collected, copied, reserved};
use resnetc_ir::{DType, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::error::{ImportError, ImportErrorKind};
use super::foreign::{Format, Wanted};
use super::{limits, stored};
use crate::array::Array;
use crate::whole_file;

/// Tensors by name, shared rather than copied.
pub type WeightMap = BTreeMap<String, Arc<Tensor>>;

/// Weights as [`save`] takes them.
pub fn named(weights: &WeightMap) -> impl Iterator<Item = (&str, &Tensor)> {
    weights.iter().map(|(name, tensor)| (name.as_str(), &**tensor))
}

/// Reads every float tensor of a file. F16, BF16 and F64 become f32; tensors of integers, such as
/// PyTorch's `num_batches_tracked`, are left out.
///
/// # Errors
/// If the file cannot be read, is not a safetensors file, or holds floats of another type.
pub fn load(path: &Path) -> Result<WeightMap, ImportError> {
    decode(&mut Bytes::from(read(path)?)).map_err(|e| e.in_file(path))
}

/// As [`load`], with an entry of the file's metadata, if it has one of this name.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, key: &str) -> Result<(WeightMap, Option<String>), ImportError> {
    let bytes = read(path)?;
    let entry = SafeTensors::read_metadata(&bytes).ok().and_then(|(_, metadata)| {
        metadata.metadata().as_ref().and_then(|entries| entries.get(key).cloned())
    });
    let tensors = decode(&mut Bytes::from(bytes)).map_err(|e| e.in_file(path))?;
    Ok((tensors, entry))
}

/// As [`load`], from memory.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8]) -> Result<WeightMap, ImportError> {
    decode(&mut Bytes::copy_from_slice(bytes))
}

/// As [`load`], from the buffer `bytes`, which holds the file in one chunk. Large f32 tensors keep
/// their parts of the buffer, as [`Buf::copy_to_bytes`] returns them, without copying.
///
/// # Errors
/// As [`load`].
pub fn decode(bytes: &mut dyn Buf) -> Result<WeightMap, ImportError> {
    Ok(decode_all(bytes)?.floats)
}

/// The tensors of a file of weights.
pub(crate) struct WeightFile {
    /// The tensors of floats.
    pub(crate) floats: WeightMap,
    /// The names and element types of the others.
    pub(crate) integers: Vec<(String, String)>,
}

/// As [`decode`], with what it leaves out.
pub(crate) fn decode_all(bytes: &mut dyn Buf) -> Result<WeightFile, ImportError> {
    let start = SafeTensors::read_metadata(bytes.chunk());
    let (header, metadata) = start.map_err(|e| damaged(bytes.chunk(), &e))?;
    bytes.advance(size_of::<u64>() + header);
    let (mut floats, mut integers) = (WeightMap::new(), Vec::new());
    // Tensors are stored one after the other without gaps, which is checked with the header.
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        let data = bytes.copy_to_bytes(end - start);
        if is_integer(info.dtype) {
            integers.push((name, format!("{:?}", info.dtype)));
        } else {
            let tensor = convert(&name, &info.shape, info.dtype, data)?;
            floats.insert(name, Arc::new(tensor));
        }
    }
    Ok(WeightFile { floats, integers })
}

/// Reads one tensor of a file; without a name, the only tensor.
///
/// # Errors
/// As [`load`]; also if there is no such tensor.
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
                let data = Bytes::from(copied(view.data()).map_err(memory(&name))?);
                convert(&name, view.shape(), view.dtype(), data)
            }
            Err(_) => Err(ImportErrorKind::MissingTensor { name, available: names() }.into()),
        }
    };
    one(&read(path)?).map_err(|e| e.in_file(path))
}

/// Reads every array of a file whose elements are numbers of 8 bits or more.
///
/// # Errors
/// If the file cannot be read, is not a safetensors file, or holds elements of another type.
pub fn load_arrays(path: &Path) -> Result<BTreeMap<String, Array>, ImportError> {
    let all = |bytes: &[u8]| -> Result<BTreeMap<String, Array>, ImportError> {
        open(bytes)?.iter().map(|(name, view)| array(name, &view)).collect()
    };
    all(&read(path)?).map_err(|e| e.in_file(path))
}

fn array(name: &str, view: &TensorView<'_>) -> Result<(String, Array), ImportError> {
    let found = || format!("{:?}", view.dtype());
    let Some((_, dtype)) = TYPES.iter().find(|(ty, _)| *ty == view.dtype()) else {
        return Err(ImportErrorKind::ElementType { name: name.into(), found: found() }.into());
    };
    let data = copied(view.data()).map_err(memory(name))?;
    let array = Array::new(*dtype, view.shape(), data);
    Ok((name.to_owned(), array.ok_or_else(|| misshapen(name, view.shape()))?))
}

/// The element types that arrays can have.
const TYPES: [(Dtype, DType); 13] = [
    (Dtype::F32, DType::F32),
    (Dtype::F16, DType::F16),
    (Dtype::BF16, DType::BF16),
    (Dtype::F64, DType::F64),
    (Dtype::I8, DType::I8),
    (Dtype::U8, DType::U8),
    (Dtype::I16, DType::I16),
    (Dtype::U16, DType::U16),
    (Dtype::I32, DType::I32),
    (Dtype::U32, DType::U32),
    (Dtype::I64, DType::I64),
    (Dtype::U64, DType::U64),
    (Dtype::BOOL, DType::Bool),
];

/// Writes named arrays. The file is written whole or not at all, as with [`save`].
///
/// # Errors
/// As [`save`].
pub fn save_arrays<'a>(
    path: &Path,
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
) -> Result<(), ImportError> {
    write(path, arrays, None)
}

/// Writes arrays and metadata. A single entry, since those of a map have no order: the same arrays
/// give the same bytes.
fn write<'a>(
    path: &Path,
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
    entry: Option<(&str, &str)>,
) -> Result<(), ImportError> {
    let fail = |e: std::io::Error| -> ImportError {
        ImportError::from(ImportErrorKind::Io { action: "writing", source: e }).in_file(path)
    };
    let mut views: BTreeMap<&str, TensorView<'_>> = BTreeMap::new();
    for (name, array) in arrays {
        let ty = TYPES.iter().find(|(_, dtype)| *dtype == array.dtype());
        let ty = ty.map_or(Dtype::F32, |(ty, _)| *ty);
        let view = TensorView::new(ty, array.shape().to_vec(), array.bytes());
        let view = view.map_err(|e| fail(std::io::Error::other(e.to_string())))?;
        if views.insert(name, view).is_some() {
            return Err(fail(std::io::Error::other(format!("two arrays are named \"{name}\""))));
        }
    }
    // The serializer's own request would end the process.
    let bytes = views.values().map(|view| view.data().len()).sum();
    drop(
        reserved::<u8>(bytes)
            .map_err(|e| fail(std::io::Error::new(std::io::ErrorKind::OutOfMemory, e)))?,
    );
    let metadata = entry.map(|(key, value)| HashMap::from([(key.to_owned(), value.to_owned())]));
    let encoded = safetensors::serialize(views, metadata);
    whole_file::write(path, &encoded.map_err(|e| fail(std::io::Error::other(e.to_string())))?)
        .map_err(fail)
}

/// Writes named tensors as F32. The file is written whole or not at all: an existing file of this
/// name is replaced only after the new one is complete on disk.
///
/// # Errors
/// If the file cannot be written, or a name occurs twice.
pub fn save<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), ImportError> {
    write_tensors(path, tensors, None)
}

/// As [`save`], with an entry of the file's metadata.
///
/// # Errors
/// As [`save`].
pub fn save_with<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    entry: (&str, &str),
) -> Result<(), ImportError> {
    write_tensors(path, tensors, Some(entry))
}

fn write_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    entry: Option<(&str, &str)>,
) -> Result<(), ImportError> {
    let array = |(name, tensor)| Ok((name, Array::of(tensor, DType::F32).map_err(memory(name))?));
    let arrays = tensors.into_iter().map(array).collect::<Result<Vec<_>, ImportError>>()?;
    write(path, arrays.iter().map(|(name, array)| (*name, array)), entry)
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
        _ => format!("{error}; the file is truncated, damaged or in another format"),
    };
    ImportErrorKind::Format { expected: "valid safetensors file", reason }.into()
}

fn is_integer(ty: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(ty, BOOL | U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
}

fn convert(name: &str, shape: &[usize], ty: Dtype, bytes: Bytes) -> Result<Tensor, ImportError> {
    let data = match ty {
        Dtype::F32 => return fits(name, shape, stored::tensor(shape, bytes)),
        Dtype::F64 => floats(&bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => floats(&bytes, |b| half::f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => floats(&bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
        other => {
            let found = format!("{other:?}");
            return Err(ImportErrorKind::ElementType { name: name.into(), found }.into());
        }
    };
    fits(name, shape, Tensor::new(shape, data.map_err(memory(name))?))
}

/// Elements of `N` bytes as f32.
fn floats<const N: usize>(
    bytes: &[u8],
    convert: impl Fn([u8; N]) -> f32,
) -> Result<Vec<f32>, NoMemory> {
    collected(bytes.as_chunks().0.iter().map(|&element| convert(element)))
}

/// The error of too little memory for a tensor.
fn memory(name: &str) -> impl FnOnce(NoMemory) -> ImportError {
    ImportError::memory(format!("tensor \"{name}\""))
}

fn fits(name: &str, shape: &[usize], tensor: Option<Tensor>) -> Result<Tensor, ImportError> {
    tensor.ok_or_else(|| misshapen(name, shape))
}

fn misshapen(name: &str, shape: &[usize]) -> ImportError {
    let reason = format!("shape {shape:?} does not fit its data");
    ImportErrorKind::Invalid { place: format!("tensor \"{name}\""), reason }.into()
}
