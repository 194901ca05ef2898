//! Operators that make constants, and changes of element type.

use resnetc_ir::memory::{NoMemory, collected, filled};

use crate::import::error::ImportErrorKind;
use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value, bad};
use crate::import::onnx::literal::{Data, Literal, elements};
use crate::import::onnx::proto::{DataType, TensorProto};
use crate::import::onnx::tensor::{self, TensorError};
use crate::import::stored;

fn read(builder: &mut Builder, attribute: &str, proto: &TensorProto) -> Result<Literal> {
    match tensor::read(proto, &mut builder.files, &mut builder.budget) {
        Ok(literal) => {
            builder.grant(literal.len());
            Ok(literal)
        }
        Err(TensorError::Broken(error)) => match *error.kind {
            ImportErrorKind::Memory { bytes, .. } => Err(NoMemory { bytes }.into()),
            _ => bad(attribute, error.to_string()),
        },
        Err(TensorError::Unsupported(reason)) => bad(attribute, reason),
    }
}

/// `Constant`, whose value can be written in six ways.
pub(super) fn constant(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let literal = if let Some(proto) = call.tensor("value")? {
        read(builder, "value", proto)?
    } else if let Some(x) = call.float("value_float")? {
        Literal::floats(vec![], vec![x])?
    } else if let Some(x) = call.floats("value_floats")? {
        Literal::floats(vec![x.len()], x.to_vec())?
    } else if let Some(x) = call.int("value_int")? {
        Literal::ints(vec![], vec![x])?
    } else if let Some(x) = call.ints("value_ints")? {
        Literal::list(x.to_vec())
    } else {
        return Err(
            "only the attributes value, value_float(s) and value_int(s) are supported".into()
        );
    };
    Ok(vec![Value::Known(literal)])
}

/// `ConstantOfShape`.
pub(super) fn constant_of_shape(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = match call.known_ints(0, "the shape")? {
        Some(shape) => to_shape(shape)?,
        None => return Err("the shape is missing".into()),
    };
    let count = elements(&shape)?;
    let value = match call.tensor("value")? {
        None => Literal::floats(vec![1], vec![0.0])?,
        Some(proto) => read(builder, "value", proto)?,
    };
    let literal = match (&value.data, value.len()) {
        (Data::Int(v), 1) => {
            builder.claim(count)?;
            Literal::ints(shape, filled(count, v[0])?)?
        }
        (Data::Float(t), 1) => {
            builder.claim_filled(count)?;
            let tensor = stored::filled(&shape, t.data()[0]);
            Literal::tensor(shape, tensor, count)?
        }
        (_, n) => return bad("value", format!("has {n} elements; it must have one")),
    };
    Ok(vec![Value::Known(literal)])
}

/// `EyeLike`: only the shape and type of its operand matter.
pub(super) fn eye_like(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let shape = builder.shape(call.required(0)?);
    let &[rows, columns] = &shape[..] else {
        return Err(format!("its input {shape:?} is not a matrix").into());
    };
    let ty = match call.int("dtype")? {
        None => builder.element_type(call.required(0)?),
        Some(ty) => match i32::try_from(ty).ok().and_then(|t| DataType::try_from(t).ok()) {
            Some(ty) => ty,
            None => return bad("dtype", "is not an element type"),
        },
    };
    let above = call.int_or("k", 0)?;
    let count = elements(&shape)?;
    builder.claim(count)?;
    let mut data = filled(count, 0)?;
    for row in 0..rows {
        let column = above.checked_add(row as i64).and_then(|c| usize::try_from(c).ok());
        if let Some(column) = column.filter(|&c| c < columns) {
            data[row * columns + column] = 1;
        }
    }
    Ok(vec![Value::Known(Literal::ints(shape, data)?.cast(ty)?)])
}

/// Integers as the dimensions of a shape.
pub(super) fn to_shape(ints: &[i64]) -> Result<Vec<usize>> {
    let dim = |&d: &i64| usize::try_from(d).map_err(|_| format!("{ints:?} is not a shape").into());
    ints.iter().map(dim).collect()
}

/// `Range`.
pub(super) fn range(builder: &mut Builder, call: &Call<'_>) -> Result<Vec<Value>> {
    let missing = || "start, limit and delta must be constants with one element";
    let known = call.all_known().ok_or_else(missing)?;
    let [start, limit, delta] = known[..] else { return Err(missing().into()) };
    let one = |x: &Literal| x.scalar().ok_or_else(missing);
    let (a, z, d) = (one(start)?, one(limit)?, one(delta)?);
    if d == 0.0 {
        return Err("delta, the step, is 0".into());
    }
    if ![a, z, d].iter().all(|x| x.is_finite()) {
        return Err(format!("start {a}, limit {z} and delta {d} must be finite").into());
    }
    // In f64 the count is exact wherever it is within the limit.
    let count = ((z - a) / d).ceil().max(0.0) as usize;
    builder.claim(count)?;
    let literal = match (start.as_ints(), delta.as_ints()) {
        (Some(&[a]), Some(&[d])) => {
            let term = |i: usize| (i as i64).checked_mul(d).and_then(|x| a.checked_add(x));
            let terms: Option<Vec<i64>> = (0..count).map(term).collect();
            Literal::list(terms.ok_or("integer overflow")?)
        }
        (None, None) => {
            Literal::floats(vec![count], collected((0..count).map(|i| (a + i as f64 * d) as f32))?)?
        }
        _ => return Err("start and delta have different types".into()),
    };
    Ok(vec![Value::Known(literal)])
}
