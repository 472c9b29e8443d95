"""Similarity of wells to controls by two scores, and the wells least and most like controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.control_similarity.folds import deal_control_folds
from harness.control_similarity.gaussian import Gaussian, robust_gaussian
from harness.control_similarity.mahalanobis import control_space
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles, has_role
from harness.core.seeding import derive
from harness.data.wells.aggregation import well_codes
from harness.numerics.moments import moments

PER = ("all", "batch")
UNLIKE = {"mahalanobis": 1, "log_density": -1}  # the sign that makes a score rise away from controls
MIN_CONTROLS = 10  # of a fit; without a fold 8 are left
KEYS = ("plate", "well", "batch", "role", "compound")


@dataclass(frozen=True, kw_only=True)
class ControlSimilarity:
    """Score wells by how much they look like controls.

    Attributes
    ----------
    per : one fit to the controls of ``all`` batches, or one for each ``batch``.
    rank_by : the score that decides which wells are least and most like controls.
    n_wells : wells at either end (of each batch), at most half of them.
    n_components : principal components of the Mahalanobis distance. n_folds : of the controls.
    max_controls : read by fits, at most.
    """

    per: str = "all"
    rank_by: str = "mahalanobis"
    n_wells: int = 100
    n_components: int = 20
    n_folds: int = 5
    max_controls: int = 4000

    def __post_init__(self) -> None:
        for name, allowed in (("per", PER), ("rank_by", tuple(UNLIKE))):
            if getattr(self, name) not in allowed:
                raise InputError(f"control_likeness.{name}={getattr(self, name)!r}: expected one of {list(allowed)}")
        least = {"n_wells": 1, "n_components": 1, "n_folds": 2, "max_controls": MIN_CONTROLS}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise InputError(f"control_likeness.{name}={getattr(self, name)}: expected at least {lowest}")

    def scored(self, profiles: Profiles, at: Doubles, *, seed: int) -> tuple[pd.DataFrame, dict[str, Gaussian]]:
        """Return the scores of wells, and the Gaussian of each group's control wells on the map.

        Parameters
        ----------
        profiles : normalized wells or images, (n, n_features).
        at : their places on the map, (n, 2), NaN for rows that are not on it.
        seed : derives folds and fits.

        Returns
        -------
        One row per control and treated well: :data:`KEYS` that are known, ``group`` (of the fit: a batch, or "all"),
        ``umap_1, umap_2, log_density, mahalanobis``, medians over images; NaN off the map and in groups of fewer than
        10 controls. The Gaussians, by group, are of all their controls: for drawing, not for scoring.

        Raises
        ------
        NotApplicable : no group has 10 controls.
        """
        wells = profiles.wells
        is_scored = has_role(wells, "negcon") | has_role(wells, "treated")
        group = (wells["batch"] if self.per == "batch" else pd.Series("all", wells.index)).astype(str)
        seed = derive(seed, "control likeness") % (1 << 32)
        folds = deal_control_folds(profiles, n_folds=self.n_folds, max_controls=self.max_controls, seed=seed)
        on_map = np.isfinite(at).all(axis=1)
        in_space = _InSpace(profiles.X, moments(profiles.X, rows=is_scored).sd, self.n_components, seed)
        table = wells[is_scored].assign(group=group[is_scored], umap_1=at[is_scored, 0], umap_2=at[is_scored, 1])
        density, distance = np.full((2, len(wells)), np.nan)
        fits = {}
        for name in pd.unique(group[is_scored]):
            rows = is_scored & (group == name).to_numpy()
            if _enough(wells, rows & folds.read):
                folds.score(rows, in_space.fit, into=distance)
            if _enough(wells, rows & folds.read & on_map):
                folds.score(rows & on_map, _OnMap(at, seed).fit, into=density)
                fits[str(name)] = robust_gaussian(at[rows & folds.read & on_map], seed=seed)
        if np.isnan(distance).all():
            each = "batch" if self.per == "batch" else "screen"
            raise NotApplicable(f"no {each} has {MIN_CONTROLS} control wells, which a fit to controls needs")
        return _by_well(table.assign(log_density=density[is_scored], mahalanobis=distance[is_scored])), fits

    def extremes(self, scored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return two tables, of the treated wells least and most like controls.

        Columns: ``rank`` from 1 in each group, :data:`KEYS`, scores.
        """
        treated = scored[(scored["role"] == "treated") & scored[self.rank_by].notna()]
        unlike = treated[self.rank_by] * UNLIKE[self.rank_by]
        n = np.minimum(self.n_wells, treated.groupby("group")["well"].transform("size") // 2)
        tables = []
        for ascending in (False, True):
            place = unlike.groupby(treated["group"]).rank(method="first", ascending=ascending)
            ranked = treated[place <= n].assign(rank=place[place <= n].astype(int))
            order = ["rank"] if self.per == "all" else ["group", "rank"]
            names = ["rank", *(c for c in KEYS if c in ranked), "log_density", "mahalanobis"]
            tables.append(ranked.sort_values(order, kind="stable")[names])
        return tables[0], tables[1]


@dataclass(frozen=True)
class _InSpace:
    """Mahalanobis distances from controls."""

    X: Floats
    usual: Doubles
    n_components: int
    seed: int

    def fit(self, controls: Mask) -> Callable[[Mask], Doubles]:
        """Fit the space on ``controls``; return the function that scores rows."""
        X = self.X[np.flatnonzero(controls)]
        space = control_space(X, usual=self.usual, n_components=self.n_components, seed=self.seed)
        return lambda rows: space.distance(self.X[np.flatnonzero(rows)])


@dataclass(frozen=True)
class _OnMap:
    """Log densities of controls on a map."""

    at: Doubles
    seed: int

    def fit(self, controls: Mask) -> Callable[[Mask], Doubles]:
        """Fit a Gaussian to ``controls``; return the function that scores rows."""
        fitted = robust_gaussian(self.at[controls], seed=self.seed)
        return lambda rows: fitted.log_density(self.at[rows])


def _enough(wells: pd.DataFrame, rows: Mask) -> bool:
    """Return whether ``rows`` hold enough wells for a fit."""
    return len(wells.loc[rows, ["plate", "well"]].drop_duplicates()) >= MIN_CONTROLS


def _by_well(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per well, in order of first appearance: medians over its images."""
    codes = well_codes(rows)
    present = [c for c in (*KEYS, "group") if c in rows]
    table = rows[present].groupby(codes).first()
    return table.join(rows[["umap_1", "umap_2", "log_density", "mahalanobis"]].groupby(codes).median())
