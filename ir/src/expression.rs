//! Functions of the elements of several operands, step by step.

use crate::elementwise::{Binary, Unary};

/// What a step computes with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// The element of an operand.
    Operand(usize),
    /// The result of an earlier step.
    Step(usize),
    /// A number.
    Number(f32),
}

/// One step of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A function of one term.
    Unary(Unary, Term),
    /// A function of two terms.
    Binary(Binary, [Term; 2]),
    /// The second term where the first is not 0, else the third.
    Where([Term; 3]),
}

impl Step {
    /// Whether it is arithmetic, a limit or a choice: a few instructions, which need no constants.
    pub fn is_arithmetic(&self) -> bool {
        match self {
            Step::Unary(op, _) => match op {
                Unary::Relu | Unary::Clip { .. } | Unary::Sqrt | Unary::Abs => true,
                Unary::Sigmoid
                | Unary::Tanh
                | Unary::Erf
                | Unary::Exp
                | Unary::Log
                | Unary::Round
                | Unary::Floor
                | Unary::Ceil
                | Unary::Sign => false,
            },
            Step::Binary(op, _) => *op != Binary::Pow,
            Step::Where(_) => true,
        }
    }

    /// The terms that it reads.
    pub fn terms(&self) -> &[Term] {
        match self {
            Step::Unary(_, term) => std::slice::from_ref(term),
            Step::Binary(_, terms) => terms,
            Step::Where(terms) => terms,
        }
    }

    /// The terms that it reads, to be replaced.
    pub fn terms_mut(&mut self) -> &mut [Term] {
        match self {
            Step::Unary(_, term) => std::slice::from_mut(term),
            Step::Binary(_, terms) => terms,
            Step::Where(terms) => terms,
        }
    }
}

/// One or more functions of the elements of operands, which may share steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// Each reads operands and steps before it.
    pub steps: Vec<Step>,
    /// The results.
    pub results: Vec<Term>,
}

impl Expression {
    /// The most steps that an expression has.
    pub const MAX_STEPS: usize = 64;

    /// The most operands, and the most sums over channels, of an expression that can be compiled.
    pub const MAX_COMPILED: [usize; 2] = [8, 4];

    /// Whether it can be compiled: it consists of arithmetic, and has not too many operands.
    pub fn is_compiled(&self) -> bool {
        let [operands, _] = Expression::MAX_COMPILED;
        self.operand_count() <= operands && self.steps.iter().all(Step::is_arithmetic)
    }

    /// The element of the only operand, unchanged.
    pub fn identity() -> Self {
        Expression { steps: Vec::new(), results: vec![Term::Operand(0)] }
    }

    /// All terms that are read, by steps and as results.
    pub fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        self.steps.iter().flat_map(Step::terms).chain(&self.results).copied()
    }

    /// How many operands it has: one more than the largest position that a term refers to.
    pub fn operand_count(&self) -> usize {
        let position = |term| match term {
            Term::Operand(position) => position + 1,
            Term::Step(_) | Term::Number(_) => 0,
        };
        self.terms().map(position).max().unwrap_or(0)
    }
}
