"""The same features from every file of a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.data import features as feature_columns
from harness.data.text import some
from harness.types import Floats, InputError


@dataclass
class FilePart:
    """What one file holds: features ``names``, their values ``X`` (n, n_features), the other columns ``meta``."""

    path: Path
    names: list[str]
    X: Floats
    meta: pd.DataFrame


def same_features(files: Sequence[FilePart]) -> tuple[list[str], list[Floats]]:
    """The features' names and each file's values in that order.

    A column that is empty in one file counts there as a feature without values if it is a feature elsewhere.
    """
    first = files[0]
    expected = {*first.names, *first.meta.columns}
    for file in files[1:]:
        there = {*file.names, *file.meta.columns}
        missing = [name for name in first.names if name not in there]
        extra = [name for name in file.names if name not in expected]
        if missing or extra:
            raise InputError(
                f"{file.path}: features differ from those of {first.path}: missing {some(missing)}, "
                f"extra {some(extra)}; every file must hold the same features"
            )
    names = list(dict.fromkeys(name for file in files for name in file.names))
    parts = []
    for file in files:
        absent = [name for name in names if name not in file.names]
        X, held = file.X, file.names
        if absent:
            X = np.hstack([X, feature_columns.values(file.meta, absent, source=str(file.path))])
            held = [*held, *absent]
            file.meta = file.meta.drop(columns=absent)
        if held != names:
            place = {name: i for i, name in enumerate(held)}
            X = X[:, [place[name] for name in names]]
        parts.append(X)
    return names, parts
