//! Quantized weights: constants in steps, and the steps.

use resnetc_ir::memory::filled;
use resnetc_ir::op::Binary;
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use crate::passes::near_misses::Stop;

/// Weights of outputs, which are their first axis.
pub(in crate::passes) struct QuantizedWeights {
    /// Numbers of steps, minus the zero point, as bytes.
    pub(in crate::passes) bytes: Vec<u8>,
    pub(in crate::passes) shape: Vec<usize>,
    /// The step: one for all, or one for each output.
    steps: Vec<f64>,
}

impl QuantizedWeights {
    /// The weights that a node dequantizes; with outputs along its last axis if `transposed`. Where
    /// values are steps, not multiplied with a scale, weights may be steps, too.
    pub(in crate::passes) fn of(
        graph: &Graph,
        node: NodeId,
        transposed: bool,
        may_be_steps: bool,
    ) -> Result<Self, Stop> {
        let operand = |node, i| graph.operand(node, i).ok_or(Stop::Other);
        let (centred, scale) = match graph.node(node).op {
            Op::Binary(Binary::Mul) => (operand(node, 0)?, Some(operand(node, 1)?)),
            _ if may_be_steps => (node, None),
            _ => return Err(Stop::Other),
        };
        let (q, zero) = match graph.node(centred).op {
            Op::Binary(Binary::Sub) => (operand(centred, 0)?, Some(operand(centred, 1)?)),
            _ => (centred, None),
        };
        let weights =
            graph.f32_constant_of(q).ok_or(Stop::Near("its weights are not constants"))?;
        let shape = weights.shape().to_vec();
        let outputs = if transposed { shape.last() } else { shape.first() };
        let &outputs = outputs.ok_or(Stop::Other)?;
        let per_output = |values: &Tensor| {
            let (shape, rank) = (values.shape(), shape.len());
            let axis = if transposed { shape.len().checked_sub(1) } else { Some(0) };
            let is_aligned = transposed || shape.len() == rank;
            values.elements() == outputs
                && is_aligned
                && axis.is_some_and(|axis| shape.get(axis) == Some(&outputs))
        };
        let scales =
            scale.map(|scale| graph.f32_constant_of(scale).ok_or(Stop::Other)).transpose()?;
        if scales.is_some_and(|scales| scales.elements() != 1 && !per_output(scales)) {
            return Err(Stop::Near("its weights have scales along another axis"));
        }
        let zeros = zero.map(|zero| graph.f32_constant_of(zero).ok_or(Stop::Other)).transpose()?;
        if zeros.is_some_and(|zeros| zeros.elements() != 1 && !per_output(zeros)) {
            return Err(Stop::Near("its weights have zero points along another axis"));
        }
        let zeros = zeros.map(|zeros| zeros.try_data()).transpose()?.unwrap_or(&[0.0]);
        let bytes = bytes(weights, outputs, zeros, transposed)?;
        let shape = if transposed { shape.into_iter().rev().collect() } else { shape };
        let steps = scales.map(|scales| scales.try_numbers()).transpose()?;
        Ok(QuantizedWeights { bytes, shape, steps: steps.unwrap_or_else(|| vec![1.0]) })
    }

    /// The step of an output.
    pub(in crate::passes) fn step(&self, output: usize) -> f64 {
        self.steps[output % self.steps.len()]
    }

    /// The weights of each output.
    pub(in crate::passes) fn filters(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.bytes.len() / self.shape[0].max(1))
    }
}

/// Writes a weight minus its zero point as a signed byte, and says whether it is one.
fn narrow(((&weight, byte), &zero): ((&f32, &mut u8), &f32)) -> bool {
    let steps = weight - zero;
    *byte = steps as i8 as u8;
    f32::from(steps as i8) == steps
}

/// Weights minus their zero points, one output after the other.
fn bytes(
    weights: &Tensor,
    outputs: usize,
    zeros: &[f32],
    transposed: bool,
) -> Result<Vec<u8>, Stop> {
    let per_output = weights.elements() / outputs.max(1);
    // Rows as they are in memory, each read once: of an output, or of an input.
    let [rows, columns] = if transposed { [per_output, outputs] } else { [outputs, per_output] };
    let mut bytes = filled(weights.elements(), 0)?;
    let mut row = filled(columns, 0.0)?;
    let fits = (0..rows).all(|r| {
        weights.read(r * columns, &mut row);
        match transposed {
            true => {
                let places = bytes.iter_mut().skip(r).step_by(per_output);
                row.iter().zip(places).zip(zeros.iter().cycle()).all(narrow)
            }
            false => {
                let zero = &zeros[r % zeros.len()];
                let places = &mut bytes[r * columns..][..columns];
                row.iter().zip(places).all(|place| narrow((place, zero)))
            }
        }
    });
    match fits {
        true => Ok(bytes),
        false => Err(Stop::Near("weights minus their zero point need more than 8 bits")),
    }
}
