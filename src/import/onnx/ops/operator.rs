//! What a row of the table of operators says.

use super::shapes;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::open::OPSETS;

/// Imports one node. Returns the values of its first results, in order; a handler may return fewer
/// results than the operator has, and the model is then refused if it uses one of the others.
pub(in crate::import::onnx) type Handler = fn(&mut Builder, &Call<'_>) -> Result<Vec<Value>>;

/// What an operator can be applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Values that are computed at run time, and constants.
    Always,
    /// Constants only, as in the arithmetic of shapes.
    Constants,
}

/// What an operator does with run-time values whose elements are integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import::onnx) enum Integers {
    /// They are no operands of it.
    Refused,
    /// Its result is of the type of its operands.
    Kept,
    /// It knows what they are.
    Read,
}

/// An operator that is understood.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Whose operator it is; empty for the standard ones.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The first version of its domain's operators in which it is read.
    pub since: i64,
    /// What it can be applied to.
    pub when: When,
    /// The positions of operands that must be constants where others are computed at run time.
    pub constants: &'static [usize],
    /// What of it is not supported, or how it is understood; empty if there is nothing to say.
    pub limits: &'static str,
    pub(in crate::import::onnx) integers: Integers,
    pub(in crate::import::onnx) handler: Handler,
}

/// An operator of the standard as it is from the first supported version on.
pub(super) const PLAIN: Operator = Operator {
    domain: "",
    name: "",
    since: OPSETS[0],
    when: When::Always,
    constants: &[],
    limits: "",
    integers: Integers::Refused,
    handler: shapes::identity,
};
