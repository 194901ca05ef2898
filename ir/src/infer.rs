//! Operand types to result type, one function per family of operators.
//!
//! An operator that passes here can be evaluated and compiled: every index that its definition
//! forms lies inside the operand, and no number of elements overflows.

mod activation;
mod broadcast;
mod elements;
mod error;
mod expression;
mod gradient;
mod limits;
mod quantized;
mod window;

pub use broadcast::broadcast;
pub use error::TypeError;
pub use limits::{MAX_ELEMENTS, MAX_RANK, check_shape};
pub use window::{WindowAxis, output_extent};

use crate::dtype::{DType, EXACT_INTEGERS};
use crate::op::{
    Conv, Gemm, Interpolate, Op, PadMode, Pool, Residual, SliceAxis, TopK, Unary, Window,
};
use crate::ty::{Layout, TensorType};
use activation::{check_activation, check_clip};
use error::fail;
use window::{along, convolved, image};

/// The type of the result of `op` on operands of these types. Layouts are ignored; the result is
/// planar, unless the operator is a reorder.
///
/// # Errors
/// If the number of operands, a shape or an element type does not fit the operator, or an attribute
/// is out of range.
pub fn infer(op: &Op, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    check_count(op, operands.len())?;
    for (i, ty) in operands.iter().enumerate() {
        check_type(ty).map_err(|e| TypeError(format!("operand {i}: {e}")))?;
    }
    let shapes: Vec<&[usize]> = operands.iter().map(|ty| &ty.shape[..]).collect();
    let shape = infer_shape(op, &shapes)?;
    let dtypes: Vec<DType> = operands.iter().map(|ty| ty.dtype).collect();
    let dtype = elements::infer_dtype(op, &dtypes)?;
    check_shape(&shape).map_err(|e| TypeError(format!("result: {e}")))?;
    let layout = match op {
        Op::Reorder(layout) => *layout,
        _ => Layout::Planar,
    };
    Ok(TensorType { dtype, shape, layout })
}

/// Checks what holds for every value: the limits of [`check_shape`], and that a graph computes with
/// elements of this type ([`DType::is_computed`]).
///
/// # Errors
/// If one of these conditions does not hold.
pub fn check_type(ty: &TensorType) -> Result<(), TypeError> {
    elements::check_dtype(ty.dtype)?;
    check_shape(&ty.shape)
}

fn check_count(op: &Op, count: usize) -> Result<(), TypeError> {
    let want = match op {
        Op::Input | Op::Constant(_) => {
            return fail("inputs and constants carry their type, it is not inferred".into());
        }
        Op::Concat { .. } => {
            return if count > 0 { Ok(()) } else { fail("needs at least 1 operand, got 0".into()) };
        }
        Op::Conv(conv) => conv.operand_count(),
        Op::QuantizedConv(conv) => conv.operand_count(),
        Op::OnBytes(on_bytes) => return check_count(&on_bytes.op, count),
        Op::Gemm(gemm) => 2 + usize::from(gemm.bias),
        Op::BatchNorm { .. } => 5,
        Op::Binary(_)
        | Op::MatMul
        | Op::Lookup { .. }
        | Op::QuantizeMeasured
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy => 2,
        Op::ConvSource(op) => 2 + usize::from(op.residual),
        Op::Where => 3,
        Op::Pointwise(expression) | Op::ChannelSums(expression) => expression.operand_count(),
        Op::Unary(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::Moments
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Transpose { .. }
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Measure
        | Op::Dequantize(_)
        | Op::Identity
        | Op::Reorder(_) => 1,
    };
    let s = if want == 1 { "" } else { "s" };
    if count == want { Ok(()) } else { fail(format!("needs {want} operand{s}, got {count}")) }
}

/// Dispatches on the operator. The number of operands and each of their shapes have been checked.
fn infer_shape(op: &Op, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    match op {
        Op::Input | Op::Constant(_) => fail("inputs and constants have no operands".into()),
        Op::Conv(conv) => infer_conv(conv, shapes),
        Op::ConvSource(op) => {
            let source = gradient::conv_source(&op.gradient, shapes[0], shapes[1])?;
            match op.residual_operand() {
                Some(i) if shapes[i] != source => {
                    fail(format!("the residual {:?} differs from the result {source:?}", shapes[i]))
                }
                _ => Ok(source),
            }
        }
        Op::ConvWeights(op) => gradient::conv_weights(op, shapes[0], shapes[1]),
        Op::QuantizedConv(conv) => quantized::infer(conv, shapes),
        Op::Quantize(op) => quantized::quantize(op, shapes[0]),
        Op::Measure => Ok(quantized::ENCODING.to_vec()),
        Op::QuantizeMeasured => {
            quantized::check_encoding(shapes[1])?;
            Ok(shapes[0].to_vec())
        }
        Op::Dequantize(op) => quantized::dequantize(op, shapes[0]),
        Op::OnBytes(on_bytes) => {
            quantized::on_bytes(on_bytes, shapes)?;
            infer_shape(&on_bytes.op, shapes)
        }
        Op::Lookup { .. } => quantized::lookup(shapes[0], shapes[1]),
        Op::BatchNorm { epsilon } => infer_batch_norm(*epsilon, shapes),
        Op::Unary(unary) => infer_unary(unary, shapes[0]),
        Op::Binary(_) => broadcast(shapes[0], shapes[1]),
        Op::Where => broadcast(shapes[0], &broadcast(shapes[1], shapes[2])?),
        Op::Pointwise(op) => expression::pointwise(op, shapes),
        Op::ChannelSums(op) => expression::channel_sums(op, shapes),
        Op::Moments => expression::moments(shapes[0]),
        Op::MaxPool(pool) | Op::AveragePool { pool, .. } => infer_pool(pool, shapes[0]),
        Op::MaxPoolSource(pool) => {
            gradient::check(shapes[0], &infer_pool(pool, shapes[1])?)?;
            Ok(shapes[1].to_vec())
        }
        Op::GlobalAveragePool => {
            let [n, c, _, _] = image("X", shapes[0])?;
            Ok(vec![n, c, 1, 1])
        }
        Op::ReduceMean { axes, keep_dims } | Op::ReduceMax { axes, keep_dims } => {
            infer_reduce(axes, *keep_dims, shapes[0])
        }
        Op::TopK(top) => infer_top(top, shapes[0]),
        Op::Gemm(gemm) => infer_gemm(gemm, shapes),
        Op::MatMul => infer_matmul(shapes[0], shapes[1]),
        Op::Softmax { axis } => {
            check_axis(*axis, shapes[0])?;
            Ok(shapes[0].to_vec())
        }
        Op::CrossEntropy => gradient::cross_entropy(shapes[0], shapes[1]),
        Op::Reshape { shape } => infer_reshape(shape, shapes[0]),
        Op::Pad { before, after, mode } => infer_pad(before, after, mode, shapes[0]),
        Op::Slice(axes) => infer_slice(axes, shapes[0]),
        Op::Gather { axis, indices } => infer_picked(*axis, 1, indices, shapes[0]),
        Op::Interpolate(op) => infer_interpolate(op, shapes[0]),
        Op::Concat { axis } => infer_concat(*axis, shapes),
        Op::Transpose { perm } => infer_transpose(perm, shapes[0]),
        Op::Convert { .. } | Op::Identity | Op::Reorder(Layout::Planar) => Ok(shapes[0].to_vec()),
        Op::Reorder(Layout::Blocked) => match shapes[0].len() {
            2 | 4 => Ok(shapes[0].to_vec()),
            rank => fail(format!(
                "X {:?} of rank {rank} has no blocked layout, only ranks 2 and 4 have one",
                shapes[0]
            )),
        },
    }
}

fn infer_conv(conv: &Conv, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    let result = convolved(&conv.window, conv.groups, shapes[0], shapes[1])?;
    check_activation(conv.activation)?;
    if conv.bias && shapes[2] != [result[1]] {
        return fail(format!(
            "B {:?} is not [{}], the first dimension of W {:?}",
            shapes[2], result[1], shapes[1]
        ));
    }
    if let (Some(residual), Some(i)) = (&conv.residual, conv.residual_operand()) {
        check_residual(residual, shapes[i], &result)?;
    }
    if let (Some(window), Some(i)) = (&conv.projection, conv.projected_operand()) {
        check_projection(conv, window, shapes[i], shapes[i + 1], &result)?;
    }
    Ok(result)
}

fn check_residual(residual: &Residual, shape: &[usize], result: &[usize]) -> Result<(), TypeError> {
    let Residual { strides, channel } = *residual;
    if strides.contains(&0) {
        return fail(format!("the strides {strides:?} of the residual must be at least 1"));
    }
    let [n, c, h, w] = image("the residual", shape)?;
    let pixels = [h.div_ceil(strides[0]), w.div_ceil(strides[1])];
    let has_room = result[1].checked_sub(channel).is_some_and(|room| c <= room);
    if n != result[0] || pixels != result[2..] || !has_room {
        return fail(format!(
            "the residual {shape:?} at strides {strides:?} does not fit the result {result:?} from channel {channel} on"
        ));
    }
    Ok(())
}

fn check_projection(
    conv: &Conv,
    window: &Window,
    src: &[usize],
    weights: &[usize],
    result: &[usize],
) -> Result<(), TypeError> {
    if conv.residual.is_some() {
        return fail("a convolution has a residual or a projection, not both".into());
    }
    if conv.groups != 1 {
        return fail(format!("a convolution with group {} has no projection", conv.groups));
    }
    match convolved(window, 1, src, weights) {
        Ok(shape) if shape == result => Ok(()),
        Ok(shape) => fail(format!("the projection {shape:?} differs from the result {result:?}")),
        Err(error) => fail(format!("projection: {error}")),
    }
}

fn infer_batch_norm(epsilon: f64, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    let x = shapes[0];
    if x.len() < 2 {
        return fail(format!("X {x:?} has rank {}, BatchNormalization needs at least 2", x.len()));
    }
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return fail(format!("epsilon {epsilon} is not a finite number of at least 0"));
    }
    for (name, shape) in ["scale", "B", "input_mean", "input_var"].iter().zip(&shapes[1..]) {
        if **shape != [x[1]] {
            return fail(format!("{name} {shape:?} is not [{}], the channels of X {x:?}", x[1]));
        }
    }
    Ok(x.to_vec())
}

fn infer_unary(unary: &Unary, x: &[usize]) -> Result<Vec<usize>, TypeError> {
    if let Unary::Clip { lo, hi } = *unary {
        check_clip(lo, hi)?;
    }
    Ok(x.to_vec())
}

/// Pools are stricter than convolutions: every window must hold an element, since the maximum and
/// the mean of nothing are not numbers. Padding shorter than the window and taps that cannot step
/// over the input ensure this.
fn infer_pool(pool: &Pool, x: &[usize]) -> Result<Vec<usize>, TypeError> {
    let [n, c, h, w] = image("X", x)?;
    let mut result = vec![n, c];
    for ((name, input), axis) in
        [("H", h), ("W", w)].into_iter().zip(WindowAxis::pair(&pool.window))
    {
        let outputs = along(name, input, &axis, pool.ceil_mode)?;
        if axis.before.max(axis.after) >= axis.span() {
            return fail(format!(
                "pads {} and {} along {name} are not smaller than the window of {}",
                axis.before,
                axis.after,
                axis.span()
            ));
        }
        if axis.kernel > 1 && axis.dilation > input {
            return fail(format!(
                "dilation {} along {name} steps over all of X {x:?}",
                axis.dilation
            ));
        }
        result.push(outputs);
    }
    Ok(result)
}

fn infer_reduce(axes: &[usize], keep_dims: bool, x: &[usize]) -> Result<Vec<usize>, TypeError> {
    let sorted = axes.windows(2).all(|pair| pair[0] < pair[1]);
    if axes.is_empty() || !sorted || axes.iter().any(|&a| a >= x.len()) {
        return fail(format!(
            "axes {axes:?} are not one or more different, sorted axes of X {x:?}"
        ));
    }
    let extent = |(i, &d): (usize, &usize)| match axes.contains(&i) {
        true => keep_dims.then_some(1),
        false => Some(d),
    };
    Ok(x.iter().enumerate().filter_map(extent).collect())
}

fn infer_top(top: &TopK, x: &[usize]) -> Result<Vec<usize>, TypeError> {
    check_axis(top.axis, x)?;
    let extent = x[top.axis];
    if top.k == 0 || top.k > extent {
        return fail(format!(
            "k {} is not in 1 to {extent}, the extent of axis {} of X {x:?}",
            top.k, top.axis
        ));
    }
    if extent as i64 > EXACT_INTEGERS {
        return fail(format!(
            "indices up to {extent} are beyond {EXACT_INTEGERS}, the largest index that f32 can represent exactly"
        ));
    }
    let mut shape = x.to_vec();
    shape[top.axis] = top.k;
    Ok(shape)
}

fn infer_gemm(gemm: &Gemm, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    let matrix = |name: &str, shape: &[usize], transpose: bool| match *shape {
        [rows, columns] if transpose => Ok((columns, rows)),
        [rows, columns] => Ok((rows, columns)),
        _ => fail(format!("{name} {shape:?} is not a matrix")),
    };
    let (m, k) = matrix("A", shapes[0], gemm.transpose_a)?;
    let (k_of_b, n) = matrix("B", shapes[1], gemm.transpose_b)?;
    if k != k_of_b {
        return fail(format!(
            "A {:?} (transA {}) and B {:?} (transB {}) differ in the dimension summed over: {k} against {k_of_b}",
            shapes[0],
            u8::from(gemm.transpose_a),
            shapes[1],
            u8::from(gemm.transpose_b)
        ));
    }
    check_activation(gemm.activation)?;
    let result = vec![m, n];
    if gemm.bias && broadcast(shapes[2], &result).ok().as_ref() != Some(&result) {
        return fail(format!("C {:?} does not broadcast to the result {result:?}", shapes[2]));
    }
    Ok(result)
}

fn infer_matmul(a: &[usize], b: &[usize]) -> Result<Vec<usize>, TypeError> {
    let ([batch_a @ .., m, k], [batch_b @ .., k_of_b, n]) = (a, b) else {
        return fail(format!("A {a:?} and B {b:?} must both have rank 2 or more"));
    };
    if k != k_of_b {
        return fail(format!(
            "A {a:?} and B {b:?} differ in the dimension summed over: {k} against {k_of_b}"
        ));
    }
    let mut result = broadcast(batch_a, batch_b)?;
    result.extend([*m, *n]);
    Ok(result)
}

fn infer_reshape(shape: &[usize], x: &[usize]) -> Result<Vec<usize>, TypeError> {
    check_shape(shape)?;
    let count = |s: &[usize]| s.iter().product::<usize>();
    if count(shape) != count(x) {
        return fail(format!("X {x:?} has {} elements, {shape:?} has {}", count(x), count(shape)));
    }
    Ok(shape.to_vec())
}

fn infer_pad(
    before: &[usize],
    after: &[usize],
    mode: &PadMode,
    x: &[usize],
) -> Result<Vec<usize>, TypeError> {
    if before.len() != x.len() || after.len() != x.len() {
        return fail(format!(
            "pads {before:?} before and {after:?} after do not give every axis of X {x:?} a pair"
        ));
    }
    let mut result = Vec::with_capacity(x.len());
    for ((&extent, &before), &after) in x.iter().zip(before).zip(after) {
        if before.max(after) > MAX_ELEMENTS {
            return fail(format!(
                "pads {before} and {after} are beyond the limit of {MAX_ELEMENTS}"
            ));
        }
        if *mode == PadMode::Reflect && before.max(after) >= extent {
            return fail(format!(
                "reflected pads {before} and {after} are not smaller than the {extent} of X {x:?}"
            ));
        }
        result.push(before + extent + after);
    }
    Ok(result)
}

fn infer_slice(axes: &[SliceAxis], x: &[usize]) -> Result<Vec<usize>, TypeError> {
    if axes.len() != x.len() {
        return fail(format!("{} slices for X {x:?} of rank {}", axes.len(), x.len()));
    }
    for (axis, &extent) in axes.iter().zip(x) {
        let &SliceAxis { start, step, len } = axis;
        // No two of these can overflow 128 bits.
        let last = start as i128 + step as i128 * (len as i128 - 1);
        let inside = start < extent && (0..extent as i128).contains(&last);
        if step == 0 || len == 0 || !inside {
            return fail(format!(
                "{len} elements from {start} by step {step} are not a selection from the {extent} of X {x:?}"
            ));
        }
    }
    Ok(axes.iter().map(|axis| axis.len).collect())
}

fn infer_interpolate(op: &Interpolate, x: &[usize]) -> Result<Vec<usize>, TypeError> {
    if op.weights.len() != op.indices.len() {
        let (weights, indices) = (op.weights.len(), op.indices.len());
        return fail(format!("{weights} weights for {indices} indices"));
    }
    if let Some(weight) = op.weights.iter().find(|weight| !weight.is_finite()) {
        return fail(format!("a weight is {weight}"));
    }
    infer_picked(op.axis, op.taps, &op.indices, x)
}

/// The shape of a result each of whose elements is made of `taps` elements along an axis.
fn infer_picked(
    axis: usize,
    taps: usize,
    indices: &[usize],
    x: &[usize],
) -> Result<Vec<usize>, TypeError> {
    check_axis(axis, x)?;
    if taps == 0 || indices.is_empty() || !indices.len().is_multiple_of(taps) {
        return fail(format!("{} indices do not make elements of {taps} taps each", indices.len()));
    }
    if let Some(index) = indices.iter().find(|&&index| index >= x[axis]) {
        return fail(format!("index {index} is outside of axis {axis} of X {x:?}"));
    }
    let mut result = x.to_vec();
    result[axis] = indices.len() / taps;
    Ok(result)
}

fn infer_concat(axis: usize, shapes: &[&[usize]]) -> Result<Vec<usize>, TypeError> {
    let mut result = shapes[0].to_vec();
    check_axis(axis, &result)?;
    for shape in &shapes[1..] {
        let same = |i: usize| i == axis || shape[i] == result[i];
        if shape.len() != result.len() || !(0..result.len()).all(same) {
            return fail(format!("{:?} and {shape:?} differ outside of axis {axis}", shapes[0]));
        }
        // Both are within the limit on elements, and so is each partial sum.
        result[axis] += shape[axis];
        check_shape(&result)?;
    }
    Ok(result)
}

fn infer_transpose(perm: &[usize], x: &[usize]) -> Result<Vec<usize>, TypeError> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..x.len()) {
        return fail(format!("perm {perm:?} is not a permutation of the axes of X {x:?}"));
    }
    Ok(perm.iter().map(|&axis| x[axis]).collect())
}

fn check_axis(axis: usize, x: &[usize]) -> Result<(), TypeError> {
    if axis < x.len() { Ok(()) } else { fail(format!("axis {axis} is not an axis of X {x:?}")) }
}
