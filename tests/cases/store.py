"""Stores a case for `tests/cases/main.rs`: python tests/cases/store.py FOLDER NAME

FOLDER holds `model.onnx`, `input.npy` (or `input-0.npy`, `input-1.npy`, ...) and `want-0.npy`, ..., the outputs as ONNX
Runtime computes them without optimizations.
"""

import pathlib
import shutil
import sys

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent


def store(source, name):
    source, target = pathlib.Path(source), HERE / name
    target.mkdir(exist_ok=True)
    shutil.copyfile(source / "model.onnx", target / "model.onnx")
    named = {"input": "input", "want": "output"}
    tensors = {}
    for file in sorted(source.glob("*.npy")):
        kind, _, number = file.stem.partition("-")
        tensors[f"{named[kind]}_{number or 0}"] = np.ascontiguousarray(np.load(file))
    save_file(tensors, target / "io.safetensors")


if __name__ == "__main__":
    store(*sys.argv[1:])
