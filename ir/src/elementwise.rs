//! Functions of one element and of two.

/// Element-wise functions of one operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
    /// `min(max(x, lo), hi)`; NaN stays NaN.
    Clip {
        /// Lower limit.
        lo: f32,
        /// Upper limit.
        hi: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`.
    Tanh,
    /// The error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`.
    Erf,
    /// `exp(x)`.
    Exp,
    /// The natural logarithm; NaN below 0, and negative infinity at 0.
    Log,
    /// The square root; NaN below 0.
    Sqrt,
    /// The magnitude.
    Abs,
    /// The nearest integer, ties to even.
    Round,
    /// The largest integer that is not above.
    Floor,
    /// The smallest integer that is not below.
    Ceil,
    /// 1 above 0, -1 below it, and 0 at zeros of either sign; NaN stays NaN.
    Sign,
}

impl Unary {
    /// The functions that have no attributes.
    pub const PLAIN: [Unary; 12] = [
        Unary::Relu,
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::Erf,
        Unary::Exp,
        Unary::Log,
        Unary::Sqrt,
        Unary::Abs,
        Unary::Round,
        Unary::Floor,
        Unary::Ceil,
        Unary::Sign,
    ];

    /// The function's name in text form and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Unary::Relu => "relu",
            Unary::Clip { .. } => "clip",
            Unary::Sigmoid => "sigmoid",
            Unary::Tanh => "tanh",
            Unary::Erf => "erf",
            Unary::Exp => "exp",
            Unary::Log => "log",
            Unary::Sqrt => "sqrt",
            Unary::Abs => "abs",
            Unary::Round => "round",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::Sign => "sign",
        }
    }
}

/// Element-wise functions of two operands, with NumPy broadcasting. Integers wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The larger of `a` and `b`; NaN where either is NaN.
    Max,
    /// `a` to the power `b`, with the special cases of C's `pow`: 1 where `b` is 0 or `a` is 1,
    /// whatever the other is, and NaN where `a` is negative and finite and `b` is not an integer.
    Pow,
    /// 1 where `a` and `b` are equal, else 0. NaN is equal to nothing.
    Equal,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessOrEqual,
}

impl Binary {
    /// All of them.
    pub const ALL: [Binary; 9] = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Max,
        Binary::Pow,
        Binary::Equal,
        Binary::Less,
        Binary::LessOrEqual,
    ];

    /// The function's name in text form and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Max => "max",
            Binary::Pow => "pow",
            Binary::Equal => "equal",
            Binary::Less => "less",
            Binary::LessOrEqual => "less_or_equal",
        }
    }
}
