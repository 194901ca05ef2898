"""Writes measurements as tables in Markdown and CSV, and as a chart."""

import csv
import dataclasses
import os

import chart
from samples import Summary


def write(store, tolerance):
    """Writes results.md, results.csv and results.svg; returns their paths."""
    paths = [os.path.join(store.folder, name) for name in ("results.md", "results.csv", "results.svg")]
    groups = store.groups()
    with open(paths[0], "w", encoding="utf-8") as file:
        file.write(markdown(store, groups, tolerance))
    with open(paths[1], "w", encoding="utf-8", newline="") as file:
        write_csv(store, groups, file)
    with open(paths[2], "w", encoding="utf-8") as file:
        file.write(chart.draw(store, groups, tolerance))
    return paths


def markdown(store, groups, tolerance):
    parts = [conditions(store)]
    for batch in sorted({group.batch for group in groups}):
        chosen = [group for group in groups if group.batch == batch]
        parts += [f"## Batch {batch}", speed(store, chosen, tolerance)]
    parts += ["## Load, first result, memory", details(store, groups, tolerance)]
    failures = [f"- {title(g)}: {store.label(s.engine)}: {s.error}" for g in groups for s in g.engines.values() if s.error]
    if failures:
        parts += ["## Failures", "\n".join(failures)]
    return "\n\n".join(parts) + "\n"


def title(group):
    return f"{group.model}, batch {group.batch}, {threads(group)}"


def threads(group):
    return "1 thread" if group.threads == 1 else f"{group.threads} threads"


def conditions(store):
    about = store.about["conditions"]
    versions = [f"{store.label(name)} {version}" for name, version in about["versions"].items()]
    lines = [
        "# resnetc and other engines",
        "",
        f"- CPU: {about['cpu']}",
        f"- System: {about['system']}",
        f"- Versions: {', '.join(versions)}",
        f"- Date: {', '.join(store.about['dates'])}",
        *(f"- Command: `{command}`" for command in store.about["commands"]),
    ]
    return "\n".join(lines)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def agrees(summary, tolerance):
    return summary.difference is None or summary.difference <= tolerance


def speed(store, groups, tolerance):
    """Times, and the ratio to resnetc: above 1, the engine takes longer."""
    engines = [name for name in store.about["labels"] if any(name in group.engines for group in groups)]
    batch = groups[0].batch
    unit = "Median ms of a run" if batch == 1 else f"Median ms of a run of {batch} pictures, and pictures a second"
    rows = []
    for group in groups:
        cells = [cell(group.engines.get(name), group.batch, tolerance) for name in engines]
        rows.append([group.model, str(group.threads), *cells])
    text = f"{unit}; in brackets, how many times as long as resnetc beside it."
    return text + "\n\n" + table(["network", "threads", *map(store.label, engines)], rows)


def cell(summary, batch, tolerance):
    if summary is None:
        return "-"
    if summary.median_ms is None:
        return "failed" if summary.error else "-"
    if not agrees(summary, tolerance):
        return "other output"
    text = f"{summary.median_ms:.1f}"
    if batch > 1:
        text += f", {1e3 * batch / summary.median_ms:.1f}/s"
    return text if summary.ratio is None else f"{text} ({summary.ratio:.2f}x)"


def details(store, groups, tolerance):
    text = (
        "Load: from the model file to a network that can run. First: from the start of the process to the first "
        "output. Memory: the most that the process had. Packages for Python include the interpreter; MNN and ncnn "
        "read files that were converted before. Difference: the greatest from resnetc's output, of the greatest "
        f"magnitude in it; at most {tolerance:.0e} is accepted."
    )
    head = ["network", "threads", "batch", "engine", "load ms", "first ms", "median ms", "min ms", "memory MB", "difference", "processes"]
    rows = []
    for group in groups:
        for s in group.engines.values():
            numbers = [number(x, 1) for x in (s.load_ms, s.first_ms, s.median_ms, s.min_ms)]
            difference = "-" if s.difference is None else f"{s.difference:.1e}"
            row = [group.model, str(group.threads), str(group.batch), store.label(s.engine), *numbers]
            rows.append([*row, number(s.peak_mb, 0), difference, str(s.processes)])
    return text + "\n\n" + table(head, rows)


def number(x, digits):
    return "-" if x is None else f"{x:.{digits}f}"


def write_csv(store, groups, file):
    rows = csv.writer(file)
    rows.writerow(["model", "batch", "threads", "version", *columns()])
    versions = store.about["conditions"]["versions"]
    for group in groups:
        for summary in group.engines.values():
            values = [getattr(summary, column) for column in columns()]
            rows.writerow([group.model, group.batch, group.threads, versions.get(summary.engine), *values])


def columns():
    return [field.name for field in dataclasses.fields(Summary)]
