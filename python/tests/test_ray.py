"""The example for Ray: every picture is one row, also if a worker dies half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import BUNDLED, ROOT

pytest.importorskip("ray", reason="Ray is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

EXAMPLE = ROOT / "python/examples/ray_classify.py"
COUNT = 2000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of all kinds, among them some that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(7)
    for i in range(COUNT):
        place = folder / f"part{i % 7}"
        place.mkdir(exist_ok=True)
        path = place / f"{i:05}.png"
        if i % 97 == 5:
            path.write_bytes(random.bytes(i % 50))
            continue
        mode = ("L", "RGB", "RGBA")[i % 3]
        shape = (20 + i % 30, 18 + i % 40, len(mode))
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels.squeeze(), mode).save(path)
    return folder


def command(pictures: Path, output: Path, *more: str) -> list[str]:
    names = ["--pictures", str(pictures), "--output", str(output), "--model", str(BUNDLED)]
    return [sys.executable, str(EXAMPLE), *names, "--preset", "fashion-mnist", *more]


def rows(path: Path) -> dict[str, list]:
    return pq.read_table(path).to_pydict()


def workers() -> list[int]:
    """The processes of Ray's actors of this example."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        if folder.name.isdigit() and name.startswith(b"ray::MapWorker"):
            found.append(int(folder.name))
    return found


def test_nothing_is_lost_and_nothing_is_there_twice(pictures: Path, tmp_path: Path) -> None:
    cache = ("--cache", str(tmp_path / "cache"), "--workers", "2")
    whole = tmp_path / "whole.parquet"
    subprocess.run(command(pictures, whole, *cache), check=True, capture_output=True)
    expected = rows(whole)
    assert expected["path"] == sorted(str(path) for path in pictures.rglob("*.png"))
    broken = [error is not None for error in expected["error"]]
    assert broken == [int(Path(path).stem) % 97 == 5 for path in expected["path"]]
    assert [label is None for label in expected["label"]] == broken

    disturbed = tmp_path / "disturbed.parquet"
    with subprocess.Popen(command(pictures, disturbed, *cache), stderr=subprocess.PIPE) as run:
        killed = None
        while run.poll() is None and killed is None:
            time.sleep(0.05)
            if found := workers():
                time.sleep(0.3)
                killed = found[0]
                os.kill(killed, signal.SIGKILL)
        assert run.wait() == 0, run.stderr and run.stderr.read().decode()
    assert killed is not None
    assert rows(disturbed) == expected


def test_what_cannot_work_is_refused_first(pictures: Path, tmp_path: Path) -> None:
    def refused(command: list[str]) -> str:
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1, run.stderr
        [line] = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
        return line

    output = tmp_path / "out.parquet"
    assert "neither a folder" in refused(command(tmp_path / "none", output))
    assert "no picture in it" in refused(command(tmp_path, output))
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\n")
    assert "2 labels" in refused(command(pictures, output, "--labels", str(labels)))
    wrong = command(pictures, output)
    wrong[wrong.index("fashion-mnist")] = "torchvision"
    assert "3 channels" in refused(wrong)
    assert "no folder" in refused(command(pictures, tmp_path / "none" / "out.parquet"))
    threads = str((os.cpu_count() or 1) + 1)
    assert "CPUs" in refused(command(pictures, output, "--threads", threads))
    output.write_text("something")
    assert "--replace" in refused(command(pictures, output))
    assert output.read_text() == "something"


def test_answers_are_those_of_the_command_line(tmp_path: Path) -> None:
    """Also of pictures of extreme shapes and of 16 bits, from files and from a table."""
    import pyarrow as pa

    random = np.random.default_rng(11)
    folder = tmp_path / "pictures"
    folder.mkdir()
    shapes = [(1, 1), (30, 20), (250, 231), (3, 3000), (3000, 3)]
    for i, shape in enumerate(shapes):
        grey = random.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"grey{i}.png")
        Image.fromarray(grey.astype(np.uint16) * 257).save(folder / f"deep{i}.png")
        colours = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(colours).save(folder / f"colours{i}.png")
    paths = sorted(folder.iterdir())
    run = subprocess.run(
        [sys.executable, "-m", "resnetc", "classify", str(BUNDLED), *map(str, paths),
         "--preset", "fashion-mnist", "--json"], check=True, capture_output=True, text=True,
    )  # fmt: skip
    expected = [picture["top"][0] for picture in json.loads(run.stdout)["pictures"]]

    data = [path.read_bytes() for path in paths]
    table = tmp_path / "pictures.parquet"
    names = [str(path) for path in paths]
    pq.write_table(pa.table({"path": [*names, "none"], "bytes": [*data, None]}), table)
    for source in (folder, table):
        output = tmp_path / f"{source.name}.out.parquet"
        subprocess.run(command(source, output), check=True, capture_output=True)
        found = rows(output)
        assert found["path"][: len(paths)] == names
        for label, share, best in zip(found["label"], found["probability"], expected):
            assert label == str(best["class"])
            assert abs(share - best["probability"]) < 1e-6
    assert found["error"][-1] is not None and found["label"][-1] is None
    assert refused_column(table, tmp_path)


def refused_column(table: Path, tmp_path: Path) -> bool:
    run = subprocess.run(
        command(table, tmp_path / "none.parquet", "--column", "pixels"),
        capture_output=True, text=True,
    )  # fmt: skip
    return run.returncode == 1 and "it has no column `pixels`" in run.stderr
