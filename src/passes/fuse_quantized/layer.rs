//! What products of quantized values have in common, whether the scale of their source is known
//! when the network is compiled or measured.

use resnetc_ir::op::{Activation, Conv, Encoding, Ending, Gemm, QuantizedConv, Window};
use resnetc_ir::patch::Value;
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::groups;
use super::weights::QuantizedWeights;
use crate::passes::encodings::read_as;
use crate::passes::near_misses::Stop;

/// A convolution or a matrix product, before anything was fused into it.
pub(in crate::passes) struct Form {
    pub(in crate::passes) window: Window,
    pub(in crate::passes) groups: usize,
    /// Whether the outputs are along the last axis of the weights.
    transposed: bool,
    pub(in crate::passes) bias: Option<NodeId>,
}

impl Form {
    pub(in crate::passes) fn of(graph: &Graph, node: NodeId) -> Result<Self, Stop> {
        let matrix = (Window::square(1, 1, 0), 1);
        let ((window, groups), transposed, has_bias) = match graph.node(node).op {
            // Something is part of it already.
            Op::Conv(conv)
                if conv != (Conv { bias: conv.bias, ..Conv::new(conv.window, conv.groups) }) =>
            {
                return Err(Stop::Other);
            }
            Op::Gemm(gemm) if gemm.activation != Activation::None => return Err(Stop::Other),
            Op::Conv(conv) => ((conv.window, conv.groups), false, conv.bias),
            Op::Gemm(Gemm {
                transpose_a: false, alpha: 1.0, beta: 1.0, transpose_b, bias, ..
            }) => (matrix, !transpose_b, bias),
            Op::MatMul if graph.node(node).ty.shape.len() == 2 => (matrix, true, false),
            _ => return Err(Stop::Near("its operands are scaled or transposed")),
        };
        let bias = match has_bias {
            true => Some(graph.operand(node, 2).ok_or(Stop::Other)?),
            false => None,
        };
        Ok(Form { window, groups, transposed, bias })
    }
}

/// A product of bytes and quantized weights.
pub(in crate::passes) struct Layer {
    pub(in crate::passes) node: NodeId,
    /// The bytes.
    source: NodeId,
    window: Window,
    groups: usize,
    pub(in crate::passes) weights: QuantizedWeights,
}

/// The sum of the magnitudes of an output's terms must be below this.
const MOST: f64 = i32::MAX as f64;

impl Layer {
    /// That of a node, whose source is these bytes, all of whose readers must agree about
    /// `encoding`, in the operand `measured` if a run measures it. Weights may be steps, not
    /// multiplied with a scale, if the source may.
    pub(in crate::passes) fn of(
        graph: &Graph,
        (node, form): (NodeId, &Form),
        source: NodeId,
        (encoding, measured): (Encoding, Option<NodeId>),
        may_be_steps: bool,
    ) -> Result<Self, Stop> {
        if graph.node(source).ty.dtype != DType::U8 {
            return Err(Stop::Near("its source is of signed bytes"));
        }
        if read_as(graph, source).any(|other| other != (encoding, measured)) {
            return Err(Stop::Near("its source is also read with another zero point"));
        }
        let weights = graph.operand(node, 1).ok_or(Stop::Other)?;
        let weights = QuantizedWeights::of(graph, weights, form.transposed, may_be_steps)?;
        let (weights, groups) = groups::merged(weights, form.groups)?;
        Ok(Layer { node, source, window: form.window, groups, weights })
    }

    /// Checks that groups are what kernels compute.
    pub(in crate::passes) fn check_groups(&self) -> Result<(), Stop> {
        let [outputs, per_group, ..] = self.weights.shape[..] else { return Err(Stop::Other) };
        let is_whole = per_group.is_multiple_of(16) && (outputs / self.groups).is_multiple_of(16);
        match self.groups == 1 || is_whole {
            true => Ok(()),
            false => Err(Stop::Near("its groups are not whole blocks of channels")),
        }
    }

    /// Checks that sums fit, where the largest magnitude of a source's element is `widest`. There
    /// is a bias for each output, in steps.
    pub(in crate::passes) fn check_sums(&self, widest: i32, biases: &[f64]) -> Result<(), Stop> {
        for (filter, bias) in self.weights.filters().zip(biases) {
            let sum: u64 = filter.iter().map(|&w| u64::from((w as i8).unsigned_abs())).sum();
            // Written so that NaN is refused, too.
            let fits = sum as f64 * f64::from(widest) + bias.abs() < MOST;
            if !fits {
                return Err(Stop::Near("its sums may overflow 32 bits"));
            }
        }
        Ok(())
    }

    /// Adds the convolution that computes the layer: with this bias and these factors, and with
    /// operands that follow these.
    pub(in crate::passes) fn add(
        self,
        graph: &Graph,
        patch: &mut Patch,
        (src, ending): (Encoding, Ending),
        (bias, factors): (Tensor, Vec<f32>),
        rest: &[Value],
    ) -> Result<Value, Stop> {
        let found = graph.node(self.node);
        let name = &found.name;
        let is_matrix = found.ty.shape.len() == 2;
        let QuantizedWeights { bytes, mut shape, .. } = self.weights;
        shape.resize(4, 1);
        let mut source = self.source.into();
        if is_matrix {
            let image = [graph.node(self.source).ty.shape.clone(), vec![1, 1]].concat();
            source = patch.add(name.clone(), Op::Reshape { shape: image }, &[source]);
        }
        let weights = Tensor::from_bytes(DType::I8, shape, bytes).ok_or(Stop::Other)?;
        let weights = patch.constant(format!("{name}.weight"), weights);
        let bias = patch.constant(format!("{name}.bias"), bias);
        let factors = patch.constant(format!("{name}.factor"), Tensor::vector(factors));
        let operands = [&[source, weights, bias, factors], rest].concat();
        let conv = QuantizedConv { window: self.window, groups: self.groups, src, ending };
        let result = patch.add(name.clone(), Op::QuantizedConv(conv), &operands);
        Ok(match is_matrix {
            true => {
                patch.add(name.clone(), Op::Reshape { shape: found.ty.shape.clone() }, &[result])
            }
            false => result,
        })
    }
}
