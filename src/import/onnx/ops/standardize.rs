//! Batch normalization of constants by their own statistics, which is how exporters write weight
//! standardization.

use resnetc_ir::Tensor;
use resnetc_ir::memory::copied;

use crate::import::onnx::builder::Builder;
use crate::import::onnx::call::{Call, Result, Value};
use crate::import::onnx::literal::{Data, Literal};

/// The first result of `BatchNormalization` in training mode, if value, scale and shift are
/// constants. `None` if one of them is computed at run time: the result would depend on the other
/// images of the batch.
pub(super) fn standardize(
    builder: &mut Builder,
    call: &Call<'_>,
    epsilon: f64,
) -> Result<Option<Vec<Value>>> {
    let [Some(x), Some(scale), Some(shift)] =
        [constant(call, 0), constant(call, 1), constant(call, 2)]
    else {
        return Ok(None);
    };
    let &[outer, channels, ..] = x.shape() else {
        return Err(format!("its input {:?} has no channels", x.shape()).into());
    };
    for parameter in [scale, shift] {
        if parameter.shape() != [channels] {
            let found = parameter.shape();
            return Err(format!(
                "scale and bias must have shape [{channels}], but one has {found:?}"
            )
            .into());
        }
    }
    builder.claim(3 * x.elements())?;
    let inner = x.elements() / (outer * channels).max(1);
    let mut result = copied(x.try_data()?)?;
    for channel in 0..channels {
        let runs = |batch: usize| {
            (batch * channels + channel) * inner..(batch * channels + channel + 1) * inner
        };
        let elements =
            || (0..outer).flat_map(|batch| &x.data()[runs(batch)]).map(|&v| f64::from(v));
        let count = (outer * inner) as f64;
        let mean = elements().sum::<f64>() / count;
        let variance = elements().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let factor = f64::from(scale.data()[channel]) / (variance + epsilon).sqrt();
        let shift = f64::from(shift.data()[channel]);
        for batch in 0..outer {
            for v in &mut result[runs(batch)] {
                *v = ((f64::from(*v) - mean) * factor + shift) as f32;
            }
        }
    }
    Ok(Some(vec![Value::Known(Literal::floats(x.shape().to_vec(), result)?)]))
}

/// An operand that is a constant of floats.
fn constant<'a>(call: &'a Call<'_>, i: usize) -> Option<&'a Tensor> {
    match call.arg(i) {
        Some(Value::Known(Literal { data: Data::Float(tensor), .. })) => Some(tensor),
        _ => None,
    }
}
