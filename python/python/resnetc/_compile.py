"""Loading and compiling."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Union

from resnetc import _native

if TYPE_CHECKING:
    from collections.abc import Sequence

    StrPath = Union[str, os.PathLike[str]]


def source(
    model: StrPath | bytes | bytearray | memoryview | Mapping[str, Any],
) -> str | bytes | dict[str, Any]:
    """A model as the native part takes it: bytes, a path or name as text, or a spec as a dict."""
    if isinstance(model, bytes):
        return model
    if isinstance(model, (bytearray, memoryview)):
        return bytes(model)
    if isinstance(model, Mapping):
        return copy.deepcopy(dict(model))
    return os.fsdecode(model)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not at their defaults, for a model to keep: later changes of a list have
    no effect, and files are found again after a change of folder."""
    chosen = copy.deepcopy({name: value for name, value in options.items() if value is not None})
    for name in ("weights", "tuned", "cache_dir"):
        if name in chosen:
            path = os.fsdecode(chosen[name])
            if not path:
                raise ValueError(f"`{name}=''`: it must be a path")
            chosen[name] = os.path.abspath(path)
    return chosen


def compile(
    model: StrPath | bytes | bytearray | memoryview | Mapping[str, Any],
    *,
    threads: int | None = None,
    batch: int | None = None,
    isa: str | None = None,
    numerics: Literal["fast", "portable", "half", "exact"] | None = None,
    outputs: str | Sequence[str] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dims: Mapping[str, int] | None = None,
    weights: StrPath | None = None,
    seed: int | None = None,
    engine: Literal["compiled", "interpreted", "auto"] | None = None,
    no_pass: str | Sequence[str] | None = None,
    only_pass: str | Sequence[str] | None = None,
    reuse: Literal["in-place", "freed", "never"] | None = None,
    memory: int | None = None,
    perf_map: bool | None = None,
    tuned: StrPath | None = None,
    cache_dir: StrPath | None = None,
    folder: StrPath | None = None,
) -> _native.Model:
    """Loads a network and compiles it for this CPU.

    `model` is the path of an ONNX file (`.onnx`) or of a spec (`.toml`, `.json`), the name of a
    built-in network ("resnet50"; its weights are random unless `weights` names a file), an ONNX
    file in memory, or a spec as a dict, as `json.load` reads it.

    - `threads`: threads of a run; by default as many as the process may use.
    - `batch`: images in one run; by default as many as the model declares, or 1.
    - `isa`: the instruction set, one of `resnetc.isas()`; by default "auto", the widest one.
    - `numerics`: "fast", the default; "portable", as "fast" with the same bits on every CPU that has
      fused multiply-adds; "exact", so, too, and only algorithms that round no more than direct
      convolution; or "half", as "fast" with weights of 16 bits.
    - `outputs`: names of the outputs to compute, in this order; any value or module of the network
      can be named ("layer4"). By default all outputs.
    - `shapes`: shapes of inputs, by name; `dims`: extents of symbolic dimensions, by name.
    - `weights`: a safetensors file for a built-in network or a spec, in PyTorch's names; `seed`:
      that of the random weights without one, by default 0.
    - `engine`: "compiled", the default; "interpreted", in float64 and slowly; or "auto", which
      interprets only where the system allows no executable memory.
    - `no_pass`, `only_pass`: optional passes to leave out, or to run and no other.
    - `reuse`: which values may share memory: "in-place", the default, "freed" or "never".
    - `memory`: the most bytes for the values of a run; a network that needs more is refused.
    - `perf_map`: whether to name the compiled code for `perf`.
    - `tuned`: a file of measured times, of `resnetc tune`.
    - `cache_dir`: a folder of compiled networks. A network that is in it is not compiled again, and
      its weights are mapped, so that all processes have them in memory once. It must belong to this
      user, and others must not be able to write to it.
    - `folder`: where a model in memory has the data that it keeps in other files.

    The interpreter's lock is released meanwhile. A signal, such as Ctrl-C, ends the call at once;
    the compilation goes on in the background until it is done, and its result is dropped.

    Raises TypeError or ValueError if an option is of the wrong type or none that there is, and
    `resnetc.Error` for all other reasons, which names the file and every wrong node.
    """
    options = dict(
        threads=threads, batch=batch, isa=isa, numerics=numerics, outputs=outputs, shapes=shapes,
        dims=dims, weights=weights, seed=seed, engine=engine, no_pass=no_pass,
        only_pass=only_pass, reuse=reuse, memory=memory, perf_map=perf_map, tuned=tuned,
        cache_dir=cache_dir,
    )  # fmt: skip
    return _native.load(source(model), folder, given(options))
