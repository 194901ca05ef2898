//! The element types that an operator accepts, and the one of its result.
//!
//! A column of the table of operators: [`rule`] has an arm for each. Types do not change silently:
//! where operands must agree and do not, one of them has to be converted ([`Op::Convert`]).

use std::fmt;

use super::error::{TypeError, fail};
use crate::dtype::DType;
use crate::op::{
    Activation, Binary, Encoding, Ending, Gemm, OnBytes, Op, PadMode, QuantizedConv, TopK, TopPart,
    Unary,
};

/// Which types an operand may have.
#[derive(Clone, Copy)]
enum Types {
    /// Every type that values may have.
    Any,
    /// All of them except `bool`.
    Numbers,
    /// Types with fractions.
    Floats,
    /// The factors of a product of integers: their sums are exact in i32, and in f64 as well.
    Factors,
    /// The sums of products of integers.
    Sums,
    /// Signed bytes.
    Signed,
    /// Unsigned bytes.
    Unsigned,
    /// f32 alone.
    Single,
}

impl Types {
    fn contains(self, ty: DType) -> bool {
        let is_one = match self {
            Types::Any => true,
            Types::Numbers => ty != DType::Bool,
            Types::Floats => ty.is_float(),
            Types::Factors => matches!(ty, DType::I8 | DType::U8),
            Types::Sums => ty == DType::I32,
            Types::Signed => ty == DType::I8,
            Types::Unsigned => ty == DType::U8,
            Types::Single => ty == DType::F32,
        };
        is_one && ty.is_computed()
    }
}

/// `f32, f16 or f64`.
impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = DType::ALL.into_iter().filter(|&ty| self.contains(ty));
        let names: Vec<&str> = all.map(DType::short).collect();
        match &names[..] {
            [first @ .., last] if !first.is_empty() => write!(f, "{} or {last}", first.join(", ")),
            names => f.write_str(&names.concat()),
        }
    }
}

/// How an operator treats element types.
enum Rule {
    /// All operands and the result have the same type, one of these.
    Alike(Types),
    /// As [`Rule::Alike`] from an operand on; the operands before it may have any type.
    AlikeFrom(usize, Types),
    /// The operand has one of these types, and the result a fixed type, whatever the operand's is.
    Gives(Types, DType),
    /// Operands of types of their own, in this order, and the type of the result.
    Each(Vec<Types>, DType),
    /// Unsigned bytes and a table of bytes, which the result has the type of.
    Lookup,
    /// Products of the operands at these positions, to whose sums all others are added. Either all
    /// have the same floating-point type; or each factor has an 8-bit integer type of its own, and
    /// everything else is i32.
    Products(Vec<usize>),
}

/// The rule of an operator; `None` for operators without operands.
fn rule(op: &Op) -> Option<Rule> {
    Some(match op {
        Op::Input | Op::Constant(_) => return None,
        Op::Conv(conv) => {
            let projected = conv.projected_operand().into_iter().flat_map(|i| [i, i + 1]);
            Rule::Products([0, 1].into_iter().chain(projected).collect())
        }
        Op::ConvSource(_) | Op::ConvWeights(_) | Op::MaxPoolSource(_) | Op::CrossEntropy => {
            Rule::Alike(Types::Floats)
        }
        Op::Pointwise(expression) | Op::ChannelSums(expression) => {
            Rule::Each(vec![Types::Single; expression.operand_count()], DType::F32)
        }
        Op::Moments => Rule::Alike(Types::Floats),
        Op::QuantizedConv(conv) => Rule::Each(quantized(conv), conv.ending.dtype()),
        Op::Quantize(op) => Rule::Gives(Types::Single, op.result.to),
        Op::Measure => Rule::Gives(Types::Single, DType::F32),
        Op::QuantizeMeasured => Rule::Each(vec![Types::Single; 2], DType::U8),
        Op::Dequantize(_) => Rule::Gives(Types::Factors, DType::F32),
        Op::OnBytes(on_bytes) => return rule(&on_bytes.op),
        Op::Lookup { .. } => Rule::Lookup,
        Op::Gemm(_) | Op::MatMul => Rule::Products(vec![0, 1]),
        Op::BatchNorm { .. } => Rule::Alike(Types::Floats),
        Op::Unary(unary) => Rule::Alike(of_unary(unary)),
        Op::Binary(binary) => Rule::Alike(of_binary(*binary)),
        Op::Where => Rule::AlikeFrom(1, Types::Any),
        Op::MaxPool(_) | Op::ReduceMax { .. } => Rule::Alike(Types::Numbers),
        Op::AveragePool { .. } | Op::GlobalAveragePool | Op::ReduceMean { .. } => {
            Rule::Alike(Types::Floats)
        }
        Op::TopK(TopK { part: TopPart::Values, .. }) => Rule::Alike(Types::Numbers),
        Op::TopK(TopK { part: TopPart::Indices, .. }) => Rule::Gives(Types::Numbers, DType::F32),
        Op::Softmax { .. } | Op::Interpolate(_) => Rule::Alike(Types::Floats),
        Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Identity
        | Op::Reorder(_) => Rule::Alike(Types::Any),
        Op::Convert { to } => Rule::Gives(Types::Any, *to),
    })
}

/// The types of the operands of a quantized convolution.
fn quantized(conv: &QuantizedConv) -> Vec<Types> {
    let bias = match conv.src {
        Encoding::Known(_) => Types::Sums,
        Encoding::Measured => Types::Single,
    };
    let encoding = conv.encoding_operand().map(|_| Types::Single);
    let residual = match conv.ending {
        Ending::Bytes(_) | Ending::Floats(_) => None,
        Ending::Sum(..) => Some(Types::Factors),
        Ending::FloatSum(_) => Some(Types::Single),
    };
    let operands = [Types::Factors, Types::Signed, bias, Types::Single];
    operands.into_iter().chain(encoding).chain(residual).collect()
}

fn of_unary(unary: &Unary) -> Types {
    match unary {
        Unary::Relu | Unary::Clip { .. } | Unary::Abs | Unary::Sign => Types::Numbers,
        Unary::Sigmoid
        | Unary::Tanh
        | Unary::Erf
        | Unary::Exp
        | Unary::Log
        | Unary::Sqrt
        | Unary::Round
        | Unary::Floor
        | Unary::Ceil => Types::Floats,
    }
}

fn of_binary(binary: Binary) -> Types {
    match binary {
        Binary::Add | Binary::Sub | Binary::Mul => Types::Numbers,
        Binary::Max | Binary::Equal | Binary::Less | Binary::LessOrEqual => Types::Any,
        // The result of an integer division by zero is not specified.
        Binary::Div | Binary::Pow => Types::Floats,
    }
}

/// The type of the result's elements.
///
/// # Errors
/// If an operand has a type that the operator does not accept, or an attribute is a number that is
/// not an element of the type; the message names it.
pub(super) fn infer_dtype(op: &Op, operands: &[DType]) -> Result<DType, TypeError> {
    if let Op::OnBytes(on_bytes) = op {
        return of_on_bytes(on_bytes, operands);
    }
    let result = match rule(op) {
        None => return fail("inputs and constants have no operands".into()),
        Some(Rule::Alike(types)) => alike(op, operands, 0, types)?,
        Some(Rule::AlikeFrom(first, types)) => {
            in_types(op, operands, 0, Types::Any)?;
            alike(op, operands, first, types)?
        }
        Some(Rule::Gives(types, to)) => {
            in_types(op, operands, 0, types)?;
            to
        }
        Some(Rule::Each(types, to)) => {
            types.into_iter().enumerate().try_for_each(|(i, ty)| in_types(op, operands, i, ty))?;
            to
        }
        Some(Rule::Lookup) => {
            in_types(op, operands, 0, Types::Unsigned)?;
            in_types(op, operands, 1, Types::Factors)?;
            operands[1]
        }
        Some(Rule::Products(factors)) => products(op, operands, &factors)?,
    };
    check_dtype(result)?;
    check_numbers(op, result)?;
    Ok(result)
}

/// The type of the result of an operator on bytes, which computes on f32.
fn of_on_bytes(on_bytes: &OnBytes, operands: &[DType]) -> Result<DType, TypeError> {
    for (i, from) in on_bytes.from.iter().enumerate().take(operands.len()) {
        let types = if from.is_some() { Types::Factors } else { Types::Single };
        in_types(&on_bytes.op, operands, i, types)?;
    }
    let result = infer_dtype(&on_bytes.op, &vec![DType::F32; operands.len()])?;
    Ok(on_bytes.to.map_or(result, |to| to.result.to))
}

/// Checks that values may have elements of this type.
pub(super) fn check_dtype(dtype: DType) -> Result<(), TypeError> {
    match dtype.is_computed() {
        true => Ok(()),
        false => {
            fail(format!("values of {} are not supported, only {}", dtype.short(), Types::Any))
        }
    }
}

/// Checks that an operand's type is one of these.
fn in_types(op: &Op, operands: &[DType], at: usize, types: Types) -> Result<(), TypeError> {
    let given = operands[at];
    if types.contains(given) {
        return Ok(());
    }
    fail(format!("operand {at} is {}, but {} takes {}", given.short(), op.name(), types))
}

/// The type that all operands from `first` on have.
fn alike(op: &Op, operands: &[DType], first: usize, types: Types) -> Result<DType, TypeError> {
    in_types(op, operands, first, types)?;
    match (first..operands.len()).find(|&i| operands[i] != operands[first]) {
        None => Ok(operands[first]),
        Some(other) => fail(format!(
            "operand {first} is {} and operand {other} is {}, but {} takes operands of one type; one of them has to be \
             converted",
            operands[first].short(),
            operands[other].short(),
            op.name()
        )),
    }
}

/// The type of sums of products.
fn products(op: &Op, operands: &[DType], factors: &[usize]) -> Result<DType, TypeError> {
    if Types::Floats.contains(operands[0]) {
        return alike(op, operands, 0, Types::Floats);
    }
    for (i, given) in operands.iter().enumerate() {
        let types = if factors.contains(&i) { Types::Factors } else { Types::Sums };
        if !types.contains(*given) {
            return fail(format!(
                "operand {i} is {}, but {} of integers takes {} there; of floats it takes {} for all operands",
                given.short(),
                op.name(),
                types,
                Types::Floats
            ));
        }
    }
    Ok(DType::I32)
}

/// Checks that the numbers among an operator's attributes are elements of its type.
fn check_numbers(op: &Op, dtype: DType) -> Result<(), TypeError> {
    match op {
        Op::Unary(Unary::Clip { lo, hi }) => check_limits(*lo, *hi, dtype),
        Op::Conv(conv) => check_activation(conv.activation, dtype),
        Op::Gemm(gemm) => {
            let Gemm { alpha, beta, activation, .. } = *gemm;
            if !dtype.is_float() && [alpha, beta] != [1.0; 2] {
                return fail(format!(
                    "alpha {alpha} and beta {beta} must be 1 where elements are integers"
                ));
            }
            check_activation(activation, dtype)
        }
        Op::Pad { mode: PadMode::Constant(value), .. } if !dtype.contains((*value).into()) => {
            fail(format!("a border of {value} cannot be represented in {}", dtype.short()))
        }
        Op::Input
        | Op::Constant(_)
        | Op::ConvSource(_)
        | Op::ConvWeights(_)
        | Op::MaxPoolSource(_)
        | Op::CrossEntropy
        | Op::Pointwise(_)
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::QuantizedConv(_)
        | Op::Quantize(_)
        | Op::Measure
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::OnBytes(_)
        | Op::Lookup { .. }
        | Op::BatchNorm { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::TopK(_)
        | Op::MatMul
        | Op::Softmax { .. }
        | Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Interpolate(_)
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Convert { .. }
        | Op::Identity
        | Op::Reorder(_) => Ok(()),
    }
}

fn check_activation(activation: Activation, dtype: DType) -> Result<(), TypeError> {
    match activation {
        Activation::None | Activation::Relu => Ok(()),
        Activation::Clip { lo, hi } => check_limits(lo, hi, dtype),
    }
}

/// A limit may be infinite: then it limits nothing.
fn check_limits(lo: f32, hi: f32, dtype: DType) -> Result<(), TypeError> {
    let fits = |limit: f32, open: f32| limit == open || dtype.contains(limit.into());
    match fits(lo, f32::NEG_INFINITY) && fits(hi, f32::INFINITY) {
        true => Ok(()),
        false => fail(format!(
            "the limits {lo} and {hi} of a clip cannot be represented in {}",
            dtype.short()
        )),
    }
}
