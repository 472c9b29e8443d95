"""Several maps of the same wells: each well is one point with a position on every map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError

DESCRIPTION = ("plate", "well", "site", "batch", "role", "compound", "dose")
REQUIRED = ("plate", "well", "batch", "role")
AXES = ("umap_1", "umap_2")


@dataclass(frozen=True, kw_only=True)
class View:
    """A map: the positions that a normalization gives to wells or images.

    Attributes
    ----------
    name : of the normalization; users switch between views by it.
    note : one line with normalization and scope, data, split.
    points : one row per well, or per image with a column ``site``: ``plate, well, batch, role``, the coordinates
        ``umap_1, umap_2`` and, if known, ``compound, dose``; plates in the order of the screen. Every further
        numeric column is a score, NaN if undefined.
    """

    name: str
    note: str
    points: pd.DataFrame

    @property
    def scores(self) -> list[str]:
        """Names of the columns that are scores."""
        numeric = self.points.select_dtypes("number").columns
        return [str(c) for c in numeric if c not in (*DESCRIPTION, *AXES, "row", "column")]


@dataclass(frozen=True, kw_only=True)
class JoinedViews:
    """Views on one set of n points.

    Attributes
    ----------
    wells : n rows of text, ``""`` if unknown: plate, well, batch, role and, if known, site, compound, dose.
    plates : all of them in the order of the screen.
    at : per view (n, 2) coordinates, NaN if the view lacks the point.
    scores : per view the (n,) values of each of its scores, float32, NaN if undefined.
    """

    wells: pd.DataFrame
    plates: list[str]
    at: list[Doubles]
    scores: list[dict[str, Floats]]


def join_views(views: Sequence[View], *, seed: int = 0) -> JoinedViews:
    """Identify points by plate, well and site; the first view that has a point describes it.

    Points come in random order, the same for the same ``seed``: drawn in the order of plates, the last batch
    would lie on top of the others.

    Raises
    ------
    InputError : no view, no point, a column is missing, a point appears twice in a view, only some views have sites.
    """
    key = _key_columns(views)
    stacked = pd.concat([_description_as_text(view.points) for view in views], ignore_index=True).fillna("")
    point = stacked.groupby(key, sort=False).ngroup().to_numpy()
    first = ~pd.Series(point).duplicated().to_numpy()
    wells = stacked[first].reset_index(drop=True)  # ngroup() numbers points by first appearance: row i is point i
    order = np.random.default_rng(seed).permutation(len(wells))
    place = np.empty(len(wells), dtype=np.intp)
    place[order] = np.arange(len(wells))
    rows = np.split(place[point], np.cumsum([len(view.points) for view in views])[:-1])
    _check_points_appear_once(views, rows, key)
    pairs = list(zip(views, rows, strict=True))
    return JoinedViews(
        wells=wells.iloc[order].reset_index(drop=True),
        plates=list(dict.fromkeys(wells["plate"])),
        at=[
            _scatter_rows(view.points[list(AXES)].to_numpy(np.float64), view_rows, len(wells))
            for view, view_rows in pairs
        ],
        scores=[
            {c: _scatter_rows(view.points[c].to_numpy(np.float32), view_rows, len(wells)) for c in view.scores}
            for view, view_rows in pairs
        ],
    )


def _key_columns(views: Sequence[View]) -> list[str]:
    """Return the columns that identify a point.

    Raises
    ------
    InputError : no view, no point, a column is missing, only some views have sites.
    """
    if not views:
        raise InputError("explorer: no map given; give at least one")
    for view in views:
        missing = [c for c in (*REQUIRED, *AXES) if c not in view.points]
        if missing:
            raise InputError(f"explorer: the map {view.name!r} lacks the columns {missing}; found {[*view.points]}")
        if not np.isfinite(view.points[list(AXES)].to_numpy(np.float64)).all(axis=1).any():
            raise InputError(f"explorer: no point of the map {view.name!r} has coordinates {list(AXES)}")
    sites = sum("site" in view.points for view in views)
    if sites not in (0, len(views)):
        raise InputError(f"explorer: {sites} of {len(views)} maps have a column 'site'; expected all or none")
    return ["plate", "well", "site"] if sites else ["plate", "well"]


def _check_points_appear_once(views: Sequence[View], rows: Sequence[NDArray[np.intp]], key: Sequence[str]) -> None:
    """Raise InputError if two rows of a view are the same point; ``rows`` are the points of each view's rows."""
    for view, view_rows in zip(views, rows, strict=True):
        if len(np.unique(view_rows)) < len(view_rows):
            twice = view.points[pd.Series(view_rows).duplicated().to_numpy()].iloc[0]
            named = ", ".join(f"{c} {twice[c]!r}" for c in key)
            raise InputError(f"explorer: the map {view.name!r} shows {named} twice; expected one row per point")


def _description_as_text(points: pd.DataFrame) -> pd.DataFrame:
    description = points[[c for c in DESCRIPTION if c in points]]
    return description.astype(object).where(description.notna(), "").astype(str).astype(object)


def _scatter_rows(values: Any, rows: NDArray[np.intp], n: int) -> Any:
    full = np.full((n, *values.shape[1:]), np.nan, dtype=values.dtype)
    full[rows] = values
    return full
