//! The shapes of operators on quantized values, and the ranges of their attributes.

use super::activation::check_activation;
use super::error::{TypeError, fail};
use super::window::convolved;
use crate::op::OnBytes;
use crate::quantized::{Dequantize, Encoding, Ending, Quantize, QuantizedConv, Requantize};

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

/// The shape of a scale and a zero point that a run computes.
pub(super) const ENCODING: [usize; 1] = [2];

/// Checks the shape of such an operand.
pub(super) fn check_encoding(shape: &[usize]) -> Result<(), TypeError> {
    match shape == ENCODING {
        true => Ok(()),
        false => fail(format!("the scale and the zero point {shape:?} are not {ENCODING:?}")),
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
    match conv.src {
        Encoding::Known(zero) if !BYTES.contains(&zero) => {
            return fail(format!("the zero point {zero} of the source is not a byte"));
        }
        Encoding::Measured if matches!(conv.ending, Ending::Bytes(_) | Ending::Sum(..)) => {
            return fail("the source is measured, but the result is bytes".into());
        }
        Encoding::Known(_) | Encoding::Measured => {}
    }
    conv.encoding_operand().map_or(Ok(()), |i| check_encoding(shapes[i]))?;
    check_ending(&conv.ending)?;
    match conv.residual_operand().map(|i| shapes[i]) {
        Some(shape) if shape != result => {
            fail(format!("the residual {shape:?} is not of the shape {result:?}"))
        }
        _ => Ok(result),
    }
}

fn check_ending(ending: &Ending) -> Result<(), TypeError> {
    let residual = match ending {
        Ending::Floats(activation) | Ending::FloatSum(activation) => {
            return check_activation(*activation);
        }
        Ending::Bytes(bytes) => return check("result", bytes),
        Ending::Sum(bytes, residual) => {
            check("result", bytes)?;
            residual
        }
    };
    check("sum", &residual.sum)?;
    if !BYTES.contains(&residual.zero) {
        return fail(format!("the zero point {} of the residual is not a byte", residual.zero));
    }
    match [residual.own, residual.factor].into_iter().all(f32::is_finite) {
        true => Ok(()),
        false => fail("the factors of a residual must be finite".into()),
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
