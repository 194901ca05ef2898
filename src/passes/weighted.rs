//! What convolutions and matrix products with constant weights have in common: a row of weights per
//! output channel.

use std::sync::Arc;

use resnetc_ir::op::Activation;
use resnetc_ir::patch::Value;
use resnetc_ir::tensor::Elements;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::affine::{Affine, round};
use super::near_misses::Stop;

/// A convolution or a normalized matrix product into whose weights an affine function can be
/// folded.
pub(super) struct Weighted<'g> {
    node: NodeId,
    weights: &'g Arc<Tensor>,
    bias: Option<&'g Arc<Tensor>>,
}

impl<'g> Weighted<'g> {
    /// The operator of a node, if it is one of the two and has no epilogue yet.
    pub(super) fn of(graph: &'g Graph, node: NodeId) -> Result<Self, Stop> {
        let (has_bias, shortcut, activation) = match graph.node(node).op {
            Op::Conv(conv) => {
                let has_shortcut = conv.residual.is_some() || conv.projection.is_some();
                (conv.bias, has_shortcut, conv.activation)
            }
            Op::Gemm(gemm) if !gemm.transpose_b || gemm.alpha != 1.0 || gemm.beta != 1.0 => {
                return Err(Stop::Near("the matrix product is not normalized"));
            }
            Op::Gemm(gemm) => (gemm.bias, false, gemm.activation),
            _ => return Err(Stop::Other),
        };
        let constant = |i| graph.operand(node, i).and_then(|n| graph.f32_constant_of(n));
        if activation != Activation::None {
            return Err(Stop::Near("an activation comes between"));
        }
        if shortcut {
            return Err(Stop::Near("a shortcut is added between"));
        }
        let weights = constant(1).ok_or(Stop::Near("the weights are not constant"))?;
        let bias = constant(2).filter(|_| has_bias);
        let channels = weights.shape().first();
        if has_bias && bias.is_none_or(|b| b.shape().first() != channels || b.shape().len() != 1) {
            return Err(Stop::Near("the bias is not a constant vector"));
        }
        Ok(Weighted { node, weights, bias })
    }

    /// Replaces `last` by this operator with `affine` folded into its weights and bias. The weights
    /// become a new constant, so that other users of the old ones keep theirs.
    pub(super) fn fold(
        &self,
        graph: &Graph,
        affine: &Affine,
        last: NodeId,
        label: String,
    ) -> Result<Patch, Stop> {
        let node = graph.node(self.node);
        let operands = graph.operands(self.node);
        let bias = self.folded_bias(affine)?;
        let mut patch = Patch::new(label);
        let weights = match affine.keeps_scale() {
            true => Value::Old(operands[1]),
            false => patch.constant(format!("{}.weight", node.name), self.folded_weights(affine)?),
        };
        let bias = patch.constant(format!("{}.bias", node.name), bias);
        let mut op = node.op.clone();
        match &mut op {
            Op::Conv(conv) => conv.bias = true,
            Op::Gemm(gemm) => gemm.bias = true,
            _ => return Err(Stop::Other),
        }
        let folded = patch.add(node.name.clone(), op, &[operands[0].into(), weights, bias]);
        patch.replace(last, folded);
        Ok(patch)
    }

    /// The weights, with each row scaled when it is read: they are copied only when they are
    /// packed.
    fn folded_weights(&self, affine: &Affine) -> Result<Tensor, Stop> {
        let rows = ScaledRows::new(Arc::clone(self.weights), affine.scale.clone());
        check_finite(rows.stay_finite())?;
        let folded = Tensor::deferred(self.weights.shape(), Arc::new(rows));
        folded.ok_or(Stop::Near("the weights do not fit their shape"))
    }

    fn folded_bias(&self, affine: &Affine) -> Result<Tensor, Stop> {
        let at = |c: usize| self.bias.map_or(0.0, |b| f64::from(b.data()[c]));
        let channels = affine.scale.iter().zip(&affine.shift).enumerate();
        let data: Vec<f32> = channels.map(|(c, (s, t))| round(at(c) * s + t)).collect();
        check_finite(data.iter().all(|x| x.is_finite()))?;
        Ok(Tensor::vector(data))
    }
}

fn check_finite(finite: bool) -> Result<(), Stop> {
    if finite { Ok(()) } else { Err(Stop::Near("the folded weights are not finite")) }
}

/// A tensor with each of its rows, along the first axis, multiplied by a number.
struct ScaledRows {
    tensor: Arc<Tensor>,
    /// Number of elements of a row.
    row: usize,
    scale: Vec<f64>,
}

impl ScaledRows {
    fn new(tensor: Arc<Tensor>, scale: Vec<f64>) -> Self {
        let row = (tensor.elements() / scale.len().max(1)).max(1);
        ScaledRows { tensor, row, scale }
    }

    /// Whether no weight becomes infinite. Rows that do not grow are skipped; for the others, the
    /// largest magnitude decides for the whole row, since products and rounding are monotone.
    fn stay_finite(&self) -> bool {
        let mut row = vec![0.0; self.row];
        let mut growing = self.scale.iter().enumerate().filter(|(_, scale)| scale.abs() > 1.0);
        growing.all(|(i, &scale)| {
            self.tensor.read(i * self.row, &mut row);
            round(f64::from(greatest_magnitude(&row)) * scale).is_finite()
        })
    }
}

impl Elements for ScaledRows {
    fn read(&self, start: usize, out: &mut [f32]) {
        self.tensor.read(start, out);
        let (first, mut row) = (start / self.row, self.row - start % self.row);
        let mut rest = out;
        for &scale in &self.scale[first..] {
            let (part, after) = rest.split_at_mut(row.min(rest.len()));
            part.iter_mut().for_each(|w| *w = round(f64::from(*w) * scale));
            (rest, row) = (after, self.row);
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// The largest absolute value; not finite if any value is not. Magnitudes are ordered like their
/// bits.
fn greatest_magnitude(values: &[f32]) -> f32 {
    const MAGNITUDE: u32 = !(1 << 31);
    // Compared as signed numbers, which is equivalent because they are not negative: every vector
    // instruction set has this comparison.
    let bits =
        values.iter().fold(0, |greatest: i32, x| greatest.max((x.to_bits() & MAGNITUDE) as i32));
    f32::from_bits(bits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_part_of_scaled_rows_is_that_of_the_whole(
            scale in prop::collection::vec(-2f64..2.0, 1..6),
            row in 1usize..7,
            ends in any::<[prop::sample::Index; 2]>(),
        ) {
            let count = scale.len() * row;
            let data: Vec<f32> = (0..count).map(|i| i as f32 - 7.0).collect();
            let scaled: Vec<f32> =
                data.iter().enumerate().map(|(i, &x)| (f64::from(x) * scale[i / row]) as f32).collect();
            let tensor = Tensor::new([scale.len(), row], data).expect("it fits");
            let rows = ScaledRows::new(Arc::new(tensor), scale);
            let [a, b] = ends.map(|end| end.index(count + 1));
            let range = a.min(b)..a.max(b);
            let mut part = vec![f32::NAN; range.len()];
            rows.read(range.start, &mut part);
            prop_assert_eq!(&part[..], &scaled[range]);
        }

        #[test]
        fn rows_stay_finite_if_every_product_is(
            values in prop::collection::vec(prop::sample::select(vec![0.0f32, 1.0, -3e38, 2e38]), 6),
            scale in prop::collection::vec(-2f64..2.0, 3),
        ) {
            let finite =
                values.iter().enumerate().all(|(i, &x)| ((f64::from(x) * scale[i / 2]) as f32).is_finite());
            let tensor = Tensor::new([3, 2], values).expect("it fits");
            prop_assert_eq!(ScaledRows::new(Arc::new(tensor), scale).stay_finite(), finite);
        }
    }
}
