//! One use of an operator: its attributes, and its operands as imported so far.

use resnetc_ir::NodeId;

use super::literal::Literal;
use super::proto::{AttributeProto, AttributeType, NodeProto, TensorProto};
pub(super) use super::refusal::{Refusal, Result, bad};
use crate::import::limits;

/// What the importer knows about a value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The value itself.
    Known(Literal),
    /// Where in the graph it is computed.
    Node(NodeId),
}

/// A node that is being imported.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    /// The version of the standard operators for which this node was written.
    pub(super) opset: i64,
    /// One entry per operand; `None` for an optional operand that is left out.
    pub(super) args: Vec<Option<Value>>,
}

impl Call<'_> {
    pub(super) fn op(&self) -> &str {
        self.node.op_type()
    }

    /// The name for messages: the node's own, or that of its first result.
    pub(super) fn name(&self) -> &str {
        display_name(self.node)
    }
}

/// The name of a node for messages.
pub(super) fn display_name(node: &NodeProto) -> &str {
    match node.name() {
        "" => node.output.iter().find(|o| !o.is_empty()).map_or("", String::as_str),
        name => name,
    }
}

/// Operands.
impl Call<'_> {
    pub(super) fn arg(&self, i: usize) -> Option<&Value> {
        self.args.get(i).and_then(Option::as_ref)
    }

    pub(super) fn required(&self, i: usize) -> Result<&Value> {
        self.arg(i).ok_or_else(|| format!("operand {i} is missing").into())
    }

    /// An optional operand that must be a constant.
    pub(super) fn known(&self, i: usize, what: &str) -> Result<Option<&Literal>> {
        match self.arg(i) {
            None => Ok(None),
            Some(Value::Known(literal)) => Ok(Some(literal)),
            Some(Value::Node(_)) => {
                Err(format!("{what} is computed at run time; only constants are supported").into())
            }
        }
    }

    /// An optional operand that must be a constant list of integers.
    pub(super) fn known_ints(&self, i: usize, what: &str) -> Result<Option<&[i64]>> {
        match self.known(i, what)? {
            None => Ok(None),
            Some(literal) => match literal.as_ints() {
                Some(ints) if ints.len() <= limits::LIST_ENTRIES => Ok(Some(ints)),
                Some(ints) => Err(format!(
                    "{what} has {} entries; the limit is {}",
                    ints.len(),
                    limits::LIST_ENTRIES
                )
                .into()),
                None => Err(format!("{what} must be integers").into()),
            },
        }
    }

    /// An optional operand that must be a constant with one element.
    pub(super) fn known_scalar(&self, i: usize, what: &str) -> Result<Option<f64>> {
        match self.known(i, what)? {
            None => Ok(None),
            Some(literal) => match literal.scalar() {
                Some(x) => Ok(Some(x)),
                None => {
                    Err(format!("{what} must have one element; its shape is {:?}", literal.shape)
                        .into())
                }
            },
        }
    }

    /// A list that is an attribute in old operator versions and operand `i` in new ones.
    pub(super) fn ints_either(&self, name: &str, i: usize) -> Result<Option<Vec<i64>>> {
        match self.known_ints(i, name)? {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => Ok(self.ints(name)?.map(<[i64]>::to_vec)),
        }
    }

    /// The number of elements of the operands that are constant integers.
    pub(super) fn known_integers(&self) -> usize {
        let count = |v: &Value| match v {
            Value::Known(literal) if literal.is_int() => literal.len(),
            _ => 0,
        };
        self.args.iter().flatten().map(count).sum()
    }

    /// The operands if all of them are constants.
    pub(super) fn all_known(&self) -> Option<Vec<&Literal>> {
        let known = |v: &Option<Value>| v.is_none() || matches!(v, Some(Value::Known(_)));
        let literal =
            |v| if let &Some(Value::Known(ref literal)) = v { Some(literal) } else { None };
        self.args.iter().all(known).then(|| self.args.iter().filter_map(literal).collect())
    }
}

/// Attributes.
impl Call<'_> {
    fn attribute(&self, name: &str, ty: AttributeType) -> Result<Option<&AttributeProto>> {
        let Some(attribute) = self.node.attribute.iter().find(|a| a.name() == name) else {
            return Ok(None);
        };
        // Files of the first format version leave the type out.
        match attribute.r#type {
            Some(t) if t != ty as i32 && t != AttributeType::Undefined as i32 => {
                bad(name, format!("has the wrong type; expected {ty:?}"))
            }
            _ => Ok(Some(attribute)),
        }
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        match self.attribute(name, AttributeType::Int)? {
            None => Ok(None),
            Some(a) => Ok(Some(a.i.unwrap_or(0))),
        }
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// An integer that represents a flag.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => bad(name, format!("is {other}; it must be 0 or 1")),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>> {
        match self.attribute(name, AttributeType::Float)? {
            None => Ok(None),
            Some(a) => Ok(Some(a.f.unwrap_or(0.0))),
        }
    }

    /// A float that must be a finite number.
    pub(super) fn finite_or(&self, name: &str, default: f32) -> Result<f32> {
        match self.float(name)?.unwrap_or(default) {
            x if x.is_finite() => Ok(x),
            x => bad(name, format!("is {x}; it must be finite")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&[i64]>> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|a| &a.ints[..]))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&[f32]>> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|a| &a.floats[..]))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&TensorProto>> {
        Ok(self.attribute(name, AttributeType::Tensor)?.and_then(|a| a.t.as_ref()))
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<&str>> {
        match self.attribute(name, AttributeType::String)? {
            None => Ok(None),
            Some(a) => match std::str::from_utf8(a.s.as_deref().unwrap_or(b"")) {
                Ok(text) => Ok(Some(text)),
                Err(_) => bad(name, "is not UTF-8 text"),
            },
        }
    }
}

/// An axis of a value of `rank` as an index; negative axes count from the back.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let from_front = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    match from_front.and_then(|a| usize::try_from(a).ok()) {
        Some(a) if a < rank => Ok(a),
        _ => bad("axis", format!("{axis} is not an axis of a value of rank {rank}")),
    }
}

/// Several axes as sorted, distinct indices.
pub(super) fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut sorted = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<usize>>>()?;
    sorted.sort_unstable();
    match sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        true => bad("axes", format!("{axes:?} names an axis twice")),
        false => Ok(sorted),
    }
}
