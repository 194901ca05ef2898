"""Child processes: their output, when they print it, and how much memory they use."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time


class Failed(Exception):
    """A process that failed, and why."""


@dataclasses.dataclass
class Outcome:
    """A process that ended successfully."""

    #: JSON objects that it printed.
    answers: list
    #: Milliseconds from its start to the first of them.
    first_ms: float
    #: Milliseconds from its start to its end.
    wall_ms: float
    #: Peak memory, in megabytes.
    peak_mb: float


def call(command, timeout, marked=True):
    """Runs a process to its end.

    It prints JSON objects: one per line after the word RESULT, or, if not `marked`, one object over all lines.
    """
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        killer = threading.Timer(timeout, process.kill)
        killer.start()
        try:
            lines = []
            for line in process.stdout:
                if not marked or line.startswith("RESULT "):
                    lines.append((1e3 * (time.perf_counter() - start), line.removeprefix("RESULT ")))
            _, status, usage = os.wait4(process.pid, 0)
            wall = 1e3 * (time.perf_counter() - start)
        finally:
            # Once the process is waited for, its ID may belong to another one.
            killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise Failed(reason(process.returncode, errors.read(), wall >= 1e3 * timeout))
    try:
        texts = [line for _, line in lines] if marked else ["".join(line for _, line in lines)]
        answers = [json.loads(text) for text in texts]
    except ValueError as error:
        raise Failed(f"unreadable answer: {error}") from error
    if not answers:
        raise Failed("no answer")
    return Outcome(answers, lines[0][0], wall, peak_mb(usage))


def peak_mb(usage):
    """Kilobytes on Linux, bytes on macOS."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def reason(code, errors, timed_out):
    if timed_out:
        return "took too long and was stopped"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    what = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"{what}: {lines[-1][:300]}" if lines else what
