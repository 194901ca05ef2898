//! From graph to text.

use std::collections::HashMap;
use std::fmt::Write;

use super::constant;
use super::expression;
use super::scan::float;
use super::scan::{number, quote};
use super::{
    DECLARED, FLOAT_SUM, FLOATS, FUNCTION, MEASURED, NEXT_OF, NONE, PROJECTION, RESIDUAL_CHANNEL,
    RESIDUAL_STRIDES, RESULT, SCALES, SUM, ZEROS,
};
use crate::dtype::DType;
use crate::graph::{Graph, NodeId};
use crate::op::{
    Activation, Conv, ConvGradient, Dequantize, Encoding, Ending, Gemm, Interpolate, OnBytes, Op,
    PadMode, Pads, Pool, QuantizedConv, Requantize, Residual, SliceAxis, TopK, Unary, Window,
};

/// The text of a graph: its nodes, each after its operands and numbered from 0, then its outputs.
/// Attributes at their default values are left out.
///
/// Equal graphs print the same text, whatever their node ids are.
pub fn print(graph: &Graph) -> String {
    let order = graph.topo();
    let numbers: HashMap<NodeId, usize> = order.iter().copied().zip(0..).collect();
    let id = |node: &NodeId| match numbers.get(node) {
        Some(number) => format!("%{number}"),
        // An output or operand that is not a node: the text cannot be read back, but is worth
        // seeing.
        None => format!("%removed_{}", node.index()),
    };
    let mut lines: Vec<String> = Vec::with_capacity(order.len());
    for node in &order {
        let operands: Vec<String> = graph.operands(*node).iter().map(id).collect();
        lines.push(format!("{} = {}\n", id(node), definition(graph, *node, &operands)));
    }
    for output in graph.outputs() {
        let own = graph.contains(output.node).then(|| graph.node(output.node).ty.dtype);
        let declared = declared(output.dtype, own.unwrap_or_default());
        let next =
            output.next_of.map_or(String::new(), |input| format!(" {NEXT_OF}({})", id(&input)));
        lines.push(format!(
            "output {} = {}{next}{declared}\n",
            quote(&output.name),
            id(&output.node)
        ));
    }
    lines.concat()
}

/// The declared element type of an input or output, if it differs from the actual one.
fn declared(dtype: DType, own: DType) -> String {
    if dtype == own { String::new() } else { format!(" {DECLARED}={dtype}") }
}

/// The text after `%id = ` in the line of a node.
fn definition(graph: &Graph, id: NodeId, operands: &[String]) -> String {
    let node = graph.node(id);
    let mut line = node.op.name().to_owned();
    if let Op::Constant(_) = node.op {
        let data = graph.constant_of(id).map(|tensor| constant::print(tensor));
        line.extend([" ", data.as_deref().unwrap_or("missing")]);
    } else if node.op != Op::Input || !operands.is_empty() {
        line.push('(');
        line.push_str(&operands.join(", "));
        line.push(')');
    }
    put_attributes(&node.op, &mut |attribute| line.extend([" ", &attribute]));
    if node.op == Op::Input {
        line.push_str(&declared(graph.input_dtype(id), node.ty.dtype));
    }
    // Writing to a string cannot fail.
    let _ = write!(line, " : {}", node.ty);
    if !node.name.is_empty() {
        line.extend([" ", &quote(&node.name)]);
    }
    line
}

/// The attributes of an operator as in its line, without those at their default values.
pub fn attributes(op: &Op) -> String {
    let mut all: Vec<String> = Vec::new();
    put_attributes(op, &mut |attribute| all.push(attribute));
    all.join(" ")
}

/// Passes every attribute that is not at its default value to `put`.
fn put_attributes(op: &Op, put: &mut dyn FnMut(String)) {
    match op {
        Op::Conv(op) => conv(op, put),
        Op::ConvSource(op) => {
            conv_gradient(&op.gradient, put);
            flag("residual", op.residual, put);
        }
        Op::ConvWeights(op) => conv_gradient(op, put),
        Op::QuantizedConv(op) => quantized_conv(op, put),
        Op::Quantize(op) => {
            put(format!("scale={}", float(op.scale)));
            requantize("", &op.result, put);
        }
        Op::Dequantize(op) => {
            put(format!("scale={}", float(op.scale)));
            if op.zero != 0 {
                put(format!("zero={}", op.zero));
            }
        }
        Op::OnBytes(op) => on_bytes(op, put),
        Op::Lookup { zero } => {
            if *zero != 0 {
                put(format!("zero={zero}"));
            }
        }
        Op::Gemm(op) => gemm(op, put),
        Op::BatchNorm { epsilon } => {
            if *epsilon != 1e-5 {
                put(format!("epsilon={}", number(&format!("{epsilon:?}"))));
            }
        }
        Op::Unary(Unary::Clip { lo, hi }) => put(format!("lo={} hi={}", float(*lo), float(*hi))),
        Op::Pointwise(op) | Op::ChannelSums(op) => put(expression::print(op)),
        Op::MaxPool(op) | Op::MaxPoolSource(op) => pool(op, put),
        Op::AveragePool { pool: op, count_include_pad } => {
            pool(op, put);
            flag("count_include_pad", *count_include_pad, put);
        }
        Op::ReduceMean { axes, keep_dims } | Op::ReduceMax { axes, keep_dims } => {
            put(format!("axes={axes:?}"));
            flag("keep_dims", *keep_dims, put);
        }
        Op::TopK(TopK { axis, k, largest, .. }) => {
            put(format!("axis={axis} k={k}"));
            flag("smallest", !largest, put);
        }
        Op::Softmax { axis } | Op::Concat { axis } => put(format!("axis={axis}")),
        Op::Reshape { shape } => put(format!("shape={shape:?}")),
        Op::Pad { before, after, mode } => {
            put(format!("before={before:?} after={after:?}"));
            match mode {
                PadMode::Reflect => put("reflect".into()),
                PadMode::Constant(value) if value.to_bits() == 0 => {}
                PadMode::Constant(value) => put(format!("value={}", float(*value))),
            }
        }
        Op::Slice(axes) => slice(axes, put),
        Op::Gather { axis, indices } => put(format!("axis={axis} indices={indices:?}")),
        Op::Interpolate(op) => interpolate(op, put),
        Op::Transpose { perm } => put(format!("perm={perm:?}")),
        Op::Reorder(layout) => put(format!("to={layout}")),
        Op::Convert { to } => put(format!("to={}", to.short())),
        Op::Input
        | Op::Constant(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::GlobalAveragePool
        | Op::Moments
        | Op::MatMul
        | Op::CrossEntropy
        | Op::Identity => {}
    }
}

fn flag(key: &str, set: bool, put: &mut dyn FnMut(String)) {
    if set {
        put(key.into());
    }
}

/// The attributes of a window; every key begins with `prefix`.
fn window(prefix: &str, window: &Window, put: &mut dyn FnMut(String)) {
    let Window { kernel, strides, dilations, pads } = window;
    put(format!("{prefix}kernel={kernel:?}"));
    if *strides != [1, 1] {
        put(format!("{prefix}strides={strides:?}"));
    }
    if *dilations != [1, 1] {
        put(format!("{prefix}dilations={dilations:?}"));
    }
    if *pads != Pads::default() {
        put(format!("{prefix}pads={:?}", [pads.top, pads.left, pads.bottom, pads.right]));
    }
}

fn conv_gradient(op: &ConvGradient, put: &mut dyn FnMut(String)) {
    window("", &op.window, put);
    if op.groups != 1 {
        put(format!("groups={}", op.groups));
    }
    put(format!("image={:?}", op.image));
}

fn pool(pool: &Pool, put: &mut dyn FnMut(String)) {
    window("", &pool.window, put);
    flag("ceil_mode", pool.ceil_mode, put);
}

fn activation(activation: Activation, put: &mut dyn FnMut(String)) {
    match activation {
        Activation::None => {}
        Activation::Relu => put("relu".into()),
        Activation::Clip { lo, hi } => put(format!("clip=[{}, {}]", float(lo), float(hi))),
    }
}

fn conv(op: &Conv, put: &mut dyn FnMut(String)) {
    window("", &op.window, put);
    if op.groups != 1 {
        put(format!("groups={}", op.groups));
    }
    flag("residual", op.residual.is_some(), put);
    let Residual { strides, channel } = op.residual.unwrap_or(Residual::PLAIN);
    if strides != Residual::PLAIN.strides {
        put(format!("{RESIDUAL_STRIDES}={strides:?}"));
    }
    if channel != Residual::PLAIN.channel {
        put(format!("{RESIDUAL_CHANNEL}={channel}"));
    }
    if let Some(projection) = &op.projection {
        window(PROJECTION, projection, put);
    }
    activation(op.activation, put);
}

fn quantized_conv(op: &QuantizedConv, put: &mut dyn FnMut(String)) {
    window("", &op.window, put);
    if op.groups != 1 {
        put(format!("groups={}", op.groups));
    }
    match op.src {
        Encoding::Known(0) => {}
        Encoding::Known(zero) => put(format!("src_zero={zero}")),
        Encoding::Measured => put(MEASURED.to_owned()),
    }
    match &op.ending {
        Ending::Floats(limits) => {
            put(FLOATS.to_owned());
            activation(*limits, put);
        }
        Ending::FloatSum(limits) => {
            put(FLOAT_SUM.to_owned());
            activation(*limits, put);
        }
        Ending::Bytes(bytes) => requantize("", bytes, put),
        Ending::Sum(bytes, residual) => {
            requantize("", bytes, put);
            let factors = [residual.own, residual.factor].map(float).join(", ");
            put(format!("residual_factors=[{factors}]"));
            if residual.zero != 0 {
                put(format!("residual_zero={}", residual.zero));
            }
            requantize(SUM, &residual.sum, put);
        }
    }
}

/// The operator's name and attributes, the scales and zero points of the operands, and how the
/// result becomes bytes.
fn on_bytes(on_bytes: &OnBytes, put: &mut dyn FnMut(String)) {
    let OnBytes { op, from, to } = on_bytes;
    put(format!("{FUNCTION}={}", op.name()));
    put_attributes(op, put);
    let scale = |from: &Option<Dequantize>| from.map_or(NONE.into(), |from| float(from.scale));
    put(format!("{SCALES}=[{}]", from.iter().map(scale).collect::<Vec<_>>().join(", ")));
    let zeros: Vec<i32> = from.iter().map(|from| from.map_or(0, |from| from.zero)).collect();
    if zeros.iter().any(|&zero| zero != 0) {
        put(format!("{ZEROS}={zeros:?}"));
    }
    if let Some(to) = to {
        put(format!("{RESULT}scale={}", float(to.scale)));
        requantize(RESULT, &to.result, put);
    }
}

/// How numbers become bytes; every key begins with `prefix`.
fn requantize(prefix: &str, requantize: &Requantize, put: &mut dyn FnMut(String)) {
    let Requantize { to, zero, lo, hi } = requantize;
    put(format!("{prefix}to={}", to.short()));
    if *zero != 0 {
        put(format!("{prefix}zero={zero}"));
    }
    put(format!("{prefix}limits=[{lo}, {hi}]"));
}

fn gemm(op: &Gemm, put: &mut dyn FnMut(String)) {
    for (key, value) in [("alpha", op.alpha), ("beta", op.beta)] {
        if value != 1.0 {
            put(format!("{key}={}", float(value)));
        }
    }
    flag("transpose_a", op.transpose_a, put);
    flag("transpose_b", op.transpose_b, put);
    activation(op.activation, put);
}

fn interpolate(op: &Interpolate, put: &mut dyn FnMut(String)) {
    let Interpolate { axis, taps, indices, weights } = op;
    let weights: Vec<String> = weights.iter().map(|&weight| float(weight)).collect();
    put(format!("axis={axis} taps={taps} indices={indices:?} weights=[{}]", weights.join(", ")));
}

fn slice(axes: &[SliceAxis], put: &mut dyn FnMut(String)) {
    let start: Vec<usize> = axes.iter().map(|a| a.start).collect();
    let step: Vec<isize> = axes.iter().map(|a| a.step).collect();
    let len: Vec<usize> = axes.iter().map(|a| a.len).collect();
    put(format!("start={start:?} len={len:?}"));
    if step.iter().any(|&step| step != 1) {
        put(format!("step={step:?}"));
    }
}
