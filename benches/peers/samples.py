"""Measurements, kept in a folder as they come, and their summaries."""

import dataclasses
import datetime
import json
import os
import statistics
import sys


class Store:
    """A folder of measurements. Later runs add to it, if they use the same program on the same machine."""

    def __init__(self, folder, conditions, labels, command):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.samples = []
        self.about = {"conditions": conditions, "labels": {}, "commands": [], "dates": []}
        about, self.log = os.path.join(folder, "about.json"), os.path.join(folder, "samples.jsonl")
        if os.path.exists(about):
            with open(about, encoding="utf-8") as file:
                self.about = json.load(file)
            self.check(conditions)
            with open(self.log, encoding="utf-8") as file:
                self.samples = [json.loads(line) for line in file]
        self.about["labels"] |= labels
        self.about["conditions"]["versions"] |= conditions["versions"]
        for kind, value in (("commands", command), ("dates", datetime.date.today().isoformat())):
            if value not in self.about[kind]:
                self.about[kind].append(value)
        open(self.log, "a", encoding="utf-8").close()
        with open(about, "w", encoding="utf-8") as file:
            json.dump(self.about, file, indent=1)

    def check(self, conditions):
        old, new = self.about["conditions"], conditions
        versions = [old["versions"].get(name, version) == version for name, version in new["versions"].items()]
        if not all(versions) or any(old[key] != new[key] for key in ("cpu", "system", "binary")):
            sys.exit(f"{self.folder}: it has measurements of other programs or another machine; use a different --out")

    def add(self, sample):
        self.samples.append(sample)
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(sample) + "\n")

    def groups(self):
        """Networks, batches and numbers of threads, in the order in which they first occur."""
        keys = {(s["model"], s["batch"], s["threads"]): None for s in self.samples}
        return [Group(self, *key) for key in keys]

    def label(self, engine):
        return self.about["labels"][engine]


@dataclasses.dataclass
class Summary:
    """One engine on one network. Values that were not measured are None."""

    engine: str
    load_ms: float | None
    first_ms: float | None
    #: The median of the processes' medians.
    median_ms: float | None
    min_ms: float | None
    peak_mb: float | None
    #: The median, over rounds, of its time divided by that of resnetc beside it.
    ratio: float | None
    difference: float | None
    #: How many processes were timed; resnetc runs once beside each other engine.
    processes: int
    error: str | None


class Group:
    """All samples of one network at one batch and one number of threads."""

    def __init__(self, store, model, batch, threads):
        self.model, self.batch, self.threads = model, batch, threads
        key = (model, batch, threads)
        samples = [s for s in store.samples if (s["model"], s["batch"], s["threads"]) == key]
        self.engines = {
            name: summarize(name, [s for s in samples if s["engine"] == name])
            for name in store.about["labels"]
            if any(s["engine"] == name for s in samples)
        }


def summarize(engine, samples):
    def figures(key):
        return [s[key] for s in samples if key in s]

    def over(key, function):
        return function(figures(key)) if figures(key) else None

    ratios = [s["median_ms"] / s["beside_ms"] for s in samples if "beside_ms" in s]
    return Summary(
        engine=engine,
        load_ms=over("load_ms", statistics.median),
        first_ms=over("first_ms", statistics.median),
        median_ms=over("median_ms", statistics.median),
        min_ms=over("min_ms", min),
        peak_mb=over("peak_mb", statistics.median),
        ratio=statistics.median(ratios) if ratios else None,
        difference=over("difference", max),
        processes=len(figures("median_ms")),
        error=over("error", lambda errors: errors[-1]),
    )
