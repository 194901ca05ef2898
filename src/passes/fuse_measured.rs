//! Computes convolutions and matrix products of values that a run quantizes in integers: measured
//! bytes, quantized weights, the product, its scale, and what follows it in f32.
//!
//! That is constant arithmetic per channel, such as a bias or a normalization, a shortcut, and an
//! activation. Where only a bias is added, each rounding is one that the description has; other
//! constants are folded, as by `fold_affine`.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 14, 4, 4] "x"
//! %1 = constant fill=47.75 : f32[1, 1, 4, 4] "most"
//! %2 = constant fill=-16 : f32[1, 1, 4, 4] "least"
//! %3 = concat(%0, %1, %2) axis=1 "image"
//! %4 = measure(%3)
//! %5 = quantize_measured(%3, %4) "bytes"
//! %6 = convert(%5) to=f32
//! %7 = slice(%4) start=[1] len=[1]
//! %8 = reshape(%7) shape=[] "zero"
//! %9 = sub(%6, %8)
//! %10 = constant fill=3 : f32[16, 16, 3, 3] "weight"
//! %11 = conv(%9, %10) kernel=[3, 3] pads=[1, 1, 1, 1] "conv"
//! %12 = slice(%4) start=[0] len=[1]
//! %13 = reshape(%12) shape=[] "scale"
//! %14 = constant [0.125] : f32[] "weight scale"
//! %15 = mul(%13, %14)
//! %16 = mul(%11, %15)
//! %17 = constant fill=-2.5 : f32[16, 1, 1] "bias"
//! %18 = add(%16, %17)
//! %19 = add(%18, %3) "sum"
//! %20 = relu(%19) "relu"
//! output "y" = %20
//! ```
//! After:
//! ```text
//! %0 = input : f32[1, 14, 4, 4] "x"
//! %1 = constant [47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75, 47.75] : f32[1, 1, 4, 4] "most"
//! %2 = constant [-16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16, -16] : f32[1, 1, 4, 4] "least"
//! %3 = concat(%0, %1, %2) axis=1 : f32[1, 16, 4, 4] "image"
//! %4 = measure(%3) : f32[2]
//! %5 = quantize_measured(%3, %4) : u8[1, 16, 4, 4] "bytes"
//! %6 = constant fill=3 : i8[16, 16, 3, 3] "conv.weight"
//! %7 = constant [-2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5] : f32[16] "conv.bias"
//! %8 = constant [0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125] : f32[16] "conv.factor"
//! %9 = quantized_conv(%5, %6, %7, %8, %4, %3) kernel=[3, 3] pads=[1, 1, 1, 1] measured float_sum relu : f32[1, 16, 4, 4] "conv"
//! output "y" = %9
//! ```

use resnetc_ir::memory::collected;
use resnetc_ir::op::{Activation, Binary, Encoding, Ending};
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::affine::{Chain, per_channel, round};
use super::fuse_quantized::activation::activated;
use super::fuse_quantized::layer::{Form, Layer};
use super::fuse_quantizers::moves;
use super::measure_ranges::{SCALE, ZERO, element};
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `fuse_measured`.
pub const PASS: Pass = Pass {
    name: "fuse_measured",
    doc: "compute convolutions and matrix products of values that a run quantizes in integers",
    sweep: |_| Box::new(rewrite),
    measure: None,
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let found = Product::of(graph, node).and_then(|product| product.fuse(graph));
    near.settle(graph, node, found)
}

/// A product of measured bytes and quantized weights, and its scale.
struct Product {
    layer: Layer,
    /// The source's scale and zero point.
    encoding: NodeId,
    /// The product, multiplied with the source's scale and the scales of the weights.
    scaled: NodeId,
    /// These scales, one for each output.
    scales: Vec<f64>,
}

impl Product {
    fn of(graph: &Graph, node: NodeId) -> Result<Self, Stop> {
        if !matches!(graph.node(node).op, Op::Conv(_) | Op::Gemm(_) | Op::MatMul) {
            return Err(Stop::Other);
        }
        let source = graph.operand(node, 0).and_then(|centred| source(graph, centred));
        let (bytes, encoding) = source.ok_or(Stop::Other)?;
        if quantized_with(graph, bytes) != Some(encoding) {
            return Err(Stop::Near("its zero point is not that of its source"));
        }
        let form = Form::of(graph, node)?;
        if form.bias.is_some() {
            return Err(Stop::Near("a bias is added before its sums are scaled"));
        }
        let scaled = graph.sole_user(node).and_then(|user| scaled(graph, user, node));
        let unscaled = Stop::Near("its sums are not scaled by the scale of its source");
        let (scaled, factor) = scaled
            .and_then(|(scaled, by, factor)| (by == encoding).then_some((scaled, factor)))
            .ok_or(unscaled)?;
        let measured = (Encoding::Measured, Some(encoding));
        let layer = Layer::of(graph, (node, &form), bytes, measured, true)?;
        let scales = match factor {
            None => vec![1.0; layer.weights.shape[0]],
            Some(factor) => per_channel(factor, &graph.node(node).ty.shape)
                .ok_or(Stop::Near("it is multiplied with factors along another axis"))?,
        };
        Ok(Product { layer, encoding, scaled, scales })
    }

    fn fuse(self, graph: &Graph) -> Result<Patch, Stop> {
        self.layer.check_groups()?;
        let chain = Chain::behind(graph, self.scaled).ok_or(Stop::Other)?;
        let biases: Vec<f32> = chain.affine.shift.iter().map(|&shift| round(shift)).collect();
        self.layer.check_sums(255, &vec![0.0; biases.len()])?;
        let factor = |(k, (own, more)): (usize, (&f64, &f64))| {
            (own * self.layer.weights.step(k) * more) as f32
        };
        let both = self.scales.iter().zip(&chain.affine.scale).enumerate();
        let factors = collected(both.map(factor))?;
        if !factors.iter().all(|factor| factor.is_normal() || *factor == 0.0) {
            return Err(Stop::Near("its scales are too far apart"));
        }
        let end = End::behind(graph, chain.members.last().copied().unwrap_or(self.scaled));
        let node = self.layer.node;
        let mut patch = Patch::new(format!("compute {} in integers", describe(graph, node)));
        let operands = [Some(self.encoding), end.residual].into_iter().flatten();
        let operands: Vec<_> = operands.map(Into::into).collect();
        let how = (Encoding::Measured, end.ending);
        let constants = (Tensor::vector(biases), factors);
        let fused = self.layer.add(graph, &mut patch, how, constants, &operands)?;
        patch.replace(end.last, fused);
        Ok(patch)
    }
}

/// The bytes that a node centres, and the scale and the zero point whose zero point it subtracts.
fn source(graph: &Graph, centred: NodeId) -> Option<(NodeId, NodeId)> {
    (graph.node(centred).op == Op::Binary(Binary::Sub)).then_some(())?;
    let (encoding, ZERO) = element(graph, graph.operand(centred, 1)?)? else { return None };
    let floats = graph.operand(centred, 0)?;
    (graph.node(floats).op == Op::Convert { to: DType::F32 }).then_some(())?;
    Some((graph.operand(floats, 0)?, encoding))
}

/// The scale and the zero point with which bytes were quantized, wherever they were moved.
fn quantized_with(graph: &Graph, mut bytes: NodeId) -> Option<NodeId> {
    while moves(&graph.node(bytes).op) && graph.operands(bytes).len() == 1 {
        bytes = graph.operand(bytes, 0)?;
    }
    (graph.node(bytes).op == Op::QuantizeMeasured).then(|| graph.operand(bytes, 1)).flatten()
}

/// The product of a value, a measured scale and perhaps a constant: the product, the measurement,
/// and the constant.
fn scaled(graph: &Graph, node: NodeId, value: NodeId) -> Option<(NodeId, NodeId, Option<&Tensor>)> {
    let [a, b] = factors(graph, node)?;
    let factor = if a == value { b } else { a };
    let scale = |node| match element(graph, node)? {
        (encoding, SCALE) => Some(encoding),
        _ => None,
    };
    let is_alike = graph.node(node).ty.shape == graph.node(value).ty.shape;
    let (encoding, constant) = match scale(factor) {
        Some(encoding) => (encoding, None),
        None => {
            let [a, b] = factors(graph, factor)?;
            let (encoding, other) = match scale(a) {
                Some(encoding) => (encoding, b),
                None => (scale(b)?, a),
            };
            (encoding, Some(&**graph.f32_constant_of(other)?))
        }
    };
    is_alike.then_some((node, encoding, constant))
}

fn factors(graph: &Graph, node: NodeId) -> Option<[NodeId; 2]> {
    let is_product = graph.node(node).op == Op::Binary(Binary::Mul);
    is_product.then(|| Some([graph.operand(node, 0)?, graph.operand(node, 1)?])).flatten()
}

/// What follows the arithmetic per channel: a shortcut and an activation, each of which may be
/// missing.
struct End {
    last: NodeId,
    residual: Option<NodeId>,
    ending: Ending,
}

impl End {
    fn behind(graph: &Graph, value: NodeId) -> Self {
        let sum = graph.sole_user(value).and_then(|user| {
            (graph.node(user).op == Op::Binary(Binary::Add)).then_some(())?;
            let [a, b] = [graph.operand(user, 0)?, graph.operand(user, 1)?];
            let other = if a == value { b } else { a };
            let [own, added] = [value, other].map(|node| &graph.node(node).ty.shape);
            let is_residual = own == added && own.len() == 4 && graph.constant_of(other).is_none();
            is_residual.then_some((user, other))
        });
        let last = sum.map_or(value, |(sum, _)| sum);
        let user = graph.sole_user(last);
        let limited = user.map(|user| (user, activated(graph, user).1));
        let limited = limited.filter(|(_, activation)| *activation != Activation::None);
        let activation = limited.map_or(Activation::None, |(_, activation)| activation);
        End {
            last: limited.map_or(last, |(user, _)| user),
            residual: sum.map(|(_, other)| other),
            ending: match sum {
                Some(_) => Ending::FloatSum(activation),
                None => Ending::Floats(activation),
            },
        }
    }
}
