//! Functions of single elements as expressions, and expressions in place of their operands.

use resnetc_ir::expression::{Expression, Step, Term};
use resnetc_ir::infer::broadcast;
use resnetc_ir::{DType, Graph, NodeId, Op};

use super::measure::{Measure, depths};

/// The maximum number of values that a fused function reads.
pub(super) const MAX_OPERANDS: usize = Expression::MAX_COMPILED[0];
/// The maximum number of sums that are computed together.
pub(super) const MAX_SUMS: usize = Expression::MAX_COMPILED[1];
/// The maximum number of its steps.
const MAX_STEPS: usize = 24;

/// An expression and the values that its operands are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fused {
    pub(super) expression: Expression,
    pub(super) operands: Vec<NodeId>,
}

/// The expression of a function of single elements that kernels can fuse.
pub(super) fn function(graph: &Graph, node: NodeId) -> Option<Expression> {
    let found = graph.node(node);
    if found.ty.dtype != DType::F32 {
        return None;
    }
    let of = |step: Step| Expression { steps: vec![step], results: vec![Term::Step(0)] };
    let x = Term::Operand;
    let expression = match &found.op {
        Op::Unary(op) => of(Step::Unary(*op, x(0))),
        Op::Binary(op) => of(Step::Binary(*op, [x(0), x(1)])),
        Op::Where => of(Step::Where([x(0), x(1), x(2)])),
        Op::Pointwise(expression) => expression.clone(),
        _ => return None,
    };
    let is_float = |&operand: &NodeId| graph.node(operand).ty.dtype == DType::F32;
    let all = graph.operands(node).iter().all(is_float);
    (all && expression.is_compiled()).then_some(expression)
}

/// Whether a function is computed where it is read rather than stored: it has a single reader, or
/// fewer values of its size are read and written then, and all its readers are functions or sums
/// that can compute it.
pub(super) fn is_inlined(graph: &Graph, node: NodeId) -> bool {
    let users = graph.users(node);
    if graph.is_output(node) {
        return false;
    }
    let ty = &graph.node(node).ty;
    let large = graph.operands(node);
    let large = large.iter().filter(|&&operand| graph.node(operand).ty.shape == ty.shape).count();
    let takes = |user: NodeId| match graph.node(user).op {
        Op::ChannelSums(_) => true,
        _ => function(graph, user).is_some() && graph.node(user).ty == *ty,
    };
    // Stored, it is written once and read by each reader.
    let (stored, inlined) = (large + 1 + users.len(), users.len() * large);
    users.len() == 1 || inlined < stored && users.iter().all(|&(user, _)| takes(user))
}

/// The number of sums; then the number of operators before each value of its own size that a
/// function or a sum reads, added up; then the number of operators. Whatever is fused reads earlier
/// values.
pub(super) fn depth_of_reads(graph: &Graph) -> Measure {
    let depths = depths(graph);
    let is_sum = |node: NodeId| matches!(graph.node(node).op, Op::ChannelSums(_));
    let size = |node: NodeId| graph.node(node).ty.elements();
    let reads = |node: NodeId| -> u64 {
        let operands = graph.operands(node);
        let own = match is_sum(node) {
            true => operands.iter().map(|&operand| size(operand)).max().unwrap_or(0),
            false => size(node),
        };
        let mut whole = operands;
        whole.retain(|&operand| size(operand) == own);
        whole.dedup();
        whole.into_iter().map(|operand| depths[&operand]).sum()
    };
    let functions = graph.nodes().filter(|&n| is_sum(n) || function(graph, n).is_some());
    let sums = graph.nodes().filter(|&node| is_sum(node)).count();
    let operators = graph.nodes().filter(|&node| graph.node(node).op.is_computed()).count();
    [sums as u64, functions.map(reads).sum(), operators as u64]
}

impl Fused {
    /// The function that a node is, with its constants as numbers.
    pub(super) fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let fused = Fused { expression: function(graph, node)?, operands: graph.operands(node) };
        fused.tidied(graph, &graph.node(node).ty.shape)
    }

    /// The sums that a node is.
    pub(super) fn of_sums(graph: &Graph, node: NodeId) -> Option<Self> {
        let Op::ChannelSums(sums) = &graph.node(node).op else { return None };
        Some(Fused { expression: sums.clone(), operands: graph.operands(node) })
    }

    /// The expression with a function in place of an operand that it is; `None` if that has too
    /// many operands or steps.
    pub(super) fn with(&self, graph: &Graph, operand: NodeId) -> Option<Self> {
        let inner =
            Fused { expression: function(graph, operand)?, operands: graph.operands(operand) };
        let shape = &graph.node(operand).ty.shape;
        let own = self.operands.len();
        // The steps of the function come first.
        let before = inner.expression.steps.len();
        let mut operands = self.operands.clone();
        operands.extend(&inner.operands);
        let [result] = inner.expression.results[..] else { return None };
        let of_inner = |term: Term| match term {
            Term::Operand(position) => Term::Operand(own + position),
            Term::Step(_) | Term::Number(_) => term,
        };
        let of_outer = |term: Term| match term {
            Term::Operand(position) if self.operands[position] == operand => of_inner(result),
            Term::Step(step) => Term::Step(before + step),
            Term::Operand(_) | Term::Number(_) => term,
        };
        let mut expression = inner.expression.clone();
        expression.steps.iter_mut().for_each(|s| replace(s.terms_mut(), of_inner));
        expression.steps.extend(self.expression.steps.iter().map(|step| {
            let mut step = *step;
            replace(step.terms_mut(), of_outer);
            step
        }));
        expression.results.clone_from(&self.expression.results);
        replace(&mut expression.results, of_outer);
        Fused { expression, operands }.tidied(graph, shape)
    }

    /// The same without operands that nothing reads, or that are given twice, and with constants of
    /// equal elements as numbers, where the others broadcast to the shape. `None` if it is too large.
    pub(super) fn tidied(mut self, graph: &Graph, shape: &[usize]) -> Option<Self> {
        let uniform = |node: NodeId| {
            let data = graph.f32_constant_of(node)?.data();
            let first = *data.first()?;
            data.iter().all(|x| x.to_bits() == first.to_bits()).then_some(first)
        };
        let is_read =
            |expression: &Expression, i: usize| expression.terms().any(|t| t == Term::Operand(i));
        for i in 0..self.operands.len() {
            if !is_read(&self.expression, i) {
                continue;
            }
            if let Some(number) = uniform(self.operands[i]) {
                let others = (0..self.operands.len())
                    .filter(|&other| other != i && is_read(&self.expression, other));
                let others = others.map(|other| &graph.node(self.operands[other]).ty.shape);
                let rest =
                    others.fold(Vec::new(), |all: Vec<usize>, s| broadcast(&all, s).unwrap_or(all));
                if rest == shape {
                    self.each(|term| match term {
                        Term::Operand(position) if position == i => Term::Number(number),
                        other => other,
                    });
                }
            }
        }
        let mut kept: Vec<NodeId> = Vec::new();
        for i in 0..self.operands.len() {
            let node = self.operands[i];
            if is_read(&self.expression, i) && !kept.contains(&node) {
                kept.push(node);
            }
        }
        let old = std::mem::take(&mut self.operands);
        self.each(|term| match term {
            Term::Operand(position) => {
                let at = kept.iter().position(|&node| node == old[position]);
                Term::Operand(at.unwrap_or_default())
            }
            other => other,
        });
        self.operands = kept;
        let fits = self.operands.len() <= MAX_OPERANDS && self.expression.steps.len() <= MAX_STEPS;
        (fits && !self.operands.is_empty()).then_some(self)
    }

    fn each(&mut self, of: impl Fn(Term) -> Term) {
        self.expression.steps.iter_mut().for_each(|step| replace(step.terms_mut(), &of));
        replace(&mut self.expression.results, &of);
    }
}

fn replace(terms: &mut [Term], of: impl Fn(Term) -> Term) {
    terms.iter_mut().for_each(|term| *term = of(*term));
}
