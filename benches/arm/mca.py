#!/usr/bin/env python3
"""Predicts the cycles of the innermost loops in A64 assembly with llvm-mca, and compares them with the limit of their
multiply-adds.

Reads labels and instructions, as compilers and count.py write them, or an address before each instruction, as
disassemblers do: `20: 4f821020 fmla v0.4s, v1.4s, v2.s[0]`; the colon and the word may be missing. Comments begin with
`//` or `;`. Without a backward branch, all instructions are taken for one iteration.
"""

import argparse
import dataclasses
import functools
import json
import os
import re
import sys

from blocks import PATTERNS
from emulator import Problem, call, require

MCA = "llvm-mca-22"
CPUS = ["neoverse-n1", "neoverse-v1", "neoverse-v2", "apple-m1"]
ITERATIONS = 1000
#: A label, or an address with a colon.
LABEL = re.compile(r"\s*([\w.$]+):(?:\s+|$)")
#: An address without a colon. A64 addresses are multiples of four, so `add` is not one; neither is `b loop`.
ADDRESS = re.compile(r"\s*([0-9a-f]*[048c])\s+(?=[a-z][\w.]*(?:\s|$))")
WORD = re.compile(r"\s*[0-9a-f]{8}\s+")
#: A direct branch: all before the target, and the target.
BRANCH = re.compile(r"((?:b|b\.\w+)\s+|(?:cbn?z|tbn?z)\s.*,\s*)(?:0x)?([\w.$]+)(?:\s+<.*>)?$")


@dataclasses.dataclass
class Code:
    """Instructions, and where names and addresses are among them."""

    instructions: list
    places: dict

    @classmethod
    def parse(cls, text):
        code = cls([], {})
        for line in text.splitlines():
            line = re.split(r"//|;", line)[0]
            if place := LABEL.match(line) or ADDRESS.match(line):
                code.places[plain(place[1])] = len(code.instructions)
                line = WORD.sub("", line[place.end() :], count=1)
            if re.match(r"\s*[a-z]", line):
                code.instructions.append(line.strip())
        return code

    def target(self, instruction):
        """The label or address to which an instruction branches, if it is in this code."""
        branch = BRANCH.match(instruction)
        # 1b is the label 1, backwards.
        names = [plain(branch[2]), branch[2].removesuffix("b")] if branch else []
        return next((name for name in names if name in self.places), None)

    def loops(self):
        """The instructions of each innermost loop, with the place where it begins."""
        found = []
        for end, instruction in enumerate(self.instructions):
            name = self.target(instruction)
            start = self.places.get(name)
            # Ends are ascending: a loop that begins no later than an earlier one contains it.
            if start is not None and start <= end and not any(start <= inner for inner, _, _ in found):
                found.append((start, end, name))
        if not found and self.instructions:
            return [("all", self.instructions)]
        return [(name, self.instructions[start : end + 1]) for start, end, name in found]


def plain(name):
    """A label, or an address without leading zeros."""
    return name.lstrip("0") or "0"


def simulate(cpu, instructions):
    """Cycles of one iteration in the long run, and the cycles that it takes to dispatch its micro-operations."""
    lines = [re.sub(BRANCH, r"\1loop", line) for line in instructions]
    command = [MCA, "-mtriple=aarch64", f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-json"]
    report = json.loads(call(command, input="\n".join(["loop:", *lines, ""])))
    summary = report["CodeRegions"][0]["SummaryView"]
    return summary["TotalCycles"] / ITERATIONS, summary["TotaluOps"] / ITERATIONS / summary["DispatchWidth"]


@functools.cache
def pipes(cpu):
    """How many multiply-adds the model of a CPU begins in a cycle."""
    independent = [f"fmla v{total}.4s, v0.4s, v1.s[0]" for total in range(8, 32)]
    return round(len(independent) / simulate(cpu, independent)[0])


def rows(path, cpus):
    """A row for each loop with multiply-adds on each CPU."""
    with open(path, encoding="utf-8") as file:
        code = Code.parse(file.read())
    for name, instructions in code.loops():
        products = sum(bool(PATTERNS["multiply-add"].match(line)) for line in instructions)
        for cpu in cpus if products else []:
            cycles, dispatch = simulate(cpu, instructions)
            limit = products / pipes(cpu)
            numbers = [f"{cycles:.1f}", f"{cycles / products:.3f}", f"{dispatch:.1f}", pipes(cpu), f"{limit:.2f}"]
            yield [os.path.basename(path), name, len(instructions), products, cpu, *numbers, f"{cycles / limit:.2f}"]


HEADS = ["file", "loop", "instructions", "multiply-adds", "CPU", "cycles", "cycles / multiply-add", "dispatch"]
HEADS += ["pipes", "limit", "cycles / limit"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].replace("\n", " "))
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--cpus", type=lambda text: text.split(","), default=CPUS, metavar="NAME,...")
    args = parser.parse_args()
    require(MCA)
    found = []
    for path in args.files:
        loops = list(rows(path, args.cpus))
        if not loops:
            raise Problem(f"{path}: no loop with vector multiply-adds")
        found += loops
    print("| " + " | ".join(HEADS) + " |")
    print("| --- | --- | ---: | ---: | --- |" + " ---: |" * 6)
    for row in found:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    try:
        main()
    except (OSError, Problem) as problem:
        sys.exit(f"error: {problem}")
