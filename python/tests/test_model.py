"""Models: what they say of themselves, options, copies, sessions, quantization, and commands."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from conftest import BUNDLED, TINY, values

import resnetc


def test_ports_and_facts(bundled: resnetc.Model) -> None:
    [image], [logits] = bundled.inputs, bundled.outputs
    assert (image.name, image.shape, image.dtype) == ("image", (1, 1, 28, 28), np.float32)
    assert (logits.name, logits.shape, logits.type) == ("logits", (1, 10), "tensor(float)")
    facts = bundled.facts
    assert facts["threads"] == 2 and facts["isa"] in resnetc.isas()
    assert facts["weight_bytes"] > 0 and facts["code_bytes"] > 0 and facts["arena_bytes"] > 0
    assert not facts["random_weights"] and not facts["interpreted"]
    assert resnetc.version == resnetc.__version__ and resnetc.version.count(".") == 2
    assert repr(bundled).startswith("<resnetc.Model ") and "threads=2" in repr(bundled)
    assert repr(image) == 'Port(name="image", shape=(1, 1, 28, 28), dtype=float32)'


def test_reports_are_plain_data(bundled: resnetc.Model) -> None:
    explained = bundled.explain()
    assert any(entry["applied"] for entry in explained["passes"])
    assert {"name", "problem", "algorithm"} <= explained["convolutions"][0].keys()
    assert explained["kernels"]
    plan = bundled.plan()
    assert plan["peak"] > 0 and len(plan["steps"]) > 20 and plan["values"] and plan["buffers"]
    profile = bundled.profile(runs=3)
    assert profile["runs"] == 3 and profile["steps"] and profile["milliseconds"] > 0
    x = values(bundled.inputs[0])
    assert len(bundled.profile(x, runs=1)["steps"]) == len(profile["steps"])
    assert len(bundled.profile(image=x)["steps"]) == len(profile["steps"])


def test_options_have_effects(bundled: resnetc.Model) -> None:
    x = values(bundled.inputs[0])
    wanted = bundled(x)
    assert (resnetc.compile(BUNDLED, threads=1)(x) == wanted).all(), "threads do not matter"
    scale = np.abs(wanted).max()
    for options in (
        {"isa": "baseline"},
        {"numerics": "exact"},
        {"engine": "interpreted"},
        {"no_pass": ["fold_batch_norm"]},
        {"reuse": "never"},
        {"memory": 1 << 30},
    ):
        y = resnetc.compile(BUNDLED, **options)(x)
        assert np.abs(y - wanted).max() <= 1e-4 * scale, options
    # Weights of 16 bits change outputs by some 2e-5 of the largest.
    y = resnetc.compile(BUNDLED, numerics="half")(x)
    assert np.abs(y - wanted).max() <= 1e-2 * scale
    assert resnetc.compile(BUNDLED, engine="interpreted").facts["interpreted"]
    batch = resnetc.compile(BUNDLED, batch=np.int64(3))
    assert batch.inputs[0].shape == (3, 1, 28, 28)
    np.testing.assert_array_equal(batch(np.concatenate([x, x, x]))[2:], wanted)


def test_built_in_names_specs_and_seeds(tiny_spec: Path) -> None:
    x = np.ones((1, 3, 8, 8), np.float32)
    one, same, other = (resnetc.compile(tiny_spec, seed=seed)(x) for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    model = resnetc.compile("cifar_resnet20", outputs=["layer1"])
    assert model.facts["random_weights"]
    assert [port.name for port in model.outputs] == ["layer1"]


def test_a_pickle_keeps_how_a_model_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    x = np.ones((2, 3, 8, 8), np.float32)
    model = resnetc.compile("tiny.toml", batch=2, threads=1, seed=7)
    data = pickle.dumps(model)
    assert len(data) < 500
    # Its path is still valid in another folder.
    monkeypatch.chdir("/")
    again = pickle.loads(data)
    assert again.facts["threads"] == 1
    np.testing.assert_array_equal(again(x), model(x))
    in_memory = resnetc.compile(BUNDLED.read_bytes())
    x = values(in_memory.inputs[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(in_memory))(x), in_memory(x))
    assert copy.copy(model) is model and copy.deepcopy(model) is model


def test_options_of_a_model_cannot_be_changed_afterwards(tiny_spec: Path) -> None:
    shapes = {"input": [2, 3, 8, 8]}
    model = resnetc.compile(tiny_spec, shapes=shapes)
    shapes["input"] = [4, 3, 8, 8]
    assert pickle.loads(pickle.dumps(model)).inputs[0].shape == (2, 3, 8, 8)


def test_a_model_can_be_forgotten(tiny_spec: Path) -> None:
    model = resnetc.compile(tiny_spec)
    reference = weakref.ref(model)
    with pytest.raises(AttributeError):
        model.other = 1
    del model
    gc.collect()
    assert reference() is None


def test_trimmed_memory_comes_back(tiny: resnetc.Model) -> None:
    x = np.ones((1, 3, 8, 8), np.float32)
    wanted = tiny(x)
    tiny.trim()
    np.testing.assert_array_equal(tiny(x), wanted)


def test_sessions(bundled: resnetc.Model) -> None:
    class Options:
        intra_op_num_threads = 1

    session = resnetc.InferenceSession(
        BUNDLED, Options(), providers=["CPUExecutionProvider"], numerics="exact"
    )
    assert session.model.facts["threads"] == 1
    [image], [logits] = session.get_inputs(), session.get_outputs()
    assert image == ("image", [1, 1, 28, 28], "tensor(float)")
    assert (logits.name, logits.shape, logits.type) == ("logits", [1, 10], "tensor(float)")
    feed = {"image": values(image)}
    [y] = session.run(None, feed)
    for names in (["logits"], [], ("logits",)):
        np.testing.assert_array_equal(session.run(names, feed)[0], y)
    assert len(session.run(["logits", "logits"], feed)) == 2
    with pytest.raises(ValueError, match='no output "probabilities"; it has "logits"'):
        session.run(["probabilities"], feed)
    with pytest.raises(ValueError, match="no array is given"):
        session.run(None, {})
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_quantization(tmp_path: Path, bundled: resnetc.Model) -> None:
    samples = [values(bundled.inputs[0], seed) for seed in range(8)]
    path = tmp_path / "q.onnx"
    quantized = resnetc.quantize(BUNDLED, samples, path, method="percentile", percentile=99.9)
    assert path.read_bytes() == quantized.onnx
    assert quantized.report["runs"] == 8 and quantized.report["operators"]
    assert quantized.report["outputs_db"] > 10
    y, wanted = resnetc.compile(quantized.onnx)(samples[0]), bundled(samples[0])
    # 10 dB: an error of a third of the signal.
    assert np.linalg.norm(y - wanted) < np.linalg.norm(wanted) / 3
    # Samples in other forms are the same samples.
    named = [{"image": x} for x in samples]
    plain = resnetc.quantize(BUNDLED, samples, first_layers=False, threads=1)
    same = resnetc.quantize(BUNDLED, (x for x in named), first_layers=False, threads=1)
    assert plain.onnx == same.onnx and plain.report["floats"]


def test_what_cannot_be_quantized(tmp_path: Path, bundled: resnetc.Model) -> None:
    x = values(bundled.inputs[0])
    for error, args, options in (
        (ValueError, ([x],), {"method": "best"}),
        (TypeError, ([x],), {"bias_correction": "yes"}),
        (TypeError, ([x.astype(np.float64)],), {}),
        (ValueError, ([x[0]],), {}),
        (TypeError, (5,), {}),
        (TypeError, ([x],), {"no_option": 1}),
    ):
        with pytest.raises(error):
            resnetc.quantize(BUNDLED, *args, **options)
    for code, args, options in (
        ("no-samples", ([],), {}),
        ("unknown-layer", ([x],), {"keep": ["nothing"]}),
        ("percentile", ([x],), {"method": "percentile", "percentile": 5}),
        ("io", ([x], tmp_path / "no" / "q.onnx"), {}),
    ):
        with pytest.raises(resnetc.Error) as failure:
            resnetc.quantize(BUNDLED, *args, **options)
        assert failure.value.code == code


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "resnetc", *args], capture_output=True, text=True, timeout=120
    )


def test_the_command_line() -> None:
    version = command("--version")
    assert (version.returncode, version.stdout) == (0, f"resnetc {resnetc.version}\n")
    info = command("info", str(BUNDLED), "--json")
    assert info.returncode == 0 and info.stdout.startswith("{")
    wrong = command("info", "resnet51")
    assert wrong.returncode == 1 and "[unknown-model]" in wrong.stderr
    assert command("inform").returncode == 2


def test_help_reads_well() -> None:
    for thing in (
        resnetc,
        resnetc.compile,
        resnetc.quantize,
        resnetc.Model,
        resnetc.Model.run,
        resnetc.Model.explain,
        resnetc.Model.plan,
        resnetc.Model.profile,
        resnetc.Model.trim,
        resnetc.Port,
        resnetc.Error,
        resnetc.InferenceSession,
        resnetc.InferenceSession.run,
        resnetc.Quantized,
        resnetc.isas,
    ):
        assert len(thing.__doc__ or "") > 20, thing
    assert resnetc.Model.__module__ == "resnetc" and resnetc.Port.__module__ == "resnetc"
    assert all(hasattr(resnetc, name) for name in resnetc.__all__)
