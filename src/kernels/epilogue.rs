//! What happens to sums while they are in registers: what is added, the activation, and what is
//! published about the results.
//!
//! Every convolution algorithm ends with an epilogue.

use resnetc_ir::op::Activation;

use crate::codegen::vir::{Arith, Builder, Integer, P, V};

use super::published::Fact;

/// All bits of a float except the sign.
pub(super) const MAGNITUDE: u32 = 0x7fff_ffff;

/// How sums end. Everything that determines the code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// The activation, which comes last.
    pub activation: Activation,
    /// What is published about the results, lane by lane.
    pub publishes: Option<Fact>,
}

/// The registers in which a fact is accumulated.
pub struct Growing(Option<AbsMax>);

struct AbsMax {
    greatest: V,
    mask: V,
}

impl Growing {
    /// Nothing is published.
    pub const NOTHING: Growing = Growing(None);
}

impl From<Activation> for Epilogue {
    /// Publishes nothing.
    fn from(activation: Activation) -> Self {
        Epilogue { activation, publishes: None }
    }
}

impl Epilogue {
    /// Loads what earlier results stored at `place`.
    pub fn begin(&self, b: &mut Builder, place: P) -> Growing {
        Growing(self.publishes.map(|Fact::AbsMax| {
            let [greatest, mask] = [b.vector(), b.vector()];
            b.load(greatest, place.at(0));
            b.bits(mask, MAGNITUDE);
            AbsMax { greatest, mask }
        }))
    }

    /// Turns sums into results; `add` adds the shortcut to the sum at a position.
    pub fn finish(
        &self,
        b: &mut Builder,
        growing: &Growing,
        sums: &[V],
        add: impl Fn(&mut Builder, usize, V),
    ) {
        sums.iter().enumerate().for_each(|(i, &sum)| add(b, i, sum));
        activate(b, self.activation, sums);
        if let Some(AbsMax { greatest, mask }) = growing.0 {
            let magnitude = b.vector();
            for &sum in sums {
                b.integer(Integer::And, magnitude, sum, mask);
                b.integer(Integer::Max, greatest, greatest, magnitude);
            }
            b.release([magnitude]);
        }
    }

    /// Stores the accumulated fact at `place`.
    pub fn end(&self, b: &mut Builder, growing: &Growing, place: P) {
        if let Some(AbsMax { greatest, .. }) = growing.0 {
            b.store(place.at(0), greatest);
        }
    }
}

/// Applies an activation to registers in place. The operand is the second source, so that NaN stays
/// NaN.
pub fn activate(b: &mut Builder, activation: Activation, registers: &[V]) {
    let steps: &[(Arith, f32)] = match activation {
        Activation::None => &[],
        Activation::Relu => &[(Arith::Max, 0.0)],
        Activation::Clip { lo, hi } => &[(Arith::Max, lo), (Arith::Min, hi)],
    };
    for &(op, limit) in steps {
        let bound = b.vector();
        b.constant(bound, limit);
        registers.iter().for_each(|&r| b.arith(op, r, bound, r));
        b.release([bound]);
    }
}
