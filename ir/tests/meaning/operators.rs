//! Every operator on small examples: those of the ONNX documentation where it has some with
//! numbers, else computed by hand.

use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, Interpolate, PadMode, Pads, Pool, Residual, SliceAxis, TopK,
    TopPart, Unary, Window,
};
use resnetc_ir::{Layout, Op};
use resnetc_testing::values::{close, iota, value};

#[track_caller]
fn check(op: Op, operands: &[&Value], shape: &[usize], data: &[f64]) {
    let got = eval_node(&op, operands).expect("evaluates");
    let want = value(shape, data);
    assert!(close(&got, &want, 1e-6), "{op:?}\n got {got:?}\nwant {want:?}");
}

/// 1, 2, 3, ... as an image.
fn counted(height: usize, width: usize) -> Value {
    let mut image = iota(&[1, 1, height, width]);
    image.data.iter_mut().for_each(|x| *x += 1.0);
    image
}

fn ones(shape: &[usize]) -> Value {
    value(shape, &vec![1.0; shape.iter().product()])
}

#[test]
fn conv() {
    let (x, w) = (iota(&[1, 1, 5, 5]), ones(&[1, 1, 3, 3]));
    let padded = Op::Conv(Conv::new(Window::square(3, 1, 1), 1));
    let rows = [
        [12.0, 21.0, 27.0, 33.0, 24.0],
        [33.0, 54.0, 63.0, 72.0, 51.0],
        [63.0, 99.0, 108.0, 117.0, 81.0],
        [93.0, 144.0, 153.0, 162.0, 111.0],
        [72.0, 111.0, 117.0, 123.0, 84.0],
    ];
    check(padded, &[&x, &w], &[1, 1, 5, 5], rows.as_flattened());
    let bare = Op::Conv(Conv::new(Window::square(3, 1, 0), 1));
    let rows = [54.0, 63.0, 72.0, 99.0, 108.0, 117.0, 144.0, 153.0, 162.0];
    check(bare, &[&x, &w], &[1, 1, 3, 3], &rows);
}

#[test]
fn conv_with_strides() {
    let (x, w) = (iota(&[1, 1, 7, 5]), ones(&[1, 1, 3, 3]));
    let padded = Op::Conv(Conv::new(Window::square(3, 2, 1), 1));
    let rows = [12.0, 27.0, 24.0, 63.0, 108.0, 81.0, 123.0, 198.0, 141.0, 112.0, 177.0, 124.0];
    check(padded, &[&x, &w], &[1, 1, 4, 3], &rows);
    let mut window = Window::square(3, 2, 0);
    let rows = [54.0, 72.0, 144.0, 162.0, 234.0, 252.0];
    check(Op::Conv(Conv::new(window, 1)), &[&x, &w], &[1, 1, 3, 2], &rows);
    window.pads = Pads { top: 1, bottom: 1, ..Pads::default() };
    let rows = [21.0, 33.0, 99.0, 117.0, 189.0, 207.0, 171.0, 183.0];
    check(Op::Conv(Conv::new(window, 1)), &[&x, &w], &[1, 1, 4, 2], &rows);
}

#[test]
fn conv_fused() {
    let x = value(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let w = value(&[2, 1, 1, 1], &[10.0, -10.0]);
    let (b, r) = (value(&[2], &[1.0, 2.0]), value(&[1, 2, 1, 2], &[0.5, 0.5, 100.0, 0.0]));
    let plain = Conv::new(Window::square(1, 1, 0), 2);
    check(Op::Conv(plain), &[&x, &w], &[1, 2, 1, 2], &[10.0, 20.0, -30.0, -40.0]);
    let residual = Conv { residual: Some(Residual::PLAIN), ..plain };
    check(Op::Conv(residual), &[&x, &w, &r], &[1, 2, 1, 2], &[10.5, 20.5, 70.0, -40.0]);
    let relu = Conv { bias: true, activation: Activation::Relu, ..residual };
    check(Op::Conv(relu), &[&x, &w, &b, &r], &[1, 2, 1, 2], &[11.5, 21.5, 72.0, 0.0]);
    let clip = Conv { activation: Activation::Clip { lo: -30.0, hi: 15.0 }, ..plain };
    check(Op::Conv(clip), &[&x, &w], &[1, 2, 1, 2], &[10.0, 15.0, -30.0, -30.0]);
}

#[test]
fn conv_projected() {
    let (x, w) = (value(&[1, 1, 1, 2], &[1.0, 2.0]), value(&[2, 1, 1, 1], &[10.0, -10.0]));
    let z = value(&[1, 2, 1, 3], &[1.0, 50.0, 2.0, 4.0, 50.0, 3.0]);
    let (v, b) = (value(&[2, 2, 1, 1], &[1.0, 0.0, 0.5, 7.0]), value(&[2], &[0.25, 0.0]));
    let conv = Conv {
        bias: true,
        projection: Some(Window::square(1, 2, 0)),
        activation: Activation::Relu,
        ..Conv::new(Window::square(1, 1, 0), 1)
    };
    check(Op::Conv(conv), &[&x, &w, &b, &z, &v], &[1, 2, 1, 2], &[11.25, 22.25, 18.5, 2.0]);
}

#[test]
fn batch_norm() {
    let x = value(&[1, 2, 1, 3], &[-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    let parameters = [[1.0, 1.5], [0.0, 1.0], [0.0, 3.0], [1.0, 1.5]].map(|p| value(&[2], &p));
    let [scale, shift, mean, variance] = &parameters;
    let want = [-0.999995, 0.0, 0.999995, -0.224741, 1.0, 2.224741];
    let op = Op::BatchNorm { epsilon: 1e-5 };
    check(op, &[&x, scale, shift, mean, variance], &[1, 2, 1, 3], &want);
    let (ones, zeros) = (ones(&[3]), value(&[3], &[0.0; 3]));
    let tens = value(&[3], &[10.0, 20.0, 30.0]);
    let op = Op::BatchNorm { epsilon: 0.0 };
    let want = [10.0, 21.0, 32.0, 13.0, 24.0, 35.0];
    check(op, &[&iota(&[2, 3]), &ones, &tens, &zeros, &ones], &[2, 3], &want);
}

#[test]
fn unary() {
    let x = value(&[3], &[-2.0, 0.0, 2.0]);
    check(Op::Unary(Unary::Relu), &[&x], &[3], &[0.0, 0.0, 2.0]);
    check(Op::Unary(Unary::Clip { lo: -1.0, hi: 1.0 }), &[&x], &[3], &[-1.0, 0.0, 1.0]);
    let crossed = Op::Unary(Unary::Clip { lo: 2.0, hi: 1.0 });
    check(crossed, &[&value(&[3], &[-2.0, 0.0, 6.0])], &[3], &[1.0, 1.0, 1.0]);
    let x = value(&[3], &[-1.0, 0.0, 1.0]);
    check(Op::Unary(Unary::Sigmoid), &[&x], &[3], &[0.26894142, 0.5, 0.73105858]);
    check(Op::Unary(Unary::Tanh), &[&x], &[3], &[-0.76159416, 0.0, 0.76159416]);
    check(Op::Unary(Unary::Erf), &[&x], &[3], &[-0.84270079, 0.0, 0.84270079]);
    check(Op::Unary(Unary::Exp), &[&x], &[3], &[0.36787944, 1.0, std::f64::consts::E]);
    check(Op::Unary(Unary::Abs), &[&x], &[3], &[1.0, 0.0, 1.0]);
    let x = value(&[3], &[0.25, 1.0, 2.25]);
    check(Op::Unary(Unary::Log), &[&x], &[3], &[-1.38629436, 0.0, 0.81093022]);
    check(Op::Unary(Unary::Sqrt), &[&x], &[3], &[0.5, 1.0, 1.5]);
    let halves = value(&[4], &[0.5, 1.5, -2.5, 2.6]);
    check(Op::Unary(Unary::Round), &[&halves], &[4], &[0.0, 2.0, -2.0, 3.0]);
    let between = value(&[5], &[-1.5, -1.0, -0.25, 0.5, 2.0]);
    check(Op::Unary(Unary::Floor), &[&between], &[5], &[-2.0, -1.0, -1.0, 0.0, 2.0]);
    check(Op::Unary(Unary::Ceil), &[&between], &[5], &[-1.0, -1.0, 0.0, 1.0, 2.0]);
    check(Op::Unary(Unary::Sign), &[&between], &[5], &[-1.0, -1.0, -1.0, 1.0, 1.0]);
    // Far from 0 the error function is its limit; in between, values of Abramowitz and Stegun's
    // table 7.1.
    let far = value(&[4], &[0.5, 2.0, -40.0, f64::INFINITY]);
    check(Op::Unary(Unary::Erf), &[&far], &[4], &[0.52049988, 0.99532227, -1.0, 1.0]);
}

#[test]
fn binary() {
    let (a, b) = (value(&[3], &[1.0, 2.0, 3.0]), value(&[3], &[4.0, 5.0, 6.0]));
    check(Op::Binary(Binary::Add), &[&a, &b], &[3], &[5.0, 7.0, 9.0]);
    check(Op::Binary(Binary::Sub), &[&a, &b], &[3], &[-3.0, -3.0, -3.0]);
    check(Op::Binary(Binary::Mul), &[&a, &b], &[3], &[4.0, 10.0, 18.0]);
    check(Op::Binary(Binary::Div), &[&a, &b], &[3], &[0.25, 0.4, 0.5]);
    let c = value(&[3], &[2.0, 1.0, 3.0]);
    check(Op::Binary(Binary::Max), &[&a, &c], &[3], &[2.0, 2.0, 3.0]);
    check(Op::Binary(Binary::Pow), &[&a, &c], &[3], &[1.0, 2.0, 27.0]);
    check(Op::Binary(Binary::Equal), &[&a, &c], &[3], &[0.0, 0.0, 1.0]);
    check(Op::Binary(Binary::Less), &[&a, &c], &[3], &[1.0, 0.0, 0.0]);
    check(Op::Binary(Binary::LessOrEqual), &[&a, &c], &[3], &[1.0, 0.0, 1.0]);
    let rows = value(&[2, 1], &[0.0, -3.0]);
    check(Op::Where, &[&rows, &a, &b], &[2, 3], &[4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
}

#[test]
fn picked_elements() {
    let x = iota(&[2, 3]);
    let gather = Op::Gather { axis: 1, indices: [2, 0, 2, 2].into() };
    check(gather, &[&x], &[2, 4], &[2.0, 0.0, 2.0, 2.0, 5.0, 3.0, 5.0, 5.0]);
    let op = Interpolate {
        axis: 0,
        taps: 2,
        indices: [0, 1, 1, 1].into(),
        weights: [0.5, 0.25, 2.0, -1.0].into(),
    };
    check(Op::Interpolate(op), &[&x], &[2, 3], &[0.75, 1.5, 2.25, 3.0, 4.0, 5.0]);
}

#[test]
fn broadcasting() {
    let (column, row) = (value(&[2, 1], &[10.0, 20.0]), value(&[3], &[1.0, 2.0, 3.0]));
    let want = [9.0, 8.0, 7.0, 19.0, 18.0, 17.0];
    check(Op::Binary(Binary::Sub), &[&column, &row], &[2, 3], &want);
    let image = iota(&[1, 2, 1, 2]);
    let per_channel = value(&[2, 1, 1], &[1.0, 10.0]);
    let want = [0.0, 1.0, 20.0, 30.0];
    check(Op::Binary(Binary::Mul), &[&per_channel, &image], &[1, 2, 1, 2], &want);
    check(Op::Binary(Binary::Add), &[&value(&[], &[1.0]), &value(&[], &[2.0])], &[], &[3.0]);
}

#[test]
fn max_pool() {
    let op = |window, ceil_mode| Op::MaxPool(Pool { window, ceil_mode });
    let rows = [
        [13.0, 14.0, 15.0, 15.0, 15.0],
        [18.0, 19.0, 20.0, 20.0, 20.0],
        [23.0, 24.0, 25.0, 25.0, 25.0],
        [23.0, 24.0, 25.0, 25.0, 25.0],
        [23.0, 24.0, 25.0, 25.0, 25.0],
    ];
    check(
        op(Window::square(5, 1, 2), false),
        &[&counted(5, 5)],
        &[1, 1, 5, 5],
        rows.as_flattened(),
    );
    let strided = op(Window::square(2, 2, 0), false);
    check(strided, &[&counted(5, 5)], &[1, 1, 2, 2], &[7.0, 9.0, 17.0, 19.0]);
    let ceil = op(Window::square(3, 2, 0), true);
    check(ceil, &[&counted(4, 4)], &[1, 1, 2, 2], &[11.0, 12.0, 15.0, 16.0]);
    // The window that would start past the input is dropped.
    check(op(Window::square(1, 2, 0), true), &[&counted(2, 2)], &[1, 1, 1, 1], &[1.0]);
    let dilated = Window { dilations: [2, 2], ..Window::square(2, 1, 0) };
    check(op(dilated, false), &[&counted(4, 4)], &[1, 1, 2, 2], &[11.0, 12.0, 15.0, 16.0]);
}

#[test]
fn average_pool() {
    let op = |window, ceil_mode, count_include_pad| Op::AveragePool {
        pool: Pool { window, ceil_mode },
        count_include_pad,
    };
    let rows = [
        [7.0, 7.5, 8.0, 8.5, 9.0],
        [9.5, 10.0, 10.5, 11.0, 11.5],
        [12.0, 12.5, 13.0, 13.5, 14.0],
        [14.5, 15.0, 15.5, 16.0, 16.5],
        [17.0, 17.5, 18.0, 18.5, 19.0],
    ];
    let same = Window::square(5, 1, 2);
    check(op(same, false, false), &[&counted(5, 5)], &[1, 1, 5, 5], rows.as_flattened());
    let rows = [
        [2.52, 3.6, 4.8, 4.08, 3.24],
        [4.56, 6.4, 8.4, 7.04, 5.52],
        [7.2, 10.0, 13.0, 10.8, 8.4],
        [6.96, 9.6, 12.4, 10.24, 7.92],
        [6.12, 8.4, 10.8, 8.88, 6.84],
    ];
    check(op(same, false, true), &[&counted(5, 5)], &[1, 1, 5, 5], rows.as_flattened());
    let ceil = op(Window::square(3, 2, 0), true, false);
    check(ceil, &[&counted(4, 4)], &[1, 1, 2, 2], &[6.0, 7.5, 12.0, 13.5]);
    // Padding counts; positions beyond it do not (PyTorch).
    let ceil = op(Window::square(3, 2, 0), true, true);
    check(ceil, &[&counted(4, 4)], &[1, 1, 2, 2], &[6.0, 7.5, 12.0, 13.5]);
    let partly = op(Window::square(3, 2, 1), true, true);
    let rows = [
        [14.0 / 9.0, 30.0 / 9.0, 12.0 / 6.0],
        [57.0 / 9.0, 99.0 / 9.0, 36.0 / 6.0],
        [27.0 / 6.0, 45.0 / 6.0, 16.0 / 4.0],
    ];
    check(partly, &[&counted(4, 4)], &[1, 1, 3, 3], rows.as_flattened());
    let on_pad = op(Window::square(3, 3, 1), true, true);
    check(on_pad, &[&counted(2, 2)], &[1, 1, 1, 1], &[10.0 / 9.0]);
    let dilated = Window { dilations: [2, 2], ..Window::square(2, 1, 0) };
    check(op(dilated, false, false), &[&counted(4, 4)], &[1, 1, 2, 2], &[6.0, 7.0, 10.0, 11.0]);
}

#[test]
fn means() {
    check(Op::GlobalAveragePool, &[&counted(3, 3)], &[1, 1, 1, 1], &[5.0]);
    let x = value(&[3, 2, 2], &[5.0, 1.0, 20.0, 2.0, 30.0, 1.0, 40.0, 2.0, 55.0, 1.0, 60.0, 2.0]);
    let mean = |axes: &[usize], keep_dims| Op::ReduceMean { axes: axes.to_vec(), keep_dims };
    let rows = [12.5, 1.5, 35.0, 1.5, 57.5, 1.5];
    check(mean(&[1], false), &[&x], &[3, 2], &rows);
    check(mean(&[1], true), &[&x], &[3, 1, 2], &rows);
    check(mean(&[0, 1, 2], true), &[&x], &[1, 1, 1], &[18.25]);
    check(mean(&[0, 1, 2], false), &[&x], &[], &[18.25]);
}

#[test]
fn maxima_over_axes() {
    let x = value(&[2, 2, 2], &[5.0, -1.0, -20.0, 2.0, -3.0, -1.0, -4.0, -2.0]);
    let max = |axes: &[usize], keep_dims| Op::ReduceMax { axes: axes.to_vec(), keep_dims };
    check(max(&[1], false), &[&x], &[2, 2], &[5.0, 2.0, -3.0, -1.0]);
    check(max(&[0, 2], true), &[&x], &[1, 2, 1], &[5.0, 2.0]);
    let x = value(&[2], &[1.0, f64::NAN]);
    check(max(&[0], false), &[&x], &[], &[f64::NAN]);
}

#[test]
fn the_first_elements_along_an_axis() {
    let inf = f64::INFINITY;
    let rows: [(&[f64], &[f64], &[f64]); 4] = [
        // Elements, positions of the largest, positions of the smallest: equal elements in their
        // order.
        (&[2.0, 5.0, -1.0, 5.0, 2.0], &[1.0, 3.0, 0.0, 4.0, 2.0], &[2.0, 0.0, 4.0, 1.0, 3.0]),
        (&[0.0, -0.0, 0.0], &[0.0, 1.0, 2.0], &[0.0, 1.0, 2.0]),
        (
            &[1.0, f64::NAN, inf, f64::NAN, -inf],
            &[1.0, 3.0, 2.0, 0.0, 4.0],
            &[4.0, 0.0, 2.0, 1.0, 3.0],
        ),
        (&[7.0], &[0.0], &[0.0]),
    ];
    for (row, greatest, smallest) in rows {
        let x = value(&[1, row.len()], row);
        for (largest, order) in [(true, greatest), (false, smallest)] {
            for k in 1..=row.len() {
                let top = |part| Op::TopK(TopK { axis: 1, k, largest, part });
                check(top(TopPart::Indices), &[&x], &[1, k], &order[..k]);
                let values: Vec<f64> = order[..k].iter().map(|&i| row[i as usize]).collect();
                check(top(TopPart::Values), &[&x], &[1, k], &values);
            }
        }
    }
    // Along an axis that is not the last, the lines are interleaved.
    let x = value(&[3, 2], &[1.0, 9.0, 3.0, 7.0, 2.0, 8.0]);
    let top = TopK { axis: 0, k: 2, largest: true, part: TopPart::Indices };
    check(Op::TopK(top), &[&x], &[2, 2], &[1.0, 0.0, 2.0, 2.0]);
}

#[test]
fn gemm() {
    let a = value(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let b = value(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let plain = Gemm {
        alpha: 1.0,
        beta: 1.0,
        transpose_a: false,
        transpose_b: false,
        bias: false,
        activation: Activation::None,
    };
    check(Op::Gemm(plain), &[&a, &b], &[2, 2], &[4.0, 5.0, 10.0, 11.0]);
    let c = value(&[2], &[10.0, 20.0]);
    let scaled = Gemm { alpha: 0.5, beta: 2.0, bias: true, ..plain };
    check(Op::Gemm(scaled), &[&a, &b, &c], &[2, 2], &[22.0, 42.5, 25.0, 45.5]);
    let column = value(&[2, 1], &[-10.0, 1.0]);
    let relu = Gemm { bias: true, activation: Activation::Relu, ..plain };
    check(Op::Gemm(relu), &[&a, &b, &column], &[2, 2], &[0.0, 0.0, 11.0, 12.0]);
    let turned = Gemm { transpose_a: true, transpose_b: true, ..plain };
    check(Op::Gemm(turned), &[&a, &b], &[3, 3], &[1.0, 4.0, 5.0, 2.0, 5.0, 7.0, 3.0, 6.0, 9.0]);
}

#[test]
fn matmul() {
    let (a, b) = (iota(&[2, 1, 1, 2]), iota(&[3, 2, 1]));
    let want = [1.0, 3.0, 5.0, 3.0, 13.0, 23.0];
    check(Op::MatMul, &[&a, &b], &[2, 3, 1, 1], &want);
}

#[test]
fn softmax() {
    let x = value(&[1, 3], &[-1.0, 0.0, 1.0]);
    check(Op::Softmax { axis: 1 }, &[&x], &[1, 3], &[0.09003058, 0.24472848, 0.66524094]);
    check(Op::Softmax { axis: 0 }, &[&x], &[1, 3], &[1.0, 1.0, 1.0]);
    let x = value(&[2, 4], &[0.0, 1.0, 2.0, 3.0, 10000.0, 10001.0, 10002.0, 10003.0]);
    let row = [0.032058604, 0.08714432, 0.23688284, 0.6439143];
    check(Op::Softmax { axis: 1 }, &[&x], &[2, 4], [row, row].as_flattened());
}

#[test]
fn pad() {
    let x = value(&[3, 2], &[1.0, 1.2, 2.3, 3.4, 4.5, 5.7]);
    let op = |before: [usize; 2], after: [usize; 2], mode| Op::Pad {
        before: before.to_vec(),
        after: after.to_vec(),
        mode,
    };
    let want = [0.0, 0.0, 1.0, 1.2, 0.0, 0.0, 2.3, 3.4, 0.0, 0.0, 4.5, 5.7];
    check(op([0, 2], [0, 0], PadMode::Constant(0.0)), &[&x], &[3, 4], &want);
    let want =
        [4.5, 5.7, 4.5, 2.3, 3.4, 2.3, 1.0, 1.2, 1.0, 2.3, 3.4, 2.3, 4.5, 5.7, 4.5, 2.3, 3.4, 2.3];
    check(op([2, 0], [1, 1], PadMode::Reflect), &[&x], &[6, 3], &want);
}

#[test]
fn slice() {
    let x = value(&[2, 4], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let axis = |start, step, len| SliceAxis { start, step, len };
    check(Op::Slice(vec![axis(1, 1, 1), axis(0, 2, 2)]), &[&x], &[1, 2], &[5.0, 7.0]);
    let backwards = Op::Slice(vec![axis(1, -1, 2), axis(3, -2, 2)]);
    check(backwards, &[&x], &[2, 2], &[8.0, 6.0, 4.0, 2.0]);
}

#[test]
fn moving_elements() {
    let (a, b) = (counted(2, 2), iota(&[1, 1, 2, 1]));
    let want = [1.0, 2.0, 0.0, 3.0, 4.0, 1.0, 0.0, 1.0];
    check(Op::Concat { axis: 3 }, &[&a, &b], &[1, 1, 2, 3], &want[..6]);
    let want = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
    check(Op::Concat { axis: 0 }, &[&a, &a], &[2, 1, 2, 2], &want);
    let x = iota(&[1, 2, 3]);
    let want = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0];
    check(Op::Transpose { perm: vec![2, 0, 1] }, &[&x], &[3, 1, 2], &want);
    check(Op::Reshape { shape: vec![3, 2] }, &[&x], &[3, 2], &x.data);
    check(Op::Identity, &[&x], &[1, 2, 3], &x.data);
    check(Op::Reorder(Layout::Blocked), &[&a], &[1, 1, 2, 2], &a.data);
}

#[test]
fn nan_and_infinity() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let x = value(&[1, 1, 1, 4], &[nan, -inf, 1.0, inf]);
    check(Op::Unary(Unary::Relu), &[&x], &x.shape, &[nan, 0.0, 1.0, inf]);
    let clip = Op::Unary(Unary::Clip { lo: -1.0, hi: 2.0 });
    check(clip, &[&x], &x.shape, &[nan, -1.0, 1.0, 2.0]);
    let window = Window { kernel: [1, 2], strides: [1, 1], ..Window::square(1, 1, 0) };
    let pool = Pool { window, ceil_mode: false };
    check(Op::MaxPool(pool), &[&x], &[1, 1, 1, 3], &[nan, 1.0, inf]);
    let behind = value(&[1, 1, 1, 2], &[1.0, nan]);
    check(Op::MaxPool(pool), &[&behind], &[1, 1, 1, 1], &[nan]);
    let activation = Activation::Relu;
    let conv = Op::Conv(Conv { activation, ..Conv::new(Window::square(1, 1, 0), 1) });
    check(conv, &[&x, &ones(&[1, 1, 1, 1])], &x.shape, &[nan, 0.0, 1.0, inf]);
    check(Op::Softmax { axis: 3 }, &[&x], &x.shape, &[nan; 4]);
    // Only padding: minus infinity is a maximum too.
    let low = value(&[1, 1, 1, 1], &[-inf]);
    let pool = Pool { window: Window::square(3, 1, 1), ceil_mode: false };
    check(Op::MaxPool(pool), &[&low], &[1, 1, 1, 1], &[-inf]);
}
