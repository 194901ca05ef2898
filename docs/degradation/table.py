"""Prints the table of the experiment from its logs, as Markdown: table.py LOGS"""

import json
import pathlib
import statistics
import sys

NETWORKS = {
    "plain20": "plain-20",
    "plain56": "plain-56",
    "resnet20": "ResNet-20 (A)",
    "resnet56": "ResNet-56 (A)",
    "resnet20b": "ResNet-20 (B)",
    "resnet20c": "ResNet-20 (C)",
}
EPOCHS = [10, 21, 30]


def read(file):
    return {line["epoch"]: line for line in map(json.loads, file.read_text().splitlines())}


def error(line, half):
    return 100 * (1 - line[half]["accuracy"])


def over(values, digits=2):
    """The mean of some values, and their range."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def row(name, runs):
    cells = [over([error(run[epoch], "train") for run in runs]) for epoch in EPOCHS]
    cells.append(over([run[EPOCHS[-1]]["train"]["loss"] for run in runs], 3))
    cells.append(over([error(run[EPOCHS[-1]], "test") for run in runs]))
    return f"| {name} | {len(runs)} | {' | '.join(cells)} |"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: table.py LOGS")
    logs = pathlib.Path(sys.argv[1])
    heads = [f"training error after {epoch} epochs, %" for epoch in EPOCHS] + ["training loss", "test error, %"]
    print(f"| network | seeds | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 2)}")
    for stem, name in NETWORKS.items():
        runs = [read(file) for file in sorted(logs.glob(f"{stem}-[0-9].jsonl"))]
        runs = [run for run in runs if EPOCHS[-1] in run]
        if runs:
            print(row(name, runs))


main()
