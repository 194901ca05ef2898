#!/usr/bin/env python3
"""Times resnetc and other engines on the same ONNX files, alternating, and writes the tables.

README.md in this folder describes what is measured and how.
"""

import argparse
import dataclasses
import hashlib
import itertools
import math
import os
import shlex
import shutil
import sys
import tempfile

import arrays
import machine
import report
import samples
from processes import Failed
from subjects import HERE, Missing, Resnetc, peers

ROOT = os.path.dirname(os.path.dirname(HERE))
#: Relative to the largest magnitude of the output. Sums in f32 in another order differ by 1e-6 or so after 100 layers;
#: Winograd's algorithm with larger tiles costs another digit. 16-bit arithmetic would be at 1e-3.
TOLERANCE = 1e-4


@dataclasses.dataclass
class Timing:
    """How long each process is timed."""

    seconds: float
    least: int = 10
    warmup: int = 3

    def args(self):
        return [self.seconds, self.least, self.warmup]


@dataclasses.dataclass
class Case:
    """One network at one batch and one number of threads."""

    model: str
    batch: int
    threads: int
    onnx: str
    #: The same network for one image.
    onnx_of_one: str
    #: The same numbers as .npy, and as raw f32.
    input: str
    raw_input: str
    work: str

    def path(self, name):
        return os.path.join(self.work, name)

    def folder(self, name):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        return path

    def key(self):
        return {"model": self.model, "batch": self.batch, "threads": self.threads}

    def __str__(self):
        return f"{self.model}, batch {self.batch}, {self.threads} threads"


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse(args):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = lambda text: text.split(",")
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--models", type=words, default=["resnet18", "resnet50"], metavar="NAME,...")
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="N,...")
    parser.add_argument("--batch", type=numbers, default=[1], metavar="N,...")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=2.0, help="timed runs of one process; default: 2")
    parser.add_argument("--engines", type=words, metavar="NAME,...", help="default: all with Python packages, in f32")
    parser.add_argument("--rust-engines", action="store_true", help="measure tract and rten too; builds them if needed")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, metavar="T", help="how much answers may differ; default: 1e-4")
    parser.add_argument("--resnetc", default=os.path.join(ROOT, "target/release/resnetc"), metavar="PATH")
    parser.add_argument("--numerics", default="fast", metavar="NAME", help="resnetc's: fast, half or exact; default: fast")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and inputs")
    default = os.path.join(ROOT, "target/peers/results")
    parser.add_argument("--out", default=default, metavar="DIR", help="rounds are added to this folder")
    parsed = parser.parse_args(args)
    known = peers("")
    rust = ["rten", "tract"]
    chosen = parsed.engines or [name for name in known if name not in rust and known[name].is_f32]
    chosen += [name for name in rust if parsed.rust_engines and name not in chosen]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        parser.error(f"unknown engine {', '.join(unknown)}; available: {', '.join(known)}")
    parsed.engines = chosen
    return parsed


def installed(names):
    """The engines that are available, with their versions; the others are reported."""
    found = {}
    known = peers(os.path.join(ROOT, "target/peers/rust"))
    for name in names:
        try:
            found[name] = (known[name], known[name].version())
        except Missing as missing:
            say(f"{name}: skipped: {missing}")
    return found


def cases(args, resnetc, work):
    """Makes the models once, and all combinations of options."""
    made = {}

    def model(name, batch):
        path = os.path.join(work, f"{os.path.basename(name).removesuffix('.onnx')}-{batch}.onnx")
        if (name, batch) not in made:
            if not name.endswith(".onnx"):
                resnetc.make(name, batch, args.seed, path)
            elif batch == 1:
                shutil.copyfile(name, path)
            else:
                raise Failed("a file is measured at batch 1 only")
            made[name, batch] = path
        return path

    for name, batch, threads in itertools.product(args.models, args.batch, args.threads):
        try:
            onnx, of_one = model(name, batch), model(name, 1)
            stem = onnx.removesuffix(".onnx")
            shape = resnetc.input_shape(onnx)
            values = arrays.normal(args.seed, math.prod(shape))
        except (Failed, OSError) as failure:
            say(f"{name}: {failure}")
            continue
        arrays.write_npy(stem + ".npy", shape, values)
        with open(stem + ".f32", "wb") as file:
            file.write(arrays.little(values))
        yield Case(name, batch, threads, onnx, of_one, stem + ".npy", stem + ".f32", work)


def round_of(case, resnetc, engines, timing, turn, tolerance):
    """Runs each engine once, next to resnetc. Yields samples."""
    first = resnetc.first(case)
    expected, run_ms = first.pop("output"), first.pop("run_ms")
    yield {"engine": "resnetc", **first}
    for place, (name, (engine, _)) in enumerate(engines.items()):
        try:
            engine.prepare(case)
            own = lambda: resnetc.measure(case, timing, run_ms)
            other = lambda: engine.measure(case, timing)
            # The order alternates, since a machine may slow down while it works.
            if (turn + place) % 2 == 0:
                ours, theirs = own(), other()
            else:
                theirs, ours = other(), own()
            difference = arrays.difference(theirs.pop("output"), expected)
        except (Failed, ValueError) as failure:
            say(f"  {name}: failed: {failure}")
            yield {"engine": name, "error": str(failure)}
            continue
        agrees = "" if difference <= tolerance else "; ITS OUTPUT DIFFERS"
        say(f"  {name}: {theirs['median_ms']:.2f} ms, resnetc {ours['median_ms']:.2f} ms, {difference:.1e}{agrees}")
        yield {"engine": "resnetc", "beside": name, **ours}
        yield {"engine": name, "difference": difference, "beside_ms": ours["median_ms"], **theirs}


def main():
    args = parse(None)
    resnetc = Resnetc(args.resnetc, args.numerics)
    try:
        versions = {"resnetc": resnetc.version()}
    except Missing as missing:
        sys.exit(f"resnetc: {missing}")
    engines = installed(args.engines)
    if not engines:
        sys.exit("there is no engine to compare with; install some with pip install -r requirements.txt")
    versions |= {name: version for name, (_, version) in engines.items()}
    labels = {"resnetc": "resnetc"} | {name: engine.label for name, (engine, _) in engines.items()}
    with open(args.resnetc, "rb") as file:
        binary = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    conditions = {"cpu": machine.cpu(), "system": machine.system(), "binary": binary, "versions": versions}
    store = samples.Store(args.out, conditions, labels, shlex.join(["run.py", *sys.argv[1:]]))
    timing = Timing(args.seconds)
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        for case in cases(args, resnetc, work):
            for turn in range(args.rounds):
                say(f"{case}: round {turn + 1} of {args.rounds}")
                try:
                    for sample in round_of(case, resnetc, engines, timing, turn, args.tolerance):
                        store.add(case.key() | sample)
                except Failed as failure:
                    say(f"  resnetc: failed: {failure}")
                    break
    for path in report.write(store, args.tolerance):
        print(path)


if __name__ == "__main__":
    main()
