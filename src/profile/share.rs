//! What a share of the peak refers to: speeds count the multiply-adds of direct convolution, so an
//! algorithm that does fewer may be faster than the peak.

use serde::Serialize;

use crate::kernels::Algorithm;

/// The peak to which a speed's share refers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// A share of the peak: all counted multiply-adds are done.
    #[default]
    Peak,
    /// A share of what direct convolution would reach at the peak: Winograd's algorithm does fewer
    /// multiply-adds than are counted, and tile registers do different ones.
    Direct,
}

impl ShareOf {
    /// For a layer that is computed by this algorithm.
    pub fn of(algorithm: Algorithm) -> Self {
        if algorithm.is_by_definition() { ShareOf::Peak } else { ShareOf::Direct }
    }

    /// For several layers: `Peak` if it is for each of them.
    pub fn all(each: impl IntoIterator<Item = ShareOf>) -> Self {
        each.into_iter().find(|&share| share == ShareOf::Direct).unwrap_or_default()
    }

    /// `peak` or `direct`.
    pub fn name(self) -> &'static str {
        match self {
            ShareOf::Peak => "peak",
            ShareOf::Direct => "direct",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::algorithm::ALGORITHMS;

    #[test]
    fn only_direct_convolution_has_a_share_of_the_peak() {
        for algorithm in ALGORITHMS {
            let is_direct = algorithm == Algorithm::DIRECT;
            assert_eq!(ShareOf::of(algorithm) == ShareOf::Peak, is_direct, "{algorithm}");
        }
        assert_eq!(ShareOf::all([ShareOf::Peak, ShareOf::Direct, ShareOf::Peak]), ShareOf::Direct);
        assert_eq!(ShareOf::all([ShareOf::Peak; 2]), ShareOf::Peak);
        assert_eq!(ShareOf::all([]), ShareOf::Peak);
    }
}
