//! What type inference accepts and refuses, and the arithmetic of windows.

use proptest::prelude::*;
use resnetc_ir::infer::{WindowAxis, broadcast, check_shape, infer, output_extent};
use resnetc_ir::op::{
    Activation, Binary, Conv, Gemm, PadMode, Pads, Pool, Residual, SliceAxis, TopK, TopPart, Unary,
    Window,
};
use resnetc_ir::{Layout, Op, TensorType};

fn infer_shapes(op: &Op, shapes: &[&[usize]]) -> Result<Vec<usize>, String> {
    let types: Vec<TensorType> = shapes.iter().map(|&s| TensorType::planar(s)).collect();
    let ty = infer(op, &types.iter().collect::<Vec<_>>()).map_err(|e| e.to_string())?;
    Ok(ty.shape)
}

#[track_caller]
fn accepts(op: Op, shapes: &[&[usize]], want: &[usize]) {
    assert_eq!(infer_shapes(&op, shapes).as_deref(), Ok(want), "{op:?}");
}

/// The operator is refused, and the message contains all of these words.
#[track_caller]
fn refuses(op: Op, shapes: &[&[usize]], words: &[&str]) {
    let message = infer_shapes(&op, shapes).expect_err("refused");
    for word in words {
        assert!(message.contains(word), "{op:?}: \"{message}\" does not say \"{word}\"");
    }
}

const GEMM: Gemm = Gemm {
    alpha: 1.0,
    beta: 1.0,
    transpose_a: false,
    transpose_b: false,
    bias: false,
    activation: Activation::None,
};

#[test]
fn conv() {
    let stem = Conv::new(Window::square(7, 2, 3), 1);
    accepts(Op::Conv(stem), &[&[1, 3, 224, 224], &[64, 3, 7, 7]], &[1, 64, 112, 112]);
    refuses(
        Op::Conv(stem),
        &[&[1, 4, 224, 224], &[64, 3, 7, 7]],
        &["[1, 4, 224, 224]", "[64, 3, 7, 7]"],
    );
    refuses(Op::Conv(stem), &[&[1, 3, 224, 224], &[64, 3, 3, 3]], &["kernel_shape [7, 7]"]);
    refuses(Op::Conv(stem), &[&[1, 3, 224], &[64, 3, 7]], &["rank 3"]);
    refuses(Op::Conv(stem), &[&[1, 3, 224, 224]], &["2 operands, got 1"]);
    let large = Conv::new(Window::square(7, 2, 1), 1);
    refuses(Op::Conv(large), &[&[1, 3, 4, 9], &[64, 3, 7, 7]], &["along H", "larger"]);
    let point = Window::square(1, 1, 0);
    let grouped = Conv::new(point, 32);
    accepts(Op::Conv(grouped), &[&[1, 64, 5, 5], &[32, 2, 1, 1]], &[1, 32, 5, 5]);
    refuses(Op::Conv(grouped), &[&[1, 48, 5, 5], &[32, 2, 1, 1]], &["group 32"]);
    refuses(Op::Conv(grouped), &[&[1, 64, 5, 5], &[48, 2, 1, 1]], &["group 32"]);
    refuses(Op::Conv(Conv::new(point, 0)), &[&[1, 4, 5, 5], &[4, 4, 1, 1]], &["group 0"]);
    let biased = Conv { bias: true, ..Conv::new(point, 1) };
    refuses(Op::Conv(biased), &[&[1, 4, 5, 5], &[6, 4, 1, 1], &[4]], &["B [4]", "[6]"]);
    let residual = Conv { residual: Some(Residual::PLAIN), ..Conv::new(point, 1) };
    refuses(Op::Conv(residual), &[&[1, 4, 5, 5], &[6, 4, 1, 1], &[1, 6, 5, 1]], &["residual"]);
    let taken = Residual { strides: [2, 3], channel: 1 };
    let strided = Op::Conv(Conv { residual: Some(taken), ..residual });
    let with = |shape: &'static [usize]| [&[1, 4, 5, 5], &[6, 4, 1, 1], shape];
    for [c, h, w] in [[5, 9, 13], [5, 10, 15], [1, 10, 14]] {
        let operands: [&[usize]; 3] = [&[1, 4, 5, 5], &[6, 4, 1, 1], &[1, c, h, w]];
        accepts(strided.clone(), &operands, &[1, 6, 5, 5]);
    }
    for shape in [&[1, 6, 9, 13][..], &[1, 5, 8, 13], &[1, 5, 9, 16], &[2, 5, 9, 13], &[5, 9, 13]] {
        refuses(strided.clone(), &with(shape), &["residual"]);
    }
    for taken in [Residual { channel: 7, ..taken }, Residual { strides: [0, 1], ..taken }] {
        let op = Op::Conv(Conv { residual: Some(taken), ..residual });
        refuses(op, &with(&[1, 1, 9, 13]), &["residual"]);
    }
    let projected = Conv { projection: Some(Window::square(1, 2, 0)), ..Conv::new(point, 1) };
    let [x, w] = [&[1, 4, 5, 5], &[6, 4, 1, 1]];
    accepts(Op::Conv(projected), &[x, w, &[1, 9, 9, 9], &[6, 9, 1, 1]], &[1, 6, 5, 5]);
    refuses(Op::Conv(projected), &[x, w, &[1, 9, 9, 9]], &["4 operands, got 3"]);
    refuses(Op::Conv(projected), &[x, w, &[1, 9, 5, 5], &[6, 9, 1, 1]], &["[1, 6, 3, 3]"]);
    refuses(Op::Conv(projected), &[x, w, &[1, 9, 9, 9], &[6, 8, 1, 1]], &["projection", "needs X"]);
    let both = Conv { residual: Some(Residual::PLAIN), ..projected };
    let operands: [&[usize]; 5] = [x, w, &[1, 6, 5, 5], &[1, 9, 9, 9], &[6, 9, 1, 1]];
    refuses(Op::Conv(both), &operands, &["not both"]);
    let grouped = Conv { groups: 2, ..projected };
    let operands: [&[usize]; 4] = [x, &[6, 2, 1, 1], &[1, 9, 9, 9], &[6, 9, 1, 1]];
    refuses(Op::Conv(grouped), &operands, &["group 2"]);
    let clip = Activation::Clip { lo: 0.0, hi: f32::NAN };
    let clipped = Conv { activation: clip, ..Conv::new(point, 1) };
    refuses(Op::Conv(clipped), &[&[1, 4, 5, 5], &[6, 4, 1, 1]], &["NaN"]);
}

#[test]
fn window_attributes() {
    let op = |edit: &dyn Fn(&mut Window)| {
        let mut window = Window::square(3, 1, 1);
        edit(&mut window);
        Op::Conv(Conv::new(window, 1))
    };
    let shapes: [&[usize]; 2] = [&[1, 1, 5, 5], &[1, 1, 3, 3]];
    accepts(op(&|_| {}), &shapes, &[1, 1, 5, 5]);
    refuses(op(&|w| w.strides[0] = 0), &shapes, &["stride 0"]);
    refuses(op(&|w| w.dilations[1] = 0), &shapes, &["dilation 0"]);
    refuses(op(&|w| w.pads.right = usize::MAX), &shapes, &["limit"]);
    refuses(op(&|w| w.pads.right = 1 << 40), &shapes, &["more than"]);
    refuses(op(&|w| w.dilations[0] = usize::MAX), &shapes, &["limit"]);
    refuses(op(&|w| w.dilations[0] = 1 << 40), &shapes, &["larger"]);
    accepts(op(&|w| w.strides[0] = 1 << 40), &shapes, &[1, 1, 1, 5]);
}

#[test]
fn pools() {
    let op = |window| Op::MaxPool(Pool { window, ceil_mode: false });
    accepts(op(Window::square(3, 2, 1)), &[&[1, 64, 112, 112]], &[1, 64, 56, 56]);
    refuses(op(Window::square(2, 2, 2)), &[&[1, 1, 4, 4]], &["pads 2 and 2", "window of 2"]);
    let skipping = Window { dilations: [3, 3], ..Window::square(2, 1, 3) };
    refuses(op(skipping), &[&[1, 1, 2, 2]], &["dilation 3"]);
    refuses(op(Window::square(1, 1, 0)), &[&[1, 64]], &["rank 2"]);
    refuses(Op::GlobalAveragePool, &[&[1, 64, 7]], &["rank 3"]);
}

#[test]
fn elementwise() {
    accepts(Op::Binary(Binary::Add), &[&[2, 1, 3], &[4, 1]], &[2, 4, 3]);
    accepts(Op::Binary(Binary::Add), &[&[], &[4, 1]], &[4, 1]);
    refuses(
        Op::Binary(Binary::Add),
        &[&[1, 64, 56, 56], &[64]],
        &["[1, 64, 56, 56]", "[64]", "56 against 64"],
    );
    refuses(Op::Binary(Binary::Mul), &[&[1 << 30, 1], &[1, 1 << 30]], &["result", "more than"]);
    refuses(Op::Unary(Unary::Clip { lo: f32::NAN, hi: 1.0 }), &[&[1]], &["NaN"]);
    let vectors: [&[usize]; 5] = [&[1, 4, 2, 2], &[4], &[4], &[4], &[3]];
    refuses(Op::BatchNorm { epsilon: 1e-5 }, &vectors, &["input_var [3]", "[4]"]);
    refuses(Op::BatchNorm { epsilon: f64::NAN }, &vectors, &["epsilon"]);
    refuses(Op::BatchNorm { epsilon: 1e-5 }, &[&[4], &[4], &[4], &[4], &[4]], &["rank 1"]);
    refuses(Op::Softmax { axis: 2 }, &[&[1, 4]], &["axis 2"]);
}

#[test]
fn matrices() {
    accepts(Op::Gemm(Gemm { transpose_b: true, ..GEMM }), &[&[1, 512], &[1000, 512]], &[1, 1000]);
    refuses(
        Op::Gemm(GEMM),
        &[&[1, 512], &[1000, 512]],
        &["[1, 512]", "[1000, 512]", "512 against 1000"],
    );
    refuses(Op::Gemm(GEMM), &[&[1, 512, 1], &[512, 10]], &["A [1, 512, 1]"]);
    let biased = Op::Gemm(Gemm { bias: true, ..GEMM });
    accepts(biased.clone(), &[&[2, 3], &[3, 4], &[]], &[2, 4]);
    // Broadcasting goes one way: the result is not broadcast to `c`.
    refuses(biased.clone(), &[&[1, 3], &[3, 4], &[2, 4]], &["C [2, 4]", "[1, 4]"]);
    refuses(biased, &[&[2, 3], &[3, 4], &[1, 2, 4]], &["C [1, 2, 4]"]);
    accepts(Op::MatMul, &[&[2, 1, 3, 4], &[5, 4, 6]], &[2, 5, 3, 6]);
    refuses(Op::MatMul, &[&[3, 4], &[5, 6]], &["4 against 5"]);
    refuses(Op::MatMul, &[&[4], &[4, 6]], &["rank 2"]);
}

#[test]
fn shapes() {
    accepts(Op::Reshape { shape: vec![2, 6] }, &[&[3, 4]], &[2, 6]);
    refuses(Op::Reshape { shape: vec![2, 5] }, &[&[3, 4]], &["12", "10"]);
    refuses(Op::Reshape { shape: vec![1 << 40, 1 << 40] }, &[&[3, 4]], &["more than"]);
    refuses(Op::Reshape { shape: vec![1; 9] }, &[&[1]], &["rank 9"]);
    refuses(Op::Identity, &[&[3, 0]], &["operand 0", "extent 0"]);
    let axis = |start, step, len| Op::Slice(vec![SliceAxis { start, step, len }]);
    accepts(axis(4, -2, 3), &[&[5]], &[3]);
    refuses(axis(4, -2, 4), &[&[5]], &["4 elements from 4 by step -2"]);
    refuses(axis(0, 1, 6), &[&[5]], &["6 elements"]);
    refuses(axis(0, 0, 1), &[&[5]], &["step 0"]);
    refuses(axis(0, 1, 0), &[&[5]], &["0 elements"]);
    refuses(axis(5, 1, 1), &[&[5]], &["from 5"]);
    refuses(axis(usize::MAX, isize::MIN, usize::MAX), &[&[5]], &["selection"]);
    refuses(axis(0, 1, 1), &[&[5, 5]], &["rank 2"]);
    accepts(Op::Concat { axis: 1 }, &[&[2, 3], &[2, 4], &[2, 1]], &[2, 8]);
    refuses(Op::Concat { axis: 1 }, &[&[2, 3], &[3, 4]], &["[2, 3]", "[3, 4]", "axis 1"]);
    refuses(Op::Concat { axis: 2 }, &[&[2, 3]], &["axis 2"]);
    refuses(Op::Concat { axis: 0 }, &[], &["at least 1"]);
    accepts(Op::Transpose { perm: vec![2, 0, 1] }, &[&[5, 6, 7]], &[7, 5, 6]);
    refuses(Op::Transpose { perm: vec![0, 0, 1] }, &[&[5, 6, 7]], &["[0, 0, 1]"]);
    refuses(Op::Transpose { perm: vec![0, 1] }, &[&[5, 6, 7]], &["[5, 6, 7]"]);
}

#[test]
fn pads_and_means() {
    let pad = |before: &[usize], after: &[usize], mode| Op::Pad {
        before: before.to_vec(),
        after: after.to_vec(),
        mode,
    };
    accepts(pad(&[2], &[1], PadMode::Reflect), &[&[3]], &[6]);
    refuses(pad(&[3], &[1], PadMode::Reflect), &[&[3]], &["reflected pads 3 and 1"]);
    accepts(pad(&[3], &[1], PadMode::Constant(0.0)), &[&[3]], &[7]);
    refuses(pad(&[3], &[usize::MAX], PadMode::Constant(0.0)), &[&[3]], &["limit"]);
    refuses(pad(&[3, 1], &[1, 1], PadMode::Constant(0.0)), &[&[3]], &["every axis"]);
    let mean = |axes: &[usize], keep_dims| Op::ReduceMean { axes: axes.to_vec(), keep_dims };
    accepts(mean(&[1, 2], false), &[&[1, 7, 7, 64]], &[1, 64]);
    accepts(mean(&[1, 2], true), &[&[1, 7, 7, 64]], &[1, 1, 1, 64]);
    for axes in [&[][..], &[2, 1], &[1, 1], &[4]] {
        refuses(mean(axes, true), &[&[1, 7, 7, 64]], &["axes"]);
    }
}

#[test]
fn selections() {
    let top = |axis, k| Op::TopK(TopK { axis, k, largest: true, part: TopPart::Indices });
    accepts(top(1, 5), &[&[2, 7, 3]], &[2, 5, 3]);
    accepts(top(0, 1), &[&[1]], &[1]);
    refuses(top(3, 1), &[&[2, 7, 3]], &["axis 3"]);
    for k in [0, 8] {
        refuses(top(1, k), &[&[2, 7, 3]], &["1 to 7"]);
    }
    accepts(top(0, 1), &[&[1 << 24]], &[1]);
    refuses(top(0, 1), &[&[(1 << 24) + 1]], &["16777216"]);
}

#[test]
fn layouts() {
    let blocked = TensorType { layout: Layout::Blocked, ..TensorType::planar([1, 4, 2, 2]) };
    let relu = infer(&Op::Unary(Unary::Relu), &[&blocked]).expect("type-checks");
    assert_eq!(relu.layout, Layout::Planar);
    let reorder = infer(&Op::Reorder(Layout::Blocked), &[&relu]).expect("type-checks");
    assert_eq!(reorder, blocked);
    refuses(Op::Reorder(Layout::Blocked), &[&[1, 4, 2]], &["rank 3"]);
    refuses(Op::Input, &[], &["not inferred"]);
}

#[test]
fn limits() {
    assert!(check_shape(&[1 << 20, 1 << 20]).is_ok());
    assert!(check_shape(&[1 << 20, (1 << 20) + 1]).is_err());
    assert!(check_shape(&[1 << 62, 4]).is_err());
    assert!(check_shape(&[1; 8]).is_ok());
    assert!(check_shape(&[]).is_ok());
    assert_eq!(broadcast(&[3, 1], &[1, 4]), Ok(vec![3, 4]));
}

/// Where each output of a window starts, counted one by one.
fn starts(input: usize, axis: &WindowAxis, ceil_mode: bool) -> Vec<usize> {
    let padded = axis.before + input + axis.after;
    let fits = |&start: &usize| start + axis.span() <= padded;
    let mut all: Vec<usize> = (0..).step_by(axis.stride).take_while(fits).collect();
    let next = all.len() * axis.stride;
    let reached = all.last().map_or(0, |last| last + axis.span());
    // A window larger than the padded input is refused, even if rounding up would keep it.
    if ceil_mode && !all.is_empty() && reached < padded && next < axis.before + input {
        all.push(next);
    }
    all
}

proptest! {
    #[test]
    fn windows_are_counted_and_their_taps_found(
        input in 1..12usize,
        (kernel, stride, dilation) in (1..5usize, 1..5usize, 1..4usize),
        (before, after) in (0..4usize, 0..4usize),
        ceil_mode in any::<bool>(),
    ) {
        // Padding shorter than the window, as pools require.
        let span = dilation * (kernel - 1) + 1;
        let (before, after) = (before.min(span - 1), after.min(span - 1));
        let axis = WindowAxis { kernel, stride, dilation, before, after };
        let starts = starts(input, &axis, ceil_mode);
        let outputs = output_extent(input, &axis, ceil_mode).unwrap_or(0);
        prop_assert_eq!(outputs, starts.len());
        for (output, start) in starts.into_iter().enumerate() {
            let place = |tap: usize| start + tap * dilation;
            let inside: Vec<usize> =
                (0..kernel).filter(|&t| (before..before + input).contains(&place(t))).collect();
            prop_assert_eq!(axis.taps_inside(output, input).collect::<Vec<_>>(), inside.clone());
            let padded = (0..kernel).filter(|&t| place(t) < before + input + after).count();
            prop_assert_eq!(axis.taps_padded(output, input), padded);
            for tap in 0..kernel {
                let has = axis.outputs_inside(tap, input, outputs).contains(&output);
                prop_assert_eq!(has, inside.contains(&tap));
            }
        }
    }

    /// Inference accepts no pool that has a window without an element.
    #[test]
    fn no_accepted_pool_has_an_empty_window(
        extents in [1..9usize, 1..9usize],
        (kernel, strides, dilations) in ([1..5usize, 1..5], [1..5usize, 1..5], [1..5usize, 1..5]),
        (top, left, bottom, right) in (0..6usize, 0..6usize, 0..6usize, 0..6usize),
        ceil_mode in any::<bool>(),
    ) {
        let window = Window { kernel, strides, dilations, pads: Pads { top, left, bottom, right } };
        let shape = [1, 1, extents[0], extents[1]];
        if let Ok(result) = infer_shapes(&Op::MaxPool(Pool { window, ceil_mode }), &[&shape]) {
            for (i, axis) in WindowAxis::pair(&window).iter().enumerate() {
                for output in 0..result[2 + i] {
                    prop_assert!(!axis.taps_inside(output, extents[i]).is_empty());
                }
            }
        }
    }
}
