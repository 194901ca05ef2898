"""Threads, forks, signals and memory."""

from __future__ import annotations

import gc
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import FIXTURES, values

import resnetc

posix = pytest.mark.skipif(os.name != "posix", reason="this system has no fork")


def test_eight_threads_have_the_results_of_one(bundled: resnetc.Model) -> None:
    inputs = [values(bundled.inputs[0], seed) for seed in range(64)]
    wanted = [bundled(x) for x in inputs]
    for _ in range(4):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(bundled, inputs))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    """The interpreter's lock is released: a thread counts while another compiles and runs."""
    counts = []
    done = threading.Event()

    def count() -> None:
        turns = 0
        while not done.is_set():
            turns += 1
            time.sleep(0.001)
        counts.append(turns)

    thread = threading.Thread(target=count)
    thread.start()
    model = resnetc.compile("resnet18", engine="interpreted")
    model(np.zeros((1, 3, 224, 224), np.float32))
    done.set()
    thread.join()
    # The interpreter needs the better part of a second, at least.
    assert counts[0] > 10


def child(code: int, wait: int = 120) -> int:
    """The exit code of a forked child, which is ended if it hangs."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        pid, status = os.waitpid(code, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(code, signal.SIGKILL)
    os.waitpid(code, 0)
    raise AssertionError("the child hangs")


@posix
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_runs_what_it_inherits() -> None:
    model = resnetc.compile(FIXTURES / "resnet_basic_b/model.onnx", threads=2)
    x = values(model.inputs[0])
    wanted = model(x)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            model(x)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    same = all((model(x) == wanted).all() for _ in range(3))
                    other = resnetc.compile(FIXTURES / "resnet_basic_b/model.onnx", threads=2)
                    status = 0 if same and (other(x) == wanted).all() else 2
                finally:
                    os._exit(status)
            assert child(pid) == 0
    finally:
        stop.set()
        thread.join()
    np.testing.assert_array_equal(model(x), wanted)


@posix
def test_a_pool_of_processes(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(f"""
import multiprocessing, sys
import numpy as np
import resnetc

def norm(args):
    model, x = args
    return float(np.abs(model(x)).sum())

if __name__ == "__main__":
    model = resnetc.compile({str(FIXTURES / "cifar14_c/model.onnx")!r}, threads=1)
    xs = [np.full((1, 3, 32, 32), i, np.float32) for i in range(4)]
    wanted = [norm((model, x)) for x in xs]
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(norm, [(model, x) for x in xs]) == wanted, method
""")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr


@posix
def test_a_signal_ends_a_long_compilation() -> None:
    code = """
import signal, threading, time, os, sys
import resnetc
# Shells start what they leave in the background with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    # Takes several seconds.
    resnetc.compile("resnet152", threads=1)
except KeyboardInterrupt:
    # Afterwards everything still works.
    resnetc.compile("cifar_resnet20")
    print("interrupted")
else:
    print("compiled")
sys.stdout.flush()
os._exit(0)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (run.stdout, run.returncode) == ("interrupted\n", 0), run.stderr


def test_a_process_can_end_while_a_compilation_goes_on() -> None:
    code = """
import signal, threading, os
import resnetc
# Shells start what they leave in the background with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    resnetc.compile("resnet152", threads=1)
except KeyboardInterrupt:
    pass
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (run.stderr, run.returncode) == ("", 0)


def resident() -> int:
    """Bytes of memory that the process has in use."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


linux = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not report memory"
)


@linux
def test_calls_leak_nothing(tiny: resnetc.Model) -> None:
    x = np.ones((1, 3, 8, 8), np.float32)

    def call(times: int) -> None:
        for _ in range(times):
            tiny(x)
            tiny({"input": x[:, ::-1]})
            for wrong in (x[0], x.astype(np.float64)):
                try:
                    tiny(wrong)
                except (ValueError, TypeError):
                    pass

    call(1000)
    gc.collect()
    before = resident()
    call(10_000)
    gc.collect()
    # A leak of one output or context for each call would be many times that.
    assert resident() - before < 1 << 20


@linux
def test_models_leak_nothing(tiny_spec: Path) -> None:
    x = np.ones((1, 3, 8, 8), np.float32)

    def make(times: int) -> None:
        for _ in range(times):
            resnetc.compile(tiny_spec, threads=1)(x)
            try:
                resnetc.compile("resnet51")
            except resnetc.Error:
                pass

    make(200)
    gc.collect()
    before = resident()
    make(1000)
    gc.collect()
    # Code and weights take some pages; a leak of one page for each would be 4 MB.
    assert resident() - before < 3 << 20


def test_import_is_quick() -> None:
    """Beyond NumPy's own, in time of the CPU: the machine may be busy."""
    code = """
import time
import numpy
start = time.process_time()
import resnetc
print(time.process_time() - start)
"""
    run = [sys.executable, "-c", code]
    seconds = [float(subprocess.check_output(run, text=True)) for _ in range(5)]
    print(f"import: {1e3 * statistics.median(seconds):.1f} ms")
    assert min(seconds) < 0.05
