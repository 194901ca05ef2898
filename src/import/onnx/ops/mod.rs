//! The operators, by topic. A handler turns one ONNX node into values: constants, or nodes of the graph.

mod arithmetic;
mod constants;
mod conv;
mod elementwise;
mod indexing;
mod joining;
mod matrix;
mod normalize;
mod pad;
mod pool;
mod reduce;
mod shapes;
mod window;

use super::builder::Builder;
use super::call::{Call, Result, Value};

/// Imports one node. Returns the values of its first results, in order; a handler may return fewer results than
/// the operator has, and the model is then refused if it uses one of the others.
pub(super) type Handler = fn(&mut Builder, &Call<'_>) -> Result<Vec<Value>>;

/// Every operator of the standard domain that is understood.
const HANDLERS: &[(&str, Handler)] = &[
    ("Abs", arithmetic::unary),
    ("Add", arithmetic::binary),
    ("And", arithmetic::binary),
    ("AveragePool", pool::average_pool),
    ("BatchNormalization", normalize::batch_normalization),
    ("Cast", constants::cast),
    ("CastLike", constants::cast_like),
    ("Ceil", arithmetic::unary),
    ("Clip", elementwise::clip),
    ("Concat", joining::concat),
    ("Constant", constants::constant),
    ("ConstantOfShape", constants::constant_of_shape),
    ("Conv", conv::conv),
    ("Div", arithmetic::binary),
    ("Dropout", normalize::dropout),
    ("Equal", arithmetic::binary),
    ("Exp", arithmetic::unary),
    ("Expand", shapes::expand),
    ("Flatten", shapes::flatten),
    ("Floor", arithmetic::unary),
    ("Gather", indexing::gather),
    ("Gemm", matrix::gemm),
    ("GlobalAveragePool", pool::global_average_pool),
    ("GlobalMaxPool", pool::global_max_pool),
    ("Greater", arithmetic::binary),
    ("GreaterOrEqual", arithmetic::binary),
    ("Identity", shapes::identity),
    ("Less", arithmetic::binary),
    ("LessOrEqual", arithmetic::binary),
    ("MatMul", matrix::matmul),
    ("Max", elementwise::extremum),
    ("MaxPool", pool::max_pool),
    ("Min", elementwise::extremum),
    ("Mod", arithmetic::binary),
    ("Mul", arithmetic::binary),
    ("Neg", arithmetic::unary),
    ("Not", arithmetic::unary),
    ("Or", arithmetic::binary),
    ("Pad", pad::pad),
    ("Pow", arithmetic::binary),
    ("Range", constants::range),
    ("Reciprocal", arithmetic::unary),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce_mean),
    ("ReduceMin", reduce::reduce),
    ("ReduceProd", reduce::reduce),
    ("ReduceSum", reduce::reduce_sum),
    ("Relu", elementwise::relu),
    ("Reshape", shapes::reshape),
    ("Round", arithmetic::unary),
    ("Shape", shapes::shape),
    ("Sigmoid", elementwise::sigmoid),
    ("Size", shapes::size),
    ("Slice", indexing::slice),
    ("Softmax", normalize::softmax),
    ("Split", indexing::split),
    ("Sqrt", arithmetic::unary),
    ("Squeeze", shapes::squeeze),
    ("Sub", arithmetic::binary),
    ("Sum", joining::sum),
    ("Transpose", shapes::transpose),
    ("Unsqueeze", shapes::unsqueeze),
    ("Where", joining::select),
    ("Xor", arithmetic::binary),
];

/// The handler of an operator of the standard domain.
pub(super) fn handler(op: &str) -> Option<Handler> {
    HANDLERS.iter().find(|(name, _)| *name == op).map(|(_, handler)| *handler)
}

/// What to say about an operator that is not understood.
pub(super) fn why_not(op: &str) -> &'static str {
    const REASONS: &[(&[&str], &str)] = &[
        (
            &["If", "Loop", "Scan"],
            "control flow is not supported; export the model with fixed shapes",
        ),
        (
            &[
                "QuantizeLinear",
                "DequantizeLinear",
                "DynamicQuantizeLinear",
                "QLinearConv",
                "QLinearMatMul",
            ],
            "quantized models are not supported; export the float32 model",
        ),
        (
            &["ConvInteger", "MatMulInteger"],
            "quantized models are not supported; export the float32 model",
        ),
        (
            &[
                "LeakyRelu",
                "PRelu",
                "Elu",
                "Selu",
                "HardSwish",
                "HardSigmoid",
                "Gelu",
                "Tanh",
                "Softplus",
                "Mish",
            ],
            "this activation is not supported; Relu, Clip and Sigmoid are",
        ),
        (
            &["GroupNormalization", "InstanceNormalization", "LayerNormalization", "LRN"],
            "this normalization depends on its input; only BatchNormalization is supported",
        ),
        (
            &["ArgMax", "TopK", "NonMaxSuppression", "NonZero"],
            "integer results are not supported; cut the model before this node",
        ),
    ];
    let found = REASONS.iter().find(|(ops, _)| ops.contains(&op));
    found.map_or("the operator is not supported", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted_and_has_no_operator_twice() {
        assert!(super::HANDLERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
