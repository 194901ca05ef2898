//! Merges parallel linear branches from one value, a sum of convolutions and normalizations, into
//! one convolution: networks trained with several branches (RepVGG) run with one.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant seed=1 : f32[2, 2, 3, 3] "wide.weight"
//! %2 = conv(%0, %1) kernel=[3, 3] pads=[1, 1, 1, 1] "wide"
//! %3 = constant seed=2 : f32[2, 2, 1, 1] "narrow.weight"
//! %4 = constant [1, -1] : f32[2] "narrow.bias"
//! %5 = conv(%0, %3, %4) kernel=[1, 1] "narrow"
//! %6 = constant [2, 0.5] : f32[2] "identity.scale"
//! %7 = constant [0.5, 0.25] : f32[2] "identity.shift"
//! %8 = constant [1, 2] : f32[2] "identity.mean"
//! %9 = constant [4, 1] : f32[2] "identity.variance"
//! %10 = batch_norm(%0, %6, %7, %8, %9) epsilon=0 "identity"
//! %11 = add(%2, %5) "two"
//! %12 = add(%11, %10) "three"
//! output "y" = %12
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant fnv=51721462097553b1 : f32[2, 2, 3, 3] "three.weight"
//! %2 = constant [0.5, -1.75] : f32[2] "three.bias"
//! %3 = conv(%0, %1, %2) kernel=[3, 3] pads=[1, 1, 1, 1] : f32[1, 2, 4, 4] "three"
//! output "y" = %3
//! ```
//!
//! A smaller kernel is a larger one with zeros around it, and a normalization is a kernel that sees
//! only its own pixel in its own channel. Weights are added in f64. An identity without
//! normalization is left to `fuse_residual`.

use resnetc_ir::memory::{NoMemory, collected};
use resnetc_ir::op::{Activation, Binary, Conv, Pads, Window};
use resnetc_ir::{Graph, NodeId, Op, Patch, Tensor};

use super::Pass;
use super::affine::{Affine, round};
use super::measure::operators;
use super::near_misses::{NearMisses, Stop, describe};

/// Switched off by the name `merge_branches`.
pub const PASS: Pass = Pass {
    name: "merge_branches",
    doc: "merge parallel linear branches from one value into one convolution",
    sweep: |_| Box::new(rewrite),
    measure: Some(operators),
};

fn rewrite(graph: &Graph, node: NodeId, near: &mut NearMisses) -> Option<Patch> {
    if graph.node(node).op != Op::Binary(Binary::Add) {
        return None;
    }
    let (a, b) = (graph.operand(node, 0)?, graph.operand(node, 1)?);
    if !are_parallel(graph, a, b) {
        return None;
    }
    let merged = merge(graph, node, a, b);
    let (conv, weights, bias) = near.settle(graph, node, merged)?;
    let label = format!("merge {} and {}", describe(graph, a), describe(graph, b));
    let name = graph.node(node).name.clone();
    let mut patch = Patch::new(label);
    let weights = patch.constant(format!("{name}.weight"), weights);
    let bias = patch.constant(format!("{name}.bias"), bias);
    let source = graph.operand(a, 0)?;
    let sum = patch.add(name, Op::Conv(conv), &[source.into(), weights, bias]);
    patch.replace(node, sum);
    Some(patch)
}

/// Whether each is a convolution or a normalization of the same value, and at least one is a
/// convolution.
fn are_parallel(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    let is_conv = |n: NodeId| matches!(graph.node(n).op, Op::Conv(_));
    let is_linear = |n: NodeId| is_conv(n) || matches!(graph.node(n).op, Op::BatchNorm { .. });
    let same_source = a != b && graph.operand(a, 0) == graph.operand(b, 0);
    same_source && is_linear(a) && is_linear(b) && (is_conv(a) || is_conv(b))
}

/// The merged convolution, its weights and its bias.
fn merge(graph: &Graph, sum: NodeId, a: NodeId, b: NodeId) -> Result<(Conv, Tensor, Tensor), Stop> {
    if graph.node(a).ty.shape != graph.node(b).ty.shape {
        return Err(Stop::Near("the sum broadcasts"));
    }
    let [a, b] = [Branch::of(graph, sum, a)?, Branch::of(graph, sum, b)?];
    let (outer, inner) = match (&a, &b) {
        (Branch::Conv(x), Branch::Conv(y)) if x.taps() < y.taps() => (y, &a),
        (Branch::Conv(x), _) => (x, &b),
        (Branch::Norm(_), Branch::Conv(y)) => (y, &a),
        (Branch::Norm(_), Branch::Norm(_)) => return Err(Stop::Other),
    };
    let mut kernel = outer.kernel()?;
    match inner {
        Branch::Conv(inner) => kernel.add_conv(outer, inner)?,
        Branch::Norm(affine) => kernel.add_affine(outer, affine)?,
    }
    kernel.finish(outer)
}

/// One summand.
enum Branch<'g> {
    Conv(Linear<'g>),
    Norm(Affine),
}

impl<'g> Branch<'g> {
    /// The branch that a node computes, if only the sum uses it.
    fn of(graph: &'g Graph, sum: NodeId, node: NodeId) -> Result<Self, Stop> {
        if graph.sole_user(node) != Some(sum) {
            return Err(Stop::Near("a branch has two users"));
        }
        let Op::Conv(conv) = graph.node(node).op else {
            return Affine::batch_norm(graph, node).map(Branch::Norm);
        };
        let has_shortcut = conv.residual.is_some() || conv.projection.is_some();
        if has_shortcut || conv.activation != Activation::None {
            return Err(Stop::Near("a branch is not linear"));
        }
        let constant = |i| graph.operand(node, i).and_then(|n| graph.f32_constant_of(n));
        let weights = constant(1).ok_or(Stop::Near("the weights are not constant"))?;
        let bias = match conv.bias {
            true => Some(constant(2).ok_or(Stop::Near("a bias is not constant"))?.data()),
            false => None,
        };
        Ok(Branch::Conv(Linear { conv, weights, bias }))
    }
}

/// A convolution without anything else.
struct Linear<'g> {
    conv: Conv,
    weights: &'g Tensor,
    bias: Option<&'g [f32]>,
}

impl Linear<'_> {
    fn taps(&self) -> usize {
        self.conv.window.kernel.iter().product()
    }

    fn kernel(&self) -> Result<Kernel, NoMemory> {
        let weights = self.weights.try_numbers()?;
        let channels = self.weights.shape().first().copied().unwrap_or(0);
        let bias = (0..channels).map(|c| self.bias.map_or(0.0, |b| f64::from(b[c]))).collect();
        Ok(Kernel { weights, bias })
    }

    /// Position of a weight: output channel, input channel of its group, tap.
    fn at(&self, output: usize, input: usize, [row, column]: [usize; 2]) -> usize {
        let [rows, columns] = self.conv.window.kernel;
        let inputs = self.weights.shape().get(1).copied().unwrap_or(1);
        ((output * inputs + input) * rows + row) * columns + column
    }
}

/// Accumulates weights and bias.
struct Kernel {
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Kernel {
    /// Adds a convolution whose taps are among those of `outer`.
    fn add_conv(&mut self, outer: &Linear<'_>, inner: &Linear<'_>) -> Result<(), Stop> {
        let (big, small) = (&outer.conv, &inner.conv);
        if big.groups != small.groups {
            return Err(Stop::Near("the branches have different groups"));
        }
        let [down, right] = offset(&big.window, &small.window)?;
        let [outputs, inputs, rows, columns] = *inner.weights.shape() else {
            return Err(Stop::Other);
        };
        let data = inner.weights.try_data()?;
        for (output, input) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
            for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                let weight = data[inner.at(output, input, [row, column])];
                let place = outer.at(output, input, [row + down, column + right]);
                self.weights[place] += f64::from(weight);
            }
        }
        let bias = inner.bias.into_iter().flatten();
        self.bias.iter_mut().zip(bias).for_each(|(sum, &b)| *sum += f64::from(b));
        Ok(())
    }

    /// Adds a function of each channel by itself.
    fn add_affine(&mut self, outer: &Linear<'_>, affine: &Affine) -> Result<(), Stop> {
        let pixel = Window::square(1, 1, 0);
        let tap = offset(&outer.conv.window, &pixel)?;
        let per_group = self.bias.len() / outer.conv.groups;
        for (c, (scale, shift)) in affine.scale.iter().zip(&affine.shift).enumerate() {
            self.weights[outer.at(c, c % per_group, tap)] += scale;
            self.bias[c] += shift;
        }
        Ok(())
    }

    fn finish(self, outer: &Linear<'_>) -> Result<(Conv, Tensor, Tensor), Stop> {
        let data: Vec<f32> = collected(self.weights.into_iter().map(round))?;
        let bias: Vec<f32> = self.bias.into_iter().map(round).collect();
        if !data.iter().chain(&bias).all(|x| x.is_finite()) {
            return Err(Stop::Near("the sum of the weights is not finite"));
        }
        let weights = Tensor::new(outer.weights.shape(), data);
        let weights = weights.ok_or(Stop::Near("the weights do not fit their shape"))?;
        Ok((Conv { bias: true, ..outer.conv }, weights, Tensor::vector(bias)))
    }
}

/// The position of the smaller window's first tap among the taps of the larger one.
fn offset(large: &Window, small: &Window) -> Result<[usize; 2], Stop> {
    let pads = |pads: Pads| [pads.top, pads.left];
    let (outer, inner) = (pads(large.pads), pads(small.pads));
    let mut offset = [0; 2];
    for axis in 0..2 {
        if large.strides[axis] != small.strides[axis] {
            return Err(Stop::Near("the branches have different strides"));
        }
        let is_dilated = |w: &Window| w.dilations[axis] != 1 && w.kernel[axis] != 1;
        if is_dilated(large) || is_dilated(small) {
            return Err(Stop::Near("a branch is dilated"));
        }
        let first = outer[axis].checked_sub(inner[axis]);
        let fits = first.filter(|first| first + small.kernel[axis] <= large.kernel[axis]);
        offset[axis] = fits.ok_or(Stop::Near("a branch sees pixels that the other does not"))?;
    }
    Ok(offset)
}
