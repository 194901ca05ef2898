//! The operators that ONNX Runtime adds to the standard: those that its quantization tools write,
//! and those that its optimizer saves.
//!
//! | module | holds |
//! |---|---|
//! | `quantized` | functions of quantized values |
//! | `products` | products of quantized matrices |
//! | `fused` | convolutions and products with the operators that follow them |
//! | `layout` | channels last, and in blocks |

mod fused;
mod layout;
mod products;
mod quantized;

use super::operator::{Integers, Operator, PLAIN};
use super::{activations, pool, quantize};

/// The domain of the operators that any machine can compute.
pub(in crate::import::onnx) const DOMAIN: &str = "com.microsoft";

/// The domain of the operators on values whose channels are in blocks.
const BLOCKED: &str = "com.microsoft.nchwc";

/// An operator on floats. Operands that none of them reads are ignored: these operators gain
/// optional operands from release to release, without a new version.
const FLOAT: Operator = Operator { domain: DOMAIN, since: 1, operands: usize::MAX, ..PLAIN };

/// An operator on quantized values, with one scale per value: a value with its scale and zero
/// point, and those of the result.
const QUANTIZED: Operator =
    Operator { constants: &[1, 2, 3, 4], integers: Integers::Read, ..FLOAT };

const TWO_QUANTIZED: Operator =
    Operator { constants: &[1, 2, 4, 5, 6, 7], limits: "one scale per value", ..QUANTIZED };

const IN_BLOCKS: Operator = Operator {
    domain: BLOCKED,
    limits: "as the standard's; `Conv` of this domain is refused",
    ..FLOAT
};

/// The rows of these operators, sorted.
pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "BiasGelu", handler: activations::bias_gelu, ..FLOAT },
    Operator {
        name: "DequantizeLinear",
        handler: quantize::dequantize,
        integers: Integers::Read,
        limits: "as the standard's",
        ..FLOAT
    },
    Operator {
        name: "DynamicQuantizeMatMul",
        handler: products::dynamic_matmul,
        constants: &[],
        ..QUANTIZED
    },
    Operator { name: "FastGelu", handler: activations::fast_gelu, ..FLOAT },
    Operator {
        name: "FusedConv",
        handler: fused::conv,
        constants: &[1, 2],
        limits: "as Conv",
        ..FLOAT
    },
    Operator { name: "FusedGemm", handler: fused::gemm, ..FLOAT },
    Operator { name: "FusedMatMul", handler: fused::matmul, ..FLOAT },
    Operator { name: "FusedMatMulActivation", handler: fused::matmul, ..FLOAT },
    Operator { name: "Gelu", handler: activations::bias_gelu, ..FLOAT },
    Operator {
        name: "MatMulIntegerToFloat",
        handler: products::matmul_to_float,
        constants: &[],
        ..QUANTIZED
    },
    Operator {
        name: "NhwcFusedConv",
        handler: fused::nhwc_conv,
        constants: &[1, 2],
        limits: "as Conv",
        ..FLOAT
    },
    Operator {
        name: "NhwcMaxPool",
        handler: layout::max_pool,
        integers: Integers::Kept,
        limits: "as MaxPool",
        ..FLOAT
    },
    Operator {
        name: "QGemm",
        handler: products::gemm,
        constants: &[1, 2, 4, 5, 7, 8],
        ..QUANTIZED
    },
    Operator { name: "QLinearAdd", handler: quantized::binary, ..TWO_QUANTIZED },
    Operator {
        name: "QLinearAveragePool",
        handler: quantized::average_pool,
        limits: "as AveragePool, without ceil_mode and count_include_pad together",
        ..QUANTIZED
    },
    Operator {
        name: "QLinearConcat",
        handler: quantized::concat,
        constants: &[],
        limits: "constant scales and zero points",
        ..QUANTIZED
    },
    Operator {
        name: "QLinearConv",
        handler: quantized::conv,
        constants: &[1, 2, 3, 4, 5, 6, 7, 8],
        limits: "as Conv",
        ..QUANTIZED
    },
    Operator { name: "QLinearGlobalAveragePool", handler: quantized::average_pool, ..QUANTIZED },
    Operator { name: "QLinearLeakyRelu", handler: quantized::leaky_relu, ..QUANTIZED },
    Operator { name: "QLinearMul", handler: quantized::binary, ..TWO_QUANTIZED },
    Operator { name: "QLinearReduceMean", handler: quantized::reduce_mean, ..QUANTIZED },
    Operator { name: "QLinearSigmoid", handler: quantized::sigmoid, ..QUANTIZED },
    Operator { name: "QLinearSoftmax", handler: quantized::softmax, ..QUANTIZED },
    Operator {
        name: "QLinearWhere",
        handler: quantized::select,
        constants: &[2, 3, 5, 6, 7, 8],
        ..QUANTIZED
    },
    Operator {
        name: "QuantizeLinear",
        handler: quantize::quantize,
        constants: &[2],
        limits: "as the standard's",
        ..FLOAT
    },
    Operator { name: "QuickGelu", handler: activations::quick_gelu, ..FLOAT },
    Operator { name: "AveragePool", handler: pool::average_pool, ..IN_BLOCKS },
    Operator { name: "GlobalAveragePool", handler: pool::global_average_pool, ..IN_BLOCKS },
    Operator { name: "GlobalMaxPool", handler: pool::global_max_pool, ..IN_BLOCKS },
    Operator { name: "MaxPool", handler: pool::max_pool, ..IN_BLOCKS },
    Operator { name: "ReorderInput", handler: layout::reorder_input, limits: "", ..IN_BLOCKS },
    Operator { name: "ReorderOutput", handler: layout::reorder_output, limits: "", ..IN_BLOCKS },
];

/// Why an operator of one of these domains is not supported.
pub(super) fn why_not(domain: &str, op: &str) -> Option<&'static str> {
    match (domain, op) {
        (BLOCKED, "Conv") => Some(
            "its weights are in blocks of a size that the file does not say and that depends on the machine that saved it; \
             save the model with ORT_ENABLE_EXTENDED, or use the one that was optimized",
        ),
        (DOMAIN | BLOCKED, _) => Some(
            "this operator of ONNX Runtime is not supported; if its optimizer wrote it, save the model with \
             ORT_ENABLE_BASIC, or use the one that was optimized",
        ),
        ("com.ms.internal.nhwc", _) => Some(
            "it was written for one execution provider of ONNX Runtime; save the model with CPUExecutionProvider and \
             ORT_ENABLE_EXTENDED, or use the one that was optimized",
        ),
        _ => None,
    }
}
