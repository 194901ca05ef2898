"""Runs one engine in a separate process.

worker.py prepare ENGINE MODEL FOLDER: converts a model; prints the path of the result.
worker.py run ENGINE MODEL INPUT OUTPUT THREADS SECONDS LEAST WARMUP: prints a line of JSON as soon as there is a
result, so that the parent sees the time, and a second one with the times of the runs that follow: for SECONDS,
and at least LEAST of them.
"""

import json
import sys
import time

from engines import ENGINES


def say(answer):
    print("RESULT " + json.dumps(answer), flush=True)


def prepare(engine, model, folder):
    say({"model": ENGINES[engine].prepare(model, folder)})


def run(engine, model, source, target, threads, seconds, least, warmup):
    engine = ENGINES[engine]
    engine.start()
    import numpy

    x = numpy.load(source)
    begin = time.perf_counter()
    infer = engine.load(model, x, int(threads))
    load = time.perf_counter() - begin
    result = infer()
    say({"load_ms": 1e3 * load})
    numpy.save(target, numpy.array(result, dtype="float32"))
    for _ in range(int(warmup)):
        infer()
    times = []
    begin = time.perf_counter()
    while len(times) < int(least) or time.perf_counter() - begin < float(seconds):
        start = time.perf_counter()
        infer()
        times.append(1e3 * (time.perf_counter() - start))
    say({"times_ms": times})


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](*sys.argv[2:])
