"""Writes the cases `quantized_*` of `tests/cases/main.rs`: quantized values that pooling and resizing put on ties, and
what cannot be scaled, against ONNX Runtime.

    python -m venv venv && venv/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 safetensors
    venv/bin/python tests/cases/make_quantized_ties.py
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
F, U8 = TensorProto.FLOAT, TensorProto.UINT8
SCALE, ZERO = np.float32(0.053), np.uint8(102)


def q(x, y):
    return helper.make_node("QuantizeLinear", [x, "s", "z"], [y])


def dq(x, y):
    return helper.make_node("DequantizeLinear", [x, "s", "z"], [y])


def store(name, nodes, constants, x, outputs):
    constants = {"s": SCALE, "z": ZERO, **constants}
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", F, x.shape)],
        [helper.make_tensor_value_info(o, ty, None) for o, ty in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    results = session.run(None, {"x": x})
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    tensors = {f"output_{i}": np.array(y) for i, y in enumerate(results)}
    save_file({"input_0": x, **tensors}, folder / "io.safetensors")


def values(seed, shape):
    return (np.random.default_rng(seed).standard_normal(shape) * SCALE * 50).astype(np.float32)


def main():
    pool = helper.make_node("AveragePool", ["d"], ["a"], kernel_shape=[2], strides=[2])
    ends = [q("x", "q"), dq("q", "d")], [q("a", "q2"), dq("q2", "y")]
    store("quantized_pool_1d", [*ends[0], pool, *ends[1]], {}, values(0, (1, 3, 24)), {"y": F})

    resize = helper.make_node("Resize", ["d", "", "sizes"], ["a"], mode="linear")
    tail = [q("a", "q2"), dq("q2", "d2"), helper.make_node("Transpose", ["d2"], ["y"], perm=[0, 2, 3, 1])]
    scales = {"sizes": np.array([1, 1, 2, 2], np.float32)}
    store("quantized_resize_moved", [*ends[0], resize, *tail], scales, values(1, (1, 3, 4, 5)), {"y": F})

    resize = helper.make_node("Resize", ["q", "", "sizes"], ["a"], mode="linear")
    scales = {"sizes": np.array([1, 1, 1.7, 2.3], np.float32)}
    store("quantized_resize_bytes", [q("x", "q"), resize, dq("a", "y")], scales, values(2, (1, 3, 6, 7)), {"y": F})

    weights = np.random.default_rng(3).integers(-9, 9, (2, 3, 1, 1)).astype(np.int8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
        helper.make_node("ConvInteger", ["q", "w", "qz"], ["c"]),
        helper.make_node("Cast", ["c"], ["f"], to=F),
        helper.make_node("Mul", ["f", "qs"], ["y"]),
    ]
    zeros = np.zeros((1, 3, 4, 4), np.float32)
    store("quantized_zeros", nodes, {"w": weights}, zeros, {"y": F, "q": U8, "qs": F, "qz": U8})


if __name__ == "__main__":
    main()
