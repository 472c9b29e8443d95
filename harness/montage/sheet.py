"""Draw the contact sheet: tiles with labels under headings, and a legend of the colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from harness.montage.collect import Tile
from harness.montage.compose import blend_channels

GAP = 8  # pixels
INK, PALE, BLANK = "black", "#555555", "#e4e4e4"
Colours = Mapping[str, tuple[int, int, int]]
Scale = Mapping[str, tuple[float, float]]


def draw_sheet(
    tiles: Sequence[Tile], *, title: str, notes: Sequence[str], colours: Colours, scale: Scale, size: int, columns: int
) -> Image.Image:
    """Draw tiles of ``size`` pixels a side, ``columns`` in a row, each section under its heading.

    ``scale``: the counts that are black and full colour, by channel; channels without any image are not in it.
    """
    font, line = _font(size), _line(size)
    sections = [(name, list(part)) for name, part in groupby(tiles, key=lambda tile: tile.section)]
    columns = min(columns, max(len(part) for _, part in sections))
    lines = max(_n_lines(tile) for tile in tiles)
    high = max(image.shape[0] for tile in tiles for image in tile.images.values())
    tall = high + lines * line + GAP
    key = [_legend(name, colour, scale.get(name)) for name, colour in colours.items()]
    heading = [title, *notes]
    content = max(_width(title, font), 3 * size, sum(_width(text, font) + 2 * line + GAP for text, _ in key))
    width = max(columns * (size + GAP) - GAP, int(content)) + 2 * GAP
    rows = sum(-(-len(part) // columns) for _, part in sections)
    height = (len(heading) + 1) * line + 2 * GAP + len(sections) * (line + GAP) + rows * tall + GAP
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    y = GAP
    for i, text in enumerate(heading):
        draw.text((GAP, y), _fit(text, width - 2 * GAP, font), font=font, fill=PALE if i else INK)
        y += line
    x = GAP
    for text, colour in key:
        draw.rectangle((x, y + 2, x + line - 5, y + line - 4), fill=colour, outline=PALE)
        draw.text((x + line, y), text, font=font, fill=INK)
        x += int(_width(text, font)) + 2 * line + GAP
    y += line + GAP
    for name, part in sections:
        draw.text((GAP, y), _fit(name, width - 2 * GAP, font), font=font, fill=INK)
        y += line + GAP // 2
        for i, tile in enumerate(part):
            place = GAP + i % columns * (size + GAP), y + i // columns * tall
            _draw_tile(picture, draw, tile, place, colours, scale, (size, high))
        y += -(-len(part) // columns) * tall + GAP // 2
    return picture


def _draw_tile(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    place: tuple[int, int],
    colours: Colours,
    scale: Scale,
    shape: tuple[int, int],
) -> None:
    x, y = place
    size, high = shape
    font, line = _font(size), _line(size)
    remarks = [
        f"{status}: {', '.join(name for name, reason in tile.absent.items() if reason == status)}"
        for status in dict.fromkeys(tile.absent.values())
    ]
    if len({image.shape for image in tile.images.values()}) > 1:
        remarks.append("channels differ in size")
    if tile.images:
        picture.paste(Image.fromarray(blend_channels(tile.images, colours, scale, shape)), place)
    else:
        draw.rectangle((x, y, x + size - 1, y + high - 1), fill=BLANK, outline=PALE)
        draw.line((x, y, x + size - 1, y + high - 1), fill="white", width=2)
        draw.line((x, y + high - 1, x + size - 1, y), fill="white", width=2)
    for i, text in enumerate(reversed(remarks)):
        text = _fit(text, size - 6, font)
        top = y + high - (i + 1) * line - 2
        draw.rectangle((x + 1, top, x + 5 + _width(text, font), top + line - 1), fill="white")
        draw.text((x + 3, top), text, font=font, fill=INK)
    for i, text in enumerate(_lines(tile)):
        draw.text((x, y + high + 2 + i * line), _fit(text, size, font), font=font, fill=PALE if i else INK)


def _lines(tile: Tile) -> list[str]:
    site = f" site {tile.site}" if tile.site else ""
    return [text for text in (f"{tile.plate} {tile.well}{site}", tile.compound, tile.score) if text]


def _n_lines(tile: Tile) -> int:
    return len(_lines(tile))


def _legend(name: str, colour: tuple[int, int, int], scale: tuple[float, float] | None) -> tuple[str, tuple[int, ...]]:
    counts = "no image" if scale is None else f"{scale[0]:,.0f} to {scale[1]:,.0f} counts"
    return f"{name}: {counts}", colour


def _fit(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """Return one line of at most ``width`` pixels: the middle becomes an ellipsis, since names differ at their ends."""
    text = " ".join(text.split())[:300]
    n_characters = len(text)
    fitted = text
    while n_characters > 2 and _width(fitted, font) > width:
        n_characters -= 1
        tail = n_characters // 2
        fitted = f"{text[: n_characters - tail]}…{text[len(text) - tail :]}"
    return fitted


def _width(text: str, font: ImageFont.FreeTypeFont) -> float:
    return float(font.getlength(text))


def _line(size: int) -> int:
    return round(1.35 * _points(size))


def _points(size: int) -> int:
    return max(11, min(20, size // 17))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return _load(_points(size))


@cache
def _load(points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", points)
