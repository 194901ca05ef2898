"""Makes the case `transposed_difference`: python tests/cases/make_transposed_difference.py

How far a matrix is from a symmetric one: the mean of |x' - x|. The transpose and its operand are read by the same
operator.
"""

import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

import store

if __name__ == "__main__":
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("Sub", ["t", "x"], ["d"]),
        helper.make_node("Abs", ["d"], ["a"]),
        helper.make_node("ReduceMean", ["a"], ["y"], axes=[2, 3], keepdims=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 1])
    graph = helper.make_graph(nodes, "transposed_difference", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    data = np.random.default_rng(7).normal(size=(1, 1, 8, 8)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(model, folder / "model.onnx")
        np.save(folder / "input.npy", data)
        np.save(folder / "want-0.npy", session.run(None, {"x": data})[0])
        store.store(folder, "transposed_difference")
