"""What is said of files and options that cannot be used."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from conftest import BUNDLED

import resnetc


def failure(*args, **options) -> resnetc.Error:
    with pytest.raises(resnetc.Error) as error:
        resnetc.compile(*args, **options)
    return error.value


def test_missing_file_and_unknown_name(tmp_path: Path) -> None:
    error = failure(tmp_path / "none.onnx")
    assert error.code == "io"
    assert "none.onnx" in error.message and "No such file" in error.message
    error = failure("resnet51")
    assert error.code == "unknown-model"
    assert "resnet51" in str(error) and str(error).split("\n")[0].endswith("[unknown-model]")


def test_a_folder(tmp_path: Path) -> None:
    assert failure(tmp_path).code == "unknown-model"


@pytest.mark.skipif(os.name != "posix", reason="this system has other permissions")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.onnx"
    path.write_bytes(BUNDLED.read_bytes())
    path.chmod(0)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                # Root may read every file; nobody may not.
                os.setuid(65534)
            error = failure(path)
            status = 0 if error.code == "io" and "ermission denied" in error.message else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("part", [0, 1, 10, 1000, 100_000, -1])
def test_truncated_files(tmp_path: Path, part: int) -> None:
    data = BUNDLED.read_bytes()[:part]
    path = tmp_path / "cut.onnx"
    path.write_bytes(data)
    error = failure(path)
    assert error.code in ("format", "invalid-model", "version")
    assert "cut.onnx" in error.message
    assert failure(data).code == error.code


def test_bytes_of_every_kind() -> None:
    data = BUNDLED.read_bytes()
    for same in (data, bytearray(data), memoryview(data)):
        assert resnetc.compile(same).outputs[0].name == "logits"
    assert failure(b"not a model").code in ("format", "invalid-model", "version")


def test_paths_of_every_kind(tmp_path: Path) -> None:
    for name in ("plain.onnx", "mit Leerzeichen é.onnx", os.fsdecode(b"\xff.onnx")):
        path = tmp_path / name
        path.write_bytes(BUNDLED.read_bytes())
        for same in (path, str(path)):
            model = resnetc.compile(same)
            assert pickle.loads(pickle.dumps(model)).outputs[0].name == "logits"
            assert "resnetc.Model" in repr(model)


def test_what_is_no_model() -> None:
    for other in (None, 1, 1.5, ["resnet18"]):
        with pytest.raises(TypeError):
            resnetc.compile(other)
    with pytest.raises(TypeError, match="`folder=` is for a model in bytes"):
        resnetc.compile(BUNDLED, folder="/")


def test_options_of_the_wrong_type_or_value() -> None:
    wrong_values = {
        "threads": -1,
        "batch": 2**70,
        "isa": "sse9",
        "numerics": "exactly",
        "engine": "fast",
        "reuse": "always",
        "memory": 0,
        "seed": -1,
    }
    for name, value in wrong_values.items():
        with pytest.raises(ValueError, match=f"`{name}=.*`: it must be "):
            resnetc.compile(BUNDLED, **{name: value})
    wrong_types = {
        "threads": "2",
        "isa": 3,
        "outputs": 5,
        "shapes": [1],
        "dims": {"batch": "1"},
        "no_pass": [1],
        "perf_map": 1,
    }
    for name, value in wrong_types.items():
        with pytest.raises(TypeError, match=f"`{name}=.*`: it must be "):
            resnetc.compile(BUNDLED, **{name: value})
    with pytest.raises(ValueError, match="`only_pass=.*without `no_pass=`"):
        resnetc.compile(BUNDLED, no_pass="fold_constants", only_pass="fold_constants")
    with pytest.raises(TypeError, match="unexpected keyword argument 'thread'"):
        resnetc.compile(BUNDLED, thread=2)


def test_options_that_the_library_refuses(tmp_path: Path) -> None:
    assert failure(BUNDLED, threads=0).code == "thread-count"
    error = failure(BUNDLED, weights=tmp_path / "w.safetensors")
    assert error.code == "no-effect"
    assert "`weights=` has no effect" in error.message
    assert failure("resnet18", outputs="nothing").code == "unknown-output"
    assert failure(BUNDLED, dims={"height": 3}).code == "unknown-dimension"
    assert failure(BUNDLED, no_pass=["none"]).code == "unknown-pass"
    assert failure(BUNDLED, tuned=tmp_path / "none.json").code == "measured-times"
    error = failure("resnet18", weights=tmp_path / "w.safetensors")
    assert error.code == "io" and "w.safetensors" in error.message


def test_an_error_can_be_pickled() -> None:
    error = failure(BUNDLED, seed=1)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.message, copy.help) == (error.code, error.message, error.help)
    assert str(copy) == str(error)
    assert isinstance(error, Exception) and not isinstance(error, (TypeError, ValueError))
