"""Align the features of all files of a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.columns import feature_columns
from harness.store.reading_report import ReadingReport
from harness.utils.text import preview

OnDifferentFeatures = Literal["error", "common"]
LEFT_OUT = "features_not_common"  # table of the report


@dataclass
class FilePart:
    """Content of one file: features ``names``, their values ``X`` (n, n_features), the other columns ``meta``."""

    path: Path
    names: list[str]
    X: Floats
    meta: pd.DataFrame


def same_features(
    files: Sequence[FilePart], *, on_different: OnDifferentFeatures = "error", report: ReadingReport | None = None
) -> tuple[list[str], list[Floats]]:
    """Return the names of the features and each file's values in that order.

    A column that is empty in one file counts as a feature without values if it is a feature elsewhere.

    Parameters
    ----------
    on_different : ``error``, or ``common`` to take the features that every file has; ``report`` then lists the others:
        one line, and one row for each feature in the table :data:`LEFT_OUT`.

    Raises
    ------
    InputError : files with different features under ``error``; no feature in common under ``common``; another word.
    """
    if on_different not in get_args(OnDifferentFeatures):
        raise InputError(
            f"data.on_different_features: got {on_different!r}; expected one of {list(get_args(OnDifferentFeatures))}"
        )
    names = list(dict.fromkeys(name for file in files for name in file.names))
    columns = [{*file.names, *file.meta.columns} for file in files]
    common = [name for name in names if all(name in available for available in columns)]
    if len(common) < len(names):
        if on_different == "error":
            raise _different(files, columns, len(common), len(names))
        if not common:
            raise InputError(
                f"{files[0].path} and {len(files) - 1} more files have no feature in common "
                f"(features of the first: {preview(files[0].names)}); expected files of one screen"
            )
        _describe(files, names, columns, common, report)
    return common, [_values(file, common) for file in files]


def _different(files: Sequence[FilePart], columns: Sequence[set[str]], n_common: int, n_features: int) -> InputError:
    """Return the error for the first pair of files that differ; the first file is compared with every other."""
    first = files[0]
    for file, available in zip(files[1:], columns[1:], strict=True):
        missing = [name for name in first.names if name not in available]
        extra = [name for name in file.names if name not in columns[0]]
        if missing or extra:
            break
    remedy = (
        f"set data.on_different_features=common to take the {n_common} of {n_features} features that all files have"
        if n_common
        else "there is no feature that all files have"
    )
    return InputError(
        f"{file.path}: features differ from those of {first.path}: missing {preview(missing)}, extra {preview(extra)}; "
        f"expected the same features in all {len(files)} files: {remedy}"
    )


def _describe(
    files: Sequence[FilePart],
    names: Sequence[str],
    columns: Sequence[set[str]],
    common: Sequence[str],
    report: ReadingReport | None,
) -> None:
    if report is None:
        return
    dropped = sorted(set(names) - set(common), key=list(names).index)
    absent = Counter(name for available in columns for name in dropped if name not in available)
    report.note(
        f"{len(common)} features are common to all {len(files)} files and taken; {len(dropped)} that are missing in "
        f"some file are left out: {preview(dropped)} (data.on_different_features=common)"
    )
    rows = [{"feature": name, "files_without_it": absent[name], "files": len(files)} for name in dropped]
    report.add_rows(LEFT_OUT, rows)


def _values(file: FilePart, names: Sequence[str]) -> Floats:
    """Return the columns ``names`` of a file, (n, n_features), NaN for columns that are empty in it."""
    X, available = file.X, file.names
    absent = [name for name in names if name not in set(available)]
    if absent:
        X = np.hstack([X, feature_columns.values(file.meta, absent, source=str(file.path))])
        available = [*available, *absent]
        file.meta = file.meta.drop(columns=absent)
    if available == list(names):
        return X
    place = {name: i for i, name in enumerate(available)}
    return X[:, [place[name] for name in names]]
