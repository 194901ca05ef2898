//! Constants in text: short where the data is regular, a hash where it is not.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::Attributes;
use super::scan::number;
use crate::graph::Graph;
use crate::tensor::Tensor;

/// Up to here a constant is printed element by element.
const LISTED: usize = 16;

/// Beyond this no constant is made from a rule, so that a short text cannot fill the memory.
const MOST_GENERATED: usize = 1 << 26;

/// The 64-bit FNV-1a hash of a tensor: of its rank and dimensions as 64-bit numbers, then of the bits of its
/// elements, all least significant byte first.
pub fn hash(tensor: &Tensor) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(&(tensor.shape().len() as u64).to_le_bytes());
    tensor.shape().iter().for_each(|&d| add(&(d as u64).to_le_bytes()));
    tensor.data().iter().for_each(|x| add(&x.to_le_bytes()));
    hash
}

/// The constants of a graph by [`hash`], for [`parse_with`](super::parse_with) to read back the graph's text.
pub fn constants(graph: &Graph) -> HashMap<u64, Arc<Tensor>> {
    let tensors = graph.nodes().filter_map(|id| graph.constant_of(id));
    tensors.map(|tensor| (hash(tensor), Arc::clone(tensor))).collect()
}

/// The part of a constant's line after the word `constant`.
pub(super) fn print(tensor: &Tensor) -> String {
    let data = tensor.data();
    if data.len() <= LISTED {
        let listed: Vec<String> = data.iter().map(|x| float(*x)).collect();
        return format!("[{}]", listed.join(", "));
    }
    if data.len() <= MOST_GENERATED {
        if data.iter().all(|x| x.to_bits() == data[0].to_bits()) && !data[0].is_nan() {
            return format!("fill={}", float(data[0]));
        }
        if data.iter().enumerate().all(|(i, x)| x.to_bits() == (i as f32).to_bits()) {
            return "iota".into();
        }
    }
    format!("fnv={:016x}", hash(tensor))
}

/// An f32 such that it reads back as itself (all NaN being one).
pub(super) fn float(x: f32) -> String {
    number(&format!("{x:?}")).to_owned()
}

/// The data of a constant's line; `shape` is that of its type, if it has one.
pub(super) fn parse(
    attributes: &mut Attributes,
    shape: Option<Vec<usize>>,
    lookup: &dyn Fn(u64) -> Option<Arc<Tensor>>,
) -> Result<Arc<Tensor>, String> {
    if let Some(listed) = attributes.numbers::<f32>("")? {
        let shape = shape.unwrap_or_else(|| vec![listed.len()]);
        let count = listed.len();
        return match Tensor::new(&shape[..], listed) {
            Some(tensor) => Ok(tensor.into()),
            None => Err(format!("{count} elements are listed for {shape:?}")),
        };
    }
    let shape = shape.ok_or("the type is missing")?;
    if let Some(hex) = attributes.word("fnv")? {
        let wanted = u64::from_str_radix(&hex, 16).map_err(|_| format!("fnv {hex} is no hash"))?;
        let found = lookup(wanted).filter(|t| t.shape() == shape && hash(t) == wanted);
        return found.ok_or_else(|| format!("no data is given for fnv={hex} of {shape:?}"));
    }
    let elements: usize = shape.iter().product();
    if elements > MOST_GENERATED {
        return Err(format!(
            "{shape:?} has more than {MOST_GENERATED} elements, too many to generate"
        ));
    }
    let data = if let Some(value) = attributes.number("fill")? {
        vec![value; elements]
    } else if attributes.flag("iota")? {
        (0..elements).map(|i| i as f32).collect()
    } else if let Some(seed) = attributes.number("seed")? {
        arbitrary(seed).take(elements).collect()
    } else {
        return Err("a constant is a list, fill=, iota, seed= or fnv=".into());
    };
    Tensor::new(shape, data).map(Arc::new).ok_or_else(|| "the size does not fit".into())
}

/// Multiples of 1/8 from -1 to 1 (splitmix64): sums of their products are exact in f32 for a long time.
fn arbitrary(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % 17) as f32 / 8.0 - 1.0
    })
}
