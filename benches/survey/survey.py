"""Exports timm's residual networks one after the other, runs them, and compares them with PyTorch in f64.

Each network is a line of JSON in the file of results; a network with a line is not run again. See README.md.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

from families import DYNAMO, family, own_size, surveyed

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Relative to the largest output.
TOLERANCE = 1e-4
# The exporter of each round, and the size of its pictures.
ROUNDS = {"reduced": ("torchscript", "reduced"), "dynamo": ("dynamo", "reduced"), "own": ("torchscript", "own")}
# Processes are forked from one that has loaded PyTorch.
PROCESSES = multiprocessing.get_context("forkserver")


def main():
    options = arguments()
    PROCESSES.set_forkserver_preload(["network"])
    found = rows(options.results)
    # A network that cannot run at a smaller size was run at its own.
    done = {(row["name"], row["round"]) for row in found}
    done |= {(row["name"], "own") for row in found if row["round"] == "reduced" and row.get("size") == own_size(row["name"])}
    trained = surveyed()
    work = [(name, kind) for kind in options.rounds for name in (DYNAMO if kind == "dynamo" else trained)]
    work = [item for item in work if item not in done and any(fnmatch(item[0], p) for p in options.names)]
    end = time.monotonic() + options.slice
    for count, (name, kind) in enumerate(work):
        if time.monotonic() > end:
            print(f"{len(work) - count} left")
            return
        row = limited(name, kind, options)
        row = {"name": name, "round": kind, "family": family(name), "trained": trained[name], **row}
        with open(options.results, "a") as file:
            file.write(json.dumps(row) + "\n")
        print(name, kind, "matches" if row["matches"] else first_line(row.get("reason") or str(row["errors"])), flush=True)
    print("all done")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resnetc", default=str(ROOT / "target/release/resnetc"))
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl", help="lines are added to this file")
    parser.add_argument("--names", nargs="*", default=["*"], help="only names that match these patterns")
    parser.add_argument("--rounds", nargs="*", choices=ROUNDS, default=list(ROUNDS), help="only these")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one network")
    parser.add_argument("--slice", type=float, default=float("inf"), help="start no network after this many seconds")
    return parser.parse_args()


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def limited(name, kind, options):
    """Runs one network in a separate process, which bounds its time and frees its memory."""
    here, there = PROCESSES.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        child = PROCESSES.Process(target=answer, args=(there, name, kind, options.resnetc, folder))
        child.start()
        there.close()
        try:
            if here.poll(options.limit):
                return here.recv()
            return {"matches": False, "stage": "time", "reason": f"took longer than {options.limit:g} s"}
        except EOFError:
            return {"matches": False, "stage": "survey", "reason": "the process ended without an answer"}
        finally:
            child.kill()
            child.join()


def answer(pipe, name, kind, resnetc, folder):
    # Keeps the exporter's messages out of the survey's.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        row = survey(name, kind, resnetc, Path(folder))
    except Exception as error:
        row = {"matches": False, "stage": "survey", "reason": f"{type(error).__name__}: {first_line(str(error))}"}
    pipe.send(row)


def survey(name, kind, resnetc, folder):
    """Exports one network and runs it, fast and exact; if it is small, with one image and with two."""
    import network
    import numpy
    import torch

    try:
        path = folder / "model.onnx"
        model, x = network.exported(name, str(path), *ROUNDS[kind])
    except Exception as error:
        return {"matches": False, "stage": "export", "reason": f"{type(error).__name__}: {first_line(str(error))}"}
    # With fewer images, nothing is known about the distance of their outputs.
    x = torch.cat([x, torch.randn_like(x)])[:2] if (single := len(x) == 1) else x
    expected, own, gain = network.reference(model, x)
    del model
    expected = expected.numpy()
    row = {"size": x.shape[-1], "own": own, "gain": gain, "spread": spread(expected), "errors": {}}
    if not row["spread"] > 0.01:
        return {**row, "matches": False, "stage": "survey", "reason": "the outputs are degenerate"}
    for numerics, batch in [("fast", 1), ("exact", 1)] if single else [("fast", 1), ("fast", 2), ("exact", 2)]:
        source, target = folder / "x.npy", folder / "y.npy"
        numpy.save(source, x[:batch].numpy())
        command = [resnetc, "run", str(path), "--numerics", numerics, "--input", str(source), "--output", str(target)]
        run = subprocess.run([*command, "--tuned", "off"], capture_output=True, text=True)
        if run.returncode != 0:
            return {**row, "matches": False, "stage": "resnetc", "reason": run.stderr.strip()}
        error = numpy.abs(numpy.load(target) - expected[:batch]).max() / numpy.abs(expected[:batch]).max()
        row["errors"][f"{numerics} {batch}"] = float(error)
    # A NaN is not below the tolerance.
    return {**row, "matches": all(error <= TOLERANCE for error in row["errors"].values())}


def spread(outputs):
    """The difference of two images' outputs, relative to the largest output: near 0 if nothing depends on the input."""
    return float(abs(outputs[0] - outputs[1]).max() / abs(outputs).max())


def first_line(text):
    return text.strip().split("\n")[0]


if __name__ == "__main__":
    main()
