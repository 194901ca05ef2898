//! The interpreter's convolution against the definition, written as seven nested loops.

use proptest::prelude::*;
use resnetc_ir::eval::{Value, eval_node};
use resnetc_ir::op::{Activation, Binary, Conv, PadMode, Pads, Residual, SliceAxis, Window};
use resnetc_ir::{DType, Op};
use resnetc_testing::values::{close, iota, value};

/// `result[n][k][p][q]`: the sum over every channel and tap that falls on the image.
fn direct(op: &Conv, src: &Value, weights: &Value, result: &[usize]) -> Vec<f64> {
    let [_, c, h, w] = src.shape[..] else { unreachable!("an image") };
    let [filters, per_group, taps_r, taps_s] = weights.shape[..] else { unreachable!("filters") };
    let Window { strides, dilations, pads, .. } = op.window;
    let mut sums = vec![0.0; result.iter().product()];
    let mut next = 0;
    for n in 0..result[0] {
        for k in 0..filters {
            for p in 0..result[2] {
                for q in 0..result[3] {
                    for i in 0..per_group {
                        for r in 0..taps_r {
                            for s in 0..taps_s {
                                let y = (p * strides[0] + r * dilations[0]).wrapping_sub(pads.top);
                                let x = (q * strides[1] + s * dilations[1]).wrapping_sub(pads.left);
                                let channel = k / (filters / op.groups) * per_group + i;
                                if y < h && x < w {
                                    let a = src.data[((n * c + channel) * h + y) * w + x];
                                    let b = ((k * per_group + i) * taps_r + r) * taps_s + s;
                                    sums[next] += a * weights.data[b];
                                }
                            }
                        }
                    }
                    next += 1;
                }
            }
        }
    }
    sums
}

#[derive(Debug)]
struct Problem {
    op: Conv,
    src: Value,
    weights: Value,
}

fn values(shape: Vec<usize>) -> impl Strategy<Value = Value> {
    let count = shape.iter().product::<usize>();
    prop::collection::vec(-8..=8i32, count).prop_map(move |data| Value {
        dtype: DType::F32,
        shape: shape.clone(),
        data: data.into_iter().map(|x| f64::from(x) / 4.0).collect(),
    })
}

fn problem() -> impl Strategy<Value = Problem> {
    let pair = |most: usize| [1..=most, 1..=most];
    let pads = (0..4usize, 0..4usize, 0..4usize, 0..4usize);
    let channels = (1..=3usize, 1..=3usize, 1..=3usize);
    (1..=2usize, channels, pair(9), pair(4), pair(3), pair(3), pads).prop_flat_map(
        |(n, (groups, c, k), input, kernel, strides, dilations, (top, left, bottom, right))| {
            let pads = Pads { top, left, bottom, right };
            let op = Conv::new(Window { kernel, strides, dilations, pads }, groups);
            // Large enough for the dilated window, so that few problems are refused.
            let [h, w] = [0, 1].map(|i| input[i] + dilations[i] * (kernel[i] - 1));
            let src = values(vec![n, groups * c, h, w]);
            let weights = values(vec![groups * k, c, kernel[0], kernel[1]]);
            (src, weights).prop_map(move |(src, weights)| Problem { op, src, weights })
        },
    )
}

proptest! {
    #[test]
    fn equals_the_definition(Problem { op, src, weights } in problem()) {
        let got = eval_node(&Op::Conv(op), &[&src, &weights]).expect("fits");
        let want = direct(&op, &src, &weights, &got.shape);
        // Quarters of small integers: every sum is exact, whatever its order.
        prop_assert_eq!(got.data, want);
    }

    #[test]
    fn fused_parts_equal_their_operators(problem in problem(), bias in -4..4i32, relu in any::<bool>()) {
        let Problem { op, src, weights } = problem;
        let plain = eval_node(&Op::Conv(op), &[&src, &weights]).expect("fits");
        let filters = weights.shape[0];
        let b = value(&[filters], &vec![f64::from(bias); filters]);
        let activation = if relu { Activation::Relu } else { Activation::Clip { lo: -1.0, hi: 1.0 } };
        let fused = Op::Conv(Conv { bias: true, residual: Some(Residual::PLAIN), activation, ..op });
        let got = eval_node(&fused, &[&src, &weights, &b, &plain]).expect("fits");
        let end = |x: f64| if relu { x.max(0.0) } else { x.clamp(-1.0, 1.0) };
        let want = plain.data.iter().map(|x| end(2.0 * x + f64::from(bias))).collect();
        let want = Value::new(got.shape.clone(), want);
        prop_assert!(close(&got, &want, 1e-12));
    }

    /// A residual of every n-th pixel in some channels equals those pixels with zeros for the other
    /// channels.
    #[test]
    fn a_residual_is_a_slice_that_is_padded_and_added(
        problem in problem(), strides in [1..=3usize, 1..=3usize], rest in [0..3usize, 0..3usize],
        around in [0..=3usize, 0..=3usize],
    ) {
        let Problem { op, src, weights } = problem;
        let plain = eval_node(&Op::Conv(op), &[&src, &weights]).expect("fits");
        let [n, filters, h, w] = plain.shape[..] else { unreachable!("an image") };
        let [before, after] = around.map(|a| a.min((filters - 1) / 2));
        let channels = filters - before - after;
        let size = [h, w];
        let [i, j] = [0, 1].map(|axis| (size[axis] - 1) * strides[axis] + 1 + rest[axis] % strides[axis]);
        let source = iota(&[n, channels, i, j]);
        let all = |len| SliceAxis { start: 0, step: 1, len };
        let pixels = |axis: usize| SliceAxis { step: strides[axis] as isize, ..all(size[axis]) };
        let taken = Op::Slice(vec![all(n), all(channels), pixels(0), pixels(1)]);
        let taken = eval_node(&taken, &[&source]).expect("fits");
        let (before_each, after_each) = (vec![0, before, 0, 0], vec![0, after, 0, 0]);
        let padded = Op::Pad { before: before_each, after: after_each, mode: PadMode::Constant(0.0) };
        let padded = eval_node(&padded, &[&taken]).expect("fits");
        let want = eval_node(&Op::Binary(Binary::Add), &[&plain, &padded]).expect("fits");
        let fused = Op::Conv(Conv { residual: Some(Residual { strides, channel: before }), ..op });
        let got = eval_node(&fused, &[&src, &weights, &source]).expect("fits");
        prop_assert_eq!(got, want);
    }

    #[test]
    fn a_projection_is_a_convolution_that_is_added(problem in problem()) {
        let Problem { op, src, weights } = problem;
        prop_assume!(op.groups == 1);
        let own = eval_node(&Op::Conv(op), &[&src, &weights]).expect("fits");
        let filters = weights.shape[0];
        let scale = Value::new(vec![filters, filters, 1, 1], vec![0.5; filters * filters]);
        let point = Conv::new(Window::square(1, 1, 0), 1);
        let main = eval_node(&Op::Conv(point), &[&own, &scale]).expect("fits");
        let fused = Op::Conv(Conv { projection: Some(op.window), ..point });
        let got = eval_node(&fused, &[&own, &scale, &src, &weights]).expect("fits");
        let want: Vec<f64> = main.data.iter().zip(&own.data).map(|(a, b)| a + b).collect();
        prop_assert_eq!(got.data, want);
    }
}
