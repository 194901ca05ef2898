"""The same answers as ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import BUNDLED, CASES, FIXTURES, values

import resnetc

ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

FILES = [
    BUNDLED,
    *(
        FIXTURES / name / "model.onnx"
        for name in (
            "cifar14_c",
            "cifar20_a",
            "exported/keras_v2",
            "exported/mxnet_v1",
            "exported/sk_basic",
            "highway",
            "resnet_basic_b",
            "resnet_bottleneck_v15",
            "resnet_d",
            "resnetv2_preact",
            "resnext",
            "seresnet",
        )
    ),
]

# Both engines add up the same f32 products in different orders, and resnetc may use Winograd's
# algorithm, with twice the error of direct convolution. A sum of n terms errs by some sqrt(n) of half
# a unit in the last place, 2^-24; here n is at most 9 * 512, and there are at most 40 layers, whose
# errors add up: 40 * 3 * sqrt(4608) * 2^-24 is 5e-4 of the largest value of a layer at worst. Errors
# that differ in sign make a tenth of it.
TOLERANCE = 5e-5

# Networks of several inputs and outputs, and of all types.
TYPED = [
    "argmax_beside_softmax",
    "floats_to_integers",
    "mask_and_shift",
    "top_and_places",
    "uint8_input",
]


def reference(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if wanted.dtype.kind == "f":
        largest = np.abs(wanted).max(initial=1e-30)
        assert np.abs(found - wanted).max(initial=0.0) <= TOLERANCE * largest
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_networks_have_the_answers_of_onnx_runtime(path: Path) -> None:
    theirs, ours = reference(path), resnetc.InferenceSession(path)
    feed = {port.name: values(port) for port in ours.get_inputs()}
    for found, wanted in zip(ours.run(None, feed), theirs.run(None, feed), strict=True):
        close(found, wanted)
    [x] = feed.values()
    close(ours.model(x), theirs.run(None, feed)[0])


@pytest.mark.parametrize("case", TYPED)
def test_every_type_has_the_answers_of_onnx_runtime(case: str) -> None:
    path = CASES / case / "model.onnx"
    theirs, ours = reference(path), resnetc.InferenceSession(path)
    assert [p.type for p in ours.get_inputs()] == [p.type for p in theirs.get_inputs()]
    assert [p.type for p in ours.get_outputs()] == [p.type for p in theirs.get_outputs()]
    feed = {port.name: values(port) for port in ours.get_inputs()}
    for found, wanted in zip(ours.run(None, feed), theirs.run(None, feed), strict=True):
        close(found, wanted)


def test_batches_and_dimensions() -> None:
    path = FIXTURES / "cifar14_c/model.onnx"
    x = np.random.default_rng(1).standard_normal((4, 3, 32, 32)).astype(np.float32)
    [wanted] = reference(path).run(None, {"input": x})
    for options in ({"batch": 4}, {"dims": {"batch": 4}}, {"shapes": {"input": (4, 3, 32, 32)}}):
        close(resnetc.compile(path, **options)(x), wanted)
