"""Makes the cases `onnx_runtime_*`: the operators that ONNX Runtime adds to the standard's, one by one, and files that
its optimizer saved. python tests/cases/make_onnx_runtime.py [FOLDER] writes them where store.py reads them.

Run it on a CPU with VNNI (AVX-512 or AVX). On others ONNX Runtime adds pairs of products of bytes in 16 bits, which
saturate: its results then differ from those of the operators, by up to 39 steps for `qoperator_concat`.
"""

import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

MICROSOFT = "com.microsoft"
LEVELS = ort.GraphOptimizationLevel


class Network:
    """A network under construction."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.inits, self.inputs, self.outputs = [], {}, {}, []

    def input(self, name, shape):
        self.inputs[name] = self.normal(*shape)
        return name

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def bytes(self, dtype, *shape):
        info = np.iinfo(dtype)
        return self.random.integers(info.min, info.max + 1, shape).astype(dtype)

    def constant(self, value):
        name = f"c{len(self.inits)}"
        self.inits[name] = np.asarray(value)
        return name

    def add(self, op, operands, domain="", **attributes):
        name = f"{op}_{len(self.nodes)}"
        operands = [o if isinstance(o, str) else self.constant(o) for o in operands]
        self.nodes.append(helper.make_node(op, operands, [name], domain=domain, **attributes))
        return name

    def output(self, name, dtype=T.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, dtype, None))

    def model(self):
        inputs = [helper.make_tensor_value_info(n, T.FLOAT, a.shape) for n, a in self.inputs.items()]
        inits = [numpy_helper.from_array(v, n) for n, v in self.inits.items()]
        graph = helper.make_graph(self.nodes, "network", inputs, self.outputs, inits)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def session(model, level=LEVELS.ORT_DISABLE_ALL, saved=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    if saved:
        options.optimized_model_filepath = str(saved)
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def write(folder, name, model, inputs):
    """A case, with the outputs that ONNX Runtime computes without optimizations."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target / "model.onnx")
    for i, value in enumerate(inputs.values()):
        np.save(target / f"input-{i}.npy", value)
    for i, value in enumerate(session(target / "model.onnx").run(None, inputs)):
        np.save(target / f"want-{i}.npy", value)


def quantized(dtype, seed):
    """Every operator on quantized values, with unrelated step sizes."""
    net = Network(seed)
    ty = {np.uint8: T.UINT8, np.int8: T.INT8}[dtype]
    low = np.iinfo(dtype).min
    zero = lambda: dtype(net.random.integers(low + 90, low + 160))
    scale = lambda: np.float32(net.random.uniform(0.005, 0.02))

    def quantize(x, s, z):
        return net.add("QuantizeLinear", [x, s, z])

    xs, xz, ys, yz = scale(), zero(), scale(), zero()
    x = quantize(net.input("x", (2, 5, 6, 7)), xs, xz)
    y = quantize(net.input("y", (2, 5, 6, 7)), ys, yz)

    def end(name):
        net.output(name, ty)

    def own(op, operands, **attributes):
        return net.add(op, operands, MICROSOFT, **attributes)

    for op in ["QLinearAdd", "QLinearMul"]:
        end(own(op, [x, xs, xz, y, ys, yz, np.float32(0.03), zero()]))
    end(own("QLinearConcat", [ys, yz, x, xs, xz, y, ys, yz, y, scale(), zero()], axis=1))
    probability = [np.float32(1 / 256), dtype(low)]
    end(own("QLinearSigmoid", [x, xs, xz, *probability]))
    end(own("QLinearSoftmax", [x, xs, xz, *probability], axis=1, opset=13))
    end(own("QLinearSoftmax", [x, xs, xz, *probability], axis=2, opset=11))
    end(own("QLinearLeakyRelu", [x, xs, xz, scale(), zero()], alpha=0.1))
    window = dict(kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])
    chosen = net.random.integers(0, 2, (5, 6, 7)).astype(bool)
    end(own("QLinearWhere", [chosen, x, xs, xz, y, ys, yz, scale(), zero()]))
    for last in [0, 1]:
        for include in [0, 1]:
            pool = dict(count_include_pad=include, channels_last=last, **window)
            end(own("QLinearAveragePool", [x, xs, xz, scale(), zero()], **pool))
        end(own("QLinearGlobalAveragePool", [x, xs, xz, scale(), zero()], channels_last=last))
    turned = net.add("Transpose", [x], perm=[0, 2, 3, 1])
    end(own("NhwcMaxPool", [turned], **window))
    weights, bias = net.bytes(np.int8, 8, 5, 3, 3), net.random.integers(-500, 500, 8).astype(np.int32)
    weight_scale = net.random.uniform(0.001, 0.01, 8).astype(np.float32)
    operands = [xs, xz, weights, weight_scale, np.zeros(8, np.int8), np.float32(0.1), zero(), bias]
    for value, last in [(x, 0), (turned, 1)]:
        conv = dict(channels_last=last, pads=[1, 1, 0, 0], strides=[2, 1])
        end(own("QLinearConv", [value, *operands], **conv))
    flat = net.add("Flatten", [x])
    rows = [flat, xs, xz, net.bytes(np.int8, 9, 210), weight_scale[0], np.int8(0), bias[:1].repeat(9)]
    end(own("QGemm", [*rows, np.float32(0.5), zero()], transB=1))
    return net


def products():
    """Products of quantized matrices whose results are floats."""
    net = Network(3)
    own = lambda op, operands, **attributes: net.output(net.add(op, operands, MICROSOFT, **attributes))
    x = net.input("x", (4, 12))
    s, z = np.float32(0.02), np.uint8(120)
    q = net.add("QuantizeLinear", [x, s, z])
    weights, scales = net.bytes(np.int8, 12, 9), net.random.uniform(0.001, 0.01, 9).astype(np.float32)
    zeros, bias = net.bytes(np.int8, 9), net.normal(9)
    own("MatMulIntegerToFloat", [q, weights, s, scales, z, zeros, bias])
    own("MatMulIntegerToFloat", [q, weights, s, scales[:1]])
    own("QGemm", [q, s, z, weights, scales, np.zeros(9, np.int8), np.arange(9, dtype=np.int32)], alpha=0.7)
    own("DynamicQuantizeMatMul", [x, weights, scales, zeros, bias])
    own("DynamicQuantizeMatMul", [x, weights, scales[:1]])
    q = net.add("QuantizeLinear", [x, s, z], MICROSOFT)
    own("DequantizeLinear", [q, s, z])
    return net


def fused():
    """Convolutions and products with fused activations, and the bell-shaped gates."""
    net = Network(4)
    x, z = net.input("x", (2, 5, 6, 7)), net.input("z", (2, 8, 6, 7))
    conv = [x, net.normal(8, 5, 3, 3), net.normal(8)]

    def own(op, operands, **attributes):
        net.output(net.add(op, operands, MICROSOFT, **attributes))

    parameters = {"LeakyRelu": [0.1], "Clip": [-0.5, 2.0], "HardSigmoid": [0.15, 0.4]}
    for name in ["Relu", "Sigmoid", "Tanh", *parameters]:
        activation = dict(activation=name)
        if name in parameters:
            activation["activation_params"] = parameters[name]
        own("FusedConv", conv, pads=[1, 1, 1, 1], **activation)
        own("FusedConv", [*conv, z], pads=[1, 1, 1, 1], **activation)
    own("FusedConv", [conv[0], conv[1], "", z], pads=[1, 1, 1, 1])
    rows = net.add("Flatten", [x], axis=2)
    gemm = [rows, net.normal(42, 9), net.normal(9)]
    named = {
        "Elu": dict(alpha=1.2),
        "HardSigmoid": dict(alpha=0.3, beta=0.4),
        "LeakyRelu": dict(alpha=0.2),
        "Selu": dict(alpha=1.2, gamma=1.1),
    }
    for name in ["Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", *named]:
        activation = {f"activation_{k}": v for k, v in named.get(name, {}).items()}
        own("FusedGemm", gemm, alpha=0.3, beta=0.5, activation=name, **activation)
    for a, b, flags in [
        ((0, 1, 2, 3), (2, 5, 7, 4), dict(alpha=0.3)),
        ((0, 1, 3, 2), (2, 5, 7, 4), dict(transA=1)),
        ((0, 1, 2, 3), (2, 5, 4, 7), dict(transB=1)),
        ((2, 0, 1, 3), (2, 5, 7, 4), dict(transBatchA=1)),
        ((3, 0, 1, 2), (2, 5, 7, 4), dict(transBatchA=1, transA=1)),
        ((0, 1, 2, 3), (7, 2, 5, 4), dict(transBatchB=1)),
        ((0, 1, 2, 3), (4, 2, 5, 7), dict(transBatchB=1, transB=1)),
    ]:
        own("FusedMatMul", [net.add("Transpose", [x], perm=a), net.normal(*b)], **flags)
    own("Gelu", [x])
    own("BiasGelu", [x, net.normal(7)])
    own("FastGelu", [x])
    own("FastGelu", [x, net.normal(7)])
    own("QuickGelu", [x])
    own("QuickGelu", [x], alpha=1.1)
    return net


def residual():
    """A small residual network, as exporters write one."""
    net = Network(5)

    def conv(x, k, c, size, stride=1):
        pad = size // 2
        weights = net.normal(k, c, size, size) / np.float32((c * size * size) ** 0.5)
        bias = net.normal(k) / np.float32(4)
        return net.add("Conv", [x, weights, bias], pads=[pad] * 4, strides=[stride] * 2)

    relu = lambda x: net.add("Relu", [x])
    x = relu(conv(net.input("x", (1, 3, 24, 24)), 8, 3, 3))
    x = net.add("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    x = relu(net.add("Add", [conv(relu(conv(x, 8, 8, 3)), 8, 8, 3), x]))
    branch = conv(relu(conv(x, 16, 8, 3, 2)), 16, 16, 3)
    gate = net.add("Sigmoid", [conv(net.add("GlobalAveragePool", [branch]), 16, 16, 1)])
    branch = net.add("Mul", [branch, gate])
    x = relu(net.add("Add", [branch, conv(x, 16, 8, 1, 2)]))
    x = net.add("LeakyRelu", [net.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])], alpha=0.1)
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    net.output(net.add("Gemm", [x, net.normal(16, 10), net.normal(10)]))
    return net


class Reader(CalibrationDataReader):
    def __init__(self, inputs):
        self.left = [inputs]

    def get_next(self):
        return self.left.pop() if self.left else None


def saved(folder, net):
    """The files that the optimizer saves for a network and its quantized forms."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        source = scratch / "float.onnx"
        onnx.save(net.model(), source)
        forms = {"float": source, "dynamic": scratch / "dynamic.onnx"}
        quantize_dynamic(source, forms["dynamic"])
        for name, form in [("qdq", QuantFormat.QDQ), ("qoperator", QuantFormat.QOperator)]:
            forms[name] = scratch / f"{name}.onnx"
            types = dict(activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
            reader = Reader(net.inputs)
            quantize_static(source, forms[name], reader, quant_format=form, per_channel=True, **types)
        for name, level in [
            ("float", LEVELS.ORT_ENABLE_EXTENDED),
            ("dynamic", LEVELS.ORT_ENABLE_EXTENDED),
            ("qdq", LEVELS.ORT_ENABLE_ALL),
            ("qoperator", LEVELS.ORT_ENABLE_ALL),
        ]:
            file = scratch / "saved.onnx"
            session(forms[name], level, file)
            write(folder, f"onnx_runtime_saved_{name}", onnx.load(file), net.inputs)


def main(folder):
    for name, net in [
        ("quantized_u8", quantized(np.uint8, 1)),
        ("quantized_s8", quantized(np.int8, 2)),
        ("products", products()),
        ("fused", fused()),
    ]:
        write(folder, f"onnx_runtime_{name}", net.model(), net.inputs)
    saved(folder, residual())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "cases"))
