//! Computes convolutions and matrix products of quantized values in integers: dequantized bytes,
//! dequantized weights, the product, an activation, and a quantizer become one operator on bytes.
//! So does the sum with a quantized shortcut that follows. Where no quantizer follows, the result
//! is f32.
//!
//! The result may differ by one step where the exact one is midway between two steps.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 16, 4, 4] "x"
//! %1 = quantize(%0) scale=0.25 zero=128 to=u8 limits=[0, 255] "bytes"
//! %2 = dequantize(%1) scale=0.25 zero=128 "source"
//! %3 = constant fill=3 : f32[16, 16, 1, 1] "weight"
//! %4 = constant [0.125] : f32[] "step"
//! %5 = mul(%3, %4)
//! %6 = conv(%2, %5) kernel=[1, 1] "conv"
//! %7 = relu(%6) "relu"
//! %8 = quantize(%7) scale=0.25 to=u8 limits=[0, 255] "quantizer"
//! %9 = dequantize(%8) scale=0.25 "result"
//! output "y" = %9
//! ```
//! After:
//! ```text
//! %0 = input : f32[1, 16, 4, 4] "x"
//! %1 = quantize(%0) scale=0.25 to=u8 zero=128 limits=[0, 255] : u8[1, 16, 4, 4] "bytes"
//! %2 = constant fill=3 : i8[16, 16, 1, 1] "conv.weight"
//! %3 = constant [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : i32[16] "conv.bias"
//! %4 = constant [0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125] : f32[16] "conv.factor"
//! %5 = quantized_conv(%1, %2, %3, %4) kernel=[1, 1] src_zero=128 to=u8 limits=[0, 255] : u8[1, 16, 4, 4] "conv"
//! %6 = dequantize(%5) scale=0.25 : f32[1, 16, 4, 4] "result"
//! output "y" = %6
//! ```

use resnetc_ir::memory::collected;
use resnetc_ir::op::{
    Activation, Binary, Conv, Dequantize, Ending, Gemm, Quantize, QuantizedConv, Unary, Window,
};
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::near_misses::{NearMisses, Stop, describe};

pub(super) mod activation;
mod groups;
mod residual;
mod weights;

use activation::{activated, limited};
use weights::QuantizedWeights;

/// Switched off by the name `fuse_quantized`.
pub const PASS: Pass = Pass {
    name: "fuse_quantized",
    doc: "compute convolutions and matrix products of quantized values in integers",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    // Operands come first, so the convolutions in a sum are fused already.
    if let Some(patch) = residual::rewrite(graph, node, near) {
        return Some(patch);
    }
    let end = End::of(graph, node)?;
    let found = Product::of(graph, end.product);
    let found = near.settle(graph, end.product, found)?;
    let fused = found.fuse(graph, &end);
    near.settle(graph, end.product, fused)
}

/// Where a product ends.
struct End {
    /// The convolution or matrix product.
    product: NodeId,
    /// The product, or the activation after it.
    value: NodeId,
    /// The node that the result replaces: the value, or its quantizer.
    last: NodeId,
    /// The step of the result; 1 for floats.
    scale: f32,
    /// What the product is multiplied with: a constant, one number or one for each output.
    factor: Option<NodeId>,
    ending: Ending,
}

impl End {
    /// The end at a quantizer, at an activation without one, or at the product itself.
    fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let quantize = match graph.node(node).op {
            Op::Quantize(quantize) => Some(quantize),
            _ => None,
        };
        let value = if quantize.is_some() { graph.operand(node, 0)? } else { node };
        let (scaled, activation) = activated(graph, value);
        let (product, factor) = scaled_product(graph, scaled);
        let (scale, ending) = match quantize {
            Some(Quantize { scale, result }) => {
                (scale, Ending::Bytes(limited(result, activation, scale)))
            }
            None => (1.0, Ending::Floats(activation)),
        };
        let end = End { product, value, last: node, scale, factor, ending };
        let goes_on = |node| {
            graph.sole_user(node).is_some_and(|user| {
                let op = &graph.node(user).op;
                let is_scaled = scaled_product(graph, user).1.is_some();
                is_scaled
                    || matches!(op, Op::Quantize(_) | Op::Unary(Unary::Relu | Unary::Clip { .. }))
            })
        };
        let is_end = end.last != end.value || !goes_on(node);
        (is_end && is_product(graph, end.product)).then_some(end)
    }

    /// Whether nothing else reads what the result replaces.
    fn is_alone(&self, graph: &Graph) -> bool {
        let scaled = self.factor.and_then(|_| graph.sole_user(self.product));
        let before = [Some(self.product), scaled, Some(self.value)].into_iter().flatten();
        let before = before.filter(|&node| node != self.last);
        before.into_iter().all(|node| graph.sole_user(node).is_some())
    }
}

/// A product that is multiplied with a constant, and the constant.
fn scaled_product(graph: &Graph, node: NodeId) -> (NodeId, Option<NodeId>) {
    let parts = || {
        (graph.node(node).op == Op::Binary(Binary::Mul)).then_some(())?;
        let (product, factor) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
        (is_product(graph, product) && graph.f32_constant_of(factor).is_some())
            .then_some((product, Some(factor)))
    };
    parts().unwrap_or((node, None))
}

fn is_product(graph: &Graph, node: NodeId) -> bool {
    matches!(graph.node(node).op, Op::Conv(_) | Op::Gemm(_) | Op::MatMul)
}

/// A product of dequantized bytes and quantized weights.
struct Product {
    node: NodeId,
    /// The bytes, and how they are dequantized.
    bytes: NodeId,
    source: Dequantize,
    weights: QuantizedWeights,
    /// The step of the sum of each output, and its bias in these steps.
    units: Vec<f64>,
    bias: Vec<f64>,
    window: Window,
    groups: usize,
}

/// The sum of the magnitudes of an output's terms must be below this.
const MOST: f64 = i32::MAX as f64;

/// How far a bias may be from a whole number of steps, relative to itself: some roundings of f32. A
/// share of a step would be too much, since steps may be larger than the result.
const BIAS_ERROR: f64 = 1e-6;

impl Product {
    fn of(graph: &Graph, node: NodeId) -> Result<Self, Stop> {
        let operand = |i| graph.operand(node, i).ok_or(Stop::Other);
        let source = match graph.node(operand(0)?).op {
            Op::Dequantize(source) => source,
            Op::Convert { to: DType::F32 } => Dequantize { scale: 1.0, zero: 0 },
            _ => return Err(Stop::Other),
        };
        let bytes = graph.operand(operand(0)?, 0).ok_or(Stop::Other)?;
        let matrix = (Window::square(1, 1, 0), 1);
        let ((window, groups), transposed, bias) = match graph.node(node).op {
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
        if graph.node(bytes).ty.dtype != DType::U8 {
            return Err(Stop::Near("its source is of signed bytes"));
        }
        // What stands for zeros around an image is in memory once.
        let disagrees = |&(user, operand): &(NodeId, usize)| match graph.node(user).op {
            Op::QuantizedConv(conv) => operand == 0 && conv.src_zero != source.zero,
            _ => false,
        };
        if graph.users(bytes).iter().any(disagrees) {
            return Err(Stop::Near("its source is also read with another zero point"));
        }
        let may_be_steps = source.scale == 1.0;
        let weights = QuantizedWeights::of(graph, operand(1)?, transposed, may_be_steps)?;
        let (weights, groups) = groups::merged(weights, groups)?;
        let outputs = weights.shape[0];
        let step = |output: usize| f64::from(source.scale) * weights.step(output);
        let units: Vec<f64> = (0..outputs).map(step).collect();
        let bias = match bias {
            false => vec![0.0; outputs],
            true => {
                let bias = graph.f32_constant_of(operand(2)?).ok_or(Stop::Other)?;
                let bias = bias.try_data()?;
                (0..outputs).map(|k| f64::from(bias[k % bias.len()]) / units[k]).collect()
            }
        };
        Ok(Product { node, bytes, source, weights, units, bias, window, groups })
    }

    /// Checks what the kernels need: whole blocks of channels, and sums that fit.
    fn check(&self) -> Result<(), Stop> {
        let [outputs, per_group, ..] = self.weights.shape[..] else { return Err(Stop::Other) };
        let is_whole = per_group.is_multiple_of(16) && (outputs / self.groups).is_multiple_of(16);
        if self.groups > 1 && !is_whole {
            return Err(Stop::Near("its groups are not whole blocks of channels"));
        }
        let widest = f64::from(self.source.zero.max(255 - self.source.zero));
        for (filter, bias) in self.weights.filters().zip(&self.bias) {
            let sum: u64 = filter.iter().map(|&w| u64::from((w as i8).unsigned_abs())).sum();
            // Written so that NaN is refused, too.
            let is_whole = (bias - bias.round()).abs() <= bias.abs() * BIAS_ERROR;
            if !is_whole {
                return Err(Stop::Near("its bias is not a whole number of steps"));
            }
            if sum as f64 * widest + bias.abs() >= MOST {
                return Err(Stop::Near("its sums may overflow 32 bits"));
            }
        }
        Ok(())
    }

    /// The numbers of a constant that the product is multiplied with.
    fn more(&self, graph: &Graph, factor: NodeId) -> Result<Vec<f64>, Stop> {
        let factor = graph.f32_constant_of(factor).ok_or(Stop::Other)?;
        let (rank, outputs) = (graph.node(self.node).ty.shape.len(), self.weights.shape[0]);
        // Aligned at the last axis.
        let axis = (factor.shape().len() + 1).checked_sub(rank);
        let is_per_output = factor.elements() == outputs
            && axis.is_some_and(|axis| factor.shape().get(axis) == Some(&outputs));
        match factor.elements() == 1 || is_per_output {
            true => Ok(factor.try_numbers()?),
            false => Err(Stop::Near("it is multiplied with factors along another axis")),
        }
    }

    fn fuse(self, graph: &Graph, end: &End) -> Result<Patch, Stop> {
        if !end.is_alone(graph) {
            return Err(Stop::Other);
        }
        self.check()?;
        let more = end.factor.map(|factor| self.more(graph, factor)).transpose()?;
        let more = more.unwrap_or_else(|| vec![1.0]);
        let units = self.units.iter().zip(more.iter().cycle());
        let factors =
            collected(units.map(|(unit, more)| (unit * more / f64::from(end.scale)) as f32))?;
        if !factors.iter().all(|factor| factor.is_normal()) {
            return Err(Stop::Near("its scales are too far apart"));
        }
        let name = graph.node(self.node).name.clone();
        let label = format!("compute {} in integers", describe(graph, self.node));
        let mut patch = Patch::new(label);
        let bias: Vec<i32> = self.bias.iter().map(|bias| bias.round() as i32).collect();
        let QuantizedWeights { bytes, mut shape, .. } = self.weights;
        let outputs = shape[0];
        shape.resize(4, 1);
        let is_matrix = graph.node(self.node).ty.shape.len() == 2;
        let mut source = self.bytes.into();
        if is_matrix {
            let image = [graph.node(self.bytes).ty.shape.clone(), vec![1, 1]].concat();
            source = patch.add(name.clone(), Op::Reshape { shape: image }, &[source]);
        }
        let weights = Tensor::from_bytes(DType::I8, shape, bytes).ok_or(Stop::Other)?;
        let weights = patch.constant(format!("{name}.weight"), weights);
        let bias = Tensor::of(vec![outputs], &bias).ok_or(Stop::Other)?;
        let bias = patch.constant(format!("{name}.bias"), bias);
        let factors = patch.constant(format!("{name}.factor"), Tensor::vector(factors));
        let op = Op::QuantizedConv(QuantizedConv {
            window: self.window,
            groups: self.groups,
            src_zero: self.source.zero,
            ending: end.ending,
        });
        let mut fused = patch.add(name.clone(), op, &[source, weights, bias, factors]);
        if is_matrix {
            let shape = graph.node(self.node).ty.shape.clone();
            fused = patch.add(name, Op::Reshape { shape }, &[fused]);
        }
        patch.replace(end.last, fused);
        Ok(patch)
    }
}
