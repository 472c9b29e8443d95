"""Read sites of a DeepProfiler project: the median or mean over their cells."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.files.npz_member import read_member
from harness.data.files.single_cells import median_without_missing

COLUMNS = {"plate": "Metadata_Plate", "well": "Metadata_Well", "site": "Metadata_Site"}
ARRAYS = ("features", "f")
Aggregate = Literal["median", "mean"]


@dataclass(frozen=True)
class Site:
    """Site with the ``middle``, (n_features,), of ``n_cells`` cells; ``n_missing`` missing values were left out."""

    middle: Floats
    n_cells: int
    n_missing: int


def read_site(file: Path | None, place: Sequence[str], aggregate: Aggregate) -> Site | None:
    """Read the site ``place`` (plate, well, site); return None if it has no file or no cells.

    Raises
    ------
    InputError : as :func:`harness.data.files.npz_member.read_member`, or features of another shape.
    """
    if file is None:
        return None
    source = f"{file}: {words(place)}"
    cells = read_member(file, ARRAYS, source=source)
    if not cells.size:
        return None
    if cells.ndim != 2:
        raise InputError(f"{source}: features have shape {cells.shape}; expected (cells, features)")
    with np.errstate(over="ignore"):
        X: Floats = cells.astype(np.float32, copy=False)
    n_missing = int(np.isnan(X).sum())
    if aggregate == "median":
        return Site(median_without_missing(X), len(X), n_missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no cell has a value: NaN
        mean: Floats = np.asarray(np.nanmean(X, axis=0, dtype=np.float64)).astype(np.float32)
    return Site(mean, len(X), n_missing)


def stacked(middles: Sequence[Floats], places: Sequence[Sequence[str]], source: str) -> Floats:
    """Stack the sites vertically, (n_sites, n_features).

    Raises
    ------
    InputError : sites with different numbers of features.
    """
    lengths = [len(middle) for middle in middles]
    usual = max(lengths, key=Counter(lengths).__getitem__)
    other = next((i for i, length in enumerate(lengths) if length != usual), None)
    if other is not None:
        raise InputError(
            f"{source}: {words(places[other])} has {lengths[other]} features, most sites have {usual}; expected "
            "files of one experiment"
        )
    return np.stack(middles)


def words(place: Sequence[str]) -> str:
    """Describe a place, e.g. ``plate 'p', well 'A01', site '1'``."""
    return ", ".join(f"{name} {value!r}" for name, value in zip(COLUMNS, place, strict=True))
