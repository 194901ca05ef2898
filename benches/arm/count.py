#!/usr/bin/env python3
"""Counts the instructions of an inference on 64-bit Arm, in ONNX Runtime and in resnetc, and writes tables.

README.md in this folder describes what is counted and how.
"""

import argparse
import dataclasses
import json
import math
import os
import sys
import time

from blocks import KINDS, difference, loops, read, tally
from emulator import CPUS, PEERS, Emulator, Problem, call, versions

sys.path.insert(0, PEERS)

import arrays

ROOT = os.path.dirname(os.path.dirname(PEERS))
#: How much the answers may differ, relative to the largest magnitude; the reason is in benches/peers/run.py.
TOLERANCE = 1e-4
#: Runs before the first one that counts: the first one allocates memory.
UNCOUNTED = 1


@dataclasses.dataclass
class Case:
    """One network on one CPU."""

    network: str
    cpu: str
    onnx: str
    input: str


class OnnxRuntime:
    """In Python, with the settings of benches/peers."""

    name, label = "onnxruntime", "ONNX Runtime"
    ignored = None

    def version(self, emulator):
        return versions()["onnxruntime"]

    def command(self, emulator, case, runs):
        # The worker runs once for the output, then as often as it is told, for at least no seconds.
        numbers = {"threads": 1, "seconds": 0, "least": runs - 1, "warmup": 0}
        settings = [case.onnx, case.input, emulator.path("answer.npy"), *map(str, numbers.values())]
        return emulator.python(os.path.join(PEERS, "worker.py"), "run", self.name, *settings)

    def answer(self, emulator, case):
        """The output that the command has written."""
        return arrays.read_npy(emulator.path("answer.npy"))


class Resnetc:
    name, label = "resnetc", "resnetc"

    def __init__(self, path):
        self.path = path

    def version(self, emulator):
        return emulator.run(CPUS["max"], [self.path, "--version"]).split()[-1]

    def command(self, emulator, case, runs):
        return [self.path, "bench", case.onnx, "--threads", "1", "--warmup", "0", "--iters", str(runs)]

    def answer(self, emulator, case):
        target = emulator.path("answer.npy")
        command = [self.path, "run", case.onnx, "--input", case.input, "--output", target, "--threads", "1"]
        emulator.run(CPUS[case.cpu], command)
        return arrays.read_npy(target)

    @staticmethod
    def ignored(kinds):
        """The loop that measures how fast the machine multiplies and adds, for a time, not a number of times."""
        return kinds["multiply-add"] >= 32 and not kinds["load"]


def parse(args):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = lambda text: text.split(",")
    parser.add_argument("--resnetc", required=True, metavar="PATH", help="the program, built for aarch64")
    parser.add_argument("--networks", type=words, default=["resnet18", "resnet50"], metavar="NAME,...")
    parser.add_argument("--cpus", type=words, default=["neoverse-n1"], metavar="NAME,...", help=", ".join(CPUS))
    parser.add_argument("--engines", type=words, default=["onnxruntime", "resnetc"], metavar="NAME,...")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="counted runs; default: 1")
    parser.add_argument("--loops", type=int, default=3, metavar="N", help="hottest loops to write; default: 3")
    parser.add_argument("--cache", default=os.path.join(ROOT, "target/arm"), metavar="DIR", help="default: target/arm")
    parsed = parser.parse_args(args)
    for what, chosen, known in (("CPU", parsed.cpus, CPUS), ("engine", parsed.engines, ["onnxruntime", "resnetc"])):
        unknown = [name for name in chosen if name not in known]
        if unknown:
            parser.error(f"unknown {what} {', '.join(unknown)}; available: {', '.join(known)}")
    if parsed.runs < 1:
        parser.error("--runs must be at least 1")
    if not os.path.exists(parsed.resnetc):
        parser.error(f"{parsed.resnetc}: not found; README.md tells how to build it")
    return parsed


def make(emulator, resnetc, network):
    """The name of a network, and files of it and of an input; the first is written unless it was written before."""
    name = os.path.splitext(os.path.basename(network))[0]
    onnx, numbers = emulator.path("models", f"{name}.onnx"), emulator.path("models", f"{name}.npy")
    os.makedirs(os.path.dirname(onnx), exist_ok=True)
    if not os.path.exists(onnx):
        emulator.run(CPUS["max"], [resnetc, "zoo", "make", network, "--seed", "1", "-o", onnx])
        # A file that was modified just before is read twice, which only the first of two processes would do.
        time.sleep(5)
    report = json.loads(emulator.run(CPUS["max"], [resnetc, "info", onnx, "--json"]))
    shape = report["inputs"][0]["shape"]
    arrays.write_npy(numbers, shape, arrays.normal(1, math.prod(shape)))
    return name, onnx, numbers


def count(emulator, engine, case, args):
    """Instructions of one inference, by kind: what more inferences of a process execute beyond fewer."""
    name = f"{case.network}-{case.cpu}-{engine.name}"
    counted = []
    for runs in (UNCOUNTED, UNCOUNTED + args.runs):
        path = emulator.path("blocks")
        emulator.run(CPUS[case.cpu], engine.command(emulator, case, runs), path)
        counted.append(read(path))
        os.remove(path)
    sums = tally(difference(*counted), engine.ignored)
    os.makedirs(emulator.path("loops"), exist_ok=True)
    for index, (executed, text) in enumerate(loops(*counted, args.loops)):
        with open(emulator.path("loops", f"{name}-{index + 1}.s"), "w", encoding="utf-8") as file:
            file.write(f"// {executed / args.runs:.0f} instructions in a run\n{text}")
    return {kind: round(number / args.runs) for kind, number in sums.items()}


def measure(emulator, engines, case, args):
    """The rows of one network on one CPU; the engines must agree on the answer."""
    rows, answers = [], {}
    for engine in engines:
        print(f"{case.network} on {case.cpu}: {engine.label}", file=sys.stderr, flush=True)
        kinds = count(emulator, engine, case, args)
        answers[engine.name] = engine.answer(emulator, case)
        row = {"network": case.network, "cpu": case.cpu, "engine": engine.name, "total": sum(kinds.values())}
        rows.append(row | {"kinds": kinds})
    first, *others = answers.values()
    for row, answer in zip(rows[1:], others):
        row["difference"] = arrays.difference(answer, first)
        if row["difference"] > TOLERANCE:
            raise Problem(f"{case.network} on {case.cpu}: answers differ by {row['difference']:.1e} of the largest")
    return rows


def table(rows):
    """Millions of instructions."""
    kinds = [kind for kind in KINDS if any(row["kinds"][kind] for row in rows)]
    heads = ["network", "CPU", "engine", "all", *kinds, "all / multiply-add"]
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- | --- |" + " ---: |" * (len(heads) - 3)]
    for row in rows:
        products = row["kinds"]["multiply-add"]
        numbers = [row["total"], *(row["kinds"][kind] for kind in kinds)]
        cells = [row["network"], row["cpu"], row["engine"], *(f"{number / 1e6:.1f}" for number in numbers)]
        cells.append(f"{row['total'] / products:.2f}" if products else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    args = parse(sys.argv[1:])
    emulator = Emulator(args.cache)
    emulator.prepare()
    known = {"onnxruntime": OnnxRuntime(), "resnetc": Resnetc(os.path.abspath(args.resnetc))}
    engines = [known[name] for name in args.engines]
    found = {"versions": {engine.name: engine.version(emulator) for engine in engines}, "counts": []}
    found["versions"]["qemu"] = call(["qemu-aarch64", "--version"]).split()[2]
    for network in args.networks:
        name, *files = make(emulator, known["resnetc"].path, network)
        for cpu in args.cpus:
            found["counts"] += measure(emulator, engines, Case(name, cpu, *files), args)
            # After each case, as all of them may take an hour.
            with open(emulator.path("counts.json"), "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)
    print(", ".join(f"{name} {version}" for name, version in found["versions"].items()), "\n")
    print(table(found["counts"]))


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"error: {problem}")
