//! The cases of the standard that are refused, and why.

/// Cases that are refused for one reason.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What the error says.
    pub(crate) error: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
    /// Names of cases.
    pub(crate) cases: &'static [&'static str],
}

/// Operators for which the standard has no case in float32.
pub(crate) const UNTESTED: &[&str] = &["Cast", "CastLike", "GlobalLpPool"];

/// Cases with a quotient in the middle between two integers, where rounding it to f32 first
/// decides. The interpreter, which computes in f64, may differ by one quantization step there.
pub(crate) const ONE_STEP: &[&str] =
    &["test_dynamicquantizelinear", "test_dynamicquantizelinear_expanded"];

/// Cases with other results here.
pub(crate) const OTHERWISE: &[Otherwise] = &[Otherwise {
    reason: "Aligned corners with a scale that gives no integer: the formula of the standard, ONNX Runtime and PyTorch \
             take the extent that the result has, the standard's reference takes the scaled one.",
    cases: &[
        "test_resize_downsample_scales_cubic_align_corners",
        "test_resize_downsample_scales_linear_align_corners",
    ],
}];

/// Cases whose results differ for one reason.
#[derive(Debug)]
pub(crate) struct Otherwise {
    /// Why.
    pub(crate) reason: &'static str,
    /// Names of cases.
    pub(crate) cases: &'static [&'static str],
}

/// Every refused case.
pub(crate) const REFUSED: &[Refusal] = &[
    Refusal {
        error: "cannot be reshaped to [3, 4, 0]",
        reason: "An empty operand, whose extent of 0 is treated as an unknown batch.",
        cases: &["test_reshape_allowzero_reordered"],
    },
    Refusal {
        error: "3 spatial dimensions",
        reason: "Three spatial dimensions.",
        cases: &[
            "test_averagepool_3d_default",
            "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False",
            "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True",
            "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False",
            "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
            "test_averagepool_3d_dilations_small",
            "test_lppool_3d_default",
            "test_maxpool_3d_default",
            "test_maxpool_3d_dilations",
            "test_maxpool_3d_dilations_use_ref_impl",
            "test_maxpool_3d_dilations_use_ref_impl_large",
        ],
    },
    Refusal {
        error: "training",
        reason: "Training.",
        cases: &[
            "test_batchnorm_epsilon_training_mode",
            "test_batchnorm_example_training_mode",
            "test_training_dropout",
            "test_training_dropout_default",
            "test_training_dropout_default_mask",
            "test_training_dropout_mask",
            "test_training_dropout_zero_ratio",
            "test_training_dropout_zero_ratio_mask",
        ],
    },
    Refusal {
        error: "has no size",
        reason: "A dimension of extent 0, which exporters write for one that is unknown.",
        cases: &[
            "test_reduce_l1_empty_set",
            "test_reduce_l1_empty_set_expanded",
            "test_reduce_l2_empty_set",
            "test_reduce_l2_empty_set_expanded",
            "test_reduce_log_sum_empty_set",
            "test_reduce_log_sum_empty_set_expanded",
            "test_reduce_log_sum_exp_empty_set",
            "test_reduce_log_sum_exp_empty_set_expanded",
            "test_reduce_max_empty_set",
            "test_reduce_min_empty_set",
            "test_reduce_sum_empty_set",
            "test_reduce_sum_empty_set_non_reduced_axis_zero",
            "test_reduce_sum_square_empty_set",
            "test_reduce_sum_square_empty_set_expanded",
        ],
    },
    Refusal {
        error: "extent 0",
        reason: "An empty result.",
        cases: &["test_constantofshape_int_shape_zero", "test_shape_start_greater_than_end"],
    },
    Refusal {
        error: "0 elements from",
        reason: "An empty result.",
        cases: &["test_slice_start_out_of_bounds"],
    },
    Refusal {
        error: "does not split",
        reason: "An empty result.",
        cases: &["test_split_zero_size_splits_opset13", "test_split_zero_size_splits_opset18"],
    },
    Refusal {
        error: "is used, but not supported",
        reason: "Results that only training needs, or indices of maxima.",
        cases: &[
            "test_dropout_default_mask",
            "test_dropout_default_mask_ratio",
            "test_maxpool_with_argmax_2d_precomputed_pads",
            "test_maxpool_with_argmax_2d_precomputed_strides",
        ],
    },
    Refusal {
        error: "control flow is not supported",
        reason: "Loops. (The operator itself is computed from constants; these are its expansion.)",
        cases: &[
            "test_range_float_type_positive_delta_expanded",
            "test_range_int32_type_negative_delta_expanded",
        ],
    },
    Refusal {
        error: "block_size",
        reason: "Scales by block.",
        cases: &["test_dequantizelinear_blocked", "test_quantizelinear_blocked_asymmetric"],
    },
    Refusal {
        error: "repeats is computed at run time",
        reason: "An operand that must be a constant is given at run time; the results are too large to be stored with the tests.",
        cases: &["test_tile"],
    },
    Refusal {
        error: "opset 1 is not supported",
        reason: "Operator versions before 7.",
        cases: &["test_not_2d", "test_not_3d", "test_not_4d"],
    },
];

/// Whether a case has other results here.
pub(crate) fn is_otherwise(case: &str) -> bool {
    OTHERWISE.iter().any(|other| other.cases.contains(&case))
}

/// Why a case is refused, if it is.
pub(crate) fn reason(case: &str) -> Option<&'static Refusal> {
    REFUSED.iter().find(|r| r.cases.contains(&case))
}
