"""An ONNX file as a PyTorch module. Supports the operators that `resnetc zoo make` writes."""

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


def network(path):
    """The module of a file with one input and one output."""
    return Network(onnx.load(path)).eval()


class Network(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        graph = model.graph
        self.source, self.target = graph.input[0].name, graph.output[0].name
        self.steps = [(node, attributes(node)) for node in graph.node]
        self.constants = {}
        for i, tensor in enumerate(graph.initializer):
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            # Buffers, so that freezing sees constants.
            self.register_buffer(f"constant{i}", value)
            self.constants[tensor.name] = f"constant{i}"

    def forward(self, x):
        values = {name: getattr(self, buffer) for name, buffer in self.constants.items()}
        values[self.source] = x
        for node, named in self.steps:
            operands = [values[name] for name in node.input if name]
            values[node.output[0]] = OPERATORS[node.op_type](operands, named)
        return values[self.target]


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def symmetric(pads):
    """The padding of each axis, the same on both sides in all networks of the family."""
    half = len(pads) // 2
    if pads[:half] != pads[half:]:
        raise ValueError(f"padding {pads} differs from side to side")
    return pads[:half]


def conv(operands, named):
    pads = symmetric(named["pads"])
    return F.conv2d(
        *operands, stride=named["strides"], padding=pads, dilation=named["dilations"], groups=named["group"]
    )


def batch_norm(operands, named):
    x, scale, shift, mean, variance = operands
    return F.batch_norm(x, mean, variance, scale, shift, eps=named["epsilon"])


def max_pool(operands, named):
    return F.max_pool2d(operands[0], named["kernel_shape"], named["strides"], symmetric(named["pads"]))


def pad(operands, named):
    x, pads = operands
    before, after = pads.tolist()[: x.dim()], pads.tolist()[x.dim() :]
    # Last axis first, as pairs.
    pairs = [n for pair in zip(reversed(before), reversed(after)) for n in pair]
    return F.pad(x, pairs)


def slices(operands, named):
    x, starts, ends, axes, steps = operands
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes.tolist(), steps.tolist()):
        x = x[(slice(None),) * axis + (slice(start, end, step),)]
    return x


OPERATORS = {
    "Conv": conv,
    "BatchNormalization": batch_norm,
    "Relu": lambda operands, named: F.relu(operands[0]),
    "MaxPool": max_pool,
    "Add": lambda operands, named: operands[0] + operands[1],
    "GlobalAveragePool": lambda operands, named: F.adaptive_avg_pool2d(operands[0], 1),
    "Flatten": lambda operands, named: torch.flatten(operands[0], 1),
    # The classifier: weights have the shape [classes, features].
    "Gemm": lambda operands, named: F.linear(*operands),
    "Pad": pad,
    "Slice": slices,
}
