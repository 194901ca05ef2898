"""Writes the ONNX standard's node tests of the operators that resnetc reads to `cases/`, and some light models to `light/`.

    python -m venv venv && venv/bin/pip install onnx==1.23.2
    venv/bin/python tests/onnx/vendor.py

Not needed to build or test: the files are in the repository. The list of operators comes from `docs/OPERATORS.md`,
so a new operator is added to the code first, then to the document (see there), then here.

There is one file for each operator, a protocol buffer of these messages (`main.rs` reads them):

    message Cases   { repeated Case case = 1; }
    message Case    { string name = 1; ModelProto model = 2; repeated DataSet set = 3; float rtol = 4; float atol = 5; }
    message DataSet { repeated TensorProto input = 1; repeated TensorProto output = 2; }

A case is taken if it is about float32: every tensor is float32, bool or an integer, and the first operand is float32
unless the operator is about other types. Cases of more than LARGE bytes are taken without data; all of them have
three spatial dimensions, which are refused.
"""

import pathlib
import re
import shutil
import struct
import warnings

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

HERE = pathlib.Path(__file__).parent
LIGHT = ["densenet121", "resnet50", "squeezenet", "vgg19"]
LARGE = 96 * 1024
TYPES = {
    TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8, TensorProto.INT8, TensorProto.BOOL,
}
# Operators whose first operand is not a float by nature.
OTHER = {
    "And", "Cast", "CastLike", "Constant", "ConstantOfShape", "ConvInteger", "DequantizeLinear", "Equal", "EyeLike", "MatMulInteger",
    "Not",
    "Or", "QLinearConv", "QLinearMatMul", "Range", "Where", "Xor",
}


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(tag, value):
    return varint(tag << 3 | 5) + struct.pack("<f", value)


def claimed():
    rows = (HERE / "../../docs/OPERATORS.md").read_text().splitlines()
    return [m.group(1) for m in map(re.compile(r"\| `(\w+)` \|").match, rows) if m]


def tensor(x):
    if isinstance(x, TensorProto):
        return x
    try:
        return numpy_helper.from_array(x)
    except Exception:
        return None


def encode(case, sets):
    data = field(1, case.name.encode()) + field(2, case.model.SerializeToString(deterministic=True))
    for inputs, outputs in sets:
        tensors = [(1, t) for t in inputs] + [(2, t) for t in outputs]
        data += field(3, b"".join(field(n, t.SerializeToString(deterministic=True)) for n, t in tensors))
    return data + number(4, case.rtol) + number(5, case.atol)


def main():
    warnings.simplefilter("ignore")
    cases = collect_testcases(None)
    operator = {}
    for case in cases:
        if len(case.model.graph.node) == 1 and "_expanded" not in case.name:
            operator[case.name] = case.model.graph.node[0].op_type
    wanted, files, large = set(claimed()), {}, 0
    for case in sorted(cases, key=lambda c: c.name):
        op = operator.get(case.name.split("_expanded")[0])
        if op not in wanted:
            continue
        sets = [([tensor(x) for x in i], [tensor(x) for x in o]) for i, o in case.data_sets]
        tensors = [t for i, o in sets for t in i + o]
        if any(t is None or t.data_type not in TYPES for t in tensors):
            continue
        first = sets[0][0][0].data_type if sets[0][0] else TensorProto.FLOAT
        if first != TensorProto.FLOAT and op not in OTHER:
            continue
        if sum(len(t.SerializeToString()) for t in tensors) > LARGE:
            sets, large = [], large + 1
        files.setdefault(op, []).append(field(1, encode(case, sets)))
    (HERE / "cases").mkdir(exist_ok=True)
    for old in (HERE / "cases").glob("*.pb"):
        old.unlink()
    for op, data in files.items():
        (HERE / "cases" / f"{op}.pb").write_bytes(b"".join(data))
    total = sum(len(d) for f in files.values() for d in f)
    light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
    (HERE / "light").mkdir(exist_ok=True)
    for name in LIGHT:
        for file in f"light_{name}.onnx", f"light_{name}_output_0.pb":
            shutil.copy(light / file, HERE / "light" / file)
    print(f"{sum(map(len, files.values()))} cases of {len(files)} operators, {large} without data, {total} bytes")


if __name__ == "__main__":
    main()
