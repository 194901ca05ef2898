//! Each operator alone.

use std::collections::BTreeSet;

use resnetc::gradient::gradients;
use resnetc_ir::eval::{Value, eval};
use resnetc_ir::op::{
    Activation, Binary, Conv, ConvGradient, Gemm, Interpolate, PadMode, Pads, Pool, Residual,
    SliceAxis, Unary, Window,
};
use resnetc_ir::random::SplitMix;
use resnetc_ir::{Expression, Graph, Layout, Op, OpKind, Tensor};

use crate::difference::{Found, compare, number};

/// An operator, the shapes of its operands, and whether their elements are positive.
struct Case {
    op: Op,
    shapes: Vec<Vec<usize>>,
    positive: bool,
}

fn case(op: Op, shapes: &[&[usize]]) -> Case {
    let shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
    Case { op, shapes, positive: false }
}

fn positive(op: Op, shapes: &[&[usize]]) -> Case {
    Case { positive: true, ..case(op, shapes) }
}

/// Strides, dilations and pads that differ in both directions.
fn uneven() -> Window {
    Window {
        kernel: [3, 2],
        strides: [2, 1],
        dilations: [1, 2],
        pads: Pads { top: 2, left: 1, bottom: 0, right: 1 },
    }
}

fn convolutions() -> Vec<Case> {
    let plain = Conv::new(Window::square(3, 1, 1), 1);
    let full = Conv { bias: true, activation: Activation::Relu, ..plain };
    let clip = Conv { activation: Activation::Clip { lo: -0.4, hi: 0.6 }, ..plain };
    let added = Conv { residual: Some(Residual::PLAIN), ..full };
    let strided = Residual { strides: [2, 3], channel: 1 };
    let part = Conv { residual: Some(strided), ..plain };
    let projected = Conv { projection: Some(Window::square(1, 2, 0)), ..plain };
    let (x, w) = (&[2, 3, 5, 4][..], &[4, 3, 3, 3][..]);
    let how = ConvGradient { window: uneven(), groups: 2, image: [6, 5] };
    // The last column of the source is seen by no tap.
    let wide = ConvGradient { window: Window::square(2, 3, 0), groups: 1, image: [6, 6] };
    vec![
        case(Op::Conv(full), &[x, w, &[4]]),
        case(Op::Conv(clip), &[x, w]),
        case(Op::Conv(added), &[x, w, &[4], &[2, 4, 5, 4]]),
        case(Op::Conv(part), &[x, w, &[2, 2, 9, 12]]),
        case(Op::Conv(projected), &[x, w, &[2, 2, 9, 8], &[4, 2, 1, 1]]),
        case(Op::Conv(Conv::new(uneven(), 2)), &[&[2, 4, 6, 5], &[6, 2, 3, 2]]),
        case(Op::Conv(Conv::new(Window::square(3, 2, 1), 4)), &[&[1, 4, 7, 7], &[8, 1, 3, 3]]),
        case(Op::ConvSource(how.into()), &[&[2, 6, 3, 5], &[6, 2, 3, 2]]),
        case(Op::ConvWeights(how), &[&[2, 6, 3, 5], &[2, 4, 6, 5]]),
        case(Op::ConvSource(wide.into()), &[&[1, 2, 2, 2], &[2, 3, 2, 2]]),
        case(Op::ConvWeights(wide), &[&[1, 2, 2, 2], &[1, 3, 6, 6]]),
    ]
}

fn pools() -> Vec<Case> {
    let x = &[2, 2, 7, 6][..];
    let three = Pool { window: Window::square(3, 2, 1), ceil_mode: false };
    let up = Pool { window: Window::square(2, 2, 0), ceil_mode: true };
    let uneven = Pool { window: uneven(), ceil_mode: true };
    let mut cases = vec![case(Op::GlobalAveragePool, &[x])];
    for pool in
        [three, up, Pool { window: Window { dilations: [1, 1], ..uneven.window }, ..uneven }]
    {
        cases.push(case(Op::MaxPool(pool), &[x]));
        for count_include_pad in [false, true] {
            cases.push(case(Op::AveragePool { pool, count_include_pad }, &[x]));
        }
    }
    cases
}

fn functions() -> Vec<Case> {
    let (x, row) = (&[2, 3, 4][..], &[3, 1][..]);
    let mut cases: Vec<Case> = Unary::PLAIN
        .into_iter()
        .map(|unary| match unary {
            Unary::Log | Unary::Sqrt => positive(Op::Unary(unary), &[x]),
            _ => case(Op::Unary(unary), &[x]),
        })
        .collect();
    cases.push(case(Op::Unary(Unary::Clip { lo: -0.5, hi: f32::INFINITY }), &[x]));
    for binary in Binary::ALL {
        for shapes in [[x, row], [row, x], [x, x]] {
            cases.push(match binary {
                Binary::Div | Binary::Pow => positive(Op::Binary(binary), &shapes),
                _ => case(Op::Binary(binary), &shapes),
            });
        }
    }
    cases.push(case(Op::Where, &[&[4], x, row]));
    cases
}

fn sums() -> Vec<Case> {
    let x = &[2, 3, 4][..];
    let gemm = |transpose_a, transpose_b| Gemm {
        alpha: 0.5,
        beta: 2.0,
        transpose_a,
        transpose_b,
        bias: true,
        activation: Activation::Relu,
    };
    let (a, at, b, bt) = (&[2, 3][..], &[3, 2][..], &[3, 4][..], &[4, 3][..]);
    vec![
        positive(Op::BatchNorm { epsilon: 1e-3 }, &[x, &[3], &[3], &[3], &[3]]),
        positive(Op::BatchNorm { epsilon: 0.1 }, &[&[2, 3, 2, 2], &[3], &[3], &[3], &[3]]),
        case(Op::ReduceMean { axes: vec![0, 2], keep_dims: false }, &[x]),
        case(Op::ReduceMean { axes: vec![1], keep_dims: true }, &[x]),
        case(Op::ChannelSums(Expression::identity()), &[x]),
        case(Op::Moments, &[x]),
        case(Op::ReduceMax { axes: vec![0, 2], keep_dims: false }, &[x]),
        case(Op::Softmax { axis: 1 }, &[x]),
        case(Op::Gemm(gemm(false, false)), &[a, b, &[4]]),
        case(Op::Gemm(gemm(false, true)), &[a, bt, &[2, 1]]),
        case(Op::Gemm(gemm(true, false)), &[at, b, &[2, 4]]),
        case(Op::Gemm(gemm(true, true)), &[at, bt, &[1]]),
        case(Op::MatMul, &[&[5, 1, 2, 3], &[2, 3, 4]]),
        case(Op::MatMul, &[a, b]),
    ]
}

fn movements() -> Vec<Case> {
    let x = &[2, 3, 5][..];
    let pad = |mode| Op::Pad { before: vec![0, 1, 3], after: vec![1, 2, 0], mode };
    let axis = |start, step, len| SliceAxis { start, step, len };
    let interpolate = Interpolate {
        axis: 2,
        taps: 2,
        indices: vec![0, 1, 1, 1, 4, 0].into(),
        weights: vec![0.25, 0.75, 0.5, 0.5, 2.0, -1.0].into(),
    };
    vec![
        case(Op::Reshape { shape: vec![6, 5] }, &[x]),
        case(Op::Transpose { perm: vec![2, 0, 1] }, &[x]),
        case(Op::Concat { axis: 1 }, &[x, &[2, 1, 5], x]),
        case(pad(PadMode::Constant(7.0)), &[x]),
        case(pad(PadMode::Reflect), &[&[2, 3, 4]]),
        case(Op::Slice(vec![axis(1, 1, 1), axis(2, -1, 3), axis(0, 2, 3)]), &[x]),
        case(Op::Gather { axis: 1, indices: vec![2, 0, 0, 2, 2].into() }, &[x]),
        case(Op::Interpolate(interpolate), &[x]),
        case(Op::Identity, &[x]),
        case(Op::Reorder(Layout::Blocked), &[&[2, 3, 2, 2]]),
    ]
}

/// What has no gradient, or only with respect to one operand; see `refused`.
const OTHERS: [OpKind; 13] = [
    OpKind::Input,
    OpKind::Constant,
    OpKind::MaxPoolSource,
    OpKind::TopK,
    OpKind::Convert,
    OpKind::QuantizedConv,
    OpKind::Quantize,
    OpKind::Measure,
    OpKind::QuantizeMeasured,
    OpKind::Dequantize,
    OpKind::OnBytes,
    OpKind::Lookup,
    OpKind::Pointwise,
];

#[test]
fn each_operator_alone() {
    let cases = [convolutions(), pools(), functions(), sums(), movements()].into_iter().flatten();
    let mut seen: BTreeSet<OpKind> = OTHERS.into();
    // It has a test of its own.
    seen.insert(OpKind::CrossEntropy);
    for case in cases {
        seen.insert(case.op.kind());
        for seed in 0..8 {
            let mut graph = Graph::new();
            let inputs: Vec<_> =
                case.shapes.iter().map(|shape| graph.input("x", shape.clone())).collect();
            let y = graph.add("y", case.op.clone(), &inputs).expect("its operands fit");
            graph.output("y", y);
            let mut random = SplitMix(seed);
            let mut element = || match case.positive {
                true => 1.5 + number(&mut random),
                false => number(&mut random),
            };
            let value = |shape: &Vec<usize>| {
                let data = (0..shape.iter().product()).map(|_| element()).collect();
                Value::new(shape.clone(), data)
            };
            let values: Vec<Value> = case.shapes.iter().map(value).collect();
            let found = compare(&graph, &values, seed);
            assert_eq!(found, Found::Equal, "{:?} on {:?}", case.op, case.shapes);
        }
    }
    let all: BTreeSet<OpKind> = OpKind::ALL.iter().copied().collect();
    assert_eq!(seen, all, "every operator is here or in the list of the others");
}

/// Probabilities need not sum to 1.
#[test]
fn cross_entropy_of_scores() {
    for seed in 0..8 {
        let mut random = SplitMix(seed);
        let mut graph = Graph::new();
        let x = graph.input("x", [3, 5]);
        let target = (0..15).map(|_| number(&mut random).abs() as f32).collect();
        let target = resnetc_ir::Tensor::new([3, 5], target).expect("its shape");
        let target = graph.constant("target", target);
        let y = graph.add("y", Op::CrossEntropy, &[x, target]).expect("it fits");
        graph.output("y", y);
        let scores = (0..15).map(|_| 3.0 * number(&mut random)).collect();
        let found = compare(&graph, &[Value::new(vec![3, 5], scores)], seed);
        assert_eq!(found, Found::Equal);
    }
}

/// The gradient of the sum of an operator's result with respect to its first operand.
fn of_sum(op: Op, operands: &[(&[usize], &[f64])]) -> Vec<f64> {
    let mut graph = Graph::new();
    let inputs: Vec<_> = operands.iter().map(|(shape, _)| graph.input("x", *shape)).collect();
    let y = graph.add("y", op, &inputs).expect("its operands fit");
    let shape = graph.node(y).ty.shape.clone();
    let elements = shape.iter().product();
    let flat = graph.add("flat", Op::Reshape { shape: vec![elements] }, &[y]).expect("it fits");
    let mean = Op::ReduceMean { axes: vec![0], keep_dims: false };
    let mean = graph.add("mean", mean, &[flat]).expect("it fits");
    let count = graph.constant("count", Tensor::scalar(elements as f32));
    let sum = graph.add("sum", Op::Binary(Binary::Mul), &[mean, count]).expect("it fits");
    let dx = gradients(&mut graph, sum, &inputs[..1]).expect("it has a gradient")[0];
    graph.output("dx", dx);
    let values: Vec<Value> =
        operands.iter().map(|(shape, data)| Value::new(shape.to_vec(), data.to_vec())).collect();
    eval(&graph, &values).expect("it evaluates")[0].data.clone()
}

/// Where a function has a corner, the gradient is PyTorch's.
#[test]
fn corners_are_those_of_pytorch() {
    let of_function = |unary, x: &[f64]| of_sum(Op::Unary(unary), &[(&[x.len()], x)]);
    assert_eq!(of_function(Unary::Relu, &[-1.0, 0.0, 2.0]), [0.0, 0.0, 1.0]);
    let clip = Unary::Clip { lo: 0.0, hi: 6.0 };
    assert_eq!(of_function(clip, &[0.0, 3.0, 6.0, 7.0]), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(of_function(Unary::Abs, &[-2.0, 0.0, 2.0]), [-1.0, 0.0, 1.0]);
    let pair = [1.0, 2.0, 3.0];
    let of_max = of_sum(Op::Binary(Binary::Max), &[(&[3], &pair), (&[3], &[2.0; 3])]);
    assert_eq!(of_max, [0.0, 0.5, 1.0]);
    let max = Op::ReduceMax { axes: vec![0], keep_dims: false };
    assert_eq!(of_sum(max, &[(&[4], &[3.0, 1.0, 3.0, 2.0])]), [0.5, 0.0, 0.5, 0.0]);
    let pool = Pool { window: Window::square(2, 1, 0), ceil_mode: false };
    let image = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    assert_eq!(
        of_sum(Op::MaxPool(pool), &[(&[1, 1, 2, 3], &image)]),
        [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    );
}
