//! How far numbers are apart, where NaN and infinity are only ever near themselves.

/// Whether a number is the wanted one or no further from it than is allowed. NaN is as good as NaN,
/// an infinity is only as good as itself, and nothing is near what is allowed to be anywhere.
pub fn is_close(got: f64, want: f64, allowed: f64) -> bool {
    let is_same = got == want || got.is_nan() && want.is_nan();
    is_same || (want.is_finite() && allowed.is_finite() && (got - want).abs() <= allowed)
}

/// The greatest difference of numbers from the wanted ones, relative to the greatest of those;
/// infinite if one is no finite number.
///
/// # Panics
/// If there are not as many, or the wanted ones say nothing: all of them are near zero, or one is
/// not finite.
pub fn relative_error(
    got: impl IntoIterator<Item = f64>,
    want: impl IntoIterator<Item = f64>,
) -> f64 {
    let (got, want): (Vec<f64>, Vec<f64>) = (got.into_iter().collect(), want.into_iter().collect());
    assert_eq!(got.len(), want.len(), "there are not as many numbers as are wanted");
    assert!(want.iter().all(|w| w.is_finite()), "the expected values are not all numbers");
    let largest = greatest(&want);
    assert!(largest > 1e-3, "the expected values say nothing");
    let apart: Vec<f64> = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).collect();
    match apart.iter().all(|d| d.is_finite()) {
        true => greatest(&apart) / largest,
        false => f64::INFINITY,
    }
}

/// The greatest finite magnitude.
pub fn greatest(of: &[f64]) -> f64 {
    of.iter().filter(|x| x.is_finite()).fold(0.0, |most, x| x.abs().max(most))
}
