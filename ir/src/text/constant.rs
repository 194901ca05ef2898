//! Constants in text: short where the data is regular, a hash where it is not.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::Attributes;
use super::scan::{float, number};
use crate::dtype::DType;
use crate::graph::Graph;
use crate::random::SplitMix;
use crate::tensor::Tensor;
use crate::ty::TensorType;

/// Constants of up to this many elements are printed element by element.
const LISTED: usize = 16;

/// No constant of more elements than this is generated from a rule, so that a short text cannot
/// fill the memory.
const MOST_GENERATED: usize = 1 << 26;

/// The 64-bit FNV-1a hash of a tensor: of its rank and dimensions as 64-bit numbers, then of the
/// bits of its elements, all least significant byte first, then of the short name of their type if
/// that is not f32.
pub fn hash(tensor: &Tensor) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(&(tensor.shape().len() as u64).to_le_bytes());
    tensor.shape().iter().for_each(|&d| add(&(d as u64).to_le_bytes()));
    tensor.each_piece(&mut add);
    if tensor.dtype() != DType::F32 {
        add(tensor.dtype().short().as_bytes());
    }
    hash
}

/// The constants of a graph by [`hash`], for [`parse_with`](super::parse_with) to read back the
/// graph's text.
pub fn constants(graph: &Graph) -> HashMap<u64, Arc<Tensor>> {
    let tensors = graph.nodes().filter_map(|id| graph.constant_of(id));
    tensors.map(|tensor| (hash(tensor), Arc::clone(tensor))).collect()
}

/// The part of a constant's line after the word `constant`.
pub(super) fn print(tensor: &Tensor) -> String {
    let (dtype, elements) = (tensor.dtype(), tensor.elements());
    let text = |x: f64| match dtype {
        DType::F32 => float(x as f32),
        _ => number(&format!("{x:?}")).to_owned(),
    };
    if elements <= LISTED {
        let listed: Vec<String> = tensor.numbers().into_iter().map(text).collect();
        return format!("[{}]", listed.join(", "));
    }
    if elements <= MOST_GENERATED {
        let (mut first, mut is_filled, mut is_counted, mut i) = (f64::NAN, true, true, 0usize);
        tensor.each(|x| {
            first = if i == 0 { x } else { first };
            is_filled &= x.to_bits() == first.to_bits();
            is_counted &= x.to_bits() == dtype.convert(i as f64, dtype).to_bits();
            i += 1;
        });
        if is_filled && !first.is_nan() {
            return format!("fill={}", text(first));
        }
        if is_counted {
            return "iota".into();
        }
    }
    format!("fnv={:016x}", hash(tensor))
}

/// A number printed as an element of a type.
fn element(x: f64, dtype: DType) -> Result<f64, String> {
    match dtype.contains(x) {
        true => Ok(dtype.convert(x, DType::F64)),
        false => Err(format!("{x} cannot be represented in {}", dtype.short())),
    }
}

/// The elements of a list or a rule. An f32 is parsed as f32, because parsing it as f64 first would
/// round twice.
fn listed(attributes: &mut Attributes, dtype: DType) -> Result<Option<Vec<f64>>, String> {
    if dtype == DType::F32 {
        let data = attributes.numbers::<f32>("")?;
        return Ok(data.map(|data| data.into_iter().map(f64::from).collect()));
    }
    let Some(data) = attributes.numbers::<f64>("")? else { return Ok(None) };
    data.into_iter().map(|x| element(x, dtype)).collect::<Result<_, _>>().map(Some)
}

/// As [`listed`], for a single element that fills the tensor.
fn filling(attributes: &mut Attributes, dtype: DType) -> Result<Option<f64>, String> {
    if dtype == DType::F32 {
        return Ok(attributes.number::<f32>("fill")?.map(f64::from));
    }
    attributes.number::<f64>("fill")?.map(|x| element(x, dtype)).transpose()
}

/// The data of a constant's line; `ty` is its type, if one is given.
pub(super) fn parse(
    attributes: &mut Attributes,
    ty: Option<TensorType>,
    lookup: &dyn Fn(u64) -> Option<Arc<Tensor>>,
) -> Result<Arc<Tensor>, String> {
    let dtype = ty.as_ref().map_or(DType::F32, |ty| ty.dtype);
    let shape = ty.map(|ty| ty.shape);
    let made =
        |shape: Vec<usize>, data: Vec<f64>| Tensor::from_numbers(dtype, shape, &data).map(Arc::new);
    if let Some(listed) = listed(attributes, dtype)? {
        let shape = shape.unwrap_or_else(|| vec![listed.len()]);
        let count = listed.len();
        return made(shape.clone(), listed)
            .ok_or_else(|| format!("{count} elements are listed for {shape:?}"));
    }
    let shape = shape.ok_or("the type is missing")?;
    if let Some(hex) = attributes.word("fnv")? {
        let wanted =
            u64::from_str_radix(&hex, 16).map_err(|_| format!("fnv {hex} is not a hash"))?;
        let found = lookup(wanted)
            .filter(|t| t.shape() == shape && t.dtype() == dtype && hash(t) == wanted);
        return found.ok_or_else(|| format!("no data is given for fnv={hex} of {shape:?}"));
    }
    let elements: usize = shape.iter().product();
    if elements > MOST_GENERATED {
        return Err(format!(
            "{shape:?} has more than {MOST_GENERATED} elements, too many to generate"
        ));
    }
    let data = if let Some(value) = filling(attributes, dtype)? {
        vec![value; elements]
    } else if attributes.flag("iota")? {
        (0..elements).map(|i| dtype.convert(i as f64, dtype)).collect()
    } else if let Some(seed) = attributes.number("seed")? {
        let number = |eighths: i64| match dtype.is_float() {
            true => eighths as f64 / 8.0,
            false => dtype.wrapped(eighths),
        };
        arbitrary(seed).map(number).take(elements).collect()
    } else {
        return Err("a constant is a list, fill=, iota, seed= or fnv=".into());
    };
    made(shape, data).ok_or_else(|| "the size does not fit".into())
}

/// Integers from -8 to 8, used as eighths: even long sums of their products are exact
/// in f32.
fn arbitrary(seed: u64) -> impl Iterator<Item = i64> {
    let mut random = SplitMix(seed);
    std::iter::repeat_with(move || (random.draw() % 17) as i64 - 8)
}
