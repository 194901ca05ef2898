"""Makes the files of this folder: small pictures, and the results of Pillow and torchvision for them.

    pip install "pillow<13" numpy torch torchvision
    python cli/tests/pictures/make.py

Pillow before 13 always scales rows first, which is what published networks were trained and measured with; 13 scales
columns first where a picture loses more of its height than of its width, and rounds differently there.

`cases.json` has the cases, each with the file, the operation, and the tolerance of a byte; `expected.bin` has
their results one after the other, row by row, in RGB or grey. `stored.rs` reads both. Existing files are
replaced; the random numbers have a seed.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import v2 as transforms

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(5)
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# JPEG decoders may round differently: a sample by 1 after the inverse transform, which the conversion to blue
# multiplies by 1.772 and adds to the luma's own 1, and by 1 again at the end.
JPEG_GREY, JPEG_COLOUR = 1, 4

cases = []
expected = bytearray()


def case(file, result, tolerance=0, **how):
    """The expected bytes of a picture."""
    result = np.asarray(result, dtype=np.uint8)
    cases.append({"file": file, **how, "shape": list(result.shape), "tolerance": tolerance})
    expected.extend(result.tobytes())


def noise(height, width, channels=3):
    """Random bytes, black and white among them, on a slope."""
    slope = np.linspace(0, 255, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
    values = 0.5 * slope + RANDOM.integers(-80, 200, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def smooth(height, width, channels=3):
    """Waves with a period of several pixels, for formats that do not preserve noise."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (4 - c / 2) + c) for c in range(channels)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def png(file, samples, colour):
    """A PNG file with 16 bits per sample, which Pillow does not write in colour."""
    height, width = samples.shape[:2]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (HERE / file).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def scaled():
    """Every filter up and down, at odd sizes and extreme proportions; torchvision's rounding of sides and crops."""
    sizes = {"odd": (23, 37), "large": (64, 97), "wide": (3, 131), "tall": (97, 2), "dot": (1, 1)}
    for name, (height, width) in sizes.items():
        file = f"{name}.png"
        Image.fromarray(noise(height, width)).save(HERE / file)
        picture = Image.open(HERE / file)
        for filter, pillow in FILTERS.items():
            targets = [(16, 20), (7, 5), (45, 38)] if name == "odd" else [(16, 20), (7, 5)]
            for h, w in targets:
                case(file, picture.resize((w, h), pillow), resize="stretch", filter=filter)
            if name == "odd":
                grey = picture.convert("L").resize((18, 31), pillow)
                case(file, grey, resize="stretch", filter=filter)
        for filter in ("bilinear", "bicubic"):
            for short in (20, 23, 38):
                frame = transforms.Compose(
                    [
                        transforms.Resize(short, interpolation=transforms.InterpolationMode(filter)),
                        transforms.CenterCrop(20),
                    ]
                )
                case(file, frame(picture), resize=short, filter=filter)


def both(file, tolerance=0, picture=None):
    """The unscaled picture, in RGB and in grey."""
    picture = picture or Image.open(HERE / file)
    for mode in ("RGB", "L"):
        case(file, picture.convert(mode), tolerance, resize="stretch", filter="bilinear")


def forms():
    """Every pixel format."""
    rgb = Image.fromarray(noise(11, 14))
    rgba = Image.fromarray(noise(11, 14, 4))
    pictures = {
        "grey.png": rgb.convert("L"),
        "grey-alpha.png": rgba.convert("LA"),
        "alpha.png": rgba,
        "bits.png": rgb.convert("1"),
        "palette.png": rgb.quantize(16),
        "colours.bmp": rgb,
        "colours.ppm": rgb,
    }
    for file, picture in pictures.items():
        picture.save(HERE / file)
        both(file)
    rgb.quantize(16).save(HERE / "palette-alpha.png", transparency=3)
    both("palette-alpha.png")
    rgba.save(HERE / "alpha.webp", lossless=True, exact=True)
    both("alpha.webp")

    samples = RANDOM.integers(0, 1 << 16, (11, 14, 4), dtype=np.uint16)
    for file, channels, colour in [("16.png", 3, 2), ("16-alpha.png", 4, 6)]:
        png(file, samples[:, :, :channels], colour)
        both(file)
    # Pillow treats all values above 255 in a grey file as white; resnetc uses the high byte, as in colour.
    for file, channels, colour in [("16-grey.png", 1, 0), ("16-grey-alpha.png", 2, 4)]:
        png(file, samples[:, :, :channels], colour)
        both(file, picture=Image.fromarray((samples[:, :, 0] >> 8).astype(np.uint8)))


def jpeg():
    """Every form of JPEG, at Pillow's second best quality."""
    rgb = Image.fromarray(smooth(19, 26))
    forms = {
        "baseline.jpg": (rgb, {"subsampling": 0}, JPEG_COLOUR),
        "subsampled.jpg": (rgb, {"subsampling": 2}, JPEG_COLOUR),
        "progressive.jpg": (rgb, {"subsampling": 0, "progressive": True}, JPEG_COLOUR),
        "grey.jpg": (rgb.convert("L"), {}, JPEG_GREY),
        "cmyk.jpg": (Image.frombytes("CMYK", (26, 19), smooth(19, 26, 4).tobytes()), {}, JPEG_COLOUR),
    }
    for file, (picture, options, tolerance) in forms.items():
        picture.save(HERE / file, quality=95, **options)
        both(file, tolerance)


def turned():
    """Exif's eight orientations, in the two formats that have them most often."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for suffix, picture, tolerance in [
            ("png", noise(5, 7), 0),
            ("jpg", smooth(9, 13), JPEG_COLOUR),
        ]:
            file = f"turned-{orientation}.{suffix}"
            options = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
            Image.fromarray(picture).save(HERE / file, exif=exif, **options)
            upright = ImageOps.exif_transpose(Image.open(HERE / file))
            case(file, upright.convert("RGB"), tolerance, resize="stretch", filter="bilinear")


def tiff():
    """TIFF in the forms that are read, and GIF, of which the first frame counts."""
    random = np.random.default_rng(6)
    colours = random.integers(0, 256, (11, 14, 4), dtype=np.uint8)
    rgb, rgba = Image.fromarray(colours[:, :, :3]), Image.fromarray(colours)
    grey = rgb.convert("L")
    pictures = {
        "plain.tiff": (rgb, {}),
        "lzw.tiff": (rgb, {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
        "deflate.tif": (rgb, {"compression": "tiff_adobe_deflate"}),
        "packbits.tiff": (grey, {"compression": "packbits"}),
        "alpha.tiff": (rgba, {"compression": "tiff_lzw"}),
        "bits.tiff": (rgb.convert("1"), {}),
        "fax.tiff": (rgb.convert("1"), {"compression": "group4"}),
        "white-is-zero.tiff": (grey, {"tiffinfo": {262: 0}}),
        "cmyk.tiff": (rgb.convert("CMYK"), {}),
        "pages.tiff": (rgb, {"save_all": True, "append_images": [rgba.convert("RGB").rotate(180)]}),
    }
    for file, (picture, options) in pictures.items():
        picture.save(HERE / file, **options)
        both(file)
    samples = random.integers(0, 1 << 16, (11, 14), dtype=np.uint16)
    Image.fromarray(samples).save(HERE / "16-grey.tiff", compression="tiff_lzw")
    both("16-grey.tiff", picture=Image.fromarray((samples >> 8).astype(np.uint8)))
    rgb.save(HERE / "turned.tiff", tiffinfo={274: 6})
    both("turned.tiff", picture=ImageOps.exif_transpose(Image.open(HERE / "turned.tiff")))


def gif():
    """GIF, of which the first frame counts."""
    random = np.random.default_rng(7)
    first, other = (Image.fromarray(random.integers(0, 256, (11, 14, 3), dtype=np.uint8)).quantize(16) for _ in range(2))
    first.save(HERE / "palette.gif")
    first.save(HERE / "interlaced.gif", interlace=1)
    first.save(HERE / "transparent.gif", transparency=3)
    first.save(HERE / "frames.gif", save_all=True, append_images=[other], duration=100, loop=0)
    for file in ("palette.gif", "interlaced.gif", "transparent.gif", "frames.gif"):
        both(file)


scaled()
forms()
jpeg()
turned()
tiff()
gif()
lines = ",\n".join(json.dumps(case) for case in cases)
(HERE / "cases.json").write_text(f"[\n{lines}\n]\n")
(HERE / "expected.bin").write_bytes(expected)
