//! Expressions as attributes: a list of steps, `add/x0/s1`, in which `x0` is an operand, `s1` the
//! result of a step, and anything else a number; and a list of the terms that are results.

use super::scan::float;
use crate::expression::{Expression, Step, Term};
use crate::op::{Binary, Unary};

/// Keys of the two lists.
pub(super) const STEPS: &str = "steps";
pub(super) const RESULTS: &str = "results";

const WHERE: &str = "where";

/// Both attributes.
pub(super) fn print(expression: &Expression) -> String {
    let steps: Vec<String> = expression.steps.iter().map(print_step).collect();
    let results: Vec<String> = expression.results.iter().map(|&term| print_term(term)).collect();
    format!("{STEPS}=[{}] {RESULTS}=[{}]", steps.join(", "), results.join(", "))
}

fn print_step(step: &Step) -> String {
    let (name, limits) = match step {
        Step::Unary(Unary::Clip { lo, hi }, _) => ("clip", vec![*lo, *hi]),
        Step::Unary(op, _) => (op.name(), Vec::new()),
        Step::Binary(op, _) => (op.name(), Vec::new()),
        Step::Where(_) => (WHERE, Vec::new()),
    };
    let terms = step.terms().iter().map(|&term| print_term(term));
    let words = terms.chain(limits.into_iter().map(float));
    [name.to_owned()].into_iter().chain(words).collect::<Vec<_>>().join("/")
}

fn print_term(term: Term) -> String {
    match term {
        Term::Operand(position) => format!("x{position}"),
        Term::Step(step) => format!("s{step}"),
        Term::Number(number) => float(number),
    }
}

/// The expression of both lists.
pub(super) fn parse(steps: &[String], results: &[String]) -> Result<Expression, String> {
    Ok(Expression {
        steps: steps.iter().map(|word| parse_step(word)).collect::<Result<_, _>>()?,
        results: results.iter().map(|word| parse_term(word)).collect::<Result<_, _>>()?,
    })
}

fn parse_step(word: &str) -> Result<Step, String> {
    let wrong = || format!("{word} is not a step");
    let mut words = word.split('/');
    let name = words.next().ok_or_else(wrong)?;
    let rest: Vec<&str> = words.collect();
    if name == "clip" {
        let [term, lo, hi] = rest[..] else { return Err(wrong()) };
        let limit = |word: &str| word.parse().map_err(|_| wrong());
        return Ok(Step::Unary(Unary::Clip { lo: limit(lo)?, hi: limit(hi)? }, parse_term(term)?));
    }
    let terms: Vec<Term> = rest.into_iter().map(parse_term).collect::<Result<_, _>>()?;
    let unary = Unary::PLAIN.into_iter().find(|op| op.name() == name);
    let binary = Binary::ALL.into_iter().find(|op| op.name() == name);
    match (unary, binary, &terms[..]) {
        (Some(op), _, &[x]) => Ok(Step::Unary(op, x)),
        (_, Some(op), &[a, b]) => Ok(Step::Binary(op, [a, b])),
        (None, None, &[condition, x, y]) if name == WHERE => Ok(Step::Where([condition, x, y])),
        _ => Err(wrong()),
    }
}

fn parse_term(word: &str) -> Result<Term, String> {
    let position = |digits: &str| digits.parse().map_err(|_| format!("{word} is not a term"));
    match word.split_at_checked(1) {
        Some(("x", digits)) => Ok(Term::Operand(position(digits)?)),
        Some(("s", digits)) => Ok(Term::Step(position(digits)?)),
        _ => word.parse().map(Term::Number).map_err(|_| format!("{word} is not a term")),
    }
}
