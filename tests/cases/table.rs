//! The cases: what users of such tools brought, and how near to the right outputs theirs must come.

/// A network with an input, and what ONNX Runtime makes of it without optimizations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its folder below `tests/cases`.
    pub(crate) name: &'static str,
    /// What the user wanted.
    pub(crate) wanted: &'static str,
    /// How near outputs must come.
    pub(crate) within: Within,
}

/// How near outputs must come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within {
    /// 1e-4 of the output's greatest value: sums of f32 in another order.
    Rounding,
    /// 2e-2 of the output's greatest value: half precision, which is computed in f32 here.
    Half,
}

/// All cases.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "computed_weights_1d",
        wanted: "a network of one dimension, whose weights reach the convolution through a Reshape",
        within: Within::Rounding,
    },
    Case { name: "half_inside", wanted: "half precision between casts", within: Within::Half },
    Case { name: "half_model", wanted: "a network in half precision", within: Within::Half },
];
