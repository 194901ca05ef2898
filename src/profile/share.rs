//! What a share of the peak refers to: speeds count the multiply-adds of direct convolution, so an
//! algorithm that does fewer may be faster than the peak.

use serde::Serialize;

use crate::kernels::Algorithm;

/// The operator whose products are of bytes.
const ON_BYTES: &str = "quantized_conv";

/// The peak to which a speed's share refers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// A share of the peak: all counted multiply-adds are done.
    #[default]
    Peak,
    /// A share of what direct convolution of floats would reach at the peak: Winograd's algorithm
    /// does fewer multiply-adds than are counted, and tile registers and bytes need different ones.
    Direct,
}

impl ShareOf {
    /// For an operator, by name, that is computed by this algorithm.
    pub fn of(op: &str, algorithm: Algorithm) -> Self {
        match algorithm.is_by_definition() && op != ON_BYTES {
            true => ShareOf::Peak,
            false => ShareOf::Direct,
        }
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
    use resnetc_ir::kind::OpKind;

    #[test]
    fn only_direct_convolution_has_a_share_of_the_peak() {
        for algorithm in ALGORITHMS {
            let is_direct = algorithm == Algorithm::DIRECT;
            let share = |kind: OpKind| ShareOf::of(kind.names()[0], algorithm);
            assert_eq!(share(OpKind::Conv) == ShareOf::Peak, is_direct, "{algorithm}");
            assert_eq!(share(OpKind::QuantizedConv), ShareOf::Direct, "{algorithm}");
        }
        assert_eq!(ShareOf::all([ShareOf::Peak, ShareOf::Direct, ShareOf::Peak]), ShareOf::Direct);
        assert_eq!(ShareOf::all([ShareOf::Peak; 2]), ShareOf::Peak);
        assert_eq!(ShareOf::all([]), ShareOf::Peak);
    }
}
