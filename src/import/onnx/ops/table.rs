//! Which operators are supported, and with which limits.

use std::sync::LazyLock;

use super::operator::{Integers, Operator, PLAIN, When};
use super::{
    activations, arithmetic, cast, constants, conv, elementwise, indexing, joining, logic, matrix,
    microsoft, moments, normalize, pad, pixels, pool, powers, qlinear, quantize, reduce, resize,
    shapes, top,
};
use crate::import::onnx::open::is_standard;

/// The supported operators of the standard, by name.
const STANDARD: &[Operator] = &[
    Operator { name: "Abs", handler: arithmetic::unary, ..PLAIN },
    Operator { name: "Add", operands: 2, handler: arithmetic::binary, ..PLAIN },
    Operator {
        name: "And",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator { name: "ArgMax", handler: top::arg, integers: Integers::Read, ..PLAIN },
    Operator { name: "ArgMin", handler: top::arg, integers: Integers::Read, ..PLAIN },
    Operator {
        name: "AveragePool",
        handler: pool::average_pool,
        limits: "one or two spatial dimensions",
        ..PLAIN
    },
    Operator {
        name: "BatchNormalization",
        operands: 5,
        handler: normalize::batch_normalization,
        constants: &[1, 2, 3, 4],
        limits: "with stored statistics, for constants also with their own; the attribute spatial may not be 0",
        ..PLAIN
    },
    Operator {
        name: "Cast",
        handler: cast::cast,
        integers: Integers::Read,
        limits: "run-time values to any float type, which leaves them unchanged, or to bool; floats to integers, rounding towards zero, clamped to the limits of the type, NaN to 0; integers to types that hold them",
        ..PLAIN
    },
    Operator {
        name: "CastLike",
        operands: 2,
        handler: cast::cast_like,
        since: 15,
        integers: Integers::Read,
        limits: "as Cast",
        ..PLAIN
    },
    Operator { name: "Ceil", handler: arithmetic::unary, ..PLAIN },
    Operator { name: "Celu", handler: activations::elu, since: 12, ..PLAIN },
    Operator { name: "Clip", operands: 3, handler: elementwise::clip, constants: &[1, 2], ..PLAIN },
    Operator {
        name: "Concat",
        operands: usize::MAX,
        handler: joining::concat,
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "Constant",
        operands: 0,
        handler: constants::constant,
        when: When::Constants,
        limits: "tensors, floats and integers",
        ..PLAIN
    },
    Operator {
        name: "ConstantOfShape",
        handler: constants::constant_of_shape,
        since: 9,
        when: When::Constants,
        ..PLAIN
    },
    Operator {
        name: "Conv",
        operands: 3,
        handler: conv::conv,
        constants: &[1, 2],
        limits: "one or two spatial dimensions; three if the kernel is one element along the last",
        ..PLAIN
    },
    Operator {
        name: "ConvInteger",
        operands: 4,
        handler: qlinear::conv_integer,
        since: 10,
        constants: &[1, 3],
        integers: Integers::Read,
        limits: "as Conv",
        ..PLAIN
    },
    Operator {
        name: "DepthToSpace",
        handler: pixels::depth_to_space,
        integers: Integers::Kept,
        limits: "of images",
        ..PLAIN
    },
    Operator {
        name: "DequantizeLinear",
        operands: 3,
        handler: quantize::dequantize,
        since: 10,
        integers: Integers::Read,
        limits: "scales for the whole value or along an axis, not per block",
        ..PLAIN
    },
    Operator { name: "Div", operands: 2, handler: arithmetic::binary, ..PLAIN },
    Operator {
        name: "Dropout",
        operands: 3,
        handler: normalize::dropout,
        constants: &[1, 2],
        integers: Integers::Kept,
        limits: "inference: the first result is the operand",
        ..PLAIN
    },
    Operator { name: "DynamicQuantizeLinear", handler: quantize::dynamic, since: 11, ..PLAIN },
    Operator { name: "Elu", handler: activations::elu, ..PLAIN },
    Operator {
        name: "Equal",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator { name: "Erf", handler: activations::function, since: 9, ..PLAIN },
    Operator { name: "Exp", handler: arithmetic::unary, ..PLAIN },
    Operator {
        name: "Expand",
        operands: 2,
        handler: shapes::expand,
        since: 8,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "EyeLike",
        handler: constants::eye_like,
        since: 9,
        integers: Integers::Read,
        limits: "shapes are static: the result is a constant",
        ..PLAIN
    },
    Operator { name: "Flatten", handler: shapes::flatten, integers: Integers::Kept, ..PLAIN },
    Operator { name: "Floor", handler: arithmetic::unary, ..PLAIN },
    Operator {
        name: "Gather",
        operands: 2,
        handler: indexing::gather,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "GatherND",
        operands: 2,
        handler: indexing::gather_nd,
        since: 11,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator { name: "Gelu", handler: activations::gelu, since: 20, ..PLAIN },
    Operator { name: "Gemm", operands: 3, handler: matrix::gemm, ..PLAIN },
    Operator { name: "GlobalAveragePool", handler: pool::global_average_pool, ..PLAIN },
    Operator { name: "GlobalLpPool", handler: powers::global_lp_pool, ..PLAIN },
    Operator {
        name: "GlobalMaxPool",
        handler: pool::global_max_pool,
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "Greater",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator {
        name: "GreaterOrEqual",
        operands: 2,
        handler: arithmetic::binary,
        since: 12,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator {
        name: "GroupNormalization",
        operands: 3,
        handler: moments::group,
        since: 18,
        ..PLAIN
    },
    Operator { name: "HardSigmoid", handler: activations::hard_sigmoid, ..PLAIN },
    Operator { name: "HardSwish", handler: activations::hard_swish, since: 14, ..PLAIN },
    Operator { name: "Identity", handler: shapes::identity, integers: Integers::Kept, ..PLAIN },
    Operator { name: "InstanceNormalization", operands: 3, handler: moments::instance, ..PLAIN },
    Operator {
        name: "LayerNormalization",
        operands: 3,
        handler: moments::layer,
        since: 17,
        ..PLAIN
    },
    Operator { name: "LeakyRelu", handler: activations::leaky_relu, ..PLAIN },
    Operator {
        name: "Less",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator {
        name: "LessOrEqual",
        operands: 2,
        handler: arithmetic::binary,
        since: 12,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator { name: "Log", handler: arithmetic::unary, ..PLAIN },
    Operator { name: "LogSoftmax", handler: normalize::softmax, ..PLAIN },
    Operator { name: "LpNormalization", handler: powers::lp_normalization, ..PLAIN },
    Operator {
        name: "LpPool",
        handler: pool::lp_pool,
        limits: "one or two spatial dimensions",
        ..PLAIN
    },
    Operator { name: "MatMul", operands: 2, handler: matrix::matmul, ..PLAIN },
    Operator {
        name: "MatMulInteger",
        operands: 4,
        handler: qlinear::matmul_integer,
        since: 10,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator { name: "Max", operands: usize::MAX, handler: elementwise::extremum, ..PLAIN },
    Operator {
        name: "MaxPool",
        handler: pool::max_pool,
        integers: Integers::Kept,
        limits: "one or two spatial dimensions; the indices are not computed",
        ..PLAIN
    },
    Operator { name: "Mean", operands: usize::MAX, handler: joining::mean, ..PLAIN },
    Operator {
        name: "MeanVarianceNormalization",
        handler: moments::mean_variance,
        since: 9,
        ..PLAIN
    },
    Operator { name: "Min", operands: usize::MAX, handler: elementwise::extremum, ..PLAIN },
    Operator { name: "Mish", handler: activations::mish, since: 18, ..PLAIN },
    Operator {
        name: "Mod",
        operands: 2,
        handler: arithmetic::binary,
        since: 10,
        when: When::Constants,
        ..PLAIN
    },
    Operator { name: "Mul", operands: 2, handler: arithmetic::binary, ..PLAIN },
    Operator { name: "Neg", handler: arithmetic::unary, ..PLAIN },
    Operator { name: "Not", handler: arithmetic::unary, integers: Integers::Read, ..PLAIN },
    Operator {
        name: "Or",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator { name: "PRelu", operands: 2, handler: activations::prelu, ..PLAIN },
    Operator {
        name: "Pad",
        operands: 4,
        handler: pad::pad,
        constants: &[1, 2, 3],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator { name: "Pow", operands: 2, handler: arithmetic::binary, ..PLAIN },
    Operator {
        name: "QLinearConv",
        operands: 9,
        handler: qlinear::conv,
        since: 10,
        constants: &[1, 2, 3, 4, 5, 6, 7, 8],
        integers: Integers::Read,
        limits: "as Conv",
        ..PLAIN
    },
    Operator {
        name: "QLinearMatMul",
        operands: 8,
        handler: qlinear::matmul,
        since: 10,
        constants: &[1, 2, 4, 5, 6, 7],
        integers: Integers::Read,
        limits: "a single scale for the left operand",
        ..PLAIN
    },
    Operator {
        name: "QuantizeLinear",
        operands: 3,
        handler: quantize::quantize,
        since: 10,
        constants: &[2],
        limits: "to 8 and 16 bits; scales for the whole value or along an axis, not per block",
        ..PLAIN
    },
    Operator {
        name: "RMSNormalization",
        operands: 2,
        handler: moments::root_mean_square,
        since: 23,
        ..PLAIN
    },
    Operator {
        name: "Range",
        operands: 3,
        handler: constants::range,
        since: 11,
        when: When::Constants,
        ..PLAIN
    },
    Operator { name: "Reciprocal", handler: arithmetic::unary, ..PLAIN },
    Operator {
        name: "ReduceL1",
        operands: 2,
        handler: reduce::reduce_function,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceL2",
        operands: 2,
        handler: reduce::reduce_function,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceLogSum",
        operands: 2,
        handler: reduce::reduce_function,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceLogSumExp",
        operands: 2,
        handler: reduce::reduce_function,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceMax",
        operands: 2,
        handler: reduce::reduce_extremum,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceMean",
        operands: 2,
        handler: reduce::reduce_mean,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceMin",
        operands: 2,
        handler: reduce::reduce_extremum,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceProd",
        operands: 2,
        handler: reduce::reduce_constant,
        when: When::Constants,
        ..PLAIN
    },
    Operator {
        name: "ReduceSum",
        operands: 2,
        handler: reduce::reduce_sum,
        constants: &[1],
        ..PLAIN
    },
    Operator {
        name: "ReduceSumSquare",
        operands: 2,
        handler: reduce::reduce_function,
        constants: &[1],
        ..PLAIN
    },
    Operator { name: "Relu", handler: activations::function, ..PLAIN },
    Operator {
        name: "Reshape",
        operands: 2,
        handler: shapes::reshape,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "Resize",
        operands: 4,
        handler: resize::resize,
        since: 10,
        constants: &[1, 2, 3],
        integers: Integers::Read,
        limits: "integers: all types in nearest mode; uint8, int8, uint16, int16 and int32 in linear mode without antialias",
        ..PLAIN
    },
    Operator { name: "Round", handler: arithmetic::unary, since: 11, ..PLAIN },
    Operator { name: "Selu", handler: activations::elu, ..PLAIN },
    Operator {
        name: "Shape",
        handler: shapes::shape,
        integers: Integers::Read,
        limits: "shapes are static: the result is a constant",
        ..PLAIN
    },
    Operator { name: "Sigmoid", handler: activations::function, ..PLAIN },
    Operator { name: "Sign", handler: arithmetic::unary, since: 9, ..PLAIN },
    Operator {
        name: "Size",
        handler: shapes::size,
        integers: Integers::Read,
        limits: "as Shape",
        ..PLAIN
    },
    Operator {
        name: "Slice",
        operands: 5,
        handler: indexing::slice,
        constants: &[1, 2, 3, 4],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator { name: "Softmax", handler: normalize::softmax, ..PLAIN },
    Operator { name: "Softplus", handler: activations::softplus, ..PLAIN },
    Operator { name: "Softsign", handler: activations::softsign, ..PLAIN },
    Operator {
        name: "SpaceToDepth",
        handler: pixels::space_to_depth,
        integers: Integers::Kept,
        limits: "of images",
        ..PLAIN
    },
    Operator {
        name: "Split",
        operands: 2,
        handler: indexing::split,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator { name: "Sqrt", handler: arithmetic::unary, ..PLAIN },
    Operator {
        name: "Squeeze",
        operands: 2,
        handler: shapes::squeeze,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator { name: "Sub", operands: 2, handler: arithmetic::binary, ..PLAIN },
    Operator { name: "Sum", operands: usize::MAX, handler: joining::sum, ..PLAIN },
    Operator { name: "Swish", handler: activations::swish, since: 24, ..PLAIN },
    Operator { name: "Tanh", handler: arithmetic::unary, ..PLAIN },
    Operator {
        name: "Tile",
        operands: 3,
        handler: shapes::tile,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "TopK",
        operands: 2,
        handler: top::top_k,
        constants: &[1],
        integers: Integers::Read,
        limits: "the results are always sorted",
        ..PLAIN
    },
    Operator { name: "Transpose", handler: shapes::transpose, integers: Integers::Kept, ..PLAIN },
    Operator {
        name: "Unsqueeze",
        operands: 2,
        handler: shapes::unsqueeze,
        constants: &[1],
        integers: Integers::Kept,
        ..PLAIN
    },
    Operator {
        name: "Upsample",
        operands: 2,
        handler: resize::resize,
        constants: &[1],
        integers: Integers::Read,
        limits: "as Resize",
        ..PLAIN
    },
    Operator {
        name: "Where",
        operands: 3,
        handler: logic::select,
        since: 9,
        integers: Integers::Read,
        ..PLAIN
    },
    Operator {
        name: "Xor",
        operands: 2,
        handler: arithmetic::binary,
        integers: Integers::Read,
        ..PLAIN
    },
];

/// Every supported operator, by domain and name.
static OPERATORS: LazyLock<Vec<Operator>> =
    LazyLock::new(|| [STANDARD, microsoft::OPERATORS].concat());

/// Every supported operator, by domain and name.
pub fn operators() -> &'static [Operator] {
    &OPERATORS
}

/// An operator by its domain and name.
pub(in crate::import::onnx) fn find(domain: &str, name: &str) -> Option<&'static Operator> {
    let domain = if is_standard(domain) { "" } else { domain };
    operators().iter().find(|o| o.domain == domain && o.name == name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted_and_has_no_operator_twice() {
        let key = |o: &super::Operator| (o.domain, o.name);
        assert!(super::operators().windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    }
}
