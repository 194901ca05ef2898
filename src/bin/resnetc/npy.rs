//! NumPy's `.npy` files.

use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ndarray_npy::{ViewNpyError, ViewNpyExt, WriteNpyExt};
use resnetc::ir::Tensor;
use resnetc::whole_file;

use crate::failure::Failure;
use crate::output;

/// The longest file that is read.
const MAX_FILE: u64 = 4 << 30;

/// Reads a file of f32 or f64.
pub(crate) fn read(path: &Path) -> Result<Tensor, Failure> {
    let bytes = whole_file::read(path, MAX_FILE).map_err(|e| format!("reading failed: {e}"));
    bytes.and_then(|bytes| parse(&bytes)).map_err(|reason| Failure::file(path, reason))
}

/// The array in the bytes of a file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tensor, String> {
    let Some(header) = whole_header(bytes) else {
        return Err(
            "this is no readable .npy file: it is of another format, or its header is cut short"
                .to_owned(),
        );
    };
    if depth(header) > MOST_NESTED {
        return Err("this is no readable .npy file: its header is damaged".to_owned());
    }
    if !is_countable(header) {
        return Err(
            "this is no readable .npy file: its shape is none that memory could hold".to_owned()
        );
    }
    // A view reads numbers where they lie, so the file must start at a multiple of their size.
    let mut room = vec![0u8; bytes.len() + size_of::<f64>()];
    let start = room.as_ptr().align_offset(size_of::<f64>()).min(size_of::<f64>());
    room[start..start + bytes.len()].copy_from_slice(bytes);
    let file = &room[start..start + bytes.len()];
    let (shape, data) = match ArrayViewD::<f32>::view_npy(file) {
        Ok(view) => (view.shape().to_vec(), view.iter().copied().collect()),
        Err(ViewNpyError::WrongDescriptor(found)) => match ArrayViewD::<f64>::view_npy(file) {
            Ok(view) => (view.shape().to_vec(), view.iter().map(|&x| x as f32).collect()),
            Err(_) => {
                // Whatever stands in the file: a type's name is short.
                let found: String = found.to_string().chars().take(40).collect();
                return Err(format!("its elements are {found}; float32 and float64 can be read"));
            }
        },
        // Its text quotes the header, however long that is.
        Err(ViewNpyError::ParseHeader(_)) => {
            return Err("this is no readable .npy file: its header is damaged".to_owned());
        }
        Err(e) => return Err(format!("this is no readable .npy file: {e}")),
    };
    Tensor::new(shape, data).ok_or_else(|| "its shape does not fit its data".to_owned())
}

/// The header, if it is as long as the file says. The crate makes room for it before it reads, up to 4 GB.
fn whole_header(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = match *bytes.strip_prefix(b"\x93NUMPY")? {
        [1, _, a, b, ref rest @ ..] => (u32::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]), rest),
        _ => return None,
    };
    rest.get(..usize::try_from(length).ok()?)
}

/// How deep a header nests: a dictionary of lists of pairs. The crate's time grows exponentially with it.
const MOST_NESTED: usize = 3;

/// The most brackets of any kind that are open at a place.
fn depth(header: &[u8]) -> usize {
    let open = header.iter().scan(0usize, |open, byte| {
        match byte {
            b'(' | b'[' | b'{' => *open += 1,
            b')' | b']' | b'}' => *open = open.saturating_sub(1),
            _ => {}
        }
        Some(*open)
    });
    open.max().unwrap_or(0)
}

/// Whether the extents other than 0 have a product that memory could have bytes for. With a 0 among them a file of any
/// shape is complete, and ndarray then counts on the rest.
fn is_countable(header: &[u8]) -> bool {
    let header = String::from_utf8_lossy(header);
    let shape = header.split_once("shape").and_then(|(_, rest)| rest.split_once('('));
    let Some((extents, _)) = shape.and_then(|(_, rest)| rest.split_once(')')) else { return true };
    let extents = extents.split(',').map(str::trim).filter(|x| !x.is_empty());
    let product = extents.filter(|x| *x != "0").try_fold(size_of::<f64>(), |product, extent| {
        extent.parse().ok().and_then(|extent| product.checked_mul(extent))
    });
    product.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

/// Writes a file of f32.
pub(crate) fn write(path: &Path, tensor: &Tensor) -> Result<(), Failure> {
    let fail = |reason: String| Failure::file(path, format!("writing failed: {reason}"));
    let array = ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.data().to_vec());
    let mut bytes = Vec::new();
    array
        .map_err(|e| fail(e.to_string()))?
        .write_npy(&mut bytes)
        .map_err(|e| fail(e.to_string()))?;
    output::write_file(path, &bytes)
}
