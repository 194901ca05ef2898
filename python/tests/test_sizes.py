"""Other sizes of a network, compiled networks in a folder, and the page of a report."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import BUNDLED, values

import resnetc


def test_a_model_for_another_batch_shares_the_weights() -> None:
    one = resnetc.compile(BUNDLED, threads=1)
    images = np.concatenate([values(one.inputs[0], seed) for seed in range(3)])
    three = one.with_batch(3)
    assert three.inputs[0].shape == (3, 1, 28, 28)
    assert three.facts["shared_bytes"] == three.facts["weight_bytes"]
    each = np.concatenate([one(image[None]) for image in images])
    assert np.array_equal(three(images), each)
    again = pickle.loads(pickle.dumps(three))
    assert np.array_equal(again(images), each)
    assert three.with_batch(1).inputs[0].shape == one.inputs[0].shape


def test_a_model_from_bytes_shares_them_as_well() -> None:
    one = resnetc.compile(BUNDLED.read_bytes(), threads=1)
    two = one.with_input((2, 1, 28, 28))
    assert two.facts["shared_bytes"] == two.facts["weight_bytes"]
    both = one.with_input({one.inputs[0].name: [2, 1, 28, 28]})
    assert both.inputs[0].shape == two.inputs[0].shape == (2, 1, 28, 28)
    with pytest.raises(resnetc.Error) as error:
        one.with_input((1, 3, 28, 28))
    assert error.value.code == "given-shape"


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(BUNDLED.read_bytes())
    model = resnetc.compile(path)
    path.write_bytes(BUNDLED.read_bytes() + b"\0")
    with pytest.raises(resnetc.Error) as error:
        model.with_batch(2)
    assert error.value.code == "changed-origin"


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_network_is_compiled_once(tmp_path: Path, in_memory: bool) -> None:
    source = BUNDLED.read_bytes() if in_memory else BUNDLED
    models = [resnetc.compile(source, cache_dir=tmp_path / "cache") for _ in range(2)]
    assert [model.facts["cache"] for model in models] == ["stored", "found"]
    x = values(models[0].inputs[0])
    assert np.array_equal(models[0](x), models[1](x))
    assert models[0].plan() == models[1].plan()
    assert models[1].facts["phases"].keys() == {"cache"}
    assert resnetc.compile(BUNDLED).facts["cache"] is None


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    model = resnetc.compile(BUNDLED, cache_dir=folder)
    assert model.facts["cache"].startswith("not stored: ")
    assert list(folder.iterdir()) == []


def test_a_report_is_one_page(tmp_path: Path, tiny_spec: Path) -> None:
    page = tmp_path / "page.html"
    resnetc.compile(tiny_spec, threads=1).report(page, runs=3)
    text = page.read_text()
    assert text.lstrip().startswith("<!doctype html>") or "<html" in text[:200]
    with pytest.raises(resnetc.Error) as error:
        resnetc.compile(tiny_spec).report(tmp_path / "none" / "page.html", runs=1)
    assert error.value.code == "io"


def test_sizes_that_are_none_are_refused() -> None:
    model = resnetc.compile(BUNDLED)
    for images in (0, -1):
        with pytest.raises(ValueError, match="a whole number, 1 or more"):
            model.with_batch(images)
    with pytest.raises(TypeError, match="a whole number, 1 or more"):
        model.with_batch(1.5)  # type: ignore[arg-type]


def test_a_folder_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="`cache_dir=''`"):
        resnetc.compile(BUNDLED, cache_dir="")


def test_a_spec_in_memory_is_that_of_a_file(tiny_spec: Path) -> None:
    spec = {
        "block": "basic", "layers": [1], "channels": [4], "classes": 3,
        "input": {"channels": 3, "height": 8, "width": 8},
    }  # fmt: skip
    model, of_file = resnetc.compile(spec), resnetc.compile(tiny_spec)
    x = values(model.inputs[0])
    assert np.array_equal(model(x), of_file(x))
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again(x), model(x))
    assert model.with_batch(2)(np.concatenate([x, x])).shape == (2, 3)
    assert repr(model).startswith("<resnetc.Model spec (")
    with pytest.raises(resnetc.Error, match="blocks"):
        resnetc.compile({**spec, "blocks": 1})
    with pytest.raises(TypeError, match="folder"):
        resnetc.compile(spec, folder=".")


def test_an_interpreted_model_has_no_instruction_set(tiny_spec: Path) -> None:
    model = resnetc.compile(tiny_spec, engine="interpreted")
    assert model.facts["isa"] is None and model.facts["interpreted"]
    assert "interpreted" in repr(model)
