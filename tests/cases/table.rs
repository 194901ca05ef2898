//! The cases: networks like those that users bring, and how close their outputs must be.

/// A network with an input, and ONNX Runtime's results for it without optimizations.
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
    /// 1e-4 of the output's largest value: sums of f32 in another order.
    Rounding,
    /// 2e-2 of the output's largest value: half precision, which is computed in f32 here.
    Half,
    /// One step of this size, for quantized results: a value in the middle between two steps may be
    /// rounded to either.
    Step(f64),
    /// This part of the output's largest value: networks that quantize inside and end in floats.
    Part(f64),
}

/// All cases.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "computed_weights",
        wanted: "weights that parametrizations compute: weight, spectral and standardized ones, products, chains",
        within: Within::Rounding,
    },
    Case {
        name: "computed_weights_1d",
        wanted: "a network of one dimension, whose weights reach the convolution through a Reshape",
        within: Within::Rounding,
    },
    Case {
        name: "argmax_beside_softmax",
        wanted: "classes as integers beside probabilities",
        within: Within::Rounding,
    },
    Case {
        name: "bfloat16_weights",
        wanted: "weights stored as bfloat16, cast where they are used",
        within: Within::Rounding,
    },
    Case { name: "double_inside", wanted: "float64 between casts", within: Within::Rounding },
    Case { name: "double_model", wanted: "a network in float64", within: Within::Rounding },
    Case { name: "half_inside", wanted: "half precision between casts", within: Within::Half },
    Case { name: "half_model", wanted: "a network in half precision", within: Within::Half },
    Case {
        name: "onnx_runtime_fused",
        wanted: "ONNX Runtime's fused convolutions and products with every activation, and its gates",
        within: Within::Rounding,
    },
    Case {
        name: "onnx_runtime_products",
        wanted: "products of quantized matrices that end in floats",
        within: Within::Part(5e-3),
    },
    Case {
        name: "onnx_runtime_quantized_s8",
        wanted: "every operator of ONNX Runtime on signed bytes, channels first and last",
        within: Within::Step(1.0),
    },
    Case {
        name: "onnx_runtime_quantized_u8",
        wanted: "every operator of ONNX Runtime on bytes, channels first and last",
        within: Within::Step(1.0),
    },
    Case {
        name: "onnx_runtime_saved_dynamic",
        wanted: "a dynamically quantized network, saved by the optimizer",
        within: Within::Part(2e-2),
    },
    Case {
        name: "onnx_runtime_saved_float",
        wanted: "a network that the optimizer saved with FusedConv",
        within: Within::Rounding,
    },
    Case {
        name: "onnx_runtime_saved_qdq",
        wanted: "a quantized network that the optimizer saved at its highest level, channels last",
        within: Within::Step(0.064405),
    },
    Case {
        name: "onnx_runtime_saved_qoperator",
        wanted: "the same from operators on quantized values",
        within: Within::Step(0.064405),
    },
    Case {
        name: "operators_logic",
        wanted: "comparisons, choices, truth values and functions that jump, at run time",
        within: Within::Rounding,
    },
    Case {
        name: "operators_movement",
        wanted: "selections, repetitions, padding of all modes, pixels to channels and back",
        within: Within::Rounding,
    },
    Case {
        name: "operators_one_dimension",
        wanted: "resizing and moving along one dimension",
        within: Within::Rounding,
    },
    Case {
        name: "operators_powers",
        wanted: "generalized means, powers and norms",
        within: Within::Rounding,
    },
    Case {
        name: "operators_resize_10",
        wanted: "Resize with scales only",
        within: Within::Rounding,
    },
    Case {
        name: "operators_resize_nearest",
        wanted: "Resize to nearest elements, in all modes",
        within: Within::Rounding,
    },
    Case {
        name: "operators_resize_sums",
        wanted: "Resize by lines and cubics, with antialias, and of a part",
        within: Within::Rounding,
    },
    Case {
        name: "operators_upsample_7",
        wanted: "Upsample with scales as an attribute",
        within: Within::Rounding,
    },
    Case {
        name: "operators_upsample_9",
        wanted: "Upsample with scales as an operand",
        within: Within::Rounding,
    },
    Case {
        name: "ort_optimized_extended",
        wanted: "a file that ONNX Runtime saved after optimizing",
        within: Within::Rounding,
    },
    Case {
        name: "qdq_resnet_d",
        wanted: "a network of quantization and dequantization nodes, with a mean before a shortcut",
        within: Within::Step(0.02379414),
    },
    Case {
        name: "qoperator_concat",
        wanted: "QLinearConcat in a network",
        within: Within::Step(0.02849561),
    },
    Case {
        name: "qoperator_leaky",
        wanted: "QLinearLeakyRelu in a network",
        within: Within::Step(0.019083006),
    },
    Case {
        name: "qoperator_se",
        wanted: "squeeze-and-excitation of quantized values",
        within: Within::Step(0.009104548),
    },
    Case {
        name: "quantized_pool_1d",
        wanted: "means of pairs, half of which are midway between two steps",
        within: Within::Step(0.053),
    },
    Case {
        name: "quantized_resize_bytes",
        wanted: "bytes enlarged by linear interpolation, as ONNX Runtime's quantizer writes it",
        within: Within::Step(0.053),
    },
    Case {
        name: "quantized_resize_moved",
        wanted: "linear interpolation between quantized values, and a transpose",
        within: Within::Step(0.053),
    },
    Case {
        name: "quantized_zeros",
        wanted: "dynamic quantization of zeros",
        within: Within::Rounding,
    },
    Case {
        name: "transposed_difference",
        wanted: "the mean of |transpose(x) - x| compiles",
        within: Within::Rounding,
    },
    Case {
        name: "mask_and_shift",
        wanted: "inputs of bool and int64 beside an image, and an output of int64",
        within: Within::Rounding,
    },
    Case {
        name: "shape_not_declared",
        wanted: "an input without a declared shape takes that of what is given",
        within: Within::Rounding,
    },
    Case {
        name: "shape_open",
        wanted: "height and width of what is given",
        within: Within::Rounding,
    },
    Case {
        name: "floats_to_integers",
        wanted: "images that come out as bytes, and numbers towards zero",
        within: Within::Step(1.0),
    },
    Case {
        name: "lp_pool_rounded_up",
        wanted: "norms of windows, whose number is rounded up",
        within: Within::Rounding,
    },
    Case {
        name: "top_and_places",
        wanted: "the best and the worst in order, and where extremes are",
        within: Within::Rounding,
    },
    Case {
        name: "typed_half_weights",
        wanted: "weights stored as halves in a list of integers",
        within: Within::Rounding,
    },
    Case {
        name: "uint8_channels_last",
        wanted: "bytes of images as they lie in files, scaled inside",
        within: Within::Rounding,
    },
    Case {
        name: "uint8_input",
        wanted: "bytes of images, scaled inside",
        within: Within::Rounding,
    },
];
