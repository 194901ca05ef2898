"""Models in the form of ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from resnetc._compile import compile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from resnetc import _native
    from resnetc._compile import StrPath


class NodeArg(NamedTuple):
    """An input or output of a session."""

    name: str
    shape: list[int]
    type: str
    """As ONNX Runtime writes it: "tensor(float)"."""


class InferenceSession:
    """A compiled network in the form of `onnxruntime.InferenceSession`.

        session = resnetc.InferenceSession("resnet50.onnx")
        [y] = session.run(None, {"input": x})

    Options are those of `resnetc.compile`, as keywords; of `sess_options` only
    `intra_op_num_threads` counts, and providers are ignored. Shapes are fixed when the network is
    compiled: dimensions that the file leaves open are 1, or what `batch`, `dims` and `shapes` say.
    """

    def __init__(
        self,
        path_or_bytes: StrPath | bytes,
        sess_options: Any = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[Any, Any]] | None = None,
        **options: Any,
    ) -> None:
        threads = getattr(sess_options, "intra_op_num_threads", 0)
        if threads > 0:
            options.setdefault("threads", threads)
        self._model = compile(path_or_bytes, **options)
        self._outputs = [port.name for port in self._model.outputs]

    @property
    def model(self) -> _native.Model:
        """The compiled network."""
        return self._model

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, np.ndarray],
        run_options: Any = None,
    ) -> list[np.ndarray]:
        """Runs it on a dict from the names of inputs to arrays; returns the outputs of these
        names, or all of them for None.

        A run computes all outputs; `outputs=` of the session leaves some out.
        """
        wanted = output_names or self._outputs
        for name in wanted:
            if name not in self._outputs:
                known = ", ".join(f'"{name}"' for name in self._outputs)
                raise ValueError(f'the model has no output "{name}"; it has {known}')
        outputs = self._model.run(dict(input_feed))
        return [outputs[name] for name in wanted]

    def get_inputs(self) -> list[NodeArg]:
        """The inputs: name, shape, type."""
        return [NodeArg(port.name, list(port.shape), port.type) for port in self._model.inputs]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs: name, shape, type."""
        return [NodeArg(port.name, list(port.shape), port.type) for port in self._model.outputs]

    def get_providers(self) -> list[str]:
        """The CPU."""
        return ["CPUExecutionProvider"]
