"""Read one channel of one image at reduced size."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.core.arrays import Floats

BROKEN = (  # raised by Pillow on files that are no whole images
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, ZeroDivisionError,
    MemoryError, struct.error, Image.DecompressionBombError,
)  # fmt: skip
PLAIN = {"P": "RGB", "1": "L", "CMYK": "RGB", "YCbCr": "RGB", "LA": "L", "RGBA": "RGB"}  # modes that are no counts
READ, MISSING, CORRUPT, REFUSED = "read", "missing", "corrupt", "refused"


@dataclass(frozen=True)
class Channel:
    """One channel. ``status``: read, missing, corrupt or refused. ``pixels`` (h, w) in counts of the file, or None.

    ``size``: width x height of the file; ``depth``: of its pixels, e.g. uint16; ``reason``: why it was not read.
    """

    status: str
    pixels: Floats | None = None
    size: str = ""
    depth: str = ""
    reason: str = ""


def read_channel(path: Path, longest: int) -> Channel:
    """Return the first page of an image, in grey, with at most ``longest`` pixels a side.

    Larger ones are averaged over blocks, which keeps their counts; samples of colour images are averaged. What Pillow
    does not understand, and images beyond its limit of 179 million pixels, are corrupt with the reason.
    """
    try:
        if not path.is_file():
            return Channel(MISSING, reason="no such file" if not path.exists() else "not a file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # on odd tags of readable files
            with Image.open(path) as image:
                pixels = np.asarray(image.convert(PLAIN.get(image.mode, image.mode)))
    except UnidentifiedImageError:
        return Channel(CORRUPT, reason="not an image")
    except BROKEN as error:
        return Channel(CORRUPT, reason=(str(error).strip() or type(error).__name__).splitlines()[0])
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        return Channel(CORRUPT, reason=f"pixels of shape {pixels.shape}")
    small = shrink(pixels, longest)
    if not np.isfinite(small).all():
        return Channel(CORRUPT, reason="pixels that are not finite")
    return Channel(READ, small, f"{pixels.shape[1]} x {pixels.shape[0]}", str(pixels.dtype))


def shrink(pixels: NDArray[Any], longest: int) -> Floats:
    """Return (h, w) or (h, w, samples) as float32 means over areas, the longer side at most ``longest``."""
    step = max(1, max(pixels.shape[:2]) // longest)
    tall, wide = (min(step, n) for n in pixels.shape[:2])
    rows, columns = pixels.shape[0] // tall, pixels.shape[1] // wide
    out = np.empty((rows, columns), dtype=np.float32)
    for i in range(rows):  # a band at a time: the image in float64 may be gigabytes
        band = pixels[i * tall : (i + 1) * tall, : columns * wide].reshape(tall, columns, -1)
        out[i] = band.mean(axis=(0, 2), dtype=np.float64)
    share = longest / max(out.shape)
    if share >= 1:
        return out
    height, width = (max(1, round(n * share)) for n in out.shape)
    return np.asarray(Image.fromarray(out).resize((width, height), Image.Resampling.BOX))
