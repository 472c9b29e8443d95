"""Columns as little-endian typed arrays, which a browser reads without parsing numbers.

Text columns are dictionary-coded, coordinates quantized to 16 bits (a screen has some 2,000 pixels), scores float32.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.core.arrays import Doubles
    from harness.explore.points import JoinedViews, View

MISSING = 65535  # of a quantized coordinate
HALF = 32767  # the middle; coordinates reach from 0 to 2 HALF
_TYPES = {"u1": "Uint8Array", "u2": "Uint16Array", "u4": "Uint32Array", "f4": "Float32Array"}


class BinaryBuffer:
    """A buffer of typed arrays, each at a multiple of 4 bytes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, values: NDArray[Any], kind: str) -> dict[str, Any]:
        """Append ``values`` as ``kind`` (a key of :data:`_TYPES`) and return their type, offset and length."""
        content = values.astype(f"<{kind}").tobytes()
        where = {"type": _TYPES[kind], "at": self.size, "length": len(values)}
        padding = -len(content) % 4
        self.parts.append(content + bytes(padding))
        self.size += len(content) + padding
        return where

    def content(self) -> bytes:
        return b"".join(self.parts)


def pack_views(joined: JoinedViews, views: Sequence[View]) -> tuple[dict[str, Any], bytes]:
    """Return a description that :func:`to_json` can write, and the bytes that it refers to.

    The description has ``n``; ``columns``: per text column its ``values`` and ``codes``; ``views``: per view ``name``,
    ``note``, ``x``, ``y``, the ``centre`` and ``half`` that :func:`dequantize` needs, and ``scores``.
    """
    binary = BinaryBuffer()
    columns = {}
    for name in joined.wells:
        values = joined.plates if name == "plate" else sorted(joined.wells[name].unique(), key=_natural_key)
        codes = pd.Index(values).get_indexer(pd.Index(joined.wells[name]))
        columns[str(name)] = {"values": list(values), "codes": binary.add(codes, _narrowest_type(len(values)))}
    view_entries = []
    for view, at, scores in zip(views, joined.at, joined.scores, strict=True):
        quantized, centre, half = quantize(at)
        entry = {
            "name": view.name,
            "note": view.note,
            "centre": centre,
            "half": half,
            "x": binary.add(quantized[:, 0], "u2"),
            "y": binary.add(quantized[:, 1], "u2"),
            "scores": {name: binary.add(values, "f4") for name, values in scores.items()},
        }
        view_entries.append(entry)
    return {"n": len(joined.wells), "columns": columns, "views": view_entries}, binary.content()


def quantize(at: Doubles) -> tuple[NDArray[np.uint16], list[float], float]:
    """Return coordinates (n, 2) as integers 0..65534, with their centre and half range; :data:`MISSING` if NaN.

    Both axes have one scale: distances keep their proportions.
    """
    finite = np.isfinite(at).all(axis=1)
    low, high = at[finite].min(axis=0), at[finite].max(axis=0)
    centre, half = (low + high) / 2, float((high - low).max() / 2) or 1.0
    quantized = np.full(at.shape, MISSING, dtype=np.uint16)
    quantized[finite] = np.rint((at[finite] - centre) / half * HALF + HALF).astype(np.uint16)
    return quantized, [float(c) for c in centre], half


def dequantize(quantized: NDArray[np.uint16], centre: Sequence[float], half: float) -> Doubles:
    """Return the inverse of :func:`quantize`, off by at most half / 65534."""
    at: Doubles = (quantized.astype(np.float64) - HALF) / HALF * half + np.asarray(centre)
    at[quantized == MISSING] = np.nan
    return at


def to_json(value: object) -> str:
    """Return JSON that can stand inside a script element: no text in it can end the element or open a comment."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _narrowest_type(n: int) -> str:
    return "u1" if n <= 1 << 8 else "u2" if n <= 1 << 16 else "u4"


def _natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts ``batch 2`` before ``batch 10``: numbers are compared by their length first."""
    parts: list[tuple[int, str]] = []
    for character in text:
        if character.isdigit() and parts and parts[-1][0]:
            parts[-1] = (parts[-1][0] + 1, parts[-1][1] + character)
        else:
            parts.append((1 if character.isdigit() else 0, character))
    return parts
