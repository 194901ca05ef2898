//! Limits of activations.

use super::error::{TypeError, fail};
use crate::activation::Activation;

pub(super) fn check_activation(activation: Activation) -> Result<(), TypeError> {
    match activation {
        Activation::None | Activation::Relu => Ok(()),
        Activation::Clip { lo, hi } => check_clip(lo, hi),
    }
}

pub(super) fn check_clip(lo: f32, hi: f32) -> Result<(), TypeError> {
    match lo.is_nan() || hi.is_nan() {
        true => fail(format!("the limits {lo} and {hi} of a clip must not be NaN")),
        false => Ok(()),
    }
}
