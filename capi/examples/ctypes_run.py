"""Runs a network from Python, with its standard library alone.

python3 ctypes_run.py libresnetc.so resnet20-fashion-mnist.onnx
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_size_t, c_void_p

F32 = 1  # RESNETC_TYPE_F32


class Port(ctypes.Structure):
    """resnetc_port."""

    _fields_ = [
        ("name", c_char_p),
        ("dims", POINTER(c_size_t)),
        ("rank", c_size_t),
        ("elements", c_size_t),
        ("bytes", c_size_t),
        ("held", c_int32),
        ("declared", c_int32),
    ]


class Buffer(ctypes.Structure):
    """resnetc_source and resnetc_target, which have the same members."""

    _fields_ = [("data", c_void_p), ("bytes", c_size_t), ("element", c_int32)]

    def __init__(self, array):
        super().__init__(ctypes.addressof(array), ctypes.sizeof(array), F32)


def library(path):
    """The library, with the types of the functions that this program calls."""
    lib = ctypes.CDLL(path)
    functions = {
        "resnetc_load": (c_int32, [c_char_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
        "resnetc_model_input": (POINTER(Port), [c_void_p, c_size_t, c_void_p]),
        "resnetc_model_output": (POINTER(Port), [c_void_p, c_size_t, c_void_p]),
        "resnetc_run_once": (
            c_int32,
            [c_void_p, POINTER(Buffer), c_size_t, POINTER(Buffer), c_size_t, POINTER(c_void_p)],
        ),
        "resnetc_model_free": (None, [c_void_p]),
        "resnetc_options_new": (c_void_p, []),
        "resnetc_options_set": (c_int32, [c_void_p, c_char_p, c_char_p, POINTER(c_void_p)]),
        "resnetc_options_free": (None, [c_void_p]),
        "resnetc_error_message": (c_char_p, [c_void_p]),
        "resnetc_error_free": (None, [c_void_p]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def main(path, model_path):
    lib = library(path)
    error = c_void_p()

    def check(status):
        if status != 0:
            message = lib.resnetc_error_message(error).decode()
            lib.resnetc_error_free(error)
            raise RuntimeError(message)

    options, model = c_void_p(lib.resnetc_options_new()), c_void_p()
    check(lib.resnetc_options_set(options, b"numerics", b"exact", byref(error)))
    check(lib.resnetc_load(model_path.encode(), options, byref(model), byref(error)))
    lib.resnetc_options_free(options)

    source = lib.resnetc_model_input(model, 0, None).contents
    target = lib.resnetc_model_output(model, 0, None).contents
    pixels = (c_float * source.elements)(*(i % 29 / 32 for i in range(source.elements)))
    scores = (c_float * target.elements)()
    check(lib.resnetc_run_once(model, Buffer(pixels), 1, Buffer(scores), 1, byref(error)))
    for score in scores:
        print(f"{score:.9g}")
    lib.resnetc_model_free(model)


if __name__ == "__main__":
    main(*sys.argv[1:])
