"""Labels many pictures on a Ray cluster, and writes one Parquet file.

    pip install "ray[data]" pyarrow pillow
    python ray_classify.py --model net.onnx --labels names.txt --pictures photos --output out.parquet

The result has a row for each picture, in the order of the paths: `path`, `label`, `probability`, and
`error`, which is null unless the picture could not be read. A broken picture is such a row and no
failure. Pictures come from a folder, also those in its folders, or from a Parquet file with a column
of their bytes (`--column`) and one of their paths (`path`).

Each worker compiles the network, or takes it from `--cache DIR`, where the first one puts it; workers
on one machine then have its weights in memory once. What a worker that dies was doing is done again
by another one, so that no row is lost and none is there twice.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import resnetc
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDINGS = {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}

# Mean and standard deviation by channel, and the short side of a picture of which the network sees
# the centre, relative to its input; None stretches the picture.
PRESETS: dict[str, tuple[list[float], list[float], float | None]] = {
    "torchvision": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 256 / 224),
    "torchvision-v2": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 232 / 224),
    "fashion-mnist": ([0.2860], [0.3530], None),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="a folder, or a .parquet file")
    parser.add_argument("--output", type=Path, required=True, help="the .parquet file to write")
    parser.add_argument("--model", required=True, help="an .onnx file, a spec or a built-in name")
    parser.add_argument("--labels", type=Path, help="a file with a label on each line")
    parser.add_argument("--preset", choices=PRESETS, default="torchvision")
    parser.add_argument("--column", default="bytes", help="the column of a .parquet file")
    parser.add_argument("--workers", type=int, default=2, help="actors, each with a model")
    parser.add_argument("--threads", type=int, default=1, help="threads of each model")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a run")
    parser.add_argument("--cache", type=Path, help="a folder of compiled networks")
    parser.add_argument("--address", help="of a cluster; by default one on this machine")
    parser.add_argument("--replace", action="store_true", help="replace an existing output")
    args = parser.parse_args()
    for name in ("workers", "threads", "batch"):
        if getattr(args, name) < 1:
            parser.error(f"--{name}: it must be 1 or more")
    return args


class Refused(Exception):
    """What is wrong with the arguments, in a line."""


def listed(folder: Path) -> list[str]:
    """The pictures in a folder and its folders, in order."""
    if not folder.is_dir():
        raise Refused(f"{folder}: it is neither a folder nor a .parquet file")

    def failed(error: OSError) -> None:
        raise Refused(f"{error.filename}: {error.strerror}")

    paths = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder, onerror=failed)
        for name in names
        if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")
    ]
    if not paths:
        raise Refused(f"{folder}: there is no picture in it")
    return sorted(paths)


def check_output(args: argparse.Namespace) -> None:
    """Refuses an output that cannot be written, before the work."""
    folder = args.output.resolve().parent
    if not folder.is_dir():
        raise Refused(f"{args.output}: there is no folder {folder}")
    if args.output.is_dir():
        raise Refused(f"{args.output}: it is a folder")
    if args.output.exists() and not args.replace:
        raise Refused(f"{args.output}: it exists; --replace replaces it")


def tables(path: Path) -> list[Path]:
    """A .parquet file, or those of a folder of that name."""
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path]


def parts(path: Path) -> list[dict[str, Any]]:
    """The row groups of tables."""
    import pyarrow.parquet as pq

    counts = [(str(file), pq.ParquetFile(file).num_row_groups) for file in tables(path)]
    return [{"file": file, "group": group} for file, count in counts for group in range(count)]


def check_tables(args: argparse.Namespace) -> None:
    """Refuses tables without the two columns, or without rows, before the work."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not args.pictures.exists():
        raise Refused(f"{args.pictures}: there is no such file")
    for file in tables(args.pictures):
        try:
            names = pq.read_schema(file).names
        except pa.ArrowException as error:
            raise Refused(f"{file}: {error}") from None
        for name in ("path", args.column):
            if name not in names:
                raise Refused(f"{file}: it has no column `{name}`, but {', '.join(names)}")
    if not parts(args.pictures):
        raise Refused(f"{args.pictures}: there is no picture in it")


def check_cluster(args: argparse.Namespace) -> None:
    """Refuses workers that no machine of the cluster has the CPUs for: Ray would wait for one."""
    import ray

    most = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if args.threads > most:
        raise Refused(f"--threads {args.threads}: no machine has more than {most:.0f} CPUs")


def options(args: argparse.Namespace) -> dict[str, Any]:
    """How every worker compiles the network."""
    return dict(threads=args.threads, batch=args.batch, cache_dir=args.cache)


def checked(args: argparse.Namespace) -> list[str] | None:
    """Compiles the network once, to refuse here what no worker could do; returns the labels."""
    model = resnetc.compile(args.model, **options(args))
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise Refused(f"{args.model}: it must have one input and one output")
    shape, classes = model.inputs[0].shape, model.outputs[0].shape
    channels = len(PRESETS[args.preset][0])
    if len(shape) != 4 or shape[1] != channels or model.inputs[0].dtype != np.float32:
        wanted = f"float32 pictures of {channels} channels (--preset {args.preset})"
        raise Refused(f"{args.model}: its input is {shape}, not {wanted}")
    if args.labels is None:
        return None
    labels = args.labels.read_text(encoding="utf-8").splitlines()
    if len(labels) != int(np.prod(classes[1:])):
        raise Refused(f"{args.labels}: {len(labels)} labels, but the network's output is {classes}")
    return labels


class Classifier:
    """A worker: its model, and how pictures are prepared for it."""

    def __init__(
        self,
        model: str,
        options: dict[str, Any],
        preset: str,
        labels: list[str] | None,
        column: str,
    ) -> None:
        self.model = resnetc.compile(model, **options)
        self.mean, self.std, self.short = PRESETS[preset]
        self.labels, self.column = labels, column

    def prepare(self, data: bytes | None) -> np.ndarray:
        """A picture as the network takes it: `(byte / 255 - mean) / std`, channels first."""
        if data is None:
            raise ValueError("it has no bytes")
        height, width = self.model.inputs[0].shape[2:]
        with Image.open(io.BytesIO(data)) as opened:
            picture = as_bytes(ImageOps.exif_transpose(opened), grey=len(self.mean) == 1)
        size, left, top = (width, height), 0, 0
        if self.short is not None:
            # The smallest size of the same proportions that covers the input and its margin.
            cover_w, cover_h = round(self.short * width), round(self.short * height)
            w, h = picture.size
            narrow = w * cover_h <= h * cover_w
            size = (cover_w, cover_w * h // w) if narrow else (cover_h * w // h, cover_h)
            left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
        picture = scaled(picture, size, (left, top, left + width, top + height))
        pixels = np.asarray(picture, np.float32).reshape(height, width, -1) / 255
        values = (pixels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return values.transpose(2, 0, 1)

    def __call__(self, items: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        """The rows of pictures, which are paths, or parts of tables that this worker reads."""
        import pyarrow.parquet as pq

        if "path" in items:
            yield self.rows(list(items["path"]), None)
            return
        size, columns = self.model.inputs[0].shape[0], ["path", self.column]
        for file, group in zip(items["file"], items["group"]):
            table = pq.ParquetFile(file)
            for part in table.iter_batches(size, row_groups=[int(group)], columns=columns):
                yield self.rows(part["path"].to_pylist(), part[self.column].to_pylist())

    def rows(self, paths: list[str], given: list[bytes | None] | None) -> dict[str, Any]:
        """The rows of at most as many pictures as a run takes."""
        count = len(paths)
        images = np.zeros(self.model.inputs[0].shape, np.float32)
        errors: list[str | None] = [None] * count
        for i, path in enumerate(paths):
            try:
                images[i] = self.prepare(Path(path).read_bytes() if given is None else given[i])
            except Exception as error:  # Pillow raises exceptions of many kinds.
                # Without the address of the memory that Pillow read.
                errors[i] = f"{type(error).__name__}: {str(error).split(' <_io.')[0]}"
        scores = self.model(images).reshape(len(images), -1)[:count].astype(np.float64)
        best, shares = scores.argmax(axis=1), probabilities(scores)
        names = [str(k) if self.labels is None else self.labels[k] for k in best]
        fine = [error is None for error in errors]
        return {
            "path": paths,
            "label": [name if ok else None for name, ok in zip(names, fine)],
            "probability": [
                float(share[k]) if ok else None for share, k, ok in zip(shares, best, fine)
            ],
            "error": errors,
        }


def as_bytes(picture: Image.Image, grey: bool) -> Image.Image:
    """A picture in grey or RGB; of samples of 16 bits, the high byte."""
    if picture.mode.startswith("I"):
        samples = np.asarray(picture)
        if samples.min() < 0 or samples.max() > 0xFFFF:
            raise ValueError("its samples have more than 16 bits")
        picture = Image.fromarray((samples >> 8).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("its samples are floats")
    return picture.convert("L" if grey else "RGB")


# A scaled picture with more rows is scaled in the window alone, where bytes can differ by one.
MOST_ROWS = 1 << 16


def scaled(
    picture: Image.Image, size: tuple[int, int], window: tuple[int, int, int, int]
) -> Image.Image:
    """A window of a picture that is scaled to a size: along rows first, then along columns, so that
    the bytes do not depend on the version of Pillow, and are those of `resnetc classify`."""
    left, top, right, bottom = window
    how = Image.Resampling.BILINEAR
    wide = picture.resize((size[0], picture.height), how).crop((left, 0, right, picture.height))
    if size[1] <= MOST_ROWS:
        return wide.resize((wide.width, size[1]), how).crop((0, top, wide.width, bottom))
    step = picture.height / size[1]
    rows = (0, top * step, wide.width, bottom * step)
    return wide.resize((wide.width, bottom - top), how, rows)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Softmax, unless the scores are probabilities already."""
    is_share = (scores >= 0).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) < 1e-3)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.where(is_share[:, None], scores, shares)


def results(args: argparse.Namespace, labels: list[str] | None) -> Iterator[Any]:
    """The rows of all pictures, in order, as tables of Arrow."""
    import ray

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    if args.pictures.suffix == ".parquet":
        # Workers read them: tasks that read would wait for a CPU while workers have all of them.
        items = parts(args.pictures)
    else:
        items = [{"path": path} for path in listed(args.pictures)]
    blocks = min(len(items), max(args.workers * 4, len(items) // 256))
    pictures = ray.data.from_items(items, override_num_blocks=max(blocks, 1))
    rows = pictures.map_batches(
        Classifier,
        fn_constructor_args=(args.model, options(args), args.preset, labels, args.column),
        batch_size=args.batch,
        compute=ray.data.ActorPoolStrategy(size=args.workers),
        num_cpus=args.threads,
    )
    yield from rows.iter_batches(batch_size=1024, batch_format="pyarrow")


def write(args: argparse.Namespace, labels: list[str] | None) -> tuple[int, int]:
    """Writes the output as a whole, or not at all; returns how many rows it has, and how many of
    them are errors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    fields = [("path", text), ("label", text), ("probability", pa.float64()), ("error", text)]
    schema, count, errors = pa.schema(fields), 0, 0
    folder = args.output.resolve().parent
    with tempfile.TemporaryDirectory(prefix=".ray_classify-", dir=folder) as temporary:
        part = Path(temporary) / "part.parquet"
        with pq.ParquetWriter(part, schema) as writer:
            for table in results(args, labels):
                writer.write_table(table.select(schema.names).cast(schema))
                count += len(table)
                errors += len(table) - table["error"].null_count
        os.replace(part, args.output)
    return count, errors


def main() -> int:
    args = arguments()
    try:
        check_output(args)
        if args.pictures.suffix == ".parquet":
            check_tables(args)
        else:
            listed(args.pictures)
        # Workers run elsewhere, so paths must not depend on the folder that this runs in.
        for name in ("pictures", "cache"):
            if getattr(args, name) is not None:
                setattr(args, name, getattr(args, name).resolve())
        if os.path.exists(args.model):
            args.model = os.path.abspath(args.model)
        labels = checked(args)
        import ray

        ray.init(address=args.address, log_to_driver=False)
        check_cluster(args)
        start = time.monotonic()
        count, errors = write(args, labels)
    except (Refused, resnetc.Error, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    print(f"{args.output}: {count} pictures in {seconds:.1f} s, {count / seconds:.0f} a second")
    if errors:
        print(f"{errors} of them cannot be read: see the column `error`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
