"""Makes the case `computed_weights`: python tests/cases/make_computed_weights.py

A network whose every weight is computed in the graph from constants, as parametrizations are exported: weight
normalization (`g * v / ||v||`), spectral normalization (`w / (u' w v)`), weight standardization, weights of rank 1 that
a product expands, and a chain of Transpose, Cast, Identity, Unsqueeze and Squeeze.
"""

import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import store

rng = np.random.default_rng(7)
nodes, constants = [], []


def constant(array, dtype=np.float32):
    name = f"c{len(constants)}"
    constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
    return name


def random(*shape):
    return constant(rng.normal(size=shape) * 0.3)


def op(kind, *operands, **attributes):
    name = f"n{len(nodes)}"
    nodes.append(helper.make_node(kind, operands, [name], name=f"{kind}_{len(nodes)}", **attributes))
    return name


def weight_norm(shape):
    v = random(*shape)
    norm = op("ReduceL2", v, axes=list(range(1, len(shape))), keepdims=1)
    return op("Div", op("Mul", constant(rng.uniform(0.5, 1.5, (shape[0],) + (1,) * (len(shape) - 1))), v), norm)


def spectral_norm(shape):
    w = random(*shape)
    rows = op("Reshape", w, constant([shape[0], -1], np.int64))
    u, v = random(1, shape[0]), random(int(np.prod(shape[1:])), 1)
    sigma = op("MatMul", op("MatMul", u, rows), v)
    return op("Div", w, op("Abs", op("Reshape", sigma, constant([], np.int64))))


def standardized(shape):
    w, axes = random(*shape), list(range(1, len(shape)))
    centred = op("Sub", w, op("ReduceMean", w, axes=axes, keepdims=1))
    variance = op("ReduceMean", op("Mul", centred, centred), axes=axes, keepdims=1)
    return op("Div", centred, op("Sqrt", op("Add", variance, constant(1e-5))))


def outer(shape):
    rows, columns = shape[0], int(np.prod(shape[1:]))
    product = op("MatMul", random(rows, 1), random(1, columns))
    return op("Reshape", product, constant(shape, np.int64))


def chain(shape):
    k, c, r, s = shape
    w = op("Transpose", random(c, r, s, k), perm=[3, 0, 1, 2])
    w = op("Identity", op("Cast", op("Cast", w, to=TensorProto.DOUBLE), to=TensorProto.FLOAT))
    return op("Squeeze", op("Unsqueeze", op("Mul", w, constant(0.5)), constant([0], np.int64)), constant([0], np.int64))


def make():
    y = op("Conv", "x", weight_norm((8, 3, 3, 3)), random(8), pads=[1, 1, 1, 1])
    y = op("Relu", y)
    y = op("Conv", y, spectral_norm((8, 8, 3, 3)), pads=[1, 1, 1, 1])
    y = op("Relu", y)
    y = op("Conv", y, standardized((8, 8, 1, 1)), op("Mul", random(8), constant(2.0)))
    y = op("Conv", y, outer((600, 8, 4, 4)), strides=[4, 4])
    y = op("Conv", y, chain((6, 600, 1, 1)))
    y = op("Flatten", op("GlobalAveragePool", y))
    # One dimension: weights get a height of 1.
    rows = op("Reshape", y, constant([1, 2, 3], np.int64))
    line = op("Conv", rows, weight_norm((4, 2, 3)), pads=[1, 1])
    y = op("Gemm", op("Flatten", line), op("Transpose", weight_norm((12, 5)), perm=[1, 0]), transB=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info(y, TensorProto.FLOAT, [1, 5])
    graph = helper.make_graph(nodes, "computed_weights", [x], [out], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


if __name__ == "__main__":
    model = make()
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    data = rng.normal(size=(1, 3, 8, 8)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(model, folder / "model.onnx")
        np.save(folder / "input.npy", data)
        for i, value in enumerate(session.run(None, {"x": data})):
            np.save(folder / f"want-{i}.npy", value)
        store.store(folder, "computed_weights")
