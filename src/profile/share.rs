//! Shares of the peak, in words that are true: an algorithm that does fewer multiply-adds than
//! direct convolution, by whose count speeds are told, may be faster than the peak.

use serde::Serialize;

use crate::kernels::Algorithm;

/// What a speed is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// Of the peak: all multiply-adds that are counted are done.
    #[default]
    Peak,
    /// Of what direct convolution would reach at the peak: Winograd's algorithm does fewer
    /// multiply-adds than are counted, and tile registers do others.
    Direct,
}

impl ShareOf {
    /// For a layer that is computed so.
    pub fn of(algorithm: Algorithm) -> Self {
        if algorithm.is_by_definition() { ShareOf::Peak } else { ShareOf::Direct }
    }

    /// For layers together: of the peak if each of them is.
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
