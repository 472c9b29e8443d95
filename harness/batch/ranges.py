"""Batches from ranges of plate numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.settings.limits import NotEmpty
from harness.utils.text import normalize_id, preview


class Ranges:
    """Batch of a plate by its number, the digits in its id: ``{batch: [first, last]}``, both ends included.

    A batch may have several ranges: ``{batch: [[first, last], [first, last]]}``.

    Raises
    ------
    InputError : a range that is none, overlapping ranges, a plate id without or with several numbers, plates
        in no range.
    """

    def __init__(self, *, ranges: Annotated[Mapping[str, Sequence[int | Sequence[int]]], NotEmpty()]) -> None:
        self.ranges = ranges

    def assign(self, profiles: Profiles) -> pd.Series[str]:
        wells = profiles.wells
        spans = _spans(self.ranges)
        plates = [str(plate) for plate in wells["plate"].unique()]
        numbers = {plate: re.findall(r"\d+", plate) for plate in plates}
        vague = [plate for plate, several in numbers.items() if len(several) != 1]
        if vague:
            raise InputError(
                f"batch: ranges need one number in each plate id, got {preview(vague)}; use batch=regex or batch=column"
            )
        batch = {
            plate: next((name for first, last, name in spans if first <= int(number) <= last), "")
            for plate, (number,) in numbers.items()
        }
        outside = [plate for plate, name in batch.items() if not name]
        if outside:
            raise InputError(f"batch: plates {preview(outside)} lie in no range; ranges are {dict(self.ranges)}")
        return wells["plate"].map(batch)


def _spans(ranges: Mapping[str, Sequence[Any]]) -> list[tuple[int, int, str]]:
    """Return the ranges as ``(first, last, batch)``, ascending."""
    spans = []
    for batch, listed in ranges.items():
        several = isinstance(listed, list | tuple) and listed and all(isinstance(e, list | tuple) for e in listed)
        for pair in listed if several else [listed]:
            ends = list(pair) if isinstance(pair, list | tuple) else []
            if [type(end) for end in ends] != [int, int] or ends[0] > ends[1]:
                raise InputError(f"batch: {pair} of batch {normalize_id(batch)!r} is no range; expected [first, last]")
            spans.append((ends[0], ends[1], normalize_id(batch)))
    if not spans:
        raise InputError("batch: ranges is empty; expected {batch: [first, last], ...}")
    spans.sort()
    for (first, last, one), (first_2, last_2, other) in pairwise(spans):
        if first_2 <= last:
            raise InputError(
                f"batch: ranges [{first}, {last}] of {one!r} and [{first_2}, {last_2}] of {other!r} overlap; a plate "
                "belongs to one batch"
            )
    return spans
