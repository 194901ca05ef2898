//! Operators on quantized values, in the integers and in the f32 steps that define them.

use super::conv::add_products;
use super::elements::{filled, wrap};
use super::elementwise::{self, greater};
use super::error::EvalError;
use super::value::Value;
use crate::dtype::DType;
use crate::memory::{collected, copied};
use crate::op::OnBytes;
use crate::quantized::{
    self, Dequantize, Encoding, Ending, Quantize, QuantizedConv, QuantizedResidual, Requantize,
};
use crate::ty::TensorType;

/// Bytes for floats.
pub(super) fn quantize(op: &Quantize, x: &Value) -> Result<Vec<f64>, EvalError> {
    Ok(collected(x.data.iter().map(|&x| f64::from(op.apply(x as f32))))?)
}

/// The scale and the zero point for the range of a value.
pub(super) fn measure(x: &Value) -> Vec<f64> {
    let most = |sign: f64| x.data.iter().fold(0.0, |most, &x| greater(most, sign * x)) as f32;
    quantized::measured(most(-1.0), most(1.0)).map(f64::from).to_vec()
}

/// The quantizer that an operand describes.
pub(super) fn quantizer(encoding: &Value) -> Quantize {
    quantized::quantizer([0, 1].map(|i| encoding.data[i] as f32))
}

/// Floats for bytes.
pub(super) fn dequantize(op: &Dequantize, q: &Value) -> Result<Vec<f64>, EvalError> {
    Ok(collected(q.data.iter().map(|&q| f64::from(op.apply(q as i32))))?)
}

/// The operands of an operator on bytes as floats.
pub(super) fn floats(op: &OnBytes, operands: &[&Value]) -> Result<Vec<Value>, EvalError> {
    let floats = op.from.iter().zip(operands).map(|(from, operand)| {
        let data = match from {
            Some(from) => dequantize(from, operand)?,
            None => copied(&operand.data)?,
        };
        Ok(Value::of(DType::F32, operand.shape.clone(), data))
    });
    floats.collect()
}

/// The elements of a table at the positions that bytes are.
pub(super) fn lookup(x: &Value, table: &Value) -> Result<Vec<f64>, EvalError> {
    Ok(collected(x.data.iter().map(|&x| table.data[x as usize]))?)
}

/// The result of a convolution, whose type is `ty`.
pub(super) fn conv(
    op: &QuantizedConv,
    operands: &[&Value],
    ty: &TensorType,
) -> Result<Vec<f64>, EvalError> {
    let [src, weights, bias, factor] = [0, 1, 2, 3].map(|i| operands[i]);
    let shape = &ty.shape[..];
    let measured = op.encoding_operand().map(|i| quantizer(operands[i]));
    let zero = match (op.src, measured) {
        (Encoding::Known(zero), _) => zero,
        (Encoding::Measured, quantizer) => quantizer.map_or(0, |by| by.result.zero),
    };
    let zero = f64::from(zero);
    let centred = collected(src.data.iter().map(|x| x - zero))?;
    let centred = Value::of(DType::I32, src.shape.clone(), centred);
    let mut sums = filled(shape, 0.0)?;
    add_products(&op.window, op.groups, [&centred, weights], shape, &mut sums);
    let (channels, pixels) = (shape[1], shape[2] * shape[3]);
    for (i, plane) in sums.chunks_exact_mut(pixels).enumerate() {
        let channel = i % channels;
        let (bias, factor) = (bias.data[channel], factor.data[channel] as f32);
        match measured {
            None => {
                plane.iter_mut().for_each(|sum| *sum += bias);
                wrap(DType::I32, plane);
                plane.iter_mut().for_each(|sum| *sum = (*sum as f32 * factor).into());
            }
            Some(by) => {
                wrap(DType::I32, plane);
                let (factor, bias) = (factor * by.scale, bias as f32);
                plane.iter_mut().for_each(|sum| *sum = (*sum as f32 * factor + bias).into());
            }
        }
    }
    match &op.ending {
        Ending::Floats(activation) => elementwise::activate(*activation, &mut sums),
        Ending::FloatSum(activation) => {
            let residual = op.residual_operand().map_or(&[][..], |i| &operands[i].data);
            let terms = sums.iter_mut().zip(residual);
            terms.for_each(|(sum, &r)| *sum = (*sum as f32 + r as f32).into());
            elementwise::activate(*activation, &mut sums);
        }
        Ending::Bytes(bytes) => to_bytes(bytes, &mut sums),
        Ending::Sum(bytes, residual) => {
            to_bytes(bytes, &mut sums);
            let own = f64::from(bytes.zero);
            for (q, r) in sums.iter_mut().zip(&operands[4].data) {
                *q = add(residual, (*q - own) as f32, *r).into();
            }
        }
    }
    Ok(sums)
}

fn to_bytes(bytes: &Requantize, steps: &mut [f64]) {
    steps.iter_mut().for_each(|x| *x = bytes.apply(*x as f32).into());
}

/// The byte of a sum of a number of steps and a residual.
fn add(residual: &QuantizedResidual, steps: f32, r: f64) -> i32 {
    let other = (r - f64::from(residual.zero)) as f32;
    residual.sum.apply(steps * residual.own + other * residual.factor)
}
