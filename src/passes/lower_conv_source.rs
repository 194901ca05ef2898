//! Lowers the gradient of a convolution with respect to its source to a convolution with turned
//! weights, where kernels do not turn them themselves: for groups, dilations beside strides, and
//! padding beyond all taps. Required.
//!
//! Weights are turned as a value: inputs and outputs of a group change places, and taps are in
//! reverse order. Zeros between the pixels of the gradient stand for those that a stride steps over.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 4, 2, 2] "dy"
//! %1 = input : f32[4, 2, 2, 2] "weights"
//! %2 = conv_source(%0, %1) kernel=[2, 2] strides=[2, 2] groups=2 image=[5, 4] "dx"
//! output "y" = %2
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 4, 2, 2] "dy"
//! %1 = input : f32[4, 2, 2, 2] "weights"
//! %2 = reshape(%0) shape=[1, 4, 2, 1, 2, 1] : f32[1, 4, 2, 1, 2, 1] "dx"
//! %3 = pad(%2) before=[0, 0, 0, 0, 0, 0] after=[0, 0, 0, 1, 0, 1] : f32[1, 4, 2, 2, 2, 2] "dx"
//! %4 = reshape(%3) shape=[1, 4, 4, 4] : f32[1, 4, 4, 4] "dx"
//! %5 = slice(%4) start=[0, 0, 0, 0] len=[1, 4, 3, 3] : f32[1, 4, 3, 3] "dx"
//! %6 = reshape(%1) shape=[2, 2, 2, 2, 2] : f32[2, 2, 2, 2, 2] "dx"
//! %7 = transpose(%6) perm=[0, 2, 1, 3, 4] : f32[2, 2, 2, 2, 2] "dx"
//! %8 = reshape(%7) shape=[4, 2, 2, 2] : f32[4, 2, 2, 2] "dx"
//! %9 = slice(%8) start=[0, 0, 1, 1] len=[4, 2, 2, 2] step=[1, 1, -1, -1] : f32[4, 2, 2, 2] "dx"
//! %10 = conv(%5, %9) kernel=[2, 2] pads=[1, 1, 2, 1] groups=2 : f32[1, 4, 5, 4] "dx"
//! output "y" = %10
//! ```

use resnetc_ir::memory::filled;
use resnetc_ir::op::{Conv, ConvGradient, PadMode, Pads, SliceAxis, SourceGradient, Window};
use resnetc_ir::patch::Value;
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, describe};

/// Cannot be switched off.
pub const PASS: Pass = Pass {
    name: "lower_conv_source",
    doc: "lower gradients of convolutions with groups to convolutions",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Gradients for which kernels do not turn the weights.
fn remaining(graph: &Graph) -> Measure {
    count(
        graph,
        |node| matches!(graph.node(node).op, Op::ConvSource(g) if g.gradient.phases().is_none()),
    )
}

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    let Op::ConvSource(SourceGradient { gradient, residual: false }) = graph.node(node).op else {
        return None;
    };
    if gradient.phases().is_some() {
        return None;
    }
    let (dy, weights) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    let name = graph.node(node).name.clone();
    let patch = Patch::new(format!("lower {}", describe(graph, node)));
    let mut lowering = Lowering { patch, name, gradient };
    let (dy, size) = lowering.spread(dy, graph.node(dy).ty.nchw()?);
    let (window, before) = lowering.window(size);
    if (0..2).any(|axis| before[axis].iter().sum::<usize>() >= size[axis]) {
        // Everything sees padding alone.
        let ty = &graph.node(node).ty;
        let zeros = filled(ty.elements(), 0.0);
        let zeros = near.afford(graph, node, zeros)?;
        let zeros = lowering.patch.constant(lowering.name, Tensor::new(&ty.shape[..], zeros)?);
        lowering.patch.replace(node, zeros);
        return Some(lowering.patch);
    }
    let weights = lowering.turned(weights, graph.node(weights).ty.nchw()?);
    let dy = lowering.without(dy, graph.node(node).ty.nchw()?[0], size, before);
    let conv = Op::Conv(Conv::new(window, gradient.groups));
    let dx = lowering.patch.add(lowering.name, conv, &[dy.value, weights]);
    lowering.patch.replace(node, dx);
    Some(lowering.patch)
}

/// A patch under construction.
struct Lowering {
    patch: Patch,
    name: String,
    gradient: ConvGradient,
}

/// An image under construction.
#[derive(Clone, Copy)]
struct Image {
    value: Value,
    channels: usize,
}

fn all(len: usize) -> SliceAxis {
    SliceAxis { start: 0, step: 1, len }
}

impl Lowering {
    fn add(&mut self, op: Op, operand: Value) -> Value {
        self.patch.add(self.name.clone(), op, &[operand])
    }

    /// The gradient with zeros between its pixels, and its height and width.
    fn spread(&mut self, dy: NodeId, [n, k, p, q]: [usize; 4]) -> (Image, [usize; 2]) {
        let [down, across] = self.gradient.window.strides;
        let image = |value| Image { value, channels: k };
        if [down, across] == [1, 1] {
            return (image(dy.into()), [p, q]);
        }
        let apart = self.add(Op::Reshape { shape: vec![n, k, p, 1, q, 1] }, dy.into());
        let after = vec![0, 0, 0, down - 1, 0, across - 1];
        let pad = Op::Pad { before: vec![0; 6], after, mode: PadMode::Constant(0.0) };
        let padded = self.add(pad, apart);
        let whole = Op::Reshape { shape: vec![n, k, p * down, q * across] };
        let whole = self.add(whole, padded);
        let size = [(p - 1) * down + 1, (q - 1) * across + 1];
        let slice = Op::Slice(vec![all(n), all(k), all(size[0]), all(size[1])]);
        (image(self.add(slice, whole)), size)
    }

    /// `[K, C/groups, R, S]` to `[C, K/groups, R, S]` with taps in reverse order.
    fn turned(&mut self, weights: NodeId, [k, c, r, s]: [usize; 4]) -> Value {
        let groups = self.gradient.groups;
        let (outputs, inputs) = (k / groups, c);
        let apart = vec![groups, outputs, inputs, r, s];
        let value = self.add(Op::Reshape { shape: apart }, weights.into());
        let value = self.add(Op::Transpose { perm: vec![0, 2, 1, 3, 4] }, value);
        let shape = vec![groups * inputs, outputs, r, s];
        let value = self.add(Op::Reshape { shape }, value);
        let reverse = |len: usize| SliceAxis { start: len - 1, step: -1, len };
        let axes = vec![all(groups * inputs), all(outputs), reverse(r), reverse(s)];
        self.add(Op::Slice(axes), value)
    }

    /// The window of the convolution, and how many rows and columns of the gradient's first and
    /// last ones it leaves out: those that see padding alone.
    fn window(&self, size: [usize; 2]) -> (Window, [[usize; 2]; 2]) {
        let ConvGradient { window, image, .. } = self.gradient;
        let pads = [window.pads.top, window.pads.left];
        let ends = |axis: usize| {
            let reach = window.dilations[axis] * (window.kernel[axis] - 1);
            // Where the first and the last tap of the last window are, from the first tap on.
            let before = reach as i64 - pads[axis] as i64;
            let after = image[axis] as i64 - size[axis] as i64 + pads[axis] as i64;
            [before, after]
        };
        let ends = [ends(0), ends(1)];
        let pad = |end: i64| end.max(0) as usize;
        let pads = Pads {
            top: pad(ends[0][0]),
            left: pad(ends[1][0]),
            bottom: pad(ends[0][1]),
            right: pad(ends[1][1]),
        };
        let window = Window { strides: [1, 1], pads, ..window };
        (window, ends.map(|ends| ends.map(|end| pad(-end))))
    }

    /// The gradient without its first and last rows and columns.
    fn without(
        &mut self,
        dy: Image,
        images: usize,
        size: [usize; 2],
        left_out: [[usize; 2]; 2],
    ) -> Image {
        if left_out == [[0; 2]; 2] {
            return dy;
        }
        let axis = |axis: usize| {
            let [start, end] = left_out[axis];
            SliceAxis { start, step: 1, len: size[axis] - start - end }
        };
        let slice = Op::Slice(vec![all(images), all(dy.channels), axis(0), axis(1)]);
        Image { value: self.add(slice, dy.value), ..dy }
    }
}
