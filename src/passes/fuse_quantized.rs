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
use resnetc_ir::op::{Binary, Dequantize, Encoding, Ending, Quantize, Unary};
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::near_misses::{NearMisses, Stop, describe};

pub(super) mod activation;
mod groups;
pub(super) mod layer;
mod residual;
mod weights;

use activation::{activated, limited};
use layer::{Form, Layer};

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
    layer: Layer,
    /// How the bytes are dequantized.
    source: Dequantize,
    /// The step of the sum of each output, and its bias in these steps.
    units: Vec<f64>,
    bias: Vec<f64>,
}

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
        let form = Form::of(graph, node)?;
        let encoding = (Encoding::Known(source.zero), None);
        let layer = Layer::of(graph, (node, &form), bytes, encoding, source.scale == 1.0)?;
        let outputs = layer.weights.shape[0];
        let step = |output: usize| f64::from(source.scale) * layer.weights.step(output);
        let units: Vec<f64> = (0..outputs).map(step).collect();
        let bias = match form.bias {
            None => vec![0.0; outputs],
            Some(bias) => {
                let bias = graph.f32_constant_of(bias).ok_or(Stop::Other)?.try_data()?;
                (0..outputs).map(|k| f64::from(bias[k % bias.len()]) / units[k]).collect()
            }
        };
        Ok(Product { layer, source, units, bias })
    }

    /// Checks what the kernels need.
    fn check(&self) -> Result<(), Stop> {
        // Written so that NaN is refused, too.
        let is_whole = |bias: &f64| (bias - bias.round()).abs() <= bias.abs() * BIAS_ERROR;
        self.layer.check_groups()?;
        if !self.bias.iter().all(is_whole) {
            return Err(Stop::Near("its bias is not a whole number of steps"));
        }
        self.layer.check_sums(self.source.zero.max(255 - self.source.zero), &self.bias)
    }

    /// The numbers of a constant that the product is multiplied with.
    fn more(&self, graph: &Graph, factor: NodeId) -> Result<Vec<f64>, Stop> {
        let factor = graph.f32_constant_of(factor).ok_or(Stop::Other)?;
        let outputs = self.layer.weights.shape[0];
        let rank = graph.node(self.layer.node).ty.shape.len();
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
        let node = self.layer.node;
        let mut patch = Patch::new(format!("compute {} in integers", describe(graph, node)));
        let bias: Vec<i32> = self.bias.iter().map(|bias| bias.round() as i32).collect();
        let bias = Tensor::of(vec![bias.len()], &bias).ok_or(Stop::Other)?;
        let how = (Encoding::Known(self.source.zero), end.ending);
        let fused = self.layer.add(graph, &mut patch, how, (bias, factors), &[])?;
        patch.replace(end.last, fused);
        Ok(patch)
    }
}
