//! Values that are quantized with a scale and a zero point that a run computes.

use proptest::prelude::*;
use resnetc_ir::eval::{Value, eval, eval_node};
use resnetc_ir::op::{Conv, Op, Window};
use resnetc_ir::quantized::{LEAST_STEP, measured, quantizer};
use resnetc_ir::text::{parse, print};
use resnetc_ir::{DType, Tensor};

fn measure(x: &[f32]) -> Vec<f64> {
    eval_node(&Op::Measure, &[&Value::from_f32([x.len()], x)]).expect("valid").data
}

/// The example of ONNX's DynamicQuantizeLinear.
#[test]
fn the_standards_example() {
    let x = [0.0, 2.0, -3.0, -2.5, 1.34, 0.5];
    let encoding = Value::new([2], measure(&x));
    assert_eq!(encoding.data, [f64::from(0.019_607_844f32), 153.0]);
    let bytes = eval_node(&Op::QuantizeMeasured, &[&Value::from_f32([6], &x), &encoding]);
    assert_eq!(bytes.expect("valid").data, [153.0, 255.0, 0.0, 26.0, 221.0, 179.0]);
}

#[test]
fn ranges_that_are_nothing_or_no_number() {
    assert_eq!(measure(&[0.0, -0.0]), [1.0, 0.0]);
    assert_eq!(measure(&[f32::MIN_POSITIVE / 2.0]), [1.0, 0.0]);
    assert_eq!(measure(&[-f32::MIN_POSITIVE * 3.0])[0], f64::from(LEAST_STEP));
    assert!(measure(&[1.0, f32::NAN, -1.0]).iter().all(|x| x.is_nan()));
    assert_eq!(measure(&[1.0, f32::INFINITY]), [f64::INFINITY, 0.0]);
    // A zero point is a byte, whatever number it is.
    let zeros = [f32::NAN, -3.0, 2.5, 3.5, 300.0, f32::INFINITY];
    assert_eq!(zeros.map(|zero| quantizer([1.0, zero]).result.zero), [0, 0, 2, 4, 255, 255]);
}

const TEXT: &str = r#"%0 = input : f32[1, 16, 5, 4] "x"
%1 = measure(%0) : f32[2]
%2 = quantize_measured(%0, %1) : u8[1, 16, 5, 4]
%3 = constant seed=3 : i8[2, 16, 3, 3]
%4 = constant [0.5, -1.5] : f32[2] "bias"
%5 = constant [0.25, 2] : f32[2] "factor"
%6 = input : f32[1, 2, 5, 4] "shortcut"
%7 = quantized_conv(%2, %3, %4, %5, %1, %6) kernel=[3, 3] pads=[1, 1, 1, 1] measured float_sum relu : f32[1, 2, 5, 4]
output "y" = %7
"#;

#[test]
fn the_text_form_reads_back() {
    let graph = parse(&TEXT.replace("seed=3", "fill=3")).expect("valid");
    let text = print(&graph);
    assert_eq!(print(&parse(&text).expect("valid")), text);
    for part in ["= measure(", "= quantize_measured(", "measured float_sum relu"] {
        assert!(text.contains(part), "{text}");
    }
    for (from, to) in
        [("measured float_sum", "measured to=u8 limits=[0, 255]"), (", %1, %6", ", %6, %1")]
    {
        let wrong = TEXT.replace(from, to);
        assert!(parse(&wrong).is_err(), "{wrong}");
    }
}

proptest! {
    /// Zero is a byte, and every number of the range is at most half a step from one, up to
    /// rounding in f32: of the scale, of the quotient, and of the zero point.
    #[test]
    fn numbers_of_the_range_have_near_bytes(
        below in 0f32..1000.0, above in 0f32..1000.0, at in 0f32..1.0, shrink in -20i32..10,
    ) {
        let [below, above] = [below, above].map(|end| end * 2f32.powi(shrink));
        let quantize = quantizer(measured(below, above));
        prop_assert_eq!(quantize.apply(0.0), quantize.result.zero);
        let x = -below + at * (below + above);
        let back = (quantize.apply(x) - quantize.result.zero) as f32 * quantize.scale;
        // Half a step for the number; at an end of the range, another half for the zero point.
        prop_assert!((back - x).abs() <= quantize.scale * 1.001, "{x} became {back}");
    }

    /// The sums are those of integers, and what follows is f32.
    #[test]
    fn convolutions_are_integers_and_then_floats(seed in any::<u64>()) {
        let graph = parse(&TEXT.replace("seed=3", &format!("seed={}", seed % 1000))).expect("valid");
        let number = |i: usize| ((i as u64 * 7919 + seed) % 2003) as f32 / 700.0 - 1.0;
        let values = |n: usize| (0..n).map(number).collect::<Vec<_>>();
        let x = Value::from_f32([1, 16, 5, 4], &values(320));
        let shortcut = Value::from_f32([1, 2, 5, 4], &values(40));
        let found = eval(&graph, &[x.copy().expect("small"), shortcut.copy().expect("small")]);
        let encoding = eval_node(&Op::Measure, &[&x]).expect("valid");
        let bytes = eval_node(&Op::QuantizeMeasured, &[&x, &encoding]).expect("valid");
        let [scale, zero] = [encoding.data[0] as f32, encoding.data[1] as f32];
        let centred = bytes.data.iter().map(|&q| q as f32 - zero).collect::<Vec<f32>>();
        let weights = graph.nodes().filter_map(|node| graph.constant_of(node));
        let weights: &Tensor = weights.into_iter().find(|t| t.dtype() == DType::I8).expect("some");
        let weights = Value::new(weights.shape(), weights.numbers());
        let conv = Op::Conv(Conv::new(Window::square(3, 1, 1), 1));
        let sums = eval_node(&conv, &[&Value::from_f32([1, 16, 5, 4], &centred), &weights]);
        let sums = sums.expect("valid").data;
        let expected = sums.iter().enumerate().map(|(i, &sum)| {
            let (factor, bias) = [(0.25, 0.5), (2.0, -1.5)][i / 20];
            let own = sum as f32 * (scale * factor) + bias;
            f64::from((own + shortcut.data[i] as f32).max(0.0))
        });
        prop_assert_eq!(&found.expect("valid")[0].data, &expected.collect::<Vec<_>>());
    }
}
