//! What a product multiplies, and how its sums end.

use crate::kernels::epilogue::Epilogue;
use crate::kernels::geometry::F32;

use super::bytes::Rounding;
use super::dots::Dot;

/// What is multiplied.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// f32.
    Floats(Epilogue),
    /// Bytes, several in a step, of consecutive channels or taps. Their sums are integers. At the
    /// head of the panel are the words of a `Head`.
    Bytes(Dot, Rounding),
    /// Integers, as [`Elements::Bytes`], whose sums are stored as they are.
    Sums(Dot),
}

impl Elements {
    /// Bytes of an element of the result.
    pub(super) fn result_bytes(&self) -> i64 {
        match self {
            Elements::Floats(_) | Elements::Sums(_) => F32,
            Elements::Bytes(_, rounding) => rounding.result_bytes(),
        }
    }
}
