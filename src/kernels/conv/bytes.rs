//! How sums of products of bytes become results, in registers.
//!
//! The arithmetic is that of [`QuantizedConv`](resnetc_ir::op::QuantizedConv), step by step, so
//! that results are equal to the last bit. Every constant is in a register only while it is used: a
//! tile leaves few registers.

use resnetc_ir::DType;
use resnetc_ir::op::{Activation, Ending, QuantizedConv, QuantizedResidual, Requantize};

use crate::codegen::vir::{Arith, Builder, Inst, Integer, Mem, V};
use crate::kernels::epilogue::activate;
use crate::kernels::geometry::F32;
use crate::kernels::residual::Added;

use super::heads::{Head, HeadPlace};

/// Everything about the end of a sum that determines the code.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounding {
    /// What is known of each output.
    pub head: Head,
    /// What becomes of the number of steps.
    pub ending: Ending,
    /// Whether the residual's bytes are signed.
    pub signed_residual: bool,
    /// Whether numbers of steps, before they are limited, are known to be 32-bit integers.
    pub is_bounded: bool,
}

impl Rounding {
    /// That of a convolution.
    pub(in crate::kernels) fn of(
        conv: &QuantizedConv,
        factors: &[f32],
        residual: Option<Added<'_>>,
    ) -> Self {
        let signed = |added: Added<'_>| added.place.geometry.ty.dtype == DType::I8;
        Rounding {
            head: Head::of(conv.src),
            ending: conv.ending,
            signed_residual: residual.is_some_and(signed),
            is_bounded: is_bounded(&conv.ending, factors),
        }
    }

    /// Bytes of an element of the result.
    pub(in crate::kernels) fn result_bytes(&self) -> i64 {
        self.ending.dtype().bytes() as i64
    }

    /// Bytes of an element of the residual.
    pub(in crate::kernels) fn residual_bytes(&self) -> i64 {
        match self.ending {
            Ending::FloatSum(_) => F32,
            Ending::Bytes(_) | Ending::Sum(..) | Ending::Floats(_) => 1,
        }
    }

    /// Turns sums, in integers, into results and stores them. `acc` has the vectors of each pixel;
    /// `residuals` is where the residual of each sum is, and `places` where its result is stored.
    pub(in crate::kernels) fn finish(
        &self,
        b: &mut Builder,
        acc: &[Vec<V>],
        head: HeadPlace,
        residuals: &[Mem],
        places: &[Mem],
    ) {
        let sums: Vec<V> = acc.iter().flatten().copied().collect();
        sums.iter().for_each(|&sum| b.from_integer(sum, sum));
        self.head.scale(b, acc, head);
        match &self.ending {
            Ending::Floats(activation) => store_floats(b, *activation, &sums, places),
            Ending::FloatSum(activation) => {
                for (&sum, &place) in sums.iter().zip(residuals) {
                    let other = b.vector();
                    b.load(other, place);
                    b.arith(Arith::Add, sum, sum, other);
                    b.release([other]);
                }
                store_floats(b, *activation, &sums, places);
            }
            Ending::Bytes(bytes) => self.store(b, bytes, &sums, places),
            Ending::Sum(bytes, residual) => {
                limit(b, bytes, &sums);
                sums.iter().for_each(|&sum| b.push(Inst::Round { dst: sum, src: sum }));
                self.add(b, residual, &sums, residuals);
                self.store(b, &residual.sum, &sums, places);
            }
        }
    }

    /// Limits and rounds numbers of steps, and stores them as bytes. Where all bytes are within the
    /// limits, packing limits them.
    fn store(&self, b: &mut Builder, bytes: &Requantize, steps: &[V], places: &[Mem]) {
        let is_any = (bytes.to, bytes.lo, bytes.hi) == (DType::U8, 0, 255);
        let groups = if b.target().packs() { fours(places, b.target().lanes) } else { Vec::new() };
        let packed = |i: usize| groups.iter().any(|group| group.contains(&i));
        let limited: Vec<V> = (0..steps.len())
            .filter(|&i| !(is_any && self.is_bounded && packed(i)))
            .map(|i| steps[i])
            .collect();
        limit(b, bytes, &limited);
        steps.iter().for_each(|&x| b.to_integer(x, x));
        let constant = b.vector();
        if bytes.zero != 0 {
            b.bits(constant, bytes.zero as u32);
            steps.iter().for_each(|&x| b.integer(Integer::Add, x, x, constant));
        }
        if bytes.to == DType::I8 {
            b.bits(constant, 0xff);
            steps.iter().for_each(|&x| b.integer(Integer::And, x, x, constant));
        }
        b.release([constant]);
        for group in &groups {
            b.store_packed(places[group[0]], group.map(|i| steps[i]));
        }
        let rest = (0..steps.len()).filter(|&i| !packed(i));
        rest.for_each(|i| b.store_bytes(places[i], steps[i]));
    }

    /// Adds residuals to numbers of steps.
    fn add(&self, b: &mut Builder, residual: &QuantizedResidual, sums: &[V], residuals: &[Mem]) {
        with(b, Arith::Mul, residual.own, sums);
        for (&sum, &place) in sums.iter().zip(residuals) {
            let other = b.vector();
            b.load_bytes(other, place, self.signed_residual);
            b.from_integer(other, other);
            with(b, Arith::Sub, residual.zero as f32, &[other]);
            with(b, Arith::Mul, residual.factor, &[other]);
            b.arith(Arith::Add, sum, sum, other);
            b.release([other]);
        }
    }
}

fn store_floats(b: &mut Builder, activation: Activation, sums: &[V], places: &[Mem]) {
    activate(b, activation, sums);
    sums.iter().zip(places).for_each(|(&x, &place)| b.store(place, x));
}

/// Whether numbers of steps are 32-bit integers: sums are, and factors do not enlarge them.
fn is_bounded(ending: &Ending, factors: &[f32]) -> bool {
    let steps = factors.iter().all(|factor| factor.abs() <= 0.5);
    match ending {
        Ending::Floats(_) | Ending::FloatSum(_) => false,
        Ending::Bytes(_) => steps,
        Ending::Sum(_, residual) => [residual.own, residual.factor].iter().all(|f| f.abs() <= 1e6),
    }
}

/// Limits numbers of steps.
fn limit(b: &mut Builder, requantize: &Requantize, steps: &[V]) {
    let [lo, hi] = requantize.limits();
    with(b, Arith::Max, lo, steps);
    with(b, Arith::Min, hi, steps);
}

/// Groups of four vectors whose bytes are consecutive in memory.
fn fours(places: &[Mem], lanes: usize) -> Vec<[usize; 4]> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&i| places[i].offset);
    let mut groups = Vec::new();
    let mut rest = &order[..];
    while let [a, b, c, d, ..] = *rest {
        let follows = |x: usize, y: usize| places[y].offset - places[x].offset == lanes as i64;
        let is_group = follows(a, b) && follows(b, c) && follows(c, d);
        groups.extend(is_group.then_some([a, b, c, d]));
        rest = &rest[if is_group { 4 } else { 1 }..];
    }
    groups
}

/// `x = x op value`.
fn with(b: &mut Builder, op: Arith, value: f32, registers: &[V]) {
    let constant = b.vector();
    b.constant(constant, value);
    registers.iter().for_each(|&x| b.arith(op, x, x, constant));
    b.release([constant]);
}
