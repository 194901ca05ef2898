//! From the attributes of a line to an operator.

use std::str::FromStr;

use super::expression::{RESULTS, STEPS, parse as parse_expression};
use super::{
    FLOAT_SUM, FLOATS, FUNCTION, MEASURED, NONE, PROJECTION, RESIDUAL_CHANNEL, RESIDUAL_STRIDES,
    RESULT, SCALES, SUM, ZEROS,
};
use crate::dtype::DType;
use crate::expression::Expression;
use crate::kind::OpKind;
use crate::op::{
    Activation, Binary, Conv, ConvGradient, Dequantize, Encoding, Ending, Gemm, Interpolate,
    OnBytes, Op, PadMode, Pads, Pool, Quantize, QuantizedConv, QuantizedResidual, Requantize,
    Residual, SliceAxis, SourceGradient, TopK, TopPart, Unary, Window,
};
use crate::ty::Layout;

/// The value of a key.
#[derive(Debug, PartialEq)]
pub(super) enum Attribute {
    /// `key`.
    Flag,
    /// `key=word`.
    Word(String),
    /// `key=[word, ..]`, or a bare list, whose key is empty.
    List(Vec<String>),
}

/// The attributes of a line that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    /// Adds one; a key may occur once.
    pub(super) fn insert(&mut self, key: String, value: Attribute) -> Result<(), String> {
        if self.0.iter().any(|(k, _)| *k == key) {
            return Err(format!("{key} is given twice"));
        }
        self.0.push((key, value));
        Ok(())
    }

    /// Checks that every attribute has been taken.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) if key.is_empty() => Err("a list without a key".into()),
            Some((key, _)) => Err(format!("{key} does not belong here")),
        }
    }

    fn take(&mut self, key: &str) -> Option<Attribute> {
        let position = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(position).1)
    }

    /// Takes a flag; returns whether it was there.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, String> {
        match self.take(key) {
            None => Ok(false),
            Some(Attribute::Flag) => Ok(true),
            Some(_) => Err(format!("{key} takes no value")),
        }
    }

    /// Takes a `key=word`.
    pub(super) fn word(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Attribute::Word(word)) => Ok(Some(word)),
            Some(_) => Err(format!("{key} takes one value")),
        }
    }

    /// Takes a `key=number`.
    pub(super) fn number<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        self.word(key)?.map(|word| read(key, &word)).transpose()
    }

    /// Takes a `key=[numbers]`.
    pub(super) fn numbers<T: FromStr>(&mut self, key: &str) -> Result<Option<Vec<T>>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Attribute::List(words)) => {
                words.iter().map(|word| read(key, word)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(format!("{key} takes a list")),
        }
    }

    /// Takes a list of exactly `N` numbers.
    fn array<T: FromStr, const N: usize>(&mut self, key: &str) -> Result<Option<[T; N]>, String> {
        let Some(numbers) = self.numbers(key)? else { return Ok(None) };
        numbers.try_into().map(Some).map_err(|_| format!("{key} takes {N} numbers"))
    }
}

fn read<T: FromStr>(key: &str, word: &str) -> Result<T, String> {
    word.parse().map_err(|_| {
        format!("{word} is not a value for {}", if key.is_empty() { "an element" } else { key })
    })
}

fn required<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{key} is missing"))
}

/// The operator called `name`, other than inputs and constants, with `operands` operands.
pub(super) fn operator(name: &str, operands: usize, from: &mut Attributes) -> Result<Op, String> {
    let unknown = || format!("{name} is not an operator");
    let axis = |from: &mut Attributes| required("axis", from.number("axis")?);
    Ok(match OpKind::by_name(name).ok_or_else(unknown)? {
        OpKind::Input | OpKind::Constant => return Err(unknown()),
        OpKind::Conv => Op::Conv(conv(operands, from)?),
        OpKind::ConvSource => Op::ConvSource(SourceGradient {
            gradient: conv_gradient(from)?,
            residual: from.flag("residual")?,
        }),
        OpKind::ConvWeights => Op::ConvWeights(conv_gradient(from)?),
        OpKind::QuantizedConv => Op::QuantizedConv(quantized_conv(from)?),
        OpKind::Quantize => Op::Quantize(Quantize {
            scale: required("scale", from.number("scale")?)?,
            result: requantize("", from)?,
        }),
        OpKind::Measure => Op::Measure,
        OpKind::QuantizeMeasured => Op::QuantizeMeasured,
        OpKind::Dequantize => Op::Dequantize(Dequantize {
            scale: required("scale", from.number("scale")?)?,
            zero: from.number("zero")?.unwrap_or(0),
        }),
        OpKind::OnBytes => Op::OnBytes(on_bytes(operands, from)?),
        OpKind::Lookup => Op::Lookup { zero: from.number("zero")?.unwrap_or(0) },
        OpKind::BatchNorm => Op::BatchNorm { epsilon: from.number("epsilon")?.unwrap_or(1e-5) },
        OpKind::Unary => Op::Unary(unary(name, from)?),
        OpKind::Binary => {
            let found = Binary::ALL.into_iter().find(|binary| binary.name() == name);
            Op::Binary(found.ok_or_else(unknown)?)
        }
        OpKind::Where => Op::Where,
        OpKind::Pointwise => Op::Pointwise(expression(from)?),
        OpKind::ChannelSums => Op::ChannelSums(expression(from)?),
        OpKind::Moments => Op::Moments,
        OpKind::MaxPool => Op::MaxPool(pool(from)?),
        OpKind::MaxPoolSource => Op::MaxPoolSource(pool(from)?),
        OpKind::AveragePool => Op::AveragePool {
            pool: pool(from)?,
            count_include_pad: from.flag("count_include_pad")?,
        },
        OpKind::GlobalAveragePool => Op::GlobalAveragePool,
        OpKind::ReduceMean => {
            let (axes, keep_dims) = reduction(from)?;
            Op::ReduceMean { axes, keep_dims }
        }
        OpKind::ReduceMax => {
            let (axes, keep_dims) = reduction(from)?;
            Op::ReduceMax { axes, keep_dims }
        }
        OpKind::TopK => Op::TopK(top(name, from)?),
        OpKind::Gemm => Op::Gemm(gemm(operands, from)?),
        OpKind::MatMul => Op::MatMul,
        OpKind::Softmax => Op::Softmax { axis: axis(from)? },
        OpKind::CrossEntropy => Op::CrossEntropy,
        OpKind::Reshape => Op::Reshape { shape: required("shape", from.numbers("shape")?)? },
        OpKind::Pad => pad(from)?,
        OpKind::Slice => Op::Slice(slice(from)?),
        OpKind::Gather => Op::Gather {
            axis: axis(from)?,
            indices: required("indices", from.numbers::<usize>("indices")?)?.into(),
        },
        OpKind::Interpolate => Op::Interpolate(interpolate(from)?),
        OpKind::Concat => Op::Concat { axis: axis(from)? },
        OpKind::Transpose => Op::Transpose { perm: required("perm", from.numbers("perm")?)? },
        OpKind::Convert => {
            let to = required("to", from.word("to")?)?;
            Op::Convert { to: short_dtype(&to)? }
        }
        OpKind::Identity => Op::Identity,
        OpKind::Reorder => {
            let to = required("to", from.word("to")?)?;
            Op::Reorder(layout(&to).ok_or_else(|| format!("{to} is not a layout"))?)
        }
    })
}

fn unary(name: &str, from: &mut Attributes) -> Result<Unary, String> {
    match Unary::PLAIN.into_iter().find(|unary| unary.name() == name) {
        Some(plain) => Ok(plain),
        None => Ok(Unary::Clip {
            lo: required("lo", from.number("lo")?)?,
            hi: required("hi", from.number("hi")?)?,
        }),
    }
}

fn reduction(from: &mut Attributes) -> Result<(Vec<usize>, bool), String> {
    Ok((required("axes", from.numbers("axes")?)?, from.flag("keep_dims")?))
}

fn interpolate(from: &mut Attributes) -> Result<Interpolate, String> {
    Ok(Interpolate {
        axis: required("axis", from.number("axis")?)?,
        taps: required("taps", from.number("taps")?)?,
        indices: required("indices", from.numbers::<usize>("indices")?)?.into(),
        weights: required("weights", from.numbers::<f32>("weights")?)?.into(),
    })
}

/// The element type whose short name is `word`.
pub(super) fn short_dtype(word: &str) -> Result<DType, String> {
    DType::by_short(word).ok_or_else(|| {
        let known = DType::ALL.into_iter().filter(|ty| ty.is_computed()).map(DType::short);
        let known: Vec<&str> = known.collect();
        format!("{word} is not an element type; expected one of {}", known.join(", "))
    })
}

/// The layout that prints as `word`.
pub(super) fn layout(word: &str) -> Option<Layout> {
    [Layout::Planar, Layout::Blocked].into_iter().find(|layout| layout.to_string() == word)
}

fn window(from: &mut Attributes) -> Result<Window, String> {
    required("kernel", optional_window("", from)?)
}

/// The window whose keys begin with `prefix`, if its kernel is given.
fn optional_window(prefix: &str, from: &mut Attributes) -> Result<Option<Window>, String> {
    let key = |name: &str| format!("{prefix}{name}");
    let Some(kernel) = from.array(&key("kernel"))? else { return Ok(None) };
    let [top, left, bottom, right] = from.array(&key("pads"))?.unwrap_or([0; 4]);
    Ok(Some(Window {
        kernel,
        strides: from.array(&key("strides"))?.unwrap_or([1; 2]),
        dilations: from.array(&key("dilations"))?.unwrap_or([1; 2]),
        pads: Pads { top, left, bottom, right },
    }))
}

fn expression(from: &mut Attributes) -> Result<Expression, String> {
    let steps = from.numbers::<String>(STEPS)?.unwrap_or_default();
    parse_expression(&steps, &required(RESULTS, from.numbers::<String>(RESULTS)?)?)
}

fn conv_gradient(from: &mut Attributes) -> Result<ConvGradient, String> {
    Ok(ConvGradient {
        window: window(from)?,
        groups: from.number("groups")?.unwrap_or(1),
        image: required("image", from.array("image")?)?,
    })
}

fn pool(from: &mut Attributes) -> Result<Pool, String> {
    Ok(Pool { window: window(from)?, ceil_mode: from.flag("ceil_mode")? })
}

fn activation(from: &mut Attributes) -> Result<Activation, String> {
    match (from.flag("relu")?, from.array("clip")?) {
        (false, None) => Ok(Activation::None),
        (true, None) => Ok(Activation::Relu),
        (false, Some([lo, hi])) => Ok(Activation::Clip { lo, hi }),
        (true, Some(_)) => Err("more than one activation is given".into()),
    }
}

fn top(name: &str, from: &mut Attributes) -> Result<TopK, String> {
    let part = if name == "top_values" { TopPart::Values } else { TopPart::Indices };
    let axis = required("axis", from.number("axis")?)?;
    let k = required("k", from.number("k")?)?;
    Ok(TopK { axis, k, largest: !from.flag("smallest")?, part })
}

fn conv(operands: usize, from: &mut Attributes) -> Result<Conv, String> {
    let residual = residual(from)?;
    let projection = optional_window(PROJECTION, from)?;
    let plain = Conv { residual, projection, ..Conv::new(window(from)?, 1) };
    Ok(Conv {
        groups: from.number("groups")?.unwrap_or(1),
        bias: operands > plain.operand_count(),
        activation: activation(from)?,
        ..plain
    })
}

fn on_bytes(operands: usize, from: &mut Attributes) -> Result<OnBytes, String> {
    let name = required(FUNCTION, from.word(FUNCTION)?)?;
    let op = Box::new(operator(&name, operands, from)?);
    let scales = required(SCALES, from.numbers::<String>(SCALES)?)?;
    let zeros = from.numbers(ZEROS)?.unwrap_or_else(|| vec![0; scales.len()]);
    if zeros.len() != scales.len() {
        return Err(format!("{} {SCALES}, but {} {ZEROS}", scales.len(), zeros.len()));
    }
    let dequantize = |(scale, zero): (&String, i32)| match scale.as_str() {
        NONE => Ok(None),
        scale => Ok(Some(Dequantize { scale: read(SCALES, scale)?, zero })),
    };
    let pairs = scales.iter().zip(zeros);
    let to = match from.number(&format!("{RESULT}scale"))? {
        Some(scale) => Some(Quantize { scale, result: requantize(RESULT, from)? }),
        None => None,
    };
    Ok(OnBytes { op, from: pairs.map(dequantize).collect::<Result<_, String>>()?, to })
}

fn quantized_conv(from: &mut Attributes) -> Result<QuantizedConv, String> {
    Ok(QuantizedConv {
        window: window(from)?,
        groups: from.number("groups")?.unwrap_or(1),
        src: encoding(from)?,
        ending: ending(from)?,
    })
}

fn encoding(from: &mut Attributes) -> Result<Encoding, String> {
    match (from.flag(MEASURED)?, from.number("src_zero")?) {
        (true, None) => Ok(Encoding::Measured),
        (false, zero) => Ok(Encoding::Known(zero.unwrap_or(0))),
        (true, Some(_)) => Err("the zero point is both given and measured".into()),
    }
}

fn ending(from: &mut Attributes) -> Result<Ending, String> {
    if from.flag(FLOAT_SUM)? {
        return Ok(Ending::FloatSum(activation(from)?));
    }
    if from.flag(FLOATS)? {
        return Ok(Ending::Floats(activation(from)?));
    }
    let bytes = requantize("", from)?;
    let Some([own, factor]) = from.array("residual_factors")? else {
        return Ok(Ending::Bytes(bytes));
    };
    let zero = from.number("residual_zero")?.unwrap_or(0);
    let sum = requantize(SUM, from)?;
    Ok(Ending::Sum(bytes, QuantizedResidual { own, factor, zero, sum }))
}

/// How numbers become bytes, from the keys that begin with `prefix`.
fn requantize(prefix: &str, from: &mut Attributes) -> Result<Requantize, String> {
    let key = |name: &str| format!("{prefix}{name}");
    let to = required(&key("to"), from.word(&key("to"))?)?;
    let [lo, hi] = required(&key("limits"), from.array(&key("limits"))?)?;
    let zero = from.number(&key("zero"))?.unwrap_or(0);
    Ok(Requantize { to: short_dtype(&to)?, zero, lo, hi })
}

fn residual(from: &mut Attributes) -> Result<Option<Residual>, String> {
    if !from.flag("residual")? {
        return Ok(None);
    }
    let Residual { strides, channel } = Residual::PLAIN;
    Ok(Some(Residual {
        strides: from.array(RESIDUAL_STRIDES)?.unwrap_or(strides),
        channel: from.number(RESIDUAL_CHANNEL)?.unwrap_or(channel),
    }))
}

fn gemm(operands: usize, from: &mut Attributes) -> Result<Gemm, String> {
    Ok(Gemm {
        alpha: from.number("alpha")?.unwrap_or(1.0),
        beta: from.number("beta")?.unwrap_or(1.0),
        transpose_a: from.flag("transpose_a")?,
        transpose_b: from.flag("transpose_b")?,
        bias: operands > 2,
        activation: activation(from)?,
    })
}

fn pad(from: &mut Attributes) -> Result<Op, String> {
    let mode = match (from.flag("reflect")?, from.number("value")?) {
        (true, Some(_)) => return Err("more than one mode is given".into()),
        (true, None) => PadMode::Reflect,
        (false, value) => PadMode::Constant(value.unwrap_or(0.0)),
    };
    Ok(Op::Pad {
        before: required("before", from.numbers("before")?)?,
        after: required("after", from.numbers("after")?)?,
        mode,
    })
}

fn slice(from: &mut Attributes) -> Result<Vec<SliceAxis>, String> {
    let start: Vec<usize> = required("start", from.numbers("start")?)?;
    let len: Vec<usize> = required("len", from.numbers("len")?)?;
    let step: Vec<isize> = from.numbers("step")?.unwrap_or_else(|| vec![1; start.len()]);
    if start.len() != len.len() || start.len() != step.len() {
        return Err("start, step and len differ in length".into());
    }
    let axes = start.into_iter().zip(step).zip(len);
    Ok(axes.map(|((start, step), len)| SliceAxis { start, step, len }).collect())
}
