//! Builds the format's messages for attributes, constants and types.

use prost::bytes::Bytes;
use resnetc_ir::memory::{NoMemory, reserved};
use resnetc_ir::{DType, Tensor};

use crate::import::onnx::proto::{
    AttributeProto, AttributeType, DataType, Dimension, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A constant that is not a weight.
pub(super) enum Constant {
    /// A float of rank 0.
    Number(f32),
    /// A list of integers.
    Ints(Vec<i64>),
}

fn attribute(name: &str, ty: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(ty as i32), ..Default::default() }
}

pub(super) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { i: Some(value as i64), ..attribute(name, AttributeType::Int) }
}

pub(super) fn flag(name: &str, value: bool) -> AttributeProto {
    int(name, usize::from(value))
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

pub(super) fn text(name: &str, value: &'static str) -> AttributeProto {
    let s = Some(Bytes::from_static(value.as_bytes()));
    AttributeProto { s, ..attribute(name, AttributeType::String) }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: signed(values), ..attribute(name, AttributeType::Ints) }
}

/// Extents as signed integers: the limits of a graph keep them far below 2^63.
pub(super) fn signed(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&x| x as i64).collect()
}

pub(super) fn initializer(name: &str, ty: DataType, dims: Vec<i64>, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        dims,
        data_type: Some(ty as i32),
        name: Some(name.into()),
        raw_data: Some(bytes.into()),
        ..Default::default()
    }
}

/// A constant of any element type.
///
/// # Errors
/// If the system does not have enough memory.
pub(super) fn tensor(name: &str, tensor: &Tensor) -> Result<TensorProto, NoMemory> {
    let mut bytes = reserved(tensor.ty().bytes())?;
    tensor.each_piece(|piece| bytes.extend_from_slice(piece));
    Ok(initializer(name, tensor.dtype().into(), signed(tensor.shape()), bytes))
}

/// A small constant of floats.
pub(super) fn floats(name: &str, shape: &[usize], data: &[f32]) -> TensorProto {
    let mut bytes = Vec::with_capacity(4 * data.len());
    for x in data {
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    initializer(name, DataType::Float, signed(shape), bytes)
}

pub(super) fn constant(name: &str, constant: Constant) -> TensorProto {
    match constant {
        Constant::Number(x) => initializer(name, DataType::Float, vec![], x.to_le_bytes().into()),
        Constant::Ints(list) => {
            let bytes = list.iter().flat_map(|x| x.to_le_bytes()).collect();
            initializer(name, DataType::Int64, vec![list.len() as i64], bytes)
        }
    }
}

/// An input or output in a fixed shape.
pub(super) fn port(name: &str, shape: &[usize], dtype: DType) -> ValueInfoProto {
    let dim = |&n: &usize| Dimension { dim_value: Some(n as i64), dim_param: None };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let elem_type = Some(DataType::from(dtype) as i32);
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(shape) });
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type }) }
}

/// A node that gives its operand another name, or casts it to another element type.
pub(super) fn renamed(from: &str, to: &str, cast: Option<DType>) -> NodeProto {
    let attribute = cast.map(|dtype| AttributeProto {
        i: Some(DataType::from(dtype) as i64),
        ..attribute("to", AttributeType::Int)
    });
    NodeProto {
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        name: Some(to.to_owned()),
        op_type: Some(if cast.is_some() { "Cast" } else { "Identity" }.into()),
        attribute: attribute.into_iter().collect(),
        ..Default::default()
    }
}
