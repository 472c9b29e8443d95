"""Blend channels into colours, with one scale for the whole sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from harness.core.arrays import Floats
from harness.core.exceptions import InputError

Pixels = NDArray[np.uint8]
DEFAULT = ("#0060ff", "#00ff00", "#ff0000", "#ffff00", "#ff00ff", "#00ffff")  # as stains are usually shown


def colours_of(channels: Sequence[str], colours: Sequence[str] | None) -> list[tuple[int, int, int]]:
    """Return the RGB of each channel, by default of a palette; a single channel is white.

    Raises
    ------
    InputError : not one colour per channel, or no colour.
    """
    names = colours or (DEFAULT[: len(channels)] if len(channels) > 1 else ["white"])
    if len(names) != len(channels):
        raise InputError(
            f"images.colours: {len(names)} colours for {len(channels)} channels {list(channels)}; give one for each"
        )
    rgb = []
    for name in names:
        try:
            rgb.append(ImageColor.getrgb(str(name))[:3])
        except ValueError as error:
            raise InputError(f"images.colours: {name!r} is no colour; use a name or '#rrggbb'") from error
    return rgb


def display_range(images: Sequence[Floats], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return the percentiles of all pixels of a channel: the counts drawn as black and as full colour."""
    low, high = np.percentile(np.concatenate([image.ravel() for image in images]), percentiles)
    return float(low), float(high)


def blend_channels(
    images: Mapping[str, Floats],
    colours: Mapping[str, tuple[int, int, int]],
    scale: Mapping[str, tuple[float, float]],
    shape: tuple[int, int],
) -> Pixels:
    """Add the channels of a site in their colours, on a tile of ``shape`` (width, height): (height, width, 3).

    Images are centred; the rest of the tile is white, which is not mistaken for dark image.
    """
    width, height = shape
    canvas = np.zeros((height, width, 3))
    covered = np.zeros((height, width), dtype=bool)
    for name, image in images.items():
        low, high = scale[name]
        share = np.clip((image - low) / (high - low), 0, 1) if high > low else np.zeros_like(image)
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        area = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        canvas[area] += share[:, :, None] * np.array(colours[name], dtype=np.float64)
        covered[area] = True
    canvas[~covered] = 255
    return np.clip(canvas, 0, 255).round().astype(np.uint8)
