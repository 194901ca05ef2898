"""Quantizes a network of the repository with ONNX Runtime, in each of its forms, and writes them with ONNX Runtime's
own results to `quantized/`. Not needed to build or test.

    python -m venv venv && venv/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 numpy
    venv/bin/python tests/onnx/quantize.py
"""

import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

HERE = pathlib.Path(__file__).parent
NETWORKS = ["resnet_bottleneck_v1"]


class Random(CalibrationDataReader):
    def __init__(self, name, shape, count):
        rng = np.random.default_rng(7)
        self.data = [{name: rng.standard_normal(shape, np.float32)} for _ in range(count)]
        self.left = iter(self.data)

    def get_next(self):
        return next(self.left, None)


def write(name, array, path):
    path.write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def main():
    out = HERE / "quantized"
    out.mkdir(exist_ok=True)
    for network in NETWORKS:
        path = HERE / "../fixtures" / network / "model.onnx"
        session = ort.InferenceSession(path)
        (given,) = session.get_inputs()
        shape = [d if isinstance(d, int) else 1 for d in given.shape]
        images = Random(given.name, shape, 8).data
        with tempfile.TemporaryDirectory() as folder:
            prepared = pathlib.Path(folder) / "prepared.onnx"
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(prepared)
            ort.InferenceSession(path, options)
            for form in "qdq", "qoperator", "dynamic":
                target = out / f"{network}_{form}.onnx"
                if form == "dynamic":
                    quantize_dynamic(prepared, target, weight_type=QuantType.QUInt8)
                else:
                    quantize_static(
                        prepared,
                        target,
                        Random(given.name, shape, 8),
                        quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator,
                        per_channel=form == "qdq",
                        activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8,
                    )
                answer = ort.InferenceSession(target).run(None, images[0])[0]
                write("output", answer, out / f"{network}_{form}_output.pb")
                ops = sorted({(n.domain, n.op_type) for n in onnx.load(target).graph.node})
                exact = session.run(None, images[0])[0]
                print(target.name, target.stat().st_size, ops, np.abs(answer - exact).max(), np.abs(exact).max())
        write(given.name, images[0][given.name], out / f"{network}_input.pb")


if __name__ == "__main__":
    main()
