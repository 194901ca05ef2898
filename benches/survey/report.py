"""Writes docs/FAMILY.md, and the same as CSV, from the results of survey.py."""

import argparse
import csv
import datetime
import json
from importlib.metadata import version
from pathlib import Path
from statistics import median

from families import DYNAMO, FAMILIES, own_size, surveyed

HERE = Path(__file__).parent
PACKAGES = ["timm", "torch", "onnx", "onnxscript"]
ERRORS = ["fast", "exact", "PyTorch"]
HEAD = """# timm's residual networks

Generated: `python benches/survey/report.py` writes this file from the results of [the survey](../benches/survey/README.md), {date}, with {versions}.{note}

**{own[0]} networks match PyTorch at their own size**{own[1]}; {ran} import and compile. At the smallest of 64x64, 128x128 and their own at which they are exported, {reduced[0]} match{reduced[1]}. [Those that do not, and why](#what-does-not-match-and-why).

Each network has random weights and random statistics of batch normalization. PyTorch's TorchScript exporter writes it to an ONNX file (opset 17) with an open batch, `resnetc run` imports and compiles that and runs it with `--numerics fast` and `--numerics exact`, for one picture and, at the reduced size, also for two. It matches if no output is farther than 1e-4 of the largest from what PyTorch computes in f64.

## Errors

Of the largest output. "PyTorch" is what PyTorch's own f32 is away from its f64, for comparison: a network that amplifies small differences does so in every engine.
"""
WHY = """"A rounding of the input grows N times" means: when the input alone is disturbed, by half a unit in the last place of an f32, the output in f64 changes by N times as much (about once in a ResNet-50). Deep networks with random weights amplify roundings, most of all where a small image leaves few pixels, and every layer rounds, too. `resnetc check` distinguishes such a network from a wrong layer, since it runs each layer alone.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--output", type=Path, default=HERE.parent.parent / "docs/FAMILY.md")
    parser.add_argument("--csv", type=Path, help="also the results one by one, as CSV")
    parser.add_argument("--note", default="", help="sentences about the results, such as which builds they are from")
    options = parser.parse_args()
    names = surveyed()
    # The last line of a network counts.
    rows = {(row["round"], row["name"]): row for row in map(json.loads, options.results.read_text().splitlines())}
    for name in names:
        row = rows.get(("reduced", name), {})
        if row.get("size") == own_size(name):
            rows.setdefault(("own", name), row)
    rounds = {kind: [rows[kind, name] for name in names if (kind, name) in rows] for kind in ("own", "reduced", "dynamo")}
    options.output.write_text(document(rounds, names, options.note))
    if options.csv:
        write_csv(options.csv, rounds)


def document(rounds, names, note):
    own, reduced, dynamo = (rounds[kind] for kind in ("own", "reduced", "dynamo"))
    head = HEAD.format(
        date=datetime.date.today(),
        versions=", ".join(f"{package} {version(package)}" for package in PACKAGES),
        own=count(own, names),
        note=f" {note}" if note else "",
        ran=sum(bool(row.get("errors")) for row in own),
        reduced=count(reduced, names),
    )
    parts = [head, summary({"own size": own, "reduced size": reduced, "TorchDynamo exporter": dynamo})]
    parts += ["## Families\n", families(own, reduced)]
    parts += failures({"own size": own, "reduced size": reduced, "TorchDynamo exporter": dynamo})
    if dynamo:
        match, left = count(dynamo, DYNAMO)
        parts += [f"## The TorchDynamo exporter\n\nOne of each kind, reduced: {match} match{left}.\n", networks(dynamo, [])]
    parts += ["## Network by network\n", networks(own, reduced)]
    return "\n".join(parts)


def count(rows, names):
    """How many match, and a remark if some were not run."""
    done = {row["name"] for row in rows}
    left = [f"`{name}`" for name in names if name not in done]
    some = ", ".join(left) if len(left) <= 5 else f"{len(left)} more"
    return matching(rows), f" (not run: {some})" if left else ""


def table(header, lines, text=1):
    """A table whose first `text` columns are text."""
    rule = ["---"] * text + ["---:"] * (len(header) - text)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *lines]) + "\n"


def summary(rounds):
    def line(name, rows, kind):
        found = [error for row in rows if (error := largest(row, kind)) is not None]
        return [f"{name}, {kind}", str(len(found)), number(median(found)), number(max(found))]

    lines = [line(name, rows, kind) for name, rows in rounds.items() if rows for kind in ERRORS]
    return table(["", "networks", "median", "largest"], lines)


def families(own, reduced):
    lines = []
    for family in sorted({family for _, family in FAMILIES if family}, key=str.lower):
        members, small = ([row for row in rows if row["family"] == family] for rows in (own, reduced))
        if not members:
            continue
        trained = str(sum(row["trained"] for row in members if row["matches"]))
        lines.append([family, matching(members), *errors(members), trained, matching(small), *errors(small)])
    header = ["family", "own size", *ERRORS, "trained weights", "reduced size", *ERRORS]
    return "The largest errors in a family. \"Trained weights\" are those that timm has for networks that match.\n\n" + table(header, lines)


def matching(rows):
    """How many match, of how many."""
    return f"{sum(row['matches'] for row in rows)} of {len(rows)}"


def networks(rows, others):
    """A line for each network, for one round or two."""
    others = {row["name"]: row for row in others}

    def cells(row):
        return [str(row.get("size", "")), "yes" if row["matches"] else "no", *errors([row])] if row else [""] * 5

    lines = [[f"`{row['name']}`", *cells(row), *(cells(others.get(row["name"])) if others else [])] for row in rows]
    header = ["size", "matches", *ERRORS]
    return table(["network", *header, *(header if others else [])], lines)


def errors(rows):
    found = [[error for row in rows if (error := largest(row, kind)) is not None] for kind in ERRORS]
    return [number(max(errors)) if errors else "" for errors in found]


def largest(row, kind):
    """The largest error of a network in one kind of arithmetic; `None` if it did not run."""
    if kind == "PyTorch":
        return row.get("own")
    return max((error for name, error in row.get("errors", {}).items() if name.startswith(kind)), default=None)


def number(error):
    return f"{error:.1e}"


def failures(rounds):
    lines = [
        [f"`{row['name']}`", name, row.get("stage", "compare"), reason(row)]
        for name, rows in rounds.items()
        for row in rows
        if not row["matches"]
    ]
    if not lines:
        return []
    return ["## What does not match, and why\n", WHY, table(["network", "round", "where", "reason"], lines, text=4)]


def reason(row):
    """The first node that is refused, without the path of a file that no longer exists."""
    text = row.get("reason")
    if text is None:
        found = number(max(row["errors"].values()))
        gain = float(number(row["gain"]))
        return f"{found} off; PyTorch's own f32 is {number(row['own'])} off, and a rounding of the input grows {gain:g} times"
    lines = text.splitlines()
    if row["stage"] == "resnetc" and len(lines) > 1:
        text = f"{lines[0].split(': ')[-1]}: {lines[1].strip()}"
    else:
        text = lines[0].split(".onnx: ")[-1]
    return text.replace("|", "\\|")[:300]


def write_csv(path, rounds):
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["round", "network", "family", "size", "matches", *ERRORS, "reason"])
        for kind, rows in rounds.items():
            for row in rows:
                text = "" if row["matches"] else reason(row)
                found = [largest(row, kind) for kind in ERRORS]
                cells = ["" if error is None else number(error) for error in found]
                table.writerow([kind, row["name"], row["family"], row.get("size", ""), row["matches"], *cells, text])


if __name__ == "__main__":
    main()
