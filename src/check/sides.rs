//! Functions that jump, and which of their values are right where an operand may have a small
//! error.

use resnetc_ir::Op;
use resnetc_ir::eval::{EvalError, Value, eval_node};
use resnetc_ir::op::{
    Binary, Encoding, Ending, OnBytes, Quantize, QuantizedConv, TopK, TopPart, Unary,
};
use resnetc_ir::quantized::{measured, quantizer};

use super::slack::Slack;

/// An operator that jumps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Jump<'a> {
    /// A function that is constant between its jumps, never decreases, and maps its own results to
    /// themselves.
    Steps(fn(f64) -> f64),
    /// The byte for a number.
    Quantize(Quantize),
    /// The scale and the zero point of a range, the second of which is rounded.
    Measure,
    /// The byte for a number, with a scale and a zero point that are the second operand.
    QuantizeMeasured,
    /// The byte for what an operator on bytes computes.
    OnBytes(&'a OnBytes),
    /// A comparison, as a function of the difference of its operands. It is 0 or 1.
    Compare(Binary),
    /// The positions of the first elements: nearly equal ones may swap.
    Rank(TopK),
}

impl<'a> Jump<'a> {
    /// The jump of an operator, if it has one.
    pub(super) fn of(op: &'a Op) -> Option<Self> {
        match op {
            Op::Unary(Unary::Round) => Some(Jump::Steps(f64::round_ties_even)),
            Op::Unary(Unary::Floor) => Some(Jump::Steps(f64::floor)),
            Op::Unary(Unary::Ceil) => Some(Jump::Steps(f64::ceil)),
            Op::Unary(Unary::Sign) => {
                Some(Jump::Steps(|x| if x == 0.0 { 0.0 } else { x.signum() }))
            }
            Op::Binary(binary @ (Binary::Equal | Binary::Less | Binary::LessOrEqual)) => {
                Some(Jump::Compare(*binary))
            }
            Op::TopK(top @ TopK { part: TopPart::Indices, .. }) => Some(Jump::Rank(*top)),
            Op::Quantize(quantize) => Some(Jump::Quantize(*quantize)),
            Op::Measure => Some(Jump::Measure),
            Op::QuantizeMeasured => Some(Jump::QuantizeMeasured),
            Op::OnBytes(on_bytes) => on_bytes.to.map(|_| Jump::OnBytes(on_bytes)),
            // Passes convert only integers to integers, so there are no sides to follow.
            Op::Convert { .. }
            | Op::Dequantize(_)
            | Op::Lookup { .. }
            | Op::Input
            | Op::Constant(_)
            | Op::Conv(_)
            | Op::ConvSource(_)
            | Op::ConvWeights(_)
            | Op::MaxPoolSource(_)
            | Op::CrossEntropy
            | Op::Pointwise(_)
            | Op::ChannelSums(_)
            | Op::Moments
            | Op::QuantizedConv(_)
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
            | Op::Gemm(_)
            | Op::MatMul
            | Op::Softmax { .. }
            | Op::Reshape { .. }
            | Op::Pad { .. }
            | Op::Slice(_)
            | Op::Gather { .. }
            | Op::Interpolate(_)
            | Op::Concat { .. }
            | Op::Transpose { .. }
            | Op::Identity
            | Op::Reorder(_) => None,
        }
    }

    /// Adopts the values `found` where the function has them for operands that are no farther off
    /// than `slack`.
    pub(super) fn follow(
        self,
        operands: &[&Value],
        slack: Slack<'_>,
        value: &mut Value,
        found: &[f64],
    ) -> Result<(), EvalError> {
        match (self, operands) {
            (Jump::Steps(steps), [x, ..]) => {
                let slack = slack.of(0, x);
                each(&x.data, value, found, |x, found| is_step(steps, x, slack, found));
            }
            (Jump::Quantize(quantize), [x, ..]) => {
                let slack = slack.of(0, x);
                let byte = |x: f64| f64::from(quantize.apply(x as f32));
                each(&x.data, value, found, |x, found| {
                    found.trunc() == found && (byte(x - slack)..=byte(x + slack)).contains(&found)
                });
            }
            (Jump::Measure, [x, ..]) => {
                let slack = slack.of(0, x);
                let reach = |sign: f64| x.data.iter().fold(0.0f64, |most, x| most.max(sign * x));
                // The zero point where the range reaches farther below, or less far.
                let zero = |by: f64| {
                    let range = [reach(-1.0) + by, reach(1.0) - by].map(|end| end.max(0.0) as f32);
                    f64::from(measured(range[0], range[1])[1])
                };
                let found = found.get(1).copied().unwrap_or(f64::NAN);
                if found.trunc() == found && (zero(-slack)..=zero(slack)).contains(&found) {
                    value.data[1] = found;
                }
            }
            (Jump::QuantizeMeasured, [x, encoding]) => {
                Jump::Quantize(quantizer(scale_and_zero(encoding))).follow(
                    &[x],
                    slack,
                    value,
                    found,
                )?;
            }
            (Jump::OnBytes(on_bytes), _) => {
                let floats = Op::OnBytes(OnBytes { to: None, ..on_bytes.clone() });
                let x = eval_node(&floats, operands)?;
                if let Some(to) = on_bytes.to {
                    let slack = Slack::relative(slack.tolerance);
                    Jump::Quantize(to).follow(&[&x], slack, value, found)?;
                }
            }
            (Jump::Compare(binary), [a, b]) => {
                let slack = slack.of(0, a) + slack.of(1, b);
                let differences = eval_node(&Op::Binary(Binary::Sub), operands)?;
                each(&differences.data, value, found, |by, found| says(binary, by, slack, found));
            }
            (Jump::Rank(top), [x, ..]) => rank(&top, x, 2.0 * slack.of(0, x), value, found),
            (
                Jump::Compare(_)
                | Jump::Steps(_)
                | Jump::Quantize(_)
                | Jump::Measure
                | Jump::QuantizeMeasured
                | Jump::Rank(_),
                _,
            ) => {}
        }
        Ok(())
    }
}

impl Jump<'_> {
    /// Adopts what was `found` for NaN by a quantizer that stands for this rounding: no byte stands
    /// for NaN, so it makes the smallest one of it, where arithmetic on floats keeps NaN.
    pub(super) fn follow_bytes(self, value: &mut Value, found: &[f64]) {
        if let Jump::Steps(_) = self {
            let pairs = value.data.iter_mut().zip(found);
            pairs.filter(|(x, _)| x.is_nan()).for_each(|(x, &found)| *x = found);
        }
    }
}

/// The sides that an operator takes: its own value if it jumps, and the roundings of quantized
/// values in steps from the zero point. Bytes at a limit may stand for more steps.
pub(super) fn taken(op: &Op, operands: &[&Value], value: &Value) -> Result<Vec<Value>, EvalError> {
    let zeros = match op {
        Op::Quantize(quantize) => vec![quantize.result.zero],
        Op::OnBytes(on_bytes) => on_bytes.to.iter().map(|to| to.result.zero).collect(),
        Op::Measure => return Ok(vec![zero_point(value)]),
        Op::QuantizeMeasured => {
            let quantizer = quantizer(scale_and_zero(operands[1]));
            let steps = steps(value.copy()?, quantizer.result.zero);
            return Ok(vec![steps, zero_point(operands[1])]);
        }
        // It also stands for the zero point's rounding where nothing else reads that.
        Op::QuantizedConv(conv) if conv.src == Encoding::Measured => {
            let encoding = conv.encoding_operand().and_then(|i| operands.get(i));
            return Ok(encoding.map(|encoding| zero_point(encoding)).into_iter().collect());
        }
        Op::Lookup { zero } => vec![*zero],
        Op::QuantizedConv(conv) => match conv.ending {
            Ending::Floats(_) | Ending::FloatSum(_) => vec![],
            Ending::Bytes(bytes) => vec![bytes.zero],
            Ending::Sum(bytes, residual) => {
                let plain = QuantizedConv { ending: Ending::Bytes(bytes), ..*conv };
                let count = plain.operand_count();
                let inner = eval_node(&Op::QuantizedConv(plain), &operands[..count])?;
                let sum = steps(value.copy()?, residual.sum.zero);
                return Ok(vec![sum, steps(inner, bytes.zero)]);
            }
        },
        _ => return Jump::of(op).iter().map(|_| Ok(value.copy()?)).collect(),
    };
    zeros.into_iter().map(|zero| Ok(steps(value.copy()?, zero))).collect()
}

fn scale_and_zero(encoding: &Value) -> [f32; 2] {
    [0, 1].map(|i| encoding.data[i] as f32)
}

fn zero_point(encoding: &Value) -> Value {
    Value::new(vec![], vec![encoding.data[1]])
}

fn steps(mut bytes: Value, zero: i32) -> Value {
    bytes.data.iter_mut().for_each(|byte| *byte -= f64::from(zero));
    bytes
}

/// Adopts each element that `is_right` for the operand from which it is computed.
fn each(from: &[f64], value: &mut Value, found: &[f64], is_right: impl Fn(f64, f64) -> bool) {
    for ((&x, v), &found) in from.iter().zip(&mut value.data).zip(found) {
        if is_right(x, found) {
            *v = found;
        }
    }
}

fn is_step(steps: fn(f64) -> f64, x: f64, slack: f64, found: f64) -> bool {
    steps(found) == found && steps(x - slack) <= found && found <= steps(x + slack)
}

/// Whether a comparison may give what was `found` for operands that differ by `by`, give or take
/// `slack`.
fn says(binary: Binary, by: f64, slack: f64, found: f64) -> bool {
    let (low, high) = (by - slack, by + slack);
    let (yes, no) = match binary {
        Binary::Less => (low < 0.0, high >= 0.0),
        Binary::LessOrEqual => (low <= 0.0, high > 0.0),
        _ => (low <= 0.0 && high >= 0.0, low < 0.0 || high > 0.0),
    };
    (found == 1.0 && yes) || (found == 0.0 && no)
}

/// Adopts the positions of a line's first elements where each element that was found is as good as
/// the one of its rank.
fn rank(top: &TopK, x: &Value, slack: f64, value: &mut Value, found: &[f64]) {
    let extent = x.shape[top.axis];
    let inner: usize = x.shape[top.axis + 1..].iter().product();
    let outer: usize = x.shape[..top.axis].iter().product();
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let places = || (0..top.k).map(|rank| (o * top.k + rank) * inner + i);
        let element = |step: f64| x.data[(o * extent + step as usize) * inner + i];
        let is_place = |step: f64| step >= 0.0 && step < extent as f64 && step.trunc() == step;
        let mut steps: Vec<f64> = places().map(|at| found[at]).collect();
        let is_near = |(at, &step): (usize, &f64)| {
            let (own, other) = (element(value.data[at]), element(step));
            own == other || (own - other).abs() <= slack || (own.is_nan() && other.is_nan())
        };
        if !steps.iter().all(|&step| is_place(step)) || !places().zip(&steps).all(is_near) {
            continue;
        }
        steps.sort_by(f64::total_cmp);
        if steps.windows(2).all(|pair| pair[0] != pair[1]) {
            places().for_each(|at| value.data[at] = found[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector(data: &[f64]) -> Value {
        Value::new(vec![data.len()], data.to_vec())
    }

    /// The result of an operator for these operands, following `found`.
    fn followed(op: &Op, operands: &[&Value], tolerance: f64, found: &[f64]) -> Vec<f64> {
        let mut value = eval_node(op, operands).expect("it fits");
        let jump = Jump::of(op).expect("it jumps");
        jump.follow(operands, Slack::relative(tolerance), &mut value, found).expect("it fits");
        value.data
    }

    #[test]
    fn only_a_side_of_a_jump_is_followed() {
        let x = vector(&[0.5, 0.5, 0.501, 0.4, 2.5, f64::NAN]);
        let round = |found: [f64; 6]| {
            followed(&Op::Unary(Unary::Round), &[&x], 0.002 / 2.5, &found)[..5].to_vec()
        };
        // Both sides of a tie, and near a tie; not far from one, not a value that is no integer,
        // not two steps.
        assert_eq!(round([1.0, 0.0, 0.0, 1.0, 3.0, 0.0]), [1.0, 0.0, 0.0, 0.0, 3.0]);
        assert_eq!(round([0.5, 2.0, -1.0, 0.0, 4.0, 0.0]), [0.0, 0.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn near_numbers_compare_either_way_and_far_ones_do_not() {
        let (a, b) =
            (vector(&[1.0, 1.0, 1.0, 1.0, f64::NAN]), vector(&[1.0, 1.001, 0.999, 1.5, 1.0]));
        let all = |binary, found: f64| {
            let found = [found; 5];
            followed(&Op::Binary(binary), &[&a, &b], 0.001, &found)
        };
        assert_eq!(all(Binary::Less, 1.0), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(all(Binary::Less, 0.0), [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(all(Binary::LessOrEqual, 1.0), [1.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(all(Binary::LessOrEqual, 0.0), [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(all(Binary::Equal, 1.0), [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(all(Binary::Equal, 0.0), [0.0; 5]);
        assert_eq!(all(Binary::Less, 0.5), [0.0, 1.0, 0.0, 1.0, 0.0], "no truth value");
        // One operand is broadcast.
        let row = Value::new(vec![1, 2], vec![1.0, 2.0]);
        let column = Value::new(vec![2, 1], vec![1.0, 2.0]);
        let less = Op::Binary(Binary::Less);
        assert_eq!(followed(&less, &[&row, &column], 1e-6, &[1.0; 4]), [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn near_elements_change_places_and_far_ones_do_not() {
        let x = vector(&[1.0, 1.001, 3.0, f64::NAN, 1.5]);
        let top = TopK { axis: 0, k: 4, largest: true, part: TopPart::Indices };
        let first = |found: [f64; 4]| followed(&Op::TopK(top), &[&x], 0.001, &found);
        let own = [3.0, 2.0, 4.0, 1.0];
        assert_eq!(first(own), own);
        assert_eq!(
            first([3.0, 2.0, 4.0, 0.0]),
            [3.0, 2.0, 4.0, 0.0],
            "of nearly equal ones either"
        );
        for wrong in [
            [3.0, 4.0, 2.0, 1.0],
            [2.0, 3.0, 4.0, 1.0],
            [3.0, 2.0, 4.0, 4.0],
            [3.0, 2.0, 4.0, 0.5],
            [3.0, 2.0, 4.0, 5.0],
            [3.0, 2.0, 4.0, -1.0],
            [3.0, 2.0, 4.0, f64::NAN],
        ] {
            assert_eq!(first(wrong), own, "{wrong:?}");
        }
        // The same element twice is not an order of the elements.
        let twice = vector(&[1.0, 1.0, 0.0]);
        let top = TopK { k: 2, ..top };
        assert_eq!(followed(&Op::TopK(top), &[&twice], 0.1, &[1.0, 1.0]), [0.0, 1.0]);
        assert_eq!(followed(&Op::TopK(top), &[&twice], 0.1, &[1.0, 0.0]), [1.0, 0.0]);
    }

    proptest! {
        /// Any result of an operator for operands with errors below the tolerance is followed.
        #[test]
        fn what_is_right_for_near_operands_is_followed(
            data in prop::collection::vec(-4i32..4, 12), off in prop::collection::vec(-1.0f64..1.0, 12), axis in 0usize..3,
        ) {
            let value = |data: Vec<f64>| Value::new(vec![2, 3, 2], data);
            let x = value(data.iter().map(|&x| f64::from(x) / 2.0).collect());
            let greatest = x.data.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let tolerance = 1e-3;
            let near: Vec<f64> = x.data.iter().zip(&off).map(|(x, o)| x + 0.999 * tolerance * greatest * o).collect();
            let near = value(near);
            let zero = value(vec![0.5; 12]);
            let top = |largest| Op::TopK(TopK { axis, k: 2, largest, part: TopPart::Indices });
            let unary = [Unary::Round, Unary::Floor, Unary::Ceil, Unary::Sign].map(Op::Unary);
            let binary = [Binary::Equal, Binary::Less, Binary::LessOrEqual].map(Op::Binary);
            for (op, other) in unary.iter().map(|op| (op, None))
                .chain(binary.iter().map(|op| (op, Some(&zero))))
                .chain([top(true), top(false)].iter().map(|op| (op, None)))
            {
                let operands = |x| [Some(x), other].into_iter().flatten().collect::<Vec<&Value>>();
                let found = eval_node(op, &operands(&near)).expect("it fits").data;
                prop_assert_eq!(&followed(op, &operands(&x), tolerance, &found), &found, "{:?}", op);
            }
        }
    }
}
