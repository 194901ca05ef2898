//! Converts an operator of the graph to an operator of ONNX, opset 17.

use resnetc_ir::infer::{WindowAxis, output_extent};
use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, PadMode, Pool, SliceAxis, TopK, TopPart, Unary, Window,
};
use resnetc_ir::{Op, TensorType};

use super::message::{flag, float, int, ints, signed, text};
use crate::import::onnx::proto::AttributeProto;

/// An operator of ONNX.
#[derive(Default)]
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) attributes: Vec<AttributeProto>,
    /// Operands after those of the graph.
    pub(super) parameters: Vec<Parameter>,
    /// Whether its first operand is a truth value, which the graph holds as a number.
    pub(super) condition: bool,
    /// Which of its results is the graph's value.
    pub(super) results: Results,
}

/// Which result of an ONNX operator is the graph's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Results {
    #[default]
    First,
    /// The first one, a truth value, which the graph holds as a number.
    Truth,
    /// The second one, whose elements are 64-bit integers; the first is left out.
    SecondOfIntegers,
}

impl Results {
    /// The suffix of such a result's name, before it is cast.
    pub(super) fn name(self) -> &'static str {
        match self {
            Results::First => "",
            Results::Truth => "truth",
            Results::SecondOfIntegers => "integers",
        }
    }
}

/// An operand that is an attribute in the graph.
pub(super) enum Parameter {
    /// Left out, but others follow.
    Absent,
    /// A number, and its name.
    Number(&'static str, f32),
    /// A list, and its name.
    Ints(&'static str, Vec<i64>),
}

fn plain(name: &'static str) -> Operator {
    Operator { name, ..Default::default() }
}

/// A comparison.
fn truth(name: &'static str) -> Operator {
    Operator { results: Results::Truth, ..plain(name) }
}

fn with(name: &'static str, attributes: Vec<AttributeProto>) -> Operator {
    Operator { name, attributes, ..Default::default() }
}

/// The counterpart of `op` on operands of these types; the reason if there is none.
pub(super) fn operator(
    op: &Op,
    operands: &[&TensorType],
    result: &TensorType,
) -> Result<Operator, String> {
    let shape = operands.first().map_or(&[][..], |ty| &ty.shape);
    Ok(match op {
        Op::Input | Op::Constant(_) => return Err("it is not computed".into()),
        Op::Conv(op) => conv(op)?,
        Op::ConvSource(_) | Op::ConvWeights(_) | Op::MaxPoolSource(_) | Op::CrossEntropy => {
            return Err("ONNX files have no gradients".into());
        }
        Op::ChannelSums(_) | Op::Moments => return Err(several()),
        Op::QuantizedConv(_) | Op::OnBytes(_) | Op::Lookup { .. } | Op::Pointwise(_) => {
            return Err(fused());
        }
        Op::BatchNorm { epsilon } => {
            with("BatchNormalization", vec![float("epsilon", *epsilon as f32)])
        }
        Op::Unary(op) => unary(op),
        Op::Binary(Binary::Add) => plain("Add"),
        Op::Binary(Binary::Sub) => plain("Sub"),
        Op::Binary(Binary::Mul) => plain("Mul"),
        Op::Binary(Binary::Div) => plain("Div"),
        Op::Binary(Binary::Max) => plain("Max"),
        Op::Binary(Binary::Pow) => plain("Pow"),
        Op::Binary(Binary::Equal) => truth("Equal"),
        Op::Binary(Binary::Less) => truth("Less"),
        Op::Binary(Binary::LessOrEqual) => truth("LessOrEqual"),
        Op::Where => Operator { condition: true, ..plain("Where") },
        Op::MaxPool(op) => with("MaxPool", pool(op, shape, result, true)),
        Op::AveragePool { pool, count_include_pad } => {
            average_pool(pool, *count_include_pad, shape, result)?
        }
        Op::GlobalAveragePool => plain("GlobalAveragePool"),
        Op::ReduceMean { axes, keep_dims } => {
            with("ReduceMean", vec![ints("axes", axes), flag("keepdims", *keep_dims)])
        }
        Op::ReduceMax { axes, keep_dims } => {
            with("ReduceMax", vec![ints("axes", axes), flag("keepdims", *keep_dims)])
        }
        Op::TopK(op) => top(op),
        Op::Gemm(op) => gemm(op)?,
        Op::MatMul => plain("MatMul"),
        Op::Softmax { axis } => with("Softmax", vec![int("axis", *axis)]),
        Op::Reshape { shape: to } => reshape(shape, to),
        Op::Pad { before, after, mode } => pad(before, after, *mode),
        Op::Slice(axes) => slice(axes, shape),
        Op::Gather { axis, indices } => {
            let indices = Parameter::Ints("indices", signed(indices));
            let attributes = vec![int("axis", *axis)];
            Operator { attributes, parameters: vec![indices], ..plain("Gather") }
        }
        Op::Interpolate(_) => return Err(several()),
        Op::Concat { axis } => with("Concat", vec![int("axis", *axis)]),
        Op::Transpose { perm } => with("Transpose", vec![ints("perm", perm)]),
        Op::Convert { .. }
        | Op::Quantize(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::Dequantize(_) => {
            return Err("it is for elements of other types than f32".into());
        }
        Op::Identity => plain("Identity"),
        Op::Reorder(_) => return Err("ONNX has no layouts; write the graph before passes".into()),
    })
}

fn several() -> String {
    "ONNX needs several operators for it".to_owned()
}

fn fused() -> String {
    "ONNX has no fused operators; write the graph before passes".into()
}

fn window(window: &Window) -> Vec<AttributeProto> {
    let pads = &window.pads;
    vec![
        ints("kernel_shape", &window.kernel),
        ints("strides", &window.strides),
        ints("pads", &[pads.top, pads.left, pads.bottom, pads.right]),
    ]
}

fn conv(op: &Conv) -> Result<Operator, String> {
    if op.residual.is_some() || op.projection.is_some() || op.activation != Activation::None {
        return Err(fused());
    }
    let mut attributes = window(&op.window);
    attributes.extend([ints("dilations", &op.window.dilations), int("group", op.groups)]);
    Ok(with("Conv", attributes))
}

/// The second result is the positions of the elements, as integers.
fn top(op: &TopK) -> Operator {
    let attributes = vec![int("axis", op.axis), flag("largest", op.largest)];
    let parameters = vec![Parameter::Ints("k", signed(&[op.k]))];
    let results = match op.part {
        TopPart::Values => Results::First,
        TopPart::Indices => Results::SecondOfIntegers,
    };
    Operator { attributes, parameters, results, ..plain("TopK") }
}

fn gemm(op: &Gemm) -> Result<Operator, String> {
    if op.activation != Activation::None {
        return Err(fused());
    }
    let attributes = vec![
        float("alpha", op.alpha),
        float("beta", op.beta),
        flag("transA", op.transpose_a),
        flag("transB", op.transpose_b),
    ];
    Ok(with("Gemm", attributes))
}

fn unary(op: &Unary) -> Operator {
    let limit = |name, x: f32| match x.is_finite() {
        true => Parameter::Number(name, x),
        false => Parameter::Absent,
    };
    match *op {
        Unary::Relu => plain("Relu"),
        Unary::Sigmoid => plain("Sigmoid"),
        Unary::Tanh => plain("Tanh"),
        Unary::Erf => plain("Erf"),
        Unary::Exp => plain("Exp"),
        Unary::Log => plain("Log"),
        Unary::Sqrt => plain("Sqrt"),
        Unary::Abs => plain("Abs"),
        Unary::Round => plain("Round"),
        Unary::Floor => plain("Floor"),
        Unary::Ceil => plain("Ceil"),
        Unary::Sign => plain("Sign"),
        Unary::Clip { lo, hi } => {
            let parameters = vec![limit("min", lo), limit("max", hi)];
            Operator { parameters, ..plain("Clip") }
        }
    }
}

/// `ceil_mode` is written only where it makes a difference: versions of the standard disagree on
/// which windows count with it.
fn pool(op: &Pool, input: &[usize], result: &TensorType, dilations: bool) -> Vec<AttributeProto> {
    let axes = WindowAxis::pair(&op.window);
    let rounded_down = |i: usize| output_extent(input[2 + i], &axes[i], false);
    let differs = (0..2).any(|i| rounded_down(i) != Ok(result.shape[2 + i]));
    let mut attributes = window(&op.window);
    if dilations {
        attributes.push(ints("dilations", &op.window.dilations));
    }
    if op.ceil_mode && differs {
        attributes.push(flag("ceil_mode", true));
    }
    attributes
}

fn average_pool(
    op: &Pool,
    count_include_pad: bool,
    input: &[usize],
    result: &TensorType,
) -> Result<Operator, String> {
    if op.window.dilations != [1, 1] {
        return Err("its windows are dilated, which opset 17 supports for max-pooling only".into());
    }
    let mut attributes = pool(op, input, result, false);
    attributes.push(flag("count_include_pad", count_include_pad));
    Ok(with("AveragePool", attributes))
}

/// Where all axes after the first are merged into one, `Flatten` says so, so that readers may
/// change the batch.
fn reshape(from: &[usize], to: &[usize]) -> Operator {
    match (from, to) {
        ([batch, ..], [rows, _]) if batch == rows => with("Flatten", vec![int("axis", 1)]),
        _ => {
            Operator { parameters: vec![Parameter::Ints("shape", signed(to))], ..plain("Reshape") }
        }
    }
}

fn pad(before: &[usize], after: &[usize], mode: PadMode) -> Operator {
    let pads = Parameter::Ints("pads", signed(&[before, after].concat()));
    let (mode, value) = match mode {
        // The default is +0.
        PadMode::Constant(value) if value.to_bits() == 0 => ("constant", None),
        PadMode::Constant(value) => ("constant", Some(Parameter::Number("value", value))),
        PadMode::Reflect => ("reflect", None),
    };
    let parameters = std::iter::once(pads).chain(value).collect();
    Operator { attributes: vec![text("mode", mode)], parameters, ..plain("Pad") }
}

/// Only the axes that are not taken whole are written.
fn slice(axes: &[SliceAxis], shape: &[usize]) -> Operator {
    let (mut starts, mut ends, mut named, mut steps) = (vec![], vec![], vec![], vec![]);
    for (i, axis) in axes.iter().enumerate() {
        // With one element the step is never taken, so any value will do.
        let step = if axis.len > 1 { axis.step as i64 } else { 1 };
        if (axis.start, step, axis.len) == (0, 1, shape[i]) {
            continue;
        }
        let last = axis.start as i64 + step * (axis.len as i64 - 1);
        starts.push(axis.start as i64);
        ends.push(match last + step.signum() {
            // A negative end counts from the back; the lowest number means "before the first
            // element".
            ..0 => i64::MIN,
            end => end,
        });
        named.push(i as i64);
        steps.push(step);
    }
    if named.is_empty() {
        return plain("Identity");
    }
    let parameters = vec![
        Parameter::Ints("starts", starts),
        Parameter::Ints("ends", ends),
        Parameter::Ints("axes", named),
        Parameter::Ints("steps", steps),
    ];
    Operator { parameters, ..plain("Slice") }
}
