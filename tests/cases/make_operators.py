"""Writes the cases `operators_*` of `tests/cases/main.rs`: operators between convolutions, against ONNX Runtime.

    python -m venv venv && venv/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 safetensors
    venv/bin/python tests/cases/make_operators.py

The files declare a batch of one image, and the stored inputs have two. Discontinuous functions, such as `Floor`, get
values that are far from their jumps.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
F = TensorProto.FLOAT


class Net:
    """A network under construction, with one input `x`."""

    def __init__(self, name, shape, opset, seed=0):
        self.name, self.shape, self.opset = name, shape, opset
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.outputs, self.channels = [], [], [], {"x": shape[1]}

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        results = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, results, **attributes))
        return results[0] if outputs == 1 else results

    def conv(self, x, inputs, outputs, kernel=3, stride=1):
        """A convolution whose weights are multiples of 1/8, so that its results are, too, for such operands."""
        size = (outputs, inputs) + (kernel,) * (len(self.shape) - 2)
        weights = self.random.integers(-8, 9, size).astype(np.float32) / 8
        pads = [kernel // 2] * 2 * (len(self.shape) - 2)
        return self.add("Conv", x, weights, pads=pads, strides=[stride] * (len(self.shape) - 2))

    def output(self, name):
        self.outputs.append(name)

    def model(self, batch):
        dims = [batch, *self.shape[1:]]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", F, dims)],
            [helper.make_tensor_value_info(o, F, None) for o in self.outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return model

    def write(self):
        folder = HERE / f"operators_{self.name}"
        folder.mkdir(exist_ok=True)
        x = (self.random.integers(-24, 25, (2, *self.shape[1:])) / 8).astype(np.float32)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        bytes_ = self.model("N").SerializeToString()
        session = onnxruntime.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"])
        results = session.run(None, {"x": x})
        (folder / "model.onnx").write_bytes(self.model(1).SerializeToString(deterministic=True))
        tensors = {f"output_{i}": np.ascontiguousarray(r) for i, r in enumerate(results)}
        save_file({"input_0": x, **tensors}, folder / "io.safetensors")
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{folder.name}: {len(results)} outputs, {size} bytes")


def floats(*values):
    return np.array(values, np.float32)


def ints(*values):
    return np.array(values, np.int64)


NONE = floats()


def resized(net, x, scales=None, sizes=None, roi=NONE, channels=6, **attributes):
    """Resizes between convolutions."""
    inputs = [x, roi, NONE if scales is None else floats(*scales)]
    if sizes is not None:
        inputs.append(ints(*sizes))
    net.output(net.conv(net.add("Resize", *inputs, **attributes), channels, 2, kernel=1))


def resize_nearest():
    net = Net("resize_nearest", [1, 3, 5, 7], 18)
    x = net.conv("x", 3, 6)
    modes = [
        ("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("align_corners", "round_prefer_ceil"),
        ("pytorch_half_pixel", "ceil"), ("half_pixel_symmetric", "round_prefer_floor"),
    ]
    for coordinates, nearest in modes:
        for scales in [(1, 1, 2, 2), (1, 1, 0.6, 1.7)]:
            resized(net, x, scales, mode="nearest", coordinate_transformation_mode=coordinates, nearest_mode=nearest)
    resized(net, x, sizes=(9, 4), axes=[2, 3], mode="nearest", keep_aspect_ratio_policy="not_larger")
    resized(net, x, sizes=(9, 4), axes=[3, 2], mode="nearest", keep_aspect_ratio_policy="not_smaller")
    # Between transposes, as converters of channels-last networks write it, and across channels.
    last = net.add("Transpose", x, perm=[0, 2, 3, 1])
    last = net.add("Resize", last, NONE, floats(1, 2, 2, 1), mode="nearest", coordinate_transformation_mode="asymmetric",
                   nearest_mode="floor")
    net.output(net.conv(net.add("Transpose", last, perm=[0, 3, 1, 2]), 6, 2))
    resized(net, x, (1, 3, 1, 1), channels=18, mode="nearest")
    net.write()


def resize_sums():
    net = Net("resize_sums", [1, 3, 6, 5], 19)
    x = net.conv("x", 3, 6)
    for coordinates in ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"]:
        for mode in ["linear", "cubic"]:
            for scales in [(1, 1, 2, 3), (1, 1, 0.5, 1.4)]:
                resized(net, x, scales, mode=mode, coordinate_transformation_mode=coordinates)
    resized(net, x, (1, 1, 1.5, 0.7), mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)
    for mode in ["linear", "cubic"]:
        for outside in [0, 1] if mode == "cubic" else [0]:
            resized(net, x, (1, 1, 0.4, 0.6), mode=mode, antialias=1, exclude_outside=outside)
    resized(net, x, sizes=(11, 2), axes=[2, 3], mode="linear", antialias=1)
    roi = floats(0, 0, 0.2, -0.3, 1, 1, 0.7, 1.2)
    for mode in ["linear", "cubic", "nearest"]:
        resized(net, x, (1, 1, 1.5, 2), roi=roi, mode=mode, coordinate_transformation_mode="tf_crop_and_resize",
                extrapolation_value=9.0)
    net.write()


def resize_old():
    net = Net("resize_10", [1, 3, 4, 5], 10)
    x = net.conv("x", 3, 6)
    for mode in ["nearest", "linear"]:
        for scales in [(1, 1, 2, 3), (1, 1, 0.5, 0.6)]:
            net.output(net.conv(net.add("Resize", x, floats(*scales), mode=mode), 6, 2, kernel=1))
    net.write()
    net = Net("upsample_9", [1, 3, 4, 5], 9)
    x = net.conv("x", 3, 6)
    for mode in ["nearest", "linear"]:
        net.output(net.conv(net.add("Upsample", x, floats(1, 1, 2, 3), mode=mode), 6, 2, kernel=1))
    net.write()
    net = Net("upsample_7", [1, 3, 4, 5], 7)
    x = net.conv("x", 3, 6)
    for mode in ["nearest", "linear"]:
        net.output(net.conv(net.add("Upsample", x, mode=mode, scales=[1.0, 1.0, 2.0, 2.5]), 6, 2, kernel=1))
    net.write()


def movement():
    net = Net("movement", [1, 3, 6, 4], 19)
    x = net.conv("x", 3, 20)
    order = net.random.permutation(20)[:17]
    net.output(net.conv(net.add("Gather", x, order.astype(np.int64), axis=1), 17, 2))
    net.output(net.conv(net.add("Gather", x, ints(-1, 0, 3, 3, 1), axis=2), 20, 2))
    net.output(net.add("Gather", x, np.array([[0, 2], [1, 1]], np.int64), axis=3))
    net.output(net.conv(net.add("Tile", x, ints(1, 2, 3, 2)), 40, 2, kernel=1))
    net.output(net.conv(net.add("Tile", net.conv(x, 20, 1), ints(1, 3, 1, 1)), 3, 2))
    for mode in ["constant", "edge", "reflect", "wrap"]:
        for pads in [(0, 0, 2, 1, 0, 0, 1, 3), (0, 1, -1, 2, 0, -2, 3, -1)]:
            channels = 20 + pads[1] + pads[5]
            net.output(net.conv(net.add("Pad", x, ints(*pads), mode=mode), channels, 2, kernel=1))
    for mode in ["DCR", "CRD"]:
        net.output(net.conv(net.add("DepthToSpace", x, blocksize=2, mode=mode), 5, 2))
    net.output(net.conv(net.add("SpaceToDepth", x, blocksize=2), 80, 2))
    pooled = net.add("Flatten", net.add("GlobalAveragePool", x))
    net.output(net.add("Gather", pooled, net.random.integers(0, 20, 70), axis=1))
    net.write()


def logic():
    net = Net("logic", [1, 3, 6, 4], 17)
    x = net.conv("x", 3, 6, kernel=1)
    y = net.conv("x", 3, 6, kernel=1)
    half = floats(0.01)
    smaller = net.add("Less", x, net.add("Add", y, half))
    greater = net.add("Greater", x, floats(0.51))
    equal = net.add("Equal", net.add("Round", net.add("Add", x, half)), floats(1))
    results = [smaller, greater, equal]
    results.append(net.add("GreaterOrEqual", x, net.add("Sub", y, half)))
    results.append(net.add("LessOrEqual", x, net.constant(floats(0.3, -0.3, 1.3, -1.3, 0.7, 0.9).reshape(6, 1, 1))))
    for op in ["And", "Or", "Xor"]:
        results.append(net.add(op, smaller, greater))
    results.append(net.add("Not", equal))
    results.append(net.add("And", greater, np.array([True, False, True, True]).reshape(1, 1, 1, 4)))
    for truth in results:
        net.output(net.conv(net.add("Cast", truth, to=F), 6, 2, kernel=1))
    net.output(net.conv(net.add("Where", greater, x, y), 6, 2))
    net.output(net.conv(net.add("Where", smaller, x, floats(-2)), 6, 2))
    mask = (np.arange(6) % 2 == 0).reshape(6, 1, 1)
    net.output(net.conv(net.add("Where", mask, floats(0.5), x), 6, 2))
    # A hundredth away from the jumps, as both are multiples of 1/8.
    shifted = net.add("Add", x, half)
    for op in ["Floor", "Ceil", "Sign"]:
        net.output(net.conv(net.add(op, shifted), 6, 2))
    net.write()


def powers():
    net = Net("powers", [1, 3, 6, 4], 17)
    x = net.conv("x", 3, 6)
    positive = net.add("Clip", x, np.float32(1e-3))
    gem = net.add("GlobalAveragePool", net.add("Pow", positive, floats(3.7)))
    net.output(net.add("Pow", gem, floats(1 / 3.7)))
    for exponent in [floats(4), floats(-2), floats(1.5), ints(5), np.float32(0)]:
        net.output(net.conv(net.add("Pow", positive, exponent), 6, 2, kernel=1))
    net.output(net.add("Pow", x, floats(1, 2, 3, 4, 0, -2).reshape(6, 1, 1)))
    net.output(net.add("Pow", floats(2), net.add("Mul", x, floats(0.25))))
    for p in [1, 2]:
        net.output(net.add("LpNormalization", x, axis=1, p=p))
    for p in [1, 2, 3]:
        net.output(net.add("GlobalLpPool", x, p=p))
        net.output(net.add("LpPool", x, p=p, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]))
    pooled = net.add("GlobalAveragePool", x)
    net.output(net.add("PRelu", pooled, floats(0.1, 0.2, 0.3, -0.4, 0.5, 2)))
    net.output(net.conv(net.add("PRelu", x, floats(0.1, 0.2, 0.3, -0.4)), 6, 2))
    net.write()


def one_dimension():
    net = Net("one_dimension", [1, 4, 9], 18)
    x = net.conv("x", 4, 6)
    for mode in ["nearest", "linear"]:
        for scales in [(1, 1, 2), (1, 1, 0.4)]:
            resized(net, x, scales, mode=mode)
    net.output(net.conv(net.add("Tile", x, ints(1, 1, 2)), 6, 2))
    net.output(net.conv(net.add("Gather", x, ints(8, 0, 3, 4), axis=2), 6, 2))
    net.output(net.conv(net.add("Pad", x, ints(0, 0, 2, 0, 0, -1), mode="edge"), 6, 2))
    net.output(net.add("LpNormalization", x, axis=-1, p=2))
    net.write()


if __name__ == "__main__":
    resize_nearest()
    resize_sums()
    resize_old()
    movement()
    logic()
    powers()
    one_dimension()
