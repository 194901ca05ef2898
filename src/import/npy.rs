//! NumPy's `.npy` files: one array of any number type, in either byte order and either order of its
//! axes.

use std::path::Path;

use resnetc_ir::DType;
use resnetc_ir::memory::{NoMemory, copied, reserved};

use super::error::{ImportError, ImportErrorKind};
use crate::array::Array;
use crate::whole_file;

/// The longest file that is read.
pub const MAX_FILE: u64 = 4 << 30;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The alignment of the data in a file, in bytes.
const ALIGNMENT: usize = 64;

/// Reads a file.
///
/// # Errors
/// If it cannot be read, is not a `.npy` file, or its elements are not numbers.
pub fn read(path: &Path) -> Result<Array, ImportError> {
    let bytes = whole_file::read(path, MAX_FILE).map_err(|source| {
        ImportError::from(ImportErrorKind::Io { action: "reading", source }).in_file(path)
    })?;
    parse(&bytes).map_err(|e| e.in_file(path))
}

/// The array in the bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8]) -> Result<Array, ImportError> {
    let (header, data) = split(bytes).ok_or_else(|| {
        damaged("it does not begin like a .npy file, or its header is cut short".to_owned())
    })?;
    let header = Header::read(header)?;
    let count =
        count(&header.shape).ok_or_else(|| damaged("no memory could hold its shape".to_owned()))?;
    let size = header.element.dtype.bytes();
    if count.checked_mul(size) != Some(data.len()) {
        return Err(damaged(format!(
            "it holds {} bytes of data, but {count} elements of {} take {}",
            data.len(),
            header.element.dtype,
            count.saturating_mul(size)
        )));
    }
    let mut bytes = match header.is_fortran {
        true => row_major(data, &header.shape, size)?,
        false => copied(data).map_err(ImportError::memory("array"))?,
    };
    if header.element.is_big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    Array::new(header.element.dtype, header.shape, bytes)
        .ok_or_else(|| damaged("its shape does not fit its data".to_owned()))
}

/// The bytes of a file. NumPy has no bfloat16, so such elements are written as float32.
///
/// # Errors
/// If the system does not have enough memory.
pub fn encode(array: &Array) -> Result<Vec<u8>, NoMemory> {
    let descr = match array.dtype() {
        DType::F16 => "<f2",
        DType::F64 => "<f8",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::I16 => "<i2",
        DType::U16 => "<u2",
        DType::I32 => "<i4",
        DType::U32 => "<u4",
        DType::I64 => "<i8",
        DType::U64 => "<u8",
        DType::Bool => "|b1",
        _ => "<f4",
    };
    let extents: Vec<String> = array.shape().iter().map(usize::to_string).collect();
    // As Python writes a tuple: a tuple of one number ends in a comma.
    let comma = if extents.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", extents.join(", "));
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let start = MAGIC.len() + 4;
    let padded = (start + header.len() + 1).next_multiple_of(ALIGNMENT) - start;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    // bfloat16, the only type that is written as another one, takes twice its bytes.
    let mut bytes = reserved(start + header.len() + 2 * array.bytes().len())?;
    bytes.extend(MAGIC);
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    match array.dtype() {
        DType::BF16 => {
            // Each is the upper half of an f32.
            let halves = array.bytes().as_chunks::<2>().0;
            bytes.extend(halves.iter().flat_map(|&[low, high]| [0, 0, low, high]));
        }
        _ => bytes.extend(array.bytes()),
    }
    Ok(bytes)
}

fn damaged(reason: String) -> ImportError {
    ImportErrorKind::Format { expected: "readable .npy file", reason }.into()
}

/// Header and data, if the header is as long as the file says.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *bytes.strip_prefix(MAGIC)? {
        [1, _, a, b, ref rest @ ..] => (u32::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]), rest),
        _ => return None,
    };
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The number of elements of a shape, if memory could hold the product of its extents other than 0.
fn count(shape: &[usize]) -> Option<usize> {
    let most = shape.iter().try_fold(size_of::<f64>(), |n, &d| n.checked_mul(d.max(1)))?;
    isize::try_from(most).ok()?;
    Some(shape.iter().product())
}

/// Reorders the elements of an array whose first axis runs fastest, so that the last one does.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Result<Vec<u8>, ImportError> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(size, |stride, &extent| {
            let own = *stride;
            *stride *= extent;
            Some(own)
        })
        .collect();
    let mut result = reserved(data.len()).map_err(ImportError::memory("array"))?;
    let mut index = vec![0; shape.len()];
    while result.len() < data.len() {
        let start: usize = index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        result.extend(&data[start..start + size]);
        for (i, &extent) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < extent {
                break;
            }
            *i = 0;
        }
    }
    Ok(result)
}

/// What a file says about its array.
struct Header {
    element: Element,
    is_fortran: bool,
    shape: Vec<usize>,
}

/// How an element is stored.
struct Element {
    dtype: DType,
    is_big_endian: bool,
}

impl Header {
    /// Reads a Python dictionary with the three keys of the format.
    fn read(text: &[u8]) -> Result<Self, ImportError> {
        let broken = || damaged("its header is damaged".to_owned());
        let mut text = Text(text);
        let (mut element, mut is_fortran, mut shape) = (None, None, None);
        if !text.eat(b'{') {
            return Err(broken());
        }
        while !text.eat(b'}') {
            let key = text.string().filter(|_| text.eat(b':')).ok_or_else(broken)?;
            match key {
                b"descr" => element = Some(Element::read(&mut text)?),
                b"fortran_order" => is_fortran = Some(text.boolean().ok_or_else(broken)?),
                b"shape" => shape = Some(text.tuple().ok_or_else(broken)?),
                _ => return Err(broken()),
            }
            if !text.eat(b',') && !text.next_is(b'}') {
                return Err(broken());
            }
        }
        match (element, is_fortran, shape, text.is_empty()) {
            (Some(element), Some(is_fortran), Some(shape), true) => {
                Ok(Header { element, is_fortran, shape })
            }
            _ => Err(broken()),
        }
    }
}

impl Element {
    fn read(text: &mut Text<'_>) -> Result<Self, ImportError> {
        let refused = |found: &str, advice: &str| {
            let reason = format!("its elements are {found}; {advice}");
            ImportError::from(ImportErrorKind::Elements { place: "array".into(), reason })
        };
        let numbers = "floats, integers and booleans can be read";
        if text.next_is(b'[') {
            return Err(refused("records of several fields", numbers));
        }
        let descr = text.string().ok_or_else(|| damaged("its header is damaged".to_owned()))?;
        // The file may hold anything here, but a type's name is short.
        let found: String = String::from_utf8_lossy(descr).chars().take(40).collect();
        let (order, kind) = match descr {
            [order @ (b'<' | b'>' | b'=' | b'|'), kind @ ..] => (*order, kind),
            kind => (b'=', kind),
        };
        let dtype = match kind {
            b"f2" => DType::F16,
            b"f4" => DType::F32,
            b"f8" => DType::F64,
            b"i1" => DType::I8,
            b"u1" => DType::U8,
            b"i2" => DType::I16,
            b"u2" => DType::U16,
            b"i4" => DType::I32,
            b"u4" => DType::U32,
            b"i8" => DType::I64,
            b"u8" => DType::U64,
            b"b1" | b"?" => DType::Bool,
            b"V2" => {
                let advice =
                    "if they are bfloat16, store them as float32 or in a .safetensors file";
                return Err(refused(&found, advice));
            }
            b"O" => return Err(refused("Python objects", numbers)),
            _ => return Err(refused(&found, numbers)),
        };
        let is_big_endian = order == b'>' || (order == b'=' && cfg!(target_endian = "big"));
        Ok(Element { dtype, is_big_endian })
    }
}

/// What is left of a header.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn is_empty(&mut self) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.is_empty()
    }

    fn next_is(&mut self, mark: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.first() == Some(&mark)
    }

    fn eat(&mut self, mark: u8) -> bool {
        let found = self.next_is(mark);
        self.0 = &self.0[usize::from(found)..];
        found
    }

    /// The bytes up to the first that fails a test.
    fn take(&mut self, test: impl Fn(&u8) -> bool) -> &'a [u8] {
        self.0 = self.0.trim_ascii_start();
        let end = self.0.iter().position(|byte| !test(byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let quote = *self.0.trim_ascii_start().first().filter(|q| matches!(q, b'\'' | b'"'))?;
        self.eat(quote);
        let text = self.take(|&byte| byte != quote);
        self.eat(quote).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.take(u8::is_ascii_alphabetic) {
            b"True" => Some(true),
            b"False" => Some(false),
            _ => None,
        }
    }

    /// The extents; in old files each ends in an L.
    fn tuple(&mut self) -> Option<Vec<usize>> {
        if !self.eat(b'(') {
            return None;
        }
        let mut extents = Vec::new();
        while !self.eat(b')') {
            let digits = std::str::from_utf8(self.take(u8::is_ascii_digit)).ok()?;
            extents.push(digits.parse().ok()?);
            self.eat(b'L');
            if !self.eat(b',') && !self.next_is(b')') {
                return None;
            }
        }
        Some(extents)
    }
}
