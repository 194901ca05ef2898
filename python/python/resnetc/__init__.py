"""Compiles residual networks for this CPU, and runs them.

    import numpy as np
    import resnetc

    model = resnetc.compile("resnet50.onnx", threads=2)
    x = np.zeros((1, 3, 224, 224), np.float32)
    y = model(x)  # an array of shape (1, 1000)

`compile` takes a path, bytes, a spec or a built-in name, and `Model` is what it returns.
`InferenceSession` is the same in the form of ONNX Runtime, and `quantize` makes networks of bytes.
Errors are TypeError and ValueError where a call is wrong, and `Error` with a stable code for
everything else.

`python -m resnetc` is the command line.
"""

from resnetc._compile import compile
from resnetc._errors import Error
from resnetc._native import Model, Port, isas, version
from resnetc._quantize import Quantized, quantize
from resnetc._session import InferenceSession, NodeArg

__version__ = version

# Where they are found, in `help` and in pickles.
for _thing in (Error, InferenceSession, NodeArg, Quantized, compile, quantize):
    _thing.__module__ = __name__
__all__ = [
    "Error",
    "InferenceSession",
    "Model",
    "NodeArg",
    "Port",
    "Quantized",
    "compile",
    "isas",
    "quantize",
    "version",
]
