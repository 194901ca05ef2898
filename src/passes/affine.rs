//! Per-channel affine functions `x * scale + shift`, held in f64 while a chain of them is merged.

use std::sync::Arc;

use resnetc_ir::op::Binary;
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use super::near_misses::Stop;

/// One scale and shift for each channel (axis 1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    pub(super) scale: Vec<f64>,
    pub(super) shift: Vec<f64>,
}

impl Affine {
    /// The function that changes nothing.
    pub(super) fn identity(channels: usize) -> Self {
        Affine { scale: vec![1.0; channels], shift: vec![0.0; channels] }
    }

    /// Whether all numbers are finite, even when rounded to f32.
    pub(super) fn is_finite(&self) -> bool {
        self.scale.iter().chain(&self.shift).all(|&x| round(x).is_finite())
    }

    /// Whether no channel is scaled.
    pub(super) fn keeps_scale(&self) -> bool {
        self.scale.iter().all(|&s| s == 1.0)
    }

    /// Whether no channel is shifted.
    pub(super) fn keeps_zero(&self) -> bool {
        self.shift.iter().all(|&s| s == 0.0)
    }

    /// The function that a batch normalization with constant parameters computes.
    pub(super) fn batch_norm(graph: &Graph, node: NodeId) -> Result<Self, Stop> {
        let Op::BatchNorm { epsilon } = graph.node(node).op else { return Err(Stop::Other) };
        let parameter =
            |position| graph.operand(node, position).and_then(|n| graph.f32_constant_of(n));
        let (Some(gamma), Some(beta), Some(mean), Some(variance)) =
            (parameter(1), parameter(2), parameter(3), parameter(4))
        else {
            return Err(Stop::Near("its parameters are not constants"));
        };
        let at = |tensor: &Arc<Tensor>, c: usize| f64::from(tensor.data()[c]);
        let channels = 0..gamma.data().len();
        let scale: Vec<f64> =
            channels.clone().map(|c| at(gamma, c) / (at(variance, c) + epsilon).sqrt()).collect();
        let shift = channels.map(|c| at(beta, c) - at(mean, c) * scale[c]).collect();
        Ok(Affine { scale, shift })
    }

    /// This function followed by `user`, which has `value` as an operand.
    pub(super) fn then(mut self, graph: &Graph, user: NodeId, value: NodeId) -> Result<Self, Stop> {
        match graph.node(user).op {
            Op::BatchNorm { .. } if graph.operand(user, 0) == Some(value) => {
                let norm = Affine::batch_norm(graph, user)?;
                for c in 0..self.scale.len() {
                    self.scale[c] *= norm.scale[c];
                    self.shift[c] = self.shift[c] * norm.scale[c] + norm.shift[c];
                }
            }
            Op::Binary(binary) => {
                let (constants, swapped) = constant_operand(graph, user, value)?;
                for (c, k) in constants.into_iter().enumerate() {
                    apply(binary, swapped, k, &mut self.scale[c], &mut self.shift[c])?;
                }
            }
            _ => return Err(Stop::Other),
        }
        match self.is_finite() {
            true => Ok(self),
            false => Err(Stop::Near("its constants are not finite")),
        }
    }
}

/// One channel of `x` becomes `x op k`, or `k op x` if swapped.
fn apply(op: Binary, swapped: bool, k: f64, scale: &mut f64, shift: &mut f64) -> Result<(), Stop> {
    match (op, swapped) {
        (Binary::Add, _) => *shift += k,
        (Binary::Sub, false) => *shift -= k,
        (Binary::Sub, true) => (*scale, *shift) = (-*scale, k - *shift),
        (Binary::Mul, _) => (*scale, *shift) = (*scale * k, *shift * k),
        (Binary::Div, false) if k == 0.0 => return Err(Stop::Near("it divides by zero")),
        (Binary::Div, false) => (*scale, *shift) = (*scale / k, *shift / k),
        (Binary::Div, true) => return Err(Stop::Near("it divides by the value")),
        (Binary::Max | Binary::Pow | Binary::Equal | Binary::Less | Binary::LessOrEqual, _) => {
            return Err(Stop::Other);
        }
    }
    Ok(())
}

/// The constant per channel that `user` combines with `value`, and whether it comes first.
fn constant_operand(graph: &Graph, user: NodeId, value: NodeId) -> Result<(Vec<f64>, bool), Stop> {
    let (Some(a), Some(b)) = (graph.operand(user, 0), graph.operand(user, 1)) else {
        return Err(Stop::Other);
    };
    let (constant, swapped) = if a == value { (b, false) } else { (a, true) };
    let Some(tensor) = graph.f32_constant_of(constant) else { return Err(Stop::Other) };
    let channels = per_channel(tensor, &graph.node(value).ty.shape);
    channels.map(|k| (k, swapped)).ok_or(Stop::Near("its constant differs within a channel"))
}

/// The number that a constant gives each channel of a value of `shape`, if it broadcasts to one
/// number per channel and leaves the shape unchanged.
pub(super) fn per_channel(tensor: &Tensor, shape: &[usize]) -> Option<Vec<f64>> {
    let channels = *shape.get(1)?;
    let missing = shape.len().checked_sub(tensor.shape().len())?;
    for (i, &extent) in tensor.shape().iter().enumerate() {
        let fits = extent == 1 || (missing + i == 1 && extent == channels);
        if !fits {
            return None;
        }
    }
    match *tensor.data() {
        [k] => Some(vec![f64::from(k); channels]),
        ref all => Some(all.iter().map(|&k| f64::from(k)).collect()),
    }
}

/// A run of affine operators, each the only user of the previous one.
pub(super) struct Chain {
    /// The function that they compute together.
    pub(super) affine: Affine,
    /// The operators, in order.
    pub(super) members: Vec<NodeId>,
    /// The operator after the last member and the reason why it is not part of the chain, if it
    /// nearly fits.
    pub(super) near: Option<(NodeId, &'static str)>,
}

impl Chain {
    /// The longest chain that begins with the only user of `value`.
    pub(super) fn behind(graph: &Graph, value: NodeId) -> Option<Self> {
        let channels = *graph.node(value).ty.shape.get(1)?;
        let mut chain =
            Chain { affine: Affine::identity(channels), members: Vec::new(), near: None };
        let mut last = value;
        while let Some(user) = graph.sole_user(last) {
            match chain.affine.clone().then(graph, user, last) {
                Ok(affine) => chain.affine = affine,
                Err(Stop::Other | Stop::Memory(_)) => break,
                Err(Stop::Near(reason)) => {
                    chain.near = Some((user, reason));
                    break;
                }
            }
            chain.members.push(user);
            last = user;
        }
        Some(chain)
    }
}

/// Rounds a folded number, once. Denormals become 0: they slow some machines down a hundredfold and
/// contribute nothing.
pub(super) fn round(x: f64) -> f32 {
    let rounded = x as f32;
    if rounded.abs() < f32::MIN_POSITIVE { 0.0 } else { rounded }
}

/// The constant that broadcasts one number per channel over a value of this rank: `[C]`,
/// `[C, 1, 1]`.
pub(super) fn channel_constant(per_channel: &[f64], rank: usize) -> Option<Tensor> {
    let mut shape = vec![1; rank.checked_sub(1)?];
    *shape.first_mut()? = per_channel.len();
    Tensor::new(shape, per_channel.iter().map(|&x| round(x)).collect())
}
