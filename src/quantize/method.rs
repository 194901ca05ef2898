//! From the distribution of a value to the range that its bytes cover.

use super::error::QuantizeError;
use super::histogram::{BINS, Histogram};

/// How the range of a value is found. Inputs of the network always keep their whole range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// From the smallest element to the largest.
    #[default]
    MinMax,
    /// This percentage of the elements: as many beyond the range at either end, as in ONNX Runtime's
    /// quantization tool. Above 50, at most 100.
    Percentile(f64),
    /// The range that loses the least information: the one at which the divergence (Kullback and
    /// Leibler) of the quantized distribution of magnitudes from the exact one is least. Source:
    /// Szymon Migacz, "8-bit Inference with TensorRT", GTC 2017.
    ///
    /// A number that many elements share does not count more often than those beside it. NVIDIA's
    /// pytorch-quantization does so with 0, of which an activation makes many; the same is needed
    /// for what a layer makes of a picture's background, or for the bytes of pictures.
    Entropy,
}

impl Method {
    /// The usual percentile.
    pub const PERCENTILE: Method = Method::Percentile(99.99);

    /// Checks the percentile.
    pub(super) fn check(self) -> Result<(), QuantizeError> {
        match self {
            Method::Percentile(percent) if !(percent > 50.0 && percent <= 100.0) => {
                Err(QuantizeError::Percentile { percent })
            }
            _ => Ok(()),
        }
    }

    /// The range of a distribution; it includes 0.
    pub(super) fn range(self, histogram: &Histogram) -> [f64; 2] {
        let [lo, hi] = histogram.extremes.map(f64::from);
        let [lo, hi] = match self {
            _ if lo > hi => [0.0, 0.0],
            Method::MinMax => [lo, hi],
            Method::Percentile(percent) => {
                let tail = (100.0 - percent) / 200.0;
                [histogram.quantile(tail), histogram.quantile(1.0 - tail)]
            }
            Method::Entropy => {
                let limit = threshold(histogram);
                [lo.max(-limit), hi.min(limit)]
            }
        };
        [lo.min(0.0), hi.max(0.0)]
    }
}

/// The largest number of bins between which a threshold is looked for.
const CANDIDATES: usize = 2048;

/// The magnitude beyond which elements are cut off.
fn threshold(histogram: &Histogram) -> f64 {
    let [negative, positive] = &histogram.sides;
    let is_one_sided = negative.is_empty() || positive.is_empty();
    // Steps from 0 to the end of the range.
    let levels = if is_one_sided { 255 } else { 127 };
    let merged = BINS / CANDIDATES;
    let sum = |bins: &[u64], i: usize| bins.iter().skip(i * merged).take(merged).sum::<u64>();
    let magnitudes: Vec<f64> =
        (0..CANDIDATES).map(|i| (sum(negative, i) + sum(positive, i)) as f64).collect();
    let magnitudes = without_spikes(&magnitudes);
    let used = magnitudes.iter().rposition(|&n| n > 0.0).map_or(0, |last| last + 1);
    let divergences =
        (levels..used).map(|bins| (divergence(&magnitudes[..used], bins, levels), bins));
    let whole = (divergence(&magnitudes[..used], used, levels), used);
    let best = divergences.chain([whole]).min_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, bins @ 1..)) => bins as f64 * histogram.width() * merged as f64,
        // Nothing but spikes.
        _ => f64::INFINITY,
    }
}

/// A histogram in which no bin has more elements than both of its neighbours.
fn without_spikes(bins: &[f64]) -> Vec<f64> {
    let at = |i: Option<usize>| i.and_then(|i| bins.get(i)).copied().unwrap_or(0.0);
    let beside = |i: usize| at(i.checked_sub(1)).max(at(Some(i + 1)));
    bins.iter().enumerate().map(|(i, &n)| n.min(beside(i))).collect()
}

/// The divergence of the first `bins` of a histogram, quantized to `levels`, from the same with
/// everything beyond them in the last; infinite where that loses a bin.
fn divergence(histogram: &[f64], bins: usize, levels: usize) -> f64 {
    let beyond: f64 = histogram[bins..].iter().sum();
    let inside: f64 = histogram[..bins].iter().sum();
    if inside == 0.0 {
        return f64::INFINITY;
    }
    let total = inside + beyond;
    let mut sum = 0.0;
    for level in 0..levels {
        let (start, end) = (level * bins / levels, (level + 1) * bins / levels);
        let level = &histogram[start..end];
        let filled = level.iter().filter(|&&n| n > 0.0).count() as f64;
        let mean = level.iter().sum::<f64>() / filled.max(1.0);
        for (i, &n) in (start..).zip(level) {
            let exact = n + if i + 1 == bins { beyond } else { 0.0 };
            let kept = if n > 0.0 { mean } else { 0.0 };
            match (exact > 0.0, kept > 0.0) {
                (false, _) => {}
                (true, false) => return f64::INFINITY,
                (true, true) => {
                    let (p, q) = (exact / total, kept / inside);
                    sum += p * libm::log(p / q);
                }
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use resnetc_ir::random::SplitMix;

    fn of(elements: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.add(elements).unwrap();
        histogram
    }

    /// Numbers that are mostly near 0, and one that is far away.
    fn with_outlier(outlier: f32) -> Histogram {
        let mut random = SplitMix(1);
        let mut uniform = || random.draw() as f64 / u64::MAX as f64;
        // The sum of twelve uniform numbers has nearly a normal distribution.
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() as f32 - 6.0;
        let mut elements: Vec<f32> = (0..20_000).map(|_| normal()).collect();
        elements.push(outlier);
        of(&elements)
    }

    #[test]
    fn an_outlier_decides_the_extremes_only() {
        let histogram = with_outlier(40.0);
        let most = |method: Method| method.range(&histogram)[1];
        assert_eq!(most(Method::MinMax), 40.0);
        for method in [Method::PERCENTILE, Method::Entropy] {
            let most = most(method);
            assert!((2.5..8.0).contains(&most), "{method:?}: {most}");
        }
    }

    #[test]
    fn every_range_includes_0_and_stays_within_the_extremes() {
        let cases = [
            of(&[3.0, 4.0]),
            of(&[-2.0, -1.0]),
            of(&[0.0; 9]),
            of(&[1e-30]),
            of(&[f32::MAX, f32::MIN]),
            Histogram::new(),
            with_outlier(-9.0),
        ];
        for histogram in cases {
            for method in [Method::MinMax, Method::PERCENTILE, Method::Entropy] {
                let [lo, hi] = method.range(&histogram);
                let [least, most] = histogram.extremes.map(f64::from);
                assert!(lo <= 0.0 && hi >= 0.0, "{method:?}: {lo} {hi}");
                assert!(lo >= least.min(0.0) && hi <= most.max(0.0), "{method:?}: {lo} {hi}");
            }
        }
    }

    /// What a distribution with no more bins than levels loses: nothing.
    #[test]
    fn few_bins_lose_nothing() {
        assert_eq!(divergence(&[1.0, 0.0, 5.0], 3, 3), 0.0);
        let spread = [1.0, 3.0, 2.0, 2.0];
        // p = 1/8, 3/8, 1/4, 1/4; q = 1/4 each.
        let wanted = 0.125 * 0.5f64.ln() + 0.375 * 1.5f64.ln();
        assert!((divergence(&spread, 4, 2) - wanted).abs() < 1e-12);
    }

    /// Half of the elements are the same number, behind which the others go on.
    #[test]
    fn a_number_that_many_share_does_not_decide() {
        let smooth: Vec<f32> = (1..=20_000).map(|i| (i as f32 / 20_000.0).powi(2)).collect();
        let mut shared = smooth.clone();
        shared.extend(vec![0.25; 20_000]);
        let [plain, spiked] = [smooth, shared].map(|x| Method::Entropy.range(&of(&x))[1]);
        assert!((plain - spiked).abs() < 0.05 && plain > 0.5, "{plain} {spiked}");
        let bytes: Vec<f32> = (0..=255).map(|b| b as f32 / 255.0 - 0.3).collect();
        assert_eq!(Method::Entropy.range(&of(&bytes)), Method::MinMax.range(&of(&bytes)));
    }

    #[test]
    fn a_percentile_is_between_half_and_all() {
        for percent in [50.0, 100.1, f64::NAN, -1.0] {
            assert!(Method::Percentile(percent).check().is_err(), "{percent}");
        }
        for percent in [50.1, 99.0, 100.0] {
            assert!(Method::Percentile(percent).check().is_ok(), "{percent}");
        }
    }
}
