//! The scale and the zero point of a value that a run measures, in registers.
//!
//! They are two floats in memory, the scale first. The arithmetic is that of
//! [`quantizer`](resnetc_ir::quantized::quantizer).

use crate::codegen::vir::{Arith, Builder, Inst, P, V};

use super::geometry::{F32, Place};
use super::sink::Pointer;

/// Offset of the zero point from the scale.
pub const ZERO: i64 = F32;

/// Where they are.
pub fn pointer(encoding: &Place) -> Pointer {
    Pointer::new(encoding.base, encoding.origin())
}

/// Puts the scale into every lane.
pub fn scale(b: &mut Builder, dst: V, encoding: P) {
    b.broadcast(dst, encoding.at(0));
}

/// Puts the zero point into every lane, as a float: the nearest byte; 0 for NaN.
pub fn zero(b: &mut Builder, dst: V, encoding: P) {
    b.broadcast(dst, encoding.at(ZERO));
    let limit = b.vector();
    // In this order: NaN becomes the lower limit.
    for (op, value) in [(Arith::Max, 0.0), (Arith::Min, 255.0)] {
        b.constant(limit, value);
        b.arith(op, dst, dst, limit);
    }
    b.release([limit]);
    b.push(Inst::Round { dst, src: dst });
}
