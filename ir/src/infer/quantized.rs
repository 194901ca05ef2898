//! The shapes of operators on quantized values, and the ranges of their attributes.

use super::activation::check_activation;
use super::error::{TypeError, fail};
use super::window::convolved;
use crate::op::OnBytes;
use crate::quantized::{Dequantize, Ending, Quantize, QuantizedConv, Requantize};

/// The shape of quantized floats.
pub(super) fn quantize(op: &Quantize, shape: &[usize]) -> Result<Vec<usize>, TypeError> {
    check_scale(op.scale)?;
    check("result", &op.result)?;
    Ok(shape.to_vec())
}

/// The shape of dequantized bytes.
pub(super) fn dequantize(op: &Dequantize, shape: &[usize]) -> Result<Vec<usize>, TypeError> {
    check_scale(op.scale)?;
    match BYTES.contains(&op.zero) {
        true => Ok(shape.to_vec()),
        false => fail(format!("the zero point {} is not a byte", op.zero)),
    }
}

/// Checks the attributes of an operator on bytes. The number of operands has been checked.
pub(super) fn on_bytes(op: &OnBytes, shapes: &[&[usize]]) -> Result<(), TypeError> {
    if !OnBytes::takes(&op.op) {
        return fail(format!("{} does not compute on bytes", op.op.name()));
    }
    if op.from.len() != shapes.len() {
        return fail(format!("{} operands, but {} scales", shapes.len(), op.from.len()));
    }
    for (from, shape) in op.from.iter().zip(shapes) {
        from.map_or(Ok(vec![]), |from| dequantize(&from, shape))?;
    }
    op.to.map_or(Ok(()), |to| quantize(&to, &[]).map(drop))
}

/// The shape of what a table has for bytes.
pub(super) fn lookup(shape: &[usize], table: &[usize]) -> Result<Vec<usize>, TypeError> {
    match table {
        [256] => Ok(shape.to_vec()),
        other => fail(format!("the table {other:?} is not [256]")),
    }
}

fn check_scale(scale: f32) -> Result<(), TypeError> {
    match scale.is_normal() && scale > 0.0 {
        true => Ok(()),
        false => fail(format!("the scale {scale} is not a positive normal number")),
    }
}

/// The shape of a convolution. The number of operands has been checked.
pub(super) fn infer(conv: &QuantizedConv, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    let result = convolved(&conv.window, conv.groups, shapes[0], shapes[1])?;
    for (operand, name) in [(2, "B"), (3, "the factor")] {
        if shapes[operand] != [result[1]] {
            return fail(format!(
                "{name} {:?} is not [{}], the first dimension of W {:?}",
                shapes[operand], result[1], shapes[1]
            ));
        }
    }
    if !BYTES.contains(&conv.src_zero) {
        return fail(format!("the zero point {} of the source is not a byte", conv.src_zero));
    }
    let residual = match &conv.ending {
        Ending::Floats(activation) => return check_activation(*activation).map(|()| result),
        Ending::Bytes(bytes) => return check("result", bytes).map(|()| result),
        Ending::Sum(bytes, residual) => {
            check("result", bytes)?;
            residual
        }
    };
    check("sum", &residual.sum)?;
    if !BYTES.contains(&residual.zero) {
        return fail(format!("the zero point {} of the residual is not a byte", residual.zero));
    }
    if ![residual.own, residual.factor].into_iter().all(f32::is_finite) {
        return fail("the factors of a residual must be finite".into());
    }
    match shapes.last() {
        Some(&shape) if shape == result => Ok(result),
        other => fail(format!("the residual {other:?} is not of the shape {result:?}")),
    }
}

/// Signed and unsigned bytes.
const BYTES: std::ops::RangeInclusive<i32> = i8::MIN as i32..=u8::MAX as i32;

fn check(what: &str, requantize: &Requantize) -> Result<(), TypeError> {
    let Requantize { to, zero, lo, hi } = *requantize;
    match requantize.fits() {
        true => Ok(()),
        false => fail(format!(
            "the zero point {zero} and the limits {lo} and {hi} of the {what} are not those of {}",
            to.short()
        )),
    }
}
