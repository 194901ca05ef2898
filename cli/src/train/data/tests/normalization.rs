//! Means and deviations of data sets.

use proptest::prelude::*;

use super::super::testing::{Folder, noise};
use super::super::{Dataset, Normalization, Split};

/// The mean and the deviation of numbers, by definition.
fn direct(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    [mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()]
}

/// Asserts that a measured number is the direct one, rounded to f32. The errors of two sums in f64
/// are far below its last place, but may tip the rounding.
fn assert_close(measured: f32, direct: f64) {
    assert!(
        (f64::from(measured) - direct).abs() <= direct.abs() * f64::from(f32::EPSILON),
        "{measured} {direct}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn measured_is_computed(
        count in 2usize..30,
        [h, w] in prop::array::uniform2(2usize..7),
        at_most in 0usize..40,
    ) {
        let folder = Folder::new();
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        folder.mnist([h, w], &labels, &labels);
        let data = Dataset::open(&folder.0, Split::Train).unwrap();
        let some = at_most.clamp(1, count);
        let pictures = noise(count * h * w, count);
        let seen = (0..some).flat_map(|i| &pictures[i * count / some * h * w..][..h * w]);
        let values: Vec<f64> = seen.map(|&b| f64::from(b) / 255.0).collect();
        let (measured, _) = Normalization::measure(&data, at_most).unwrap();
        let [mean, deviation] = direct(&values);
        prop_assert_eq!((measured.mean.len(), measured.deviation.len()), (1, 1));
        assert_close(measured.mean[0], mean);
        assert_close(measured.deviation[0], deviation);
    }
}

#[test]
fn channels_are_measured_one_by_one() {
    let folder = Folder::new();
    // Red is 0 or 255, green is 0 or 51, blue is 102 or 204.
    folder.picture("a/1.png", [1, 2], |i| [0, 0, 102, 255, 51, 204][i]);
    folder.picture("b/2.png", [1, 2], |i| [255, 51, 204, 0, 0, 102][i]);
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    let (measured, _) = Normalization::measure(&data, 100).unwrap();
    for (channel, [mean, deviation]) in [[0.5, 0.5], [0.1, 0.1], [0.6, 0.2]].into_iter().enumerate()
    {
        assert_close(measured.mean[channel], mean);
        assert_close(measured.deviation[channel], deviation);
    }
    // Normalized, the two values of each channel are -1 and 1.
    for numbers in measured.numbers().iter().zip([[0, 255], [0, 51], [102, 204]]) {
        let [lo, hi] = numbers.1.map(|b| numbers.0[b]);
        assert!((lo + 1.0).abs() < 1e-6 && (hi - 1.0).abs() < 1e-6, "{lo} {hi}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = Folder::new();
    folder.picture("a/1.png", [2, 2], |i| if i % 3 == 1 { 7 } else { i as u8 });
    folder.picture("b/1.png", [2, 2], |i| if i % 3 == 1 { 7 } else { i as u8 });
    let data = Dataset::open(&folder.0, Split::Train).unwrap();
    let error = Normalization::measure(&data, 9).unwrap_err();
    assert!(error.message().contains("channel 1 has the same value"), "{error:?}");
    for (mean, deviation, says) in [
        (vec![0.5], vec![0.5; 3], "1 means"),
        (vec![0.5; 3], vec![0.5; 2], "2 deviations"),
        (vec![0.5, f32::NAN, 0.5], vec![0.5; 3], "NaN is no mean"),
        (vec![0.5; 3], vec![0.5, 0.5, 0.0], "0 is no deviation"),
        (vec![0.5; 3], vec![0.5, f32::INFINITY, 0.5], "inf is no deviation"),
    ] {
        let error = Normalization { mean, deviation }.check(3).unwrap_err();
        assert!(error.message().contains(says), "{error:?}");
    }
}
