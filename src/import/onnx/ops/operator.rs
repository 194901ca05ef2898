//! The contents of a row in the table of operators.

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
    /// It refuses them as operands.
    Refused,
    /// Its result has the type of its operands.
    Kept,
    /// Its handler interprets them.
    Read,
}

/// A supported operator.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The domain; empty for the standard operators.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The first version of its domain's operators in which it is supported.
    pub since: i64,
    /// What it can be applied to.
    pub when: When,
    /// The largest number of operands that any version of the operator has.
    pub operands: usize,
    /// The positions of operands that must be constants even if others are computed at run time.
    pub constants: &'static [usize],
    /// What is not supported, or how the operator is interpreted; empty if there is nothing to say.
    pub limits: &'static str,
    pub(in crate::import::onnx) integers: Integers,
    pub(in crate::import::onnx) handler: Handler,
}

/// An operator of the standard that is the same from the first supported version on.
pub(super) const PLAIN: Operator = Operator {
    domain: "",
    name: "",
    since: OPSETS[0],
    when: When::Always,
    operands: 1,
    constants: &[],
    limits: "",
    integers: Integers::Refused,
    handler: shapes::identity,
};
