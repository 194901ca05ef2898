//! Products of values that are quantized with a scale and a zero point that a run measures.
//!
//! What follows a product is part of it: its scale, constant arithmetic per channel, a shortcut and
//! an activation, all in f32. Where only a bias follows, each rounding is one that the description
//! has.

use resnetc_ir::memory::collected;
use resnetc_ir::op::{Activation, Binary, Encoding, Ending};
use resnetc_ir::{DType, Graph, NodeId, Op, Patch, Tensor};

use super::activation::activated;
use super::layer::{Form, Layer};
use crate::passes::affine::{Chain, per_channel, round};
use crate::passes::fuse_quantizers::measured::{SCALE, ZERO, element};
use crate::passes::fuse_quantizers::moves;
use crate::passes::near_misses::{NearMisses, Stop, describe};

pub(super) fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
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

/// The product of a value, a measured scale and perhaps a constant: the product, the measurement, and
/// the constant.
fn scaled(
    graph: &Graph,
    node: NodeId,
    value: NodeId,
) -> Option<(NodeId, NodeId, Option<&Tensor>)> {
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
