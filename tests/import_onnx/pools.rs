//! Pools whose number of windows is rounded up, compared with sums over the elements that each
//! window sees.

use crate::model::Attr::{Int, Ints};
use crate::model::single;

/// Windows along one axis: the first element of each, counted from the first of the input, as in
/// ONNX since opset 19. A window that would start beyond the input and its leading padding does not
/// count.
fn starts(n: i64, kernel: i64, stride: i64, [before, after]: [i64; 2], up: bool) -> Vec<i64> {
    let slack = before + n + after - kernel;
    let last = if up { (slack + stride - 1) / stride } else { slack / stride };
    (0..=last).map(|i| i * stride - before).filter(|&start| !up || start < n).collect()
}

#[test]
fn sums_of_powers_see_every_window_that_rounding_up_adds() {
    let mut more = 0;
    for (n, kernel, stride) in
        [(7, 3, 2), (8, 3, 2), (5, 1, 3), (9, 2, 4), (6, 3, 3), (10, 4, 3), (3, 3, 2)]
    {
        for pads in [[0, 0], [1, 0], [0, 1], [1, 1], [2, 2]] {
            for (p, up) in [(1, 1), (2, 1), (2, 0)] {
                if pads[0] >= kernel || pads[1] >= kernel {
                    continue;
                }
                let model = single(
                    "LpPool",
                    &[1, 1, n],
                    &["x"],
                    &[
                        ("kernel_shape", Ints(vec![kernel])),
                        ("strides", Ints(vec![stride])),
                        ("pads", Ints(pads.to_vec())),
                        ("p", Int(p)),
                        ("ceil_mode", Int(up)),
                    ],
                )
                .opset(18);
                let windows = starts(n, kernel, stride, pads, up == 1);
                more +=
                    windows.len() - starts(n, kernel, stride, pads, false).len().min(windows.len());
                // The input is 0, 1, 2, ...
                let seen = |start: &i64| {
                    let sum: f64 = (*start..start + kernel)
                        .filter(|i| (0..n).contains(i))
                        .map(|i| (i as f64).powi(p as i32))
                        .sum();
                    sum.powf(1.0 / p as f64)
                };
                let wanted: Vec<f64> = windows.iter().map(seen).collect();
                let found = model.run();
                assert_eq!(found.shape, [1, 1, wanted.len()], "{n} {kernel} {stride} {pads:?}");
                let near =
                    found.data.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-6 * b.max(1.0));
                assert!(
                    near,
                    "{n} {kernel} {stride} {pads:?} {p}: {:?} for {wanted:?}",
                    found.data
                );
            }
        }
    }
    assert!(more > 10, "rounding up adds windows");
}
