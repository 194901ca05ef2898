//! How values are stored in a quantized file.
//!
//! The form is that of quantizers for any engine ("QDQ"): a computed value passes through
//! `QuantizeLinear` and `DequantizeLinear`, and its users read what that leaves of it; a constant is
//! stored as integers, which `DequantizeLinear` turns into floats. An engine that has no integer
//! arithmetic runs these operators as they are, others fuse them with the operators between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use resnetc_ir::{NodeId, Tensor};

/// How one value is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// A computed value or an input as unsigned bytes: `q` stands for `(q - zero) * scale`.
    Bytes {
        /// The value of a step, above 0.
        scale: f32,
        /// The byte that stands for 0.
        zero: u8,
    },
    /// A constant as integers of 8 or 32 bits, which stand for themselves times the scale of their
    /// position along the first axis.
    Constant {
        /// The integers, in the constant's shape.
        integers: Arc<Tensor>,
        /// The value of a step for each position along the first axis, above 0.
        scales: Arc<[f32]>,
    },
}

/// The values of a graph that are stored as integers, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encodings(BTreeMap<NodeId, Encoding>);

impl Encodings {
    /// Stores a value as integers. A constant must be given [`Encoding::Constant`] in its own shape,
    /// any other value [`Encoding::Bytes`].
    pub fn insert(&mut self, value: NodeId, encoding: Encoding) {
        self.0.insert(value, encoding);
    }

    /// How a value is stored; `None` if as floats.
    pub fn get(&self, value: NodeId) -> Option<&Encoding> {
        self.0.get(&value)
    }

    /// All of them, in the order of the values' ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Encoding)> {
        self.0.iter().map(|(&value, encoding)| (value, encoding))
    }
}
