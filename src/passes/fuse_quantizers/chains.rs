//! The arithmetic of quantizers and dequantizers, as importers compose it: quantized values are the
//! floats of the same value.

use resnetc_ir::op::{Binary, Quantize, Requantize, Unary};
use resnetc_ir::{DType, Graph, NodeId, Op};

/// `clip(round(x / scale) + zero)`; without a quotient, the scale is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantizer {
    /// The value that is quantized.
    pub(super) x: NodeId,
    pub(super) quantize: Quantize,
}

/// Scales below this are left alone: numbers that count as zero, being denormal, could otherwise
/// be half a step.
const LEAST_SCALE: f32 = 1e-30;

impl Quantizer {
    /// The quantizer that ends in a node.
    pub(super) fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let Op::Unary(Unary::Clip { lo, hi }) = graph.node(node).op else { return None };
        let (lo, hi) = (whole(lo)?, whole(hi)?);
        let to = [DType::U8, DType::I8].into_iter().find(|ty| {
            ty.limits()
                .is_some_and(|(least, most)| i128::from(lo) >= least && i128::from(hi) <= most)
        })?;
        let mut rounded = graph.operand(node, 0)?;
        let mut zero = 0;
        if graph.node(rounded).op == Op::Binary(Binary::Add) {
            zero = whole(scalar(graph, graph.operand(rounded, 1)?)?)?;
            rounded = graph.operand(rounded, 0)?;
        }
        if graph.node(rounded).op != Op::Unary(Unary::Round) {
            return None;
        }
        let result = Requantize { to, zero, lo, hi };
        let steps = graph.operand(rounded, 0)?;
        let quotient = || {
            (graph.node(steps).op == Op::Binary(Binary::Div)).then_some(())?;
            Some((graph.operand(steps, 0)?, scalar(graph, graph.operand(steps, 1)?)?))
        };
        let (x, scale) = quotient().unwrap_or((steps, 1.0));
        let is_step = scale.is_finite() && scale >= LEAST_SCALE;
        let quantizer = Quantizer { x, quantize: Quantize { scale, result } };
        (result.fits() && is_step).then_some(quantizer)
    }
}

/// `(q - zero) * scale`, with one scale and one zero point for all of the value; without a product,
/// the scale is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dequantizer {
    /// The quantized value.
    pub(super) q: NodeId,
    pub(super) zero: i32,
    pub(super) scale: f32,
}

impl Dequantizer {
    /// The dequantizer that ends in a node.
    pub(super) fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let (centred, scale) = match graph.node(node).op {
            Op::Binary(Binary::Mul) => (graph.operand(node, 0)?, graph.operand(node, 1)?),
            Op::Binary(Binary::Sub) => {
                let (q, zero) = centred_value(graph, node);
                return (q != node).then_some(Dequantizer { q, zero, scale: 1.0 });
            }
            _ => return None,
        };
        let scale = scalar(graph, scale)?;
        let (q, zero) = centred_value(graph, centred);
        let is_step = scale.is_finite() && scale >= LEAST_SCALE;
        is_step.then_some(Dequantizer { q, zero, scale })
    }
}

/// A value minus a whole number: the value, and the number.
fn centred_value(graph: &Graph, node: NodeId) -> (NodeId, i32) {
    let parts = || {
        (graph.node(node).op == Op::Binary(Binary::Sub)).then_some(())?;
        let zero = whole(scalar(graph, graph.operand(node, 1)?)?)?;
        Some((graph.operand(node, 0)?, zero))
    };
    parts().unwrap_or((node, 0))
}

/// The number that a constant has everywhere, if it has one element.
fn scalar(graph: &Graph, node: NodeId) -> Option<f32> {
    let tensor = graph.f32_constant_of(node)?;
    (tensor.elements() == 1).then(|| tensor.data()[0])
}

/// A number as an integer, if it is one and small.
fn whole(x: f32) -> Option<i32> {
    (x.trunc() == x && x.abs() <= 65_536.0).then_some(x as i32)
}
