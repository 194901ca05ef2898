"""Arrays of f32 in files, without numpy.

Linux counts the size of the parent process, when it starts a child, in the peak memory of the child. So the
parent stays small.
"""

import array
import ast
import math
import random
import struct
import sys

MAGIC = b"\x93NUMPY\x01\x00"


def normal(seed, count):
    """Numbers with mean 0 and variance 1, the same for the same seed."""
    draw = random.Random(seed).gauss
    return array.array("f", (draw(0.0, 1.0) for _ in range(count)))


def little(values):
    """The elements as bytes, little-endian."""
    if sys.byteorder == "little":
        return values.tobytes()
    swapped = array.array("f", values)
    swapped.byteswap()
    return swapped.tobytes()


def write_npy(path, shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    # The file begins with 10 bytes; elements begin at a multiple of 64.
    head = head.ljust((len(head) + 11 + 63) // 64 * 64 - 11) + "\n"
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<H", len(head)) + head.encode() + little(values))


def from_bytes(data):
    values = array.array("f")
    values.frombytes(data)
    if sys.byteorder != "little":
        values.byteswap()
    return values


def read_npy(path):
    """The elements of a file of f32 in row-major order."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != MAGIC[:6]:
        raise ValueError(f"{path}: not a .npy file")
    wide = data[6] > 1
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    begin = (12 if wide else 10) + length
    head = ast.literal_eval(data[begin - length : begin].decode())
    if head["descr"] != "<f4" or head["fortran_order"]:
        raise ValueError(f"{path}: not a row-major array of float32")
    return from_bytes(data[begin:])


def difference(found, expected):
    """The largest difference, relative to the largest expected magnitude."""
    if len(found) != len(expected):
        raise ValueError(f"expected {len(expected)} elements, found {len(found)}")
    gaps = [abs(a - b) for a, b in zip(found, expected)]
    if not all(map(math.isfinite, gaps)):
        return math.inf
    return max(gaps) / max(map(abs, expected))
