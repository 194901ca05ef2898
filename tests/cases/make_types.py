"""Makes cases of element types: python tests/cases/make_types.py

Networks of a few kB with inputs, outputs and constants of types other than float32, and ONNX Runtime's results
without optimizations.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(12)


def array(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.ascontiguousarray(values, dtype), name)


def weights(*shape):
    return (RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def bfloat16(name, values):
    """Rounded to the nearest, as raw data."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return h.make_tensor(name, T.BFLOAT16, values.shape, bits.tobytes(), raw=True)


def typed_half(name, values):
    """As numbers in `int32_data`, not as raw data."""
    bits = np.asarray(values, np.float16).view(np.uint16).astype(np.int32)
    tensor = onnx.TensorProto(name=name, data_type=T.FLOAT16, dims=values.shape)
    tensor.int32_data.extend(bits.ravel().tolist())
    return tensor


def body(x, dtype, make=array, classes=7):
    """Convolution, normalization, residual block, mean and classifier, in one type of floats."""
    constants = {
        "w1": weights(8, 3, 3, 3), "s": 1 + 0.1 * weights(8, 1)[:, 0], "b": weights(8, 1)[:, 0],
        "m": 0.1 * weights(8, 1)[:, 0], "v": 1 + 0.1 * np.abs(weights(8, 1)[:, 0]),
        "w2": weights(8, 8, 3, 3), "w3": weights(classes, 8), "b3": weights(classes, 1)[:, 0],
    }
    tensors = [make(name, value.astype(np.float32)) if make is not array else array(name, value, dtype)
               for name, value in constants.items()]
    nodes = [
        h.make_node("Conv", [x, "w1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        h.make_node("BatchNormalization", ["c1", "s", "b", "m", "v"], ["n1"]),
        h.make_node("Relu", ["n1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        h.make_node("Add", ["c2", "r1"], ["a2"]),
        h.make_node("Relu", ["a2"], ["r2"]),
        h.make_node("GlobalAveragePool", ["r2"], ["p"]),
        h.make_node("Flatten", ["p"], ["f"]),
        h.make_node("Gemm", ["f", "w3", "b3"], ["logits"], transB=1),
    ]
    return nodes, tensors


def case(name, nodes, tensors, inputs, outputs, values, opset=17):
    port = lambda p: h.make_tensor_value_info(*p) if len(p) == 3 else h.make_tensor_value_info(*p, None)
    graph = h.make_graph(nodes, name, [port(p) for p in inputs], [port(p) for p in outputs], tensors)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    if all(len(p) == 3 and p[2] for p in inputs + outputs):  # The checker requires shapes; exporters may omit them.
        onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except NotImplemented:  # ONNX Runtime has no convolution in float64; the standard's reference implementation does.
        session = ReferenceEvaluator(model)
    results = session.run(None, dict(zip([p[0] for p in inputs], values)))
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    stored = {f"input_{i}": v for i, v in enumerate(values)}
    stored |= {f"output_{i}": np.ascontiguousarray(v) for i, v in enumerate(results)}
    save_file({k: np.ascontiguousarray(v) for k, v in stored.items()}, folder / "io.safetensors")
    print(name, (folder / "model.onnx").stat().st_size, [(r.dtype, r.shape) for r in results])


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def main():
    nodes, tensors = body("x", np.float64)
    case("double_model", nodes, tensors, [("x", T.DOUBLE, ["N", 3, 12, 10])], [("logits", T.DOUBLE, ["N", 7])],
         [floats(2, 3, 12, 10).astype(np.float64)])

    nodes, tensors = body("d", np.float64)
    nodes = [h.make_node("Cast", ["x"], ["d"], to=T.DOUBLE)] + nodes
    nodes.append(h.make_node("Cast", ["logits"], ["y"], to=T.FLOAT))
    case("double_inside", nodes, tensors, [("x", T.FLOAT, ["N", 3, 12, 10])], [("y", T.FLOAT, ["N", 7])],
         [floats(2, 3, 12, 10)])

    # Constants stored narrow, and cast to float32 where they are used.
    for name, make in [("bfloat16_weights", bfloat16), ("typed_half_weights", typed_half)]:
        nodes, tensors = body("x", np.float32, make)
        casts = [h.make_node("Cast", [t.name], [t.name + ".f32"], to=T.FLOAT) for t in tensors]
        for node in nodes:
            for i, operand in enumerate(node.input):
                if operand in [t.name for t in tensors]:
                    node.input[i] = operand + ".f32"
        case(name, casts + nodes, tensors, [("x", T.FLOAT, ["N", 3, 12, 10])], [("logits", T.FLOAT, ["N", 7])],
             [floats(2, 3, 12, 10)])

    # Bytes of images, scaled inside: channels first, and channels last.
    scale = [array("scale", np.float32(1 / 58)), array("mean", np.full((1, 3, 1, 1), 2.1))]
    scaling = [
        h.make_node("Cast", ["bytes"], ["f0"], to=T.FLOAT),
        h.make_node("Mul", ["f0", "scale"], ["f1"]),
        h.make_node("Sub", ["f1", "mean"], ["x"]),
    ]
    nodes, tensors = body("x", np.float32)
    pixels = RNG.integers(0, 256, (2, 3, 12, 10), dtype=np.uint8)
    case("uint8_input", scaling + nodes, scale + tensors, [("bytes", T.UINT8, ["N", 3, 12, 10])],
         [("logits", T.FLOAT, ["N", 7])], [pixels])
    moved = h.make_node("Transpose", ["picture"], ["bytes"], perm=[0, 3, 1, 2])
    case("uint8_channels_last", [moved] + scaling + nodes, scale + tensors,
         [("picture", T.UINT8, ["N", "H", "W", 3])], [("logits", T.FLOAT, ["N", 7])],
         [np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))])

    # A mask of booleans and a shift of 64-bit integers beside the image.
    mixed = [
        h.make_node("Cast", ["mask"], ["m0"], to=T.FLOAT),
        h.make_node("Mul", ["picture", "m0"], ["m1"]),
        h.make_node("Cast", ["shift"], ["s0"], to=T.FLOAT),
        h.make_node("Add", ["m1", "s0"], ["x"]),
        h.make_node("Identity", ["shift"], ["same"]),
    ]
    case("mask_and_shift", mixed + nodes, tensors,
         [("picture", T.FLOAT, ["N", 3, 12, 10]), ("mask", T.BOOL, ["N", 1, 12, 10]), ("shift", T.INT64, ["N", 3, 1, 1])],
         [("logits", T.FLOAT, ["N", 7]), ("same", T.INT64, ["N", 3, 1, 1])],
         [floats(2, 3, 12, 10), RNG.random((2, 1, 12, 10)) < 0.7, RNG.integers(-3, 4, (2, 3, 1, 1))])

    # No declared shape, or only the rank.
    case("shape_not_declared", nodes, tensors, [("x", T.FLOAT)], [("logits", T.FLOAT)], [floats(3, 3, 9, 14)])
    case("shape_open", nodes, tensors, [("x", T.FLOAT, ["N", 3, "height", "width"])], [("logits", T.FLOAT, None)],
         [floats(3, 3, 9, 14)])

    # Classes beside probabilities, as TensorFlow's exports of ResNets have them, and the best of each in order.
    nodes, tensors = body("x", np.float32, classes=11)
    ends = [
        h.make_node("ArgMax", ["logits"], ["classes"], axis=1, keepdims=0),
        h.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    case("argmax_beside_softmax", nodes + ends, tensors, [("x", T.FLOAT, ["N", 3, 12, 10])],
         [("classes", T.INT64, ["N"]), ("probabilities", T.FLOAT, ["N", 11])], [floats(5, 3, 12, 10)], opset=11)
    ends = [
        h.make_node("TopK", ["logits", "k"], ["best", "places"], axis=-1),
        h.make_node("TopK", ["logits", "k"], ["worst", "worst_places"], axis=-1, largest=0),
        h.make_node("ArgMin", ["r2"], ["darkest"], axis=1, select_last_index=1),
        h.make_node("ArgMax", ["r2"], ["rows"], axis=2),
    ]
    case("top_and_places", nodes + ends, tensors + [array("k", [4], np.int64)], [("x", T.FLOAT, ["N", 3, 12, 10])],
         [("best", T.FLOAT, ["N", 4]), ("places", T.INT64, ["N", 4]), ("worst", T.FLOAT, ["N", 4]),
          ("worst_places", T.INT64, ["N", 4]), ("darkest", T.INT64, ["N", 1, 6, 5]), ("rows", T.INT64, ["N", 8, 1, 5])],
         [floats(3, 3, 12, 10)])

    # Images as output bytes, and numbers rounded towards zero.
    ends = [
        h.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        h.make_node("Mul", ["c", "scale"], ["s"]),
        h.make_node("Cast", ["s"], ["numbers"], to=T.INT32),
        h.make_node("Clip", ["s", "black", "white"], ["limited"]),
        h.make_node("Cast", ["limited"], ["pixels"], to=T.UINT8),
    ]
    tensors = [array("w", weights(3, 3, 3, 3)), array("scale", 150.0), array("black", 0.0), array("white", 255.0)]
    case("floats_to_integers", ends, tensors, [("x", T.FLOAT, ["N", 3, 12, 10])],
         [("numbers", T.INT32, ["N", 3, 12, 10]), ("pixels", T.UINT8, ["N", 3, 12, 10])], [floats(2, 3, 12, 10)])

    # Windows that are added by rounding up.
    pools = [
        h.make_node("LpPool", ["x"], ["lengths"], kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 0, 1], ceil_mode=1),
        h.make_node("LpPool", ["x"], ["sums"], kernel_shape=[2, 2], strides=[3, 3], p=1, ceil_mode=1),
    ]
    case("lp_pool_rounded_up", pools, [], [("x", T.FLOAT, ["N", 3, 12, 11])],
         [("lengths", T.FLOAT, ["N", 3, "a", "b"]), ("sums", T.FLOAT, ["N", 3, "c", "d"])], [floats(2, 3, 12, 11)],
         opset=18)


main()
