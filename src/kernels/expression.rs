//! Expressions as vector code.
//!
//! Operands are loaded when a step first needs them and their registers are free after the last one
//! that does, so an expression needs few registers. Numbers are loaded where they are used. A
//! product that is only added to something becomes a multiply-add, and a comparison that only
//! chooses stays a mask.

use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::op::{Activation, Binary, Unary};

use crate::codegen::vir::{Arith, Builder, Inst, V};

use super::epilogue::activate;
use super::steps::number;

/// How a step is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// As it is.
    Plain,
    /// Within the step that reads it.
    Inside,
    /// A comparison: all bits set where it holds.
    Mask,
    /// The first term plus the product of the others.
    MultiplyAdd([Term; 3]),
}

/// An expression, analyzed.
#[derive(Clone, Debug)]
pub struct Code<'a> {
    expression: &'a Expression,
    ways: Vec<Way>,
}

/// Registers while an expression is computed.
struct Registers<'a> {
    /// That of each operand, if it is loaded, and whether it stays.
    operands: Vec<Option<(V, bool)>>,
    /// How often each operand is still read.
    operand_reads: Vec<usize>,
    steps: Vec<Option<V>>,
    step_reads: Vec<usize>,
    load: &'a dyn Fn(&mut Builder, usize, V),
}

impl<'a> Code<'a> {
    /// The code of an expression. A product that is added is rounded with the sum if it
    /// `contracts`.
    pub fn new(expression: &'a Expression, contracts: bool) -> Self {
        let steps = &expression.steps;
        let reads =
            |wanted: usize| expression.terms().filter(|&term| term == Term::Step(wanted)).count();
        let is_product = |term: Term| match term {
            Term::Step(at) => match steps[at] {
                Step::Binary(Binary::Mul, [a, b]) if reads(at) == 1 => Some((at, [a, b])),
                _ => None,
            },
            Term::Operand(_) | Term::Number(_) => None,
        };
        let mut ways = vec![Way::Plain; steps.len()];
        for (at, step) in steps.iter().enumerate() {
            match *step {
                Step::Binary(Binary::Add, [a, b]) if contracts => {
                    let sum = [(b, a), (a, b)];
                    let found = sum
                        .into_iter()
                        .find_map(|(product, other)| Some((is_product(product)?, other)));
                    if let Some(((product, [x, y]), other)) = found {
                        ways[product] = Way::Inside;
                        ways[at] = Way::MultiplyAdd([other, x, y]);
                    }
                }
                Step::Binary(Binary::Equal | Binary::Less | Binary::LessOrEqual, _)
                    if chooses_only(expression, at) =>
                {
                    ways[at] = Way::Mask;
                }
                _ => {}
            }
        }
        Code { expression, ways }
    }

    /// Computes the results one after another. `load` loads the element of an operand, except of
    /// those that are in a register already, `kept`; `take` is called with the position and the
    /// register of each result, which it must not overwrite.
    pub fn emit(
        &self,
        b: &mut Builder,
        kept: &[Option<V>],
        load: &dyn Fn(&mut Builder, usize, V),
        take: &mut dyn FnMut(&mut Builder, usize, V),
    ) {
        let mut r = Registers {
            operands: kept.iter().map(|kept| kept.map(|register| (register, true))).collect(),
            operand_reads: vec![0; kept.len()],
            steps: vec![None; self.ways.len()],
            step_reads: vec![0; self.ways.len()],
            load,
        };
        for (at, way) in self.ways.iter().enumerate() {
            self.terms_of(at, *way).into_iter().for_each(|term| r.count(term));
        }
        self.expression.results.iter().for_each(|&term| r.count(term));
        for (at, way) in self.ways.iter().enumerate() {
            if *way != Way::Inside {
                let result = self.step(b, at, *way, &mut r);
                r.steps[at] = Some(result);
                // A step that nothing reads.
                r.free(b, Term::Step(at));
            }
        }
        for (position, &term) in self.expression.results.iter().enumerate() {
            let register = r.value(b, term);
            take(b, position, register);
            r.done(b, term, register);
        }
    }

    fn terms_of(&self, at: usize, way: Way) -> Vec<Term> {
        match way {
            Way::Inside => Vec::new(),
            Way::MultiplyAdd(terms) => terms.to_vec(),
            Way::Plain | Way::Mask => self.expression.steps[at].terms().to_vec(),
        }
    }

    fn step(&self, b: &mut Builder, at: usize, way: Way, r: &mut Registers<'_>) -> V {
        if let Way::MultiplyAdd([sum, x, y]) = way {
            let result = r.copy(b, sum);
            let [x, y] = [x, y].map(|term| (term, r.value(b, term)));
            b.multiply_add(result, x.1, y.1);
            [x, y].into_iter().for_each(|(term, register)| r.done(b, term, register));
            return result;
        }
        match self.expression.steps[at] {
            Step::Unary(op, x) => {
                let result = r.copy(b, x);
                unary(b, op, result);
                result
            }
            Step::Binary(op, terms) => {
                let [x, y] = terms.map(|term| (term, r.value(b, term)));
                let result = b.vector();
                let arith = arith(op);
                b.arith(arith, result, x.1, y.1);
                let is_comparison =
                    matches!(arith, Arith::Equal | Arith::Less | Arith::LessOrEqual);
                if is_comparison && way == Way::Plain {
                    let one = number(b, 1.0);
                    b.arith(Arith::And, result, result, one);
                    b.release([one]);
                }
                [x, y].into_iter().for_each(|(term, register)| r.done(b, term, register));
                result
            }
            Step::Where(terms) => self.choose(b, terms, r),
        }
    }

    /// `x` where the condition is not 0, else `y`.
    fn choose(&self, b: &mut Builder, [condition, x, y]: [Term; 3], r: &mut Registers<'_>) -> V {
        let is_mask = matches!(condition, Term::Step(at) if self.ways[at] == Way::Mask);
        let mask = r.copy(b, condition);
        if !is_mask {
            // Not 0 is what is not equal to 0.
            let zero = number(b, 0.0);
            b.arith(Arith::Equal, mask, mask, zero);
            b.release([zero]);
        }
        let (set, clear) = if is_mask { (x, y) } else { (y, x) };
        let part = |b: &mut Builder, r: &mut Registers<'_>, op: Arith, term: Term, dst: V| {
            let value = r.value(b, term);
            b.arith(op, dst, mask, value);
            r.done(b, term, value);
        };
        let is_zero = |term: Term| matches!(term, Term::Number(n) if n.to_bits() == 0);
        match (is_zero(set), is_zero(clear)) {
            (_, true) => part(b, r, Arith::And, set, mask),
            (true, false) => part(b, r, Arith::AndNot, clear, mask),
            (false, false) => {
                let other = b.vector();
                part(b, r, Arith::AndNot, clear, other);
                part(b, r, Arith::And, set, mask);
                b.arith(Arith::Or, mask, mask, other);
                b.release([other]);
            }
        }
        mask
    }
}

/// Whether all that reads a step is a choice, by its condition.
fn chooses_only(expression: &Expression, step: usize) -> bool {
    let wanted = Term::Step(step);
    let by_condition = |step: &Step| match step {
        Step::Where([_, x, y]) => *x != wanted && *y != wanted,
        Step::Unary(..) | Step::Binary(..) => !step.terms().contains(&wanted),
    };
    expression.steps.iter().all(by_condition) && !expression.results.contains(&wanted)
}

impl Registers<'_> {
    fn count(&mut self, term: Term) {
        match term {
            Term::Operand(position) => self.operand_reads[position] += 1,
            Term::Step(at) => self.step_reads[at] += 1,
            Term::Number(_) => {}
        }
    }

    /// The register of a term; [`Registers::done`] gives it back.
    fn value(&mut self, b: &mut Builder, term: Term) -> V {
        match term {
            Term::Operand(position) => match self.operands[position] {
                Some((register, _)) => register,
                None => {
                    let register = b.vector();
                    (self.load)(b, position, register);
                    self.operands[position] = Some((register, false));
                    register
                }
            },
            // Steps are computed in their order.
            Term::Step(at) => self.steps[at].unwrap_or(V(0)),
            Term::Number(value) => number(b, value),
        }
    }

    /// Notes that a term was read, and gives its register back if that was the last time.
    fn done(&mut self, b: &mut Builder, term: Term, register: V) {
        match term {
            Term::Operand(position) => self.operand_reads[position] -= 1,
            Term::Step(at) => self.step_reads[at] -= 1,
            Term::Number(_) => b.release([register]),
        }
        self.free(b, term);
    }

    fn free(&mut self, b: &mut Builder, term: Term) {
        match term {
            Term::Operand(position) if self.operand_reads[position] == 0 => {
                if let Some((register, false)) = self.operands[position].take() {
                    b.release([register]);
                }
            }
            Term::Step(at) if self.step_reads[at] == 0 => {
                b.release(self.steps[at].take());
            }
            Term::Operand(_) | Term::Step(_) | Term::Number(_) => {}
        }
    }

    /// The value of a term in a register of its own.
    fn copy(&mut self, b: &mut Builder, term: Term) -> V {
        let register = self.value(b, term);
        match term {
            Term::Number(_) => register,
            Term::Step(at) if self.step_reads[at] == 1 => {
                self.step_reads[at] = 0;
                self.steps[at] = None;
                register
            }
            Term::Operand(position)
                if self.operand_reads[position] == 1
                    && self.operands[position] == Some((register, false)) =>
            {
                self.operand_reads[position] = 0;
                self.operands[position] = None;
                register
            }
            Term::Operand(_) | Term::Step(_) => {
                let own = b.vector();
                b.push(Inst::Copy { dst: own, src: register });
                self.done(b, term, register);
                own
            }
        }
    }
}

fn unary(b: &mut Builder, op: Unary, x: V) {
    match op {
        Unary::Relu => activate(b, Activation::Relu, &[x]),
        Unary::Clip { lo, hi } => activate(b, Activation::Clip { lo, hi }, &[x]),
        Unary::Sqrt => b.push(Inst::Sqrt { dst: x, src: x }),
        Unary::Abs => {
            let negative = number(b, 0.0);
            b.arith(Arith::Sub, negative, negative, x);
            b.arith(Arith::MaxNan, x, negative, x);
            b.release([negative]);
        }
        // Expressions that have others are refused before.
        Unary::Sigmoid
        | Unary::Tanh
        | Unary::Erf
        | Unary::Exp
        | Unary::Log
        | Unary::Round
        | Unary::Floor
        | Unary::Ceil
        | Unary::Sign => {}
    }
}

fn arith(op: Binary) -> Arith {
    match op {
        Binary::Add | Binary::Pow => Arith::Add,
        Binary::Sub => Arith::Sub,
        Binary::Mul => Arith::Mul,
        Binary::Div => Arith::Div,
        Binary::Max => Arith::MaxNan,
        Binary::Equal => Arith::Equal,
        Binary::Less => Arith::Less,
        Binary::LessOrEqual => Arith::LessOrEqual,
    }
}
