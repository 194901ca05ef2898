"""Quantization after training."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from resnetc import _native
from resnetc._compile import given, source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resnetc._compile import StrPath


@dataclass(frozen=True)
class Quantized:
    """A quantized network: the file of it, and how well it was quantized."""

    onnx: bytes = field(repr=False)
    """An ONNX file, with QuantizeLinear and DequantizeLinear around each quantized operator.
    `resnetc.compile` takes it, and so does every other engine."""
    report: dict[str, Any]
    """How well it was quantized: `outputs_db`, the ratio of signal to quantization noise of the
    outputs on `outputs_runs` of the samples; `operators`, those that cost the outputs the most
    first; `floats`, the operators that stay in float32, and why."""

    def save(self, path: StrPath) -> None:
        """Writes the ONNX file, whole or not at all."""
        _native.write(os.fsdecode(path), self.onnx)


def quantize(
    model: StrPath | bytes,
    samples: Iterable[Any],
    output: StrPath | None = None,
    *,
    method: Literal["minmax", "percentile", "entropy"] = "minmax",
    percentile: float = 99.99,
    bias_correction: bool = True,
    first_layers: bool = True,
    last_layers: bool = True,
    keep: Iterable[str] = (),
    rank: bool = False,
    folder: StrPath | None = None,
    **options: Any,
) -> Quantized:
    """Quantizes a network in float32 to 8 bits, with the ranges that values have for some samples.

    `samples` are a few hundred inputs, prepared as for the network: each an array of the input's
    shape, a tuple of arrays for several inputs, or a dict by name. All are in memory meanwhile.
    With `output`, the ONNX file is written there, too.

    - `method`: how ranges are found: "minmax", "percentile" (that of `percentile`) or "entropy".
    - `bias_correction`: whether biases take back the mean error of their layer.
    - `first_layers`, `last_layers`: whether these are quantized.
    - `keep`: names of layers that stay in float32.
    - `rank`: whether to measure for each layer what the outputs gain if it stays in float32; takes
      a compilation for each.

    Other keywords are those of `resnetc.compile`.
    """
    how = dict(
        method=method,
        percentile=percentile,
        bias_correction=bias_correction,
        first_layers=first_layers,
        last_layers=last_layers,
        keep=list(keep),
        rank=rank,
    )
    onnx, report = _native.quantize(source(model), folder, samples, given(options), how)
    quantized = Quantized(onnx, report)
    if output is not None:
        quantized.save(output)
    return quantized
