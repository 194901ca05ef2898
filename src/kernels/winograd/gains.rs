//! How much the filters amplify each input channel.

/// The minimum gain, so that values whose transforms would overflow have an energy that is not
/// finite, however small the filters are.
pub(super) const LEAST_GAIN: f32 = 1.0 / (1u64 << 40) as f32;

/// Turns the largest sum of squares of a filter of each channel into the channel's gain: the root,
/// relative to the largest one.
pub(super) fn relative(gains: &mut [f32]) {
    let all = gains.iter().copied().fold(0.0, greatest);
    for gain in gains {
        // If all filters are zero, all channels count the same; a NaN makes all gains NaN.
        let relative = if all == 0.0 { 1.0 } else { (*gain / all).sqrt() };
        *gain = greatest(relative, LEAST_GAIN);
    }
}

/// The larger, or NaN if either is NaN.
pub(super) fn greatest(a: f32, b: f32) -> f32 {
    if a <= b || b.is_nan() { b } else { a }
}
