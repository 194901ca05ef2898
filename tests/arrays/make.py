"""Makes files of arrays as NumPy writes them: python tests/arrays/make.py

`TYPE.npy`, `big_TYPE.npy` and `columns_TYPE.npy` hold 0, 1, 2, ... in the shape [2, 3, 2]: little-endian, big-endian, and
with the first axis running fastest. Elements of bool say whether these numbers are odd.
"""

import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
SHAPE = (2, 3, 2)

for name in "float16 float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool".split():
    values = np.arange(12).reshape(SHAPE)
    values = (values % 2 if name == "bool" else values).astype(name)
    np.save(HERE / f"{name}.npy", values)
    np.save(HERE / f"columns_{name}.npy", np.asfortranarray(values))
    if values.dtype.itemsize > 1:
        np.save(HERE / f"big_{name}.npy", values.astype(values.dtype.newbyteorder(">")))
for version in [(2, 0), (3, 0)]:
    with open(HERE / f"version_{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, np.arange(12).reshape(SHAPE), version=version)
np.save(HERE / "scalar.npy", np.float32(7.5))
np.save(HERE / "list.npy", np.arange(5, dtype=np.float32))
np.save(HERE / "wrong_complex.npy", np.zeros(2, np.complex64))
np.save(HERE / "wrong_records.npy", np.zeros(2, [("x", "f4"), ("y", "i4")]))
np.save(HERE / "wrong_text.npy", np.array(["a", "b"]))
np.save(HERE / "wrong_objects.npy", np.array([None, "b"], dtype=object))
both = {"a": np.arange(12, dtype=np.uint8).reshape(SHAPE), "b": np.arange(12, dtype=">f8").reshape(SHAPE)}
np.savez(HERE / "stored.npz", **both)
np.savez_compressed(HERE / "packed.npz", **both)
