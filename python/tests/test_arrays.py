"""Which arrays are accepted, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import CASES, values

import resnetc

SHAPE = (1, 3, 8, 8)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def test_an_array_gives_an_array(tiny: resnetc.Model, x: np.ndarray) -> None:
    y = tiny(x)
    assert isinstance(y, np.ndarray)
    assert (y.shape, y.dtype) == ((1, 3), np.float32)
    assert y.flags.c_contiguous and y.flags.writeable and y.flags.owndata
    for same in (tiny({"input": x}), tiny(input=x), tiny.run({"input": x})["output"]):
        np.testing.assert_array_equal(same, y)


def test_results_are_not_overwritten_by_the_next_run(tiny: resnetc.Model, x: np.ndarray) -> None:
    first = tiny(x)
    kept = first.copy()
    tiny(2 * x)
    np.testing.assert_array_equal(first, kept)


def test_layouts_of_arrays_do_not_matter(tiny: resnetc.Model, x: np.ndarray) -> None:
    wide = np.zeros((2, 3, 8, 16), np.float32)
    wide[1:, :, :, ::2] = x
    read_only = x.copy()
    read_only.setflags(write=False)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(SHAPE)
    layouts = {
        "Fortran": np.asfortranarray(x),
        "strided": wide[1:, :, :, ::2],
        "reversed": x[..., ::-1].copy()[..., ::-1],
        "transposed": x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        "broadcast": np.broadcast_to(x, SHAPE),
        "other byte order": x.astype(">f4"),
        "read-only": read_only,
        "unaligned": unaligned,
        "memory map": x.view(np.memmap),
    }
    wanted = tiny(x)
    for name, array in layouts.items():
        np.testing.assert_array_equal(tiny(array), wanted, err_msg=name)


def test_other_types_are_refused(tiny: resnetc.Model, x: np.ndarray) -> None:
    message = r'input "input" is float32, but an array of float64 was given; convert it: `x\.astype'
    with pytest.raises(TypeError, match=message):
        tiny(x.astype(np.float64))
    for dtype in (np.float16, np.int32, np.uint8, bool, np.complex64, object, "U3"):
        with pytest.raises(TypeError, match='input "input" is float32, but an array of '):
            tiny(np.zeros(SHAPE, dtype))
    for other in (None, 1.0, "x", [1.0], object()):
        with pytest.raises(TypeError):
            tiny(other)


def test_other_shapes_are_refused(tiny: resnetc.Model, x: np.ndarray) -> None:
    message = r'input "input" has shape \(1, 3, 8, 8\), but \(3, 8, 8\) was given'
    with pytest.raises(ValueError, match=message):
        tiny(x[0])
    for shape in ((), (192,), (2, 3, 8, 8), (1, 3, 8, 9), (0, 3, 8, 8), (1, 1, 3, 8, 8)):
        with pytest.raises(ValueError, match="but .* was given"):
            tiny(np.zeros(shape, np.float32))


def test_what_converts_itself_is_accepted(tiny: resnetc.Model, x: np.ndarray) -> None:
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return x

    np.testing.assert_array_equal(tiny(Tensor()), tiny(x))


def test_missing_unknown_and_surplus_inputs(tiny: resnetc.Model, x: np.ndarray) -> None:
    with pytest.raises(ValueError, match='no array is given for "input"'):
        tiny()
    with pytest.raises(ValueError, match='no array is given for "input"'):
        tiny.run({})
    with pytest.raises(ValueError, match='the model has no input "inptu"; it has "input"'):
        tiny({"inptu": x})
    with pytest.raises(ValueError, match='the model has no input "other"'):
        tiny(x, other=x)
    with pytest.raises(TypeError, match='input "input" is given twice'):
        tiny(x, input=x)
    with pytest.raises(TypeError, match="the model has 1 input"):
        tiny(x, x)


def test_several_inputs_and_outputs() -> None:
    model = resnetc.compile(CASES / "mask_and_shift/model.onnx")
    assert [port.name for port in model.inputs] == ["picture", "mask", "shift"]
    assert [port.dtype for port in model.inputs] == [np.float32, np.bool_, np.int64]
    arrays = [values(port) for port in model.inputs]
    results = model(*arrays)
    assert list(results) == ["logits", "same"]
    assert (results["same"].dtype, results["same"].shape) == (np.int64, (1, 3, 1, 1))
    np.testing.assert_array_equal(results["same"], arrays[2])
    names = [port.name for port in model.inputs]
    by_name = model(arrays[0], **dict(zip(names[1:], arrays[1:], strict=True)))
    np.testing.assert_array_equal(by_name["logits"], results["logits"])
    # Order does not matter in a dict.
    reversed_dict = dict(reversed(list(zip(names, arrays, strict=True))))
    np.testing.assert_array_equal(model(reversed_dict)["logits"], results["logits"])
    with pytest.raises(ValueError, match='no array is given for "mask", "shift"'):
        model(arrays[0])


def test_types_that_a_context_holds_as_floats() -> None:
    model = resnetc.compile(CASES / "uint8_input/model.onnx")
    [port] = model.inputs
    assert (port.dtype, port.type) == (np.uint8, "tensor(uint8)")
    x = values(port)
    wanted = model(x)
    # Both types are accepted, with the same values.
    np.testing.assert_array_equal(model(x.astype(np.float32)), wanted)
    with pytest.raises(TypeError, match="is uint8 or float32, but an array of int8 was given"):
        model(x.astype(np.int8))
    with pytest.raises(resnetc.Error) as error:
        model(x.astype(np.float32) + 0.5)
    assert error.value.code == "input-element"
    # A run that failed leaves nothing behind.
    np.testing.assert_array_equal(model(x), wanted)


def test_integers_that_an_f32_does_not_hold() -> None:
    model = resnetc.compile(CASES / "mask_and_shift/model.onnx")
    feed = {port.name: values(port) for port in model.inputs}
    feed["shift"] = np.full((1, 3, 1, 1), 2**24 + 1, np.int64)
    with pytest.raises(resnetc.Error, match='input "shift": element') as error:
        model(feed)
    assert error.value.code == "array-element"


def test_half_and_double() -> None:
    half = resnetc.compile(CASES / "half_model/model.onnx")
    [y] = [half(values(port)) for port in half.inputs]
    assert y.dtype == np.float16 and np.isfinite(y).all()
    double = resnetc.compile(CASES / "double_model/model.onnx")
    [port] = double.inputs
    x = values(port)
    assert port.dtype == np.float64
    y = double(x)
    first = y if isinstance(y, np.ndarray) else next(iter(y.values()))
    assert first.dtype == np.float64
