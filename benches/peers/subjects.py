"""The measured subjects: resnetc, engines with Python packages, and Rust engines, each with the same three functions.

version() raises Missing if the engine is not installed. prepare(case) runs before anything is timed.
measure(case, timing) runs one process, writes the output to a file and returns figures.
"""

import importlib.metadata
import os
import statistics
import subprocess
import sys

import arrays
from engines import ENGINES
from processes import Failed, call

HERE = os.path.dirname(os.path.abspath(__file__))
#: Packages and models are large, and machines may be slow.
TIMEOUT = 900


class Missing(Exception):
    """An engine that is not installed."""


class Resnetc:
    name = "resnetc"
    label = "resnetc"

    def __init__(self, path, numerics):
        self.path = path
        self.numerics = ["--numerics", numerics]

    def version(self):
        try:
            done = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"{error}; build it with `cargo build --release`, or give --resnetc PATH") from error
        return done.stdout.split()[-1]

    def make(self, network, batch, seed, target):
        """Writes a network as an ONNX file."""
        command = [self.path, "zoo", "make", network, "--batch", str(batch), "--seed", str(seed), "-o", target]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())

    def input_shape(self, onnx):
        report = call([self.path, "info", onnx, "--json"], TIMEOUT, marked=False).answers[0]
        return report["inputs"][0]["shape"]

    def first(self, case):
        """From process start to process end of one inference, and its output."""
        target = case.path("resnetc.npy")
        command = [self.path, "run", case.onnx, "--input", case.input, "--output", target]
        outcome = call([*command, *self.numerics, "--threads", str(case.threads), "--json"], TIMEOUT, marked=False)
        report = outcome.answers[0]
        return {
            "isa": report["isa"],
            # Everything except the inference itself: the start of the process, reading, compiling, packing.
            "load_ms": outcome.wall_ms - report["run_ms"],
            "first_ms": outcome.wall_ms,
            "peak_mb": outcome.peak_mb,
            "run_ms": report["run_ms"],
            "output": arrays.read_npy(target),
        }

    def measure(self, case, timing, run_ms):
        """Times runs. `run_ms` is about how long one run takes."""
        runs = max(timing.least, round(1e3 * timing.seconds / run_ms))
        command = [self.path, "bench", case.onnx, *self.numerics, "--threads", str(case.threads)]
        command += ["--iters", str(runs), "--warmup", str(timing.warmup), "--json"]
        report = call(command, TIMEOUT, marked=False).answers[0]
        return {key: report[key] for key in ("median_ms", "min_ms")} | {"runs": report["iterations"]}


def times(outcome):
    """The figures that every worker process gives."""
    loaded, ran = outcome.answers
    return {
        "load_ms": loaded["load_ms"],
        "first_ms": outcome.first_ms,
        "peak_mb": outcome.peak_mb,
        "median_ms": statistics.median(ran["times_ms"]),
        "min_ms": min(ran["times_ms"]),
        "runs": len(ran["times_ms"]),
    }


class Python:
    """An engine of engines.py."""

    def __init__(self, engine):
        self.engine, self.name, self.label = engine, engine.name, engine.label
        self.is_f32 = engine.is_f32
        self.models = {}

    def version(self):
        try:
            return self.engine.version()
        except importlib.metadata.PackageNotFoundError as error:
            raise Missing(f"the package {error.name} is not installed") from error

    def worker(self, *args):
        return [sys.executable, os.path.join(HERE, "worker.py"), *args]

    def prepare(self, case):
        onnx = case.onnx if self.engine.batched else case.onnx_of_one
        if onnx not in self.models:
            folder = case.folder(f"{self.name}-{os.path.basename(onnx)}")
            outcome = call(self.worker("prepare", self.name, onnx, folder), TIMEOUT)
            self.models[onnx] = outcome.answers[0]["model"]
        return self.models[onnx]

    def measure(self, case, timing):
        target = case.path(f"{self.name}.npy")
        args = [self.prepare(case), case.input, target, case.threads, *timing.args()]
        outcome = call(self.worker("run", self.name, *map(str, args)), TIMEOUT)
        return times(outcome) | {"output": arrays.read_npy(target)}


class Rust:
    """An engine of rust/."""

    def __init__(self, name, label, builder):
        self.name, self.label, self.builder = name, label, builder

    def version(self):
        self.builder.build()
        return self.builder.versions()[self.name]

    def prepare(self, case):
        return case.onnx

    def measure(self, case, timing):
        target = case.path(f"{self.name}.f32")
        args = [self.name, case.onnx, case.raw_input, target, case.threads, *timing.args()]
        outcome = call([self.builder.binary, *map(str, args)], TIMEOUT)
        with open(target, "rb") as file:
            return times(outcome) | {"output": arrays.from_bytes(file.read())}


class Builder:
    """Builds rust/ when it is first needed."""

    def __init__(self, target):
        self.manifest = os.path.join(HERE, "rust", "Cargo.toml")
        self.target = target
        self.binary = os.path.join(target, "release", "peers")
        self.built = False

    def versions(self):
        """The versions that Cargo.toml pins."""
        with open(self.manifest, encoding="utf-8") as file:
            pins = [line.split(" = ", 1) for line in file if '"=' in line]
        pinned = {name: rest.split('"=', 1)[1].split('"')[0] for name, rest in pins}
        return {"rten": pinned["rten"], "tract": pinned["tract-onnx"]}

    def build(self):
        if self.built:
            return
        print("building the Rust engines, which takes minutes the first time", file=sys.stderr)
        command = ["cargo", "build", "--release", "--locked", "--manifest-path", self.manifest]
        try:
            subprocess.run([*command, "--target-dir", self.target], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Missing(f"building failed: {error}") from error
        self.built = True


def peers(rust_target):
    """All engines by name, in the order of the tables."""
    builder = Builder(rust_target)
    found = {name: Python(engine) for name, engine in ENGINES.items()}
    found["rten"] = Rust("rten", "rten", builder)
    found["tract"] = Rust("tract", "tract", builder)
    return found
