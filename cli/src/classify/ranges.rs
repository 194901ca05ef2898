//! The range in which a graph keeps a value, whatever its inputs are.

use std::collections::{HashMap, HashSet};

use resnetc::ir::op::{Binary, PadMode, Unary};
use resnetc::ir::{Graph, NodeId, Op};

/// Beyond this many operators, a value may be anything. Heads are short.
const DEPTH: usize = 40;
/// Constants beyond this are weights, not limits.
const CONSTANT: usize = 1 << 16;

/// A closed interval; NaN is ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

const ALL: Range = Range { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
const UNIT: Range = Range { lo: 0.0, hi: 1.0 };

impl Range {
    fn hull(self, other: Range) -> Range {
        Range { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The range after a monotonically increasing function.
    fn map(self, f: impl Fn(f64) -> f64) -> Range {
        Range { lo: f(self.lo), hi: f(self.hi) }
    }

    /// The range after a function that takes its extremes in the corners.
    fn corners(self, other: Range, f: impl Fn(f64, f64) -> f64) -> Range {
        let corners = [
            f(self.lo, other.lo),
            f(self.lo, other.hi),
            f(self.hi, other.lo),
            f(self.hi, other.hi),
        ];
        // Zero times infinity is zero here: a value only approaches an infinite end.
        let corners = corners.map(|c| if c.is_nan() { 0.0 } else { c });
        corners[1..].iter().fold(Range { lo: corners[0], hi: corners[0] }, |range, &c| {
            range.hull(Range { lo: c, hi: c })
        })
    }

    /// Whether all of it are probabilities, up to one step of 8 bits.
    pub(super) fn is_unit(self) -> bool {
        const STEP: f64 = 1.0 / 128.0;
        self.lo >= -STEP && self.hi <= 1.0 + STEP
    }
}

/// The ranges of one graph's values.
pub(super) struct Ranges<'a> {
    graph: &'a Graph,
    known: HashMap<NodeId, Range>,
}

impl<'a> Ranges<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Ranges { graph, known: HashMap::new() }
    }

    /// The range of a value.
    pub(super) fn of(&mut self, node: NodeId) -> Range {
        self.within(node, DEPTH)
    }

    fn within(&mut self, node: NodeId, depth: usize) -> Range {
        if let Some(&range) = self.known.get(&node) {
            return range;
        }
        let Some(depth) = depth.checked_sub(1) else { return ALL };
        let graph = self.graph;
        let op = &graph.node(node).op;
        let operands: Vec<Range> = match op {
            Op::Conv(_) | Op::Gemm(_) | Op::MatMul | Op::Softmax { .. } => Vec::new(),
            _ => graph.operands(node).into_iter().map(|id| self.within(id, depth)).collect(),
        };
        let operand = |i: usize| operands.get(i).copied().unwrap_or(ALL);
        let range = match op {
            Op::Constant(_) => self.constant(node),
            Op::Softmax { .. } => UNIT,
            Op::Unary(unary) => unary_range(*unary, operand(0)),
            Op::Binary(Binary::Div) if self.is_share(node) => UNIT,
            Op::Binary(binary) => binary_range(*binary, operand(0), operand(1)),
            Op::MaxPool(_)
            | Op::AveragePool { count_include_pad: false, .. }
            | Op::GlobalAveragePool
            | Op::ReduceMean { .. }
            | Op::ReduceMax { .. }
            | Op::Reshape { .. }
            | Op::Slice(_)
            | Op::Transpose { .. }
            | Op::Identity
            | Op::Reorder(_)
            | Op::Pad { mode: PadMode::Reflect, .. } => operand(0),
            Op::AveragePool { .. } => operand(0).hull(Range { lo: 0.0, hi: 0.0 }),
            Op::Pad { mode: PadMode::Constant(value), .. } => {
                let value = f64::from(*value);
                operand(0).hull(Range { lo: value, hi: value })
            }
            Op::Concat { .. } => {
                operands.iter().skip(1).fold(operand(0), |range, &other| range.hull(other))
            }
            _ => ALL,
        };
        self.known.insert(node, range);
        range
    }

    fn constant(&self, node: NodeId) -> Range {
        match self.graph.constant_of(node) {
            Some(tensor) if (1..=CONSTANT).contains(&tensor.elements()) => {
                let empty = Range { lo: f64::INFINITY, hi: f64::NEG_INFINITY };
                tensor.data().iter().fold(empty, |range, &x| Range {
                    lo: range.lo.min(x.into()),
                    hi: range.hi.max(x.into()),
                })
            }
            _ => ALL,
        }
    }

    /// Whether `node` is `a / b`, where `a` has no negative values and `b` is a sum of them:
    /// `exp(x) / sum(exp(x))`.
    fn is_share(&mut self, node: NodeId) -> bool {
        let [a, b] = self.graph.operands(node)[..] else { return false };
        let is_sum = |op: &Op| {
            matches!(
                op,
                Op::ReduceMean { .. }
                    | Op::Binary(Binary::Mul | Binary::Add)
                    | Op::Reshape { .. }
                    | Op::Identity
                    | Op::Constant(_)
            )
        };
        let cone = Cone::of(self.graph, b, |id| id == a);
        cone.reaches(a)
            && cone.nodes().filter(|&id| id != a).all(|id| is_sum(&self.graph.node(id).op))
            && cone.nodes().any(|id| matches!(self.graph.node(id).op, Op::ReduceMean { .. }))
            && self.of(a).lo >= 0.0
    }
}

fn unary_range(unary: Unary, x: Range) -> Range {
    match unary {
        Unary::Relu => x.map(|x| x.max(0.0)),
        // If the limits contradict each other, the lower one wins, as in Clip.
        Unary::Clip { lo, hi } => x.map(|x| x.max(lo.into()).min(hi.into())),
        Unary::Sigmoid => UNIT,
        Unary::Tanh | Unary::Erf => Range { lo: -1.0, hi: 1.0 },
        Unary::Exp => x.map(f64::exp),
        Unary::Log if x.lo >= 0.0 => x.map(f64::ln),
        Unary::Sqrt if x.lo >= 0.0 => x.map(f64::sqrt),
        Unary::Abs => Range { lo: 0.0, hi: x.lo.abs().max(x.hi.abs()) },
        Unary::Round => x.map(f64::round_ties_even),
        _ => ALL,
    }
}

fn binary_range(binary: Binary, a: Range, b: Range) -> Range {
    match binary {
        Binary::Add => Range { lo: a.lo + b.lo, hi: a.hi + b.hi },
        Binary::Sub => Range { lo: a.lo - b.hi, hi: a.hi - b.lo },
        Binary::Mul => a.corners(b, |a, b| a * b),
        Binary::Div if b.lo > 0.0 || b.hi < 0.0 => a.corners(b, |a, b| a / b),
        Binary::Max => Range { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) },
        _ => ALL,
    }
}

/// The operators that a value is computed from, up to a few levels.
pub(super) struct Cone(HashSet<NodeId>);

impl Cone {
    /// `node` and the operators that it is computed from, up to those where it `ends`.
    pub(super) fn of(graph: &Graph, node: NodeId, ends: impl Fn(NodeId) -> bool) -> Self {
        let (mut seen, mut open) = (HashSet::new(), vec![node]);
        while let Some(id) = open.pop() {
            if seen.insert(id) && !ends(id) && seen.len() < DEPTH {
                open.extend(graph.operands(id));
            }
        }
        Cone(seen)
    }

    pub(super) fn reaches(&self, node: NodeId) -> bool {
        self.0.contains(&node)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resnetc::ir::Tensor;
    use resnetc::ir::eval::{Value, eval};

    use super::*;

    /// A chain of operators on two inputs, given by numbers.
    fn chain(steps: &[(u8, f32)]) -> Graph {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 4]);
        let mut values = vec![x];
        for (i, &(kind, number)) in steps.iter().enumerate() {
            let last = values[values.len() - 1];
            let other = values[values.len() / 2];
            let c = graph.constant(format!("c{i}"), Tensor::scalar(number));
            let (op, operands) = match kind % 16 {
                0 => (Op::Softmax { axis: 1 }, vec![last]),
                1 => (
                    Op::Unary(Unary::Clip { lo: number.min(0.5), hi: number.max(0.5) }),
                    vec![last],
                ),
                2 => (Op::Binary(Binary::Add), vec![last, c]),
                3 => (Op::Binary(Binary::Sub), vec![c, last]),
                4 => (Op::Binary(Binary::Mul), vec![last, c]),
                5 => (Op::Binary(Binary::Div), vec![c, last]),
                6 => (Op::Binary(Binary::Max), vec![last, other]),
                7 => (Op::Binary(Binary::Mul), vec![last, other]),
                8 => (Op::Binary(Binary::Div), vec![last, other]),
                k => (Op::Unary(Unary::PLAIN[usize::from(k) % Unary::PLAIN.len()]), vec![last]),
            };
            values.push(graph.add(format!("n{i}"), op, &operands).unwrap());
        }
        graph.output("y", values[values.len() - 1]);
        graph
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// The values that the interpreter computes are within the range, or NaN.
        #[test]
        fn values_stay_within_their_range(
            steps in prop::collection::vec((any::<u8>(), -3.0f32..3.0), 1..8),
            input in prop::collection::vec(-20.0f32..20.0, 4),
        ) {
            let graph = chain(&steps);
            let range = Ranges::new(&graph).of(graph.outputs()[0].node);
            let output = eval(&graph, &[Value::from_f32([1, 4], &input)]).unwrap();
            for &y in &output[0].data {
                // Both round in f64, and a subtraction amplifies the error.
                let slack = 1e-9 * y.abs().clamp(1.0, 1e300);
                prop_assert!(y.is_nan() || (range.lo - slack..=range.hi + slack).contains(&y), "{y} in {range:?}");
            }
        }
    }
}
