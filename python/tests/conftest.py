"""What tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resnetc

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures"
CASES = ROOT / "tests/cases"
BUNDLED = ROOT / "cli/models/resnet20-fashion-mnist.onnx"

# A network that compiles in milliseconds.
TINY = """
block = "basic"
layers = [1]
channels = [4]
classes = 3

[input]
channels = 3
height = 8
width = 8
"""


def values(port: resnetc.Port | resnetc.NodeArg, seed: int = 0) -> np.ndarray:
    """Random values for an input; as many of each dimension as it has, one of an open one."""
    random = np.random.default_rng(seed)
    shape = [extent if isinstance(extent, int) else 1 for extent in port.shape]
    kind = port.type.removeprefix("tensor(").removesuffix(")")
    dtype = np.dtype({"float": "float32", "double": "float64"}.get(kind, kind))
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)


@pytest.fixture
def tiny_spec(tmp_path: Path) -> Path:
    """The file of a tiny network."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def tiny(tiny_spec: Path) -> resnetc.Model:
    """A tiny network with random weights."""
    return resnetc.compile(tiny_spec, threads=1)


@pytest.fixture(scope="session")
def bundled() -> resnetc.Model:
    """The trained network of the command line."""
    return resnetc.compile(BUNDLED, threads=2)
