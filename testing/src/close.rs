//! Distances between numbers, where NaN and infinity are close only to themselves.

/// Whether a number differs from the wanted one by no more than is allowed. NaN matches NaN, an
/// infinity matches only itself, and nothing matches if the allowed difference is infinite.
pub fn is_close(got: f64, want: f64, allowed: f64) -> bool {
    let is_same = got == want || got.is_nan() && want.is_nan();
    is_same || (want.is_finite() && allowed.is_finite() && (got - want).abs() <= allowed)
}

/// The largest difference of numbers from the wanted ones, relative to the largest of those;
/// infinite if a number is not finite.
///
/// # Panics
/// If the counts differ, or the wanted numbers are useless: all of them are near zero, or one is
/// not finite.
pub fn relative_error(
    got: impl IntoIterator<Item = f64>,
    want: impl IntoIterator<Item = f64>,
) -> f64 {
    let (got, want): (Vec<f64>, Vec<f64>) = (got.into_iter().collect(), want.into_iter().collect());
    assert_eq!(got.len(), want.len(), "the number of elements differs");
    assert!(want.iter().all(|w| w.is_finite()), "an expected value is not finite");
    let largest = greatest(&want);
    assert!(largest > 1e-3, "all expected values are near zero");
    let apart: Vec<f64> = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).collect();
    match apart.iter().all(|d| d.is_finite()) {
        true => greatest(&apart) / largest,
        false => f64::INFINITY,
    }
}

/// The largest finite magnitude.
pub fn greatest(of: &[f64]) -> f64 {
    of.iter().filter(|x| x.is_finite()).fold(0.0, |most, x| x.abs().max(most))
}
