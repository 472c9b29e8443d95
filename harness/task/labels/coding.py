"""Meaning of the values in a table of labels: configured, never guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.utils.text import as_list, normalize_id, preview

MEANINGS = {"active": 1.0, "inactive": 0.0, "missing": np.nan}
SETTING = "task.assay_activity.values"


class Coding:
    """Map from values to 1 (active), 0 (inactive) and NaN (missing); an empty cell and NaN are always missing.

    Parameters
    ----------
    values : ``{"active": [1], "inactive": [-1], "missing": [0]}``; numbers, texts or booleans, compared as text
        (``1``, ``1.0`` and ``"1"`` are the same).

    Raises
    ------
    InputError : another key, a value with two meanings, no value for active or for inactive.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        unknown = [key for key in values if key not in MEANINGS]
        if unknown:
            raise InputError(f"{SETTING}: got {preview(unknown)}; expected lists of values for {list(MEANINGS)}")
        self.meaning: dict[str, float] = {"": np.nan}
        for key, number in MEANINGS.items():
            meant = as_list(values.get(key))
            if not meant and key != "missing":
                raise InputError(f"{SETTING}: {key} has no value; give at least one, e.g. {SETTING}.{key}=[1]")
            for text in (normalize_id(value) for value in meant):
                if text in self.meaning and text:
                    raise InputError(f"{SETTING}: {text!r} has two meanings; list it once")
                self.meaning[text] = number if text else np.nan
        self.values = {key: as_list(values.get(key)) for key in MEANINGS}

    def decode(self, columns: Iterable[tuple[str, Sequence[Any] | pd.Series[Any]]], *, source: str) -> list[Doubles]:
        """Decode every named column of values to 1, 0 and NaN.

        Raises
        ------
        InputError : a value that has no meaning: which, how often, where.
        """
        decoded, unknown, unknown_in = [], Counter[str](), Counter[str]()
        for name, values in columns:
            codes, different = pd.factorize(pd.Series(values), use_na_sentinel=True)
            texts = [normalize_id(value) for value in different]
            lookup = np.array([*(self.meaning.get(text, np.nan) for text in texts), np.nan], dtype=np.float64)
            counts = np.bincount(codes[codes >= 0], minlength=len(texts))
            for text, count in zip(texts, counts.tolist(), strict=True):
                if text not in self.meaning:
                    unknown[text] += count
                    unknown_in[name] += count
            decoded.append(lookup[codes])
        if unknown:
            often = ", ".join(f"{text!r} ({count:,} times)" for text, count in unknown.most_common(3))
            more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
            raise InputError(
                f"{source}: unknown label values {often}{more} in {preview(unknown_in, 3)}; expected {self.values}: "
                f"say what they mean by {SETTING}.{{active,inactive,missing}}=[...], or name the assays to be read by "
                "task.assay_activity.assays=[...]"
            )
        return decoded
