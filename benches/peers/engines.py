"""The engines with Python packages: how each one loads an ONNX file, and its best documented settings for f32 on CPUs.

An engine is imported in a separate process (worker.py), never in the parent.
"""

import importlib.metadata
import os
import shutil
import subprocess


class Engine:
    """One engine. `load` is timed as "load"; the function that it returns is called for every inference."""

    name = ""
    label = ""
    #: Packages that must be installed; the version of the first one is reported.
    packages = ()
    #: Whether a model is made for a batch; otherwise images go in one by one, through a model for one image.
    batched = True
    #: Whether it computes f32 files in f32 on every CPU.
    is_f32 = True

    def version(self):
        """The installed version; raises PackageNotFoundError if a package is missing."""
        return [importlib.metadata.version(package) for package in self.packages][0]

    def prepare(self, onnx, folder):
        """Converts the model once, before anything is timed. Returns what `load` reads."""
        return onnx

    def start(self):
        """Imports the engine: part of the first result, but not of loading a model."""

    def load(self, model, x, threads):
        """Loads a model for the input `x`. Returns a function without arguments that gives the output."""
        raise NotImplementedError


class OnnxRuntime(Engine):
    name = "onnxruntime"
    label = "ONNX Runtime"
    packages = ("onnxruntime",)

    def start(self):
        # Its package reports its use over the network, from a thread.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        self.ort = onnxruntime

    def load(self, model, x, threads):
        options = self.ort.SessionOptions()
        # Includes the change to its blocked layout, its fastest for convolutions.
        options.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        # A ResNet has hardly anything to run side by side; nodes in parallel are documented as slower for it.
        options.execution_mode = self.ort.ExecutionMode.ORT_SEQUENTIAL
        # Threads spin between operators, the default: faster than letting them sleep.
        session = self.ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x}
        return lambda: session.run(None, feed)[0]


class OpenVino(Engine):
    name = "openvino"
    label = "OpenVINO"
    packages = ("openvino",)
    # Otherwise CPUs with AMX or AVX512-BF16 would compute in bfloat16.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}

    def start(self):
        import openvino

        self.openvino = openvino

    def load(self, model, x, threads):
        settings = {
            # One image (or batch) at a time on all threads, as measured here.
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            **self.precision,
        }
        compiled = self.openvino.Core().compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()
        # The input is read in place, as with the other engines.
        return lambda: request.infer([x], share_inputs=True)[0]


class OpenVinoDefault(OpenVino):
    name = "openvino-default"
    label = "OpenVINO, its own precision"
    precision = {}
    is_f32 = False


class Mnn(Engine):
    name = "mnn"
    label = "MNN"
    packages = ("mnn",)

    def prepare(self, onnx, folder):
        # The function behind `mnnconvert`. The command itself also installs a package and sends a report of its use
        # over the network.
        import _tools

        model = os.path.join(folder, "model.mnn")
        args = ["mnnconvert", "-f", "ONNX", "--modelFile", onnx, "--MNNModel", model]
        _tools.mnnconvert(args + ["--bizCode", "resnetc"])
        if not os.path.exists(model):
            raise RuntimeError("MNN's converter wrote no file")
        return model

    def start(self):
        import MNN.expr
        import MNN.nn

        self.mnn = MNN

    def load(self, model, x, threads):
        runtime = self.mnn.nn.create_runtime_manager(
            (
                {
                    "backend": "CPU",
                    "numThread": threads,
                    # Plain f32; the lower levels may use 16-bit floats where the CPU has them.
                    "precision": "high",
                    # Winograd's algorithm everywhere, whatever memory it needs, and the fast cores where there are two
                    # kinds.
                    "memory": "high",
                    "power": "high",
                },
            )
        )
        # rearrange=True loads faster, but leaves Winograd out, and runs slower; its tuning modes are for GPUs.
        network = self.mnn.nn.load_module_from_file(model, ["input"], ["output"], runtime_manager=runtime)
        picture = self.mnn.expr.const(x, list(x.shape), self.mnn.expr.NCHW)
        return lambda: network.forward(picture).read()


class Ncnn(Engine):
    name = "ncnn"
    label = "ncnn"
    packages = ("ncnn", "pnnx", "numpy")
    # Its tensors have no batch.
    batched = False

    def prepare(self, onnx, folder):
        import onnx as onnx_package
        import pnnx

        # The converter writes a dozen files beside its input.
        source = os.path.join(folder, "model.onnx")
        shutil.copyfile(onnx, source)
        graph = onnx_package.load(source, load_external_data=False).graph
        shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
        # fp16=0: weights stay f32.
        args = [pnnx.EXEC_PATH, source, f"inputshape={shape}".replace(" ", ""), "fp16=0"]
        done = subprocess.run(args, capture_output=True, text=True)
        param = os.path.join(folder, "model.ncnn.param")
        if not os.path.exists(param):
            raise RuntimeError(f"pnnx wrote no file: {(done.stdout + done.stderr)[-400:]}")
        return param

    def start(self):
        import ncnn
        import numpy

        self.ncnn, self.numpy = ncnn, numpy

    def load(self, model, x, threads):
        network = self.ncnn.Net()
        options = network.opt
        options.num_threads = threads
        # These are on by default, and would compare 16-bit floats with f32.
        options.use_fp16_storage = options.use_fp16_packed = options.use_fp16_arithmetic = False
        options.use_bf16_storage = False
        # On by default; set here because the speed depends on them.
        options.use_winograd_convolution = options.use_sgemm_convolution = True
        options.use_packing_layout = True
        if network.load_param(model) or network.load_model(model.removesuffix(".param") + ".bin"):
            raise RuntimeError("the converted model cannot be loaded")
        # Copies, since it requires aligned channels.
        pictures = [self.ncnn.Mat(picture).clone() for picture in x]

        def one(picture):
            extractor = network.create_extractor()
            extractor.input("in0", picture)
            code, output = extractor.extract("out0")
            if code:
                raise RuntimeError(f"inference failed with code {code}")
            return self.numpy.array(output)

        return lambda: self.numpy.stack([one(picture) for picture in pictures])


class Torch(Engine):
    name = "torch"
    label = "PyTorch"
    packages = ("torch", "onnx")

    def start(self):
        import torch

        self.torch = torch

    def load(self, model, x, threads):
        from torch_network import network

        torch = self.torch
        torch.set_num_threads(threads)
        picture = torch.from_numpy(x)
        with torch.inference_mode():
            # Frozen, normalizations are folded and convolutions run in oneDNN with the activation fused.
            traced = torch.jit.trace(network(model), picture)
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

        def run():
            with torch.inference_mode():
                return frozen(picture).numpy()

        return run


ENGINES = {engine.name: engine for engine in (OnnxRuntime(), OpenVino(), OpenVinoDefault(), Mnn(), Ncnn(), Torch())}
