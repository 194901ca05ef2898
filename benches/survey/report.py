"""Writes docs/FAMILY.md from the results of survey.py."""

import argparse
import datetime
import json
from importlib.metadata import version
from pathlib import Path

from families import FAMILIES, surveyed

HERE = Path(__file__).parent
PACKAGES = ["timm", "torch", "onnx", "onnxscript"]
HEAD = """# timm's residual networks

Generated: `python benches/survey/report.py` writes this file from the results of [the survey](../benches/survey/README.md), {date}, with {versions}.

Each network has random weights and random statistics of batch normalization, is exported with an open batch by PyTorch's TorchScript exporter (opset 17) at the smallest of 64x64, 128x128 and its own size at which it is exported, and is run for one picture and for two, `--numerics fast` and `--numerics exact`. It matches if no output is farther from PyTorch's in f64 than 1e-4 of the largest, or than 10 times what PyTorch's own in f32 is.

**{matching} of {surveyed} networks match**{rest}. timm has {trained} sets of trained weights for those that match.

The numbers are the largest errors in a family, of the largest output; "PyTorch" is PyTorch in f32, for comparison.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--output", type=Path, default=HERE.parent.parent / "docs/FAMILY.md")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.results.read_text().splitlines()]
    options.output.write_text(document(rows))


def document(rows):
    main, dynamo = ([row for row in rows if row["exporter"] == exporter] for exporter in ("torchscript", "dynamo"))
    matching = [row for row in main if row["matches"]]
    left = len(surveyed()) - len(main)
    head = HEAD.format(
        date=datetime.date.today(),
        versions=", ".join(f"{package} {version(package)}" for package in PACKAGES),
        matching=len(matching),
        surveyed=len(main),
        rest=f" ({left} more have not been run yet)" if left else "",
        trained=sum(row["trained"] for row in matching),
    )
    parts = [head, families(main), *failures(main), *wide(main)]
    if dynamo:
        count = sum(row["matches"] for row in dynamo)
        parts += [f"## The TorchDynamo exporter\n\n{count} of {len(dynamo)} match.\n", networks(dynamo), *failures(dynamo)]
    parts += ["## Network by network\n", networks(main)]
    return "\n".join(parts)


def table(header, lines):
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *lines]) + "\n"


def families(rows):
    lines = []
    for family in sorted({family for _, family in FAMILIES if family}):
        members = [row for row in rows if row["family"] == family]
        if not members:
            continue
        count = f"{sum(row['matches'] for row in members)} of {len(members)}"
        errors = [largest(members, kind) for kind in ("fast", "exact", "own")]
        lines.append([family, count, str(sum(row["trained"] for row in members)), *errors])
    return table(["family", "match", "trained weights", "fast", "exact", "PyTorch"], lines)


def networks(rows):
    def line(row):
        errors = [largest([row], kind) for kind in ("fast", "exact", "own")]
        return [f"`{row['name']}`", "yes" if row["matches"] else "no", str(row.get("size", "")), *errors]

    return table(["network", "matches", "size", "fast", "exact", "PyTorch"], [line(row) for row in rows])


def largest(rows, kind):
    """The largest error of a kind of arithmetic among networks, or nothing if none of them ran."""
    errors = [row["own"] for row in rows if "own" in row] if kind == "own" else []
    for row in rows:
        errors += [error for name, error in row.get("errors", {}).items() if name.startswith(kind)]
    return f"{max(errors):.1e}" if errors else ""


def failures(rows):
    failed = [row for row in rows if not row["matches"]]
    if not failed:
        return []
    lines = [[f"`{row['name']}`", row.get("stage", "compare"), reason(row)] for row in failed]
    return ["## What does not match, and why\n", table(["network", "where", "reason"], lines)]


def reason(row):
    """The first node that is refused, without the path of a file that is gone."""
    text = row.get("reason")
    if text is None:
        return "farther from PyTorch than allowed"
    lines = text.splitlines()
    if row["stage"] == "resnetc" and len(lines) > 1:
        text = f"{lines[0].split(': ')[-1]}: {lines[1].strip()}"
    else:
        text = lines[0]
    return text.replace("|", "\\|")[:300]


def wide(rows):
    """Networks that match by PyTorch's own error only."""
    found = [row for row in rows if row["matches"] and max(row["errors"].values()) > 1e-4]
    if not found:
        return []
    names = ", ".join(f"`{row['name']}`" for row in found)
    return [f"Beyond 1e-4, as PyTorch's own f32 is or nearly is: {names}.\n"]


if __name__ == "__main__":
    main()
