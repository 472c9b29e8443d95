"""Batches inferred from the control wells, for screens without a batch column or plate ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.batch.inference.assignment import BatchInference
from harness.batch.inference.changepoints import Labels, change_points, penalty
from harness.batch.inference.clusters import clusters, in_order
from harness.batch.inference.control_profiles import ControlProfiles, control_profiles
from harness.batch.inference.outliers import (
    CUTOFF,
    assign_isolated,
    distance_from_batch,
    isolated_plates,
    outlier_reasons,
)
from harness.batch.inference.stability import stability
from harness.core.arrays import Doubles, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.settings.annotated_types import Count, Name, Positive, Seed
from harness.settings.limits import Between, OneOf
from harness.utils.text import as_text

METHODS: dict[str, Callable[[Doubles, int], Labels]] = {"changepoints": change_points, "clustering": clusters}


@dataclass(frozen=True)
class Assignment:
    """Batch number of each plate, (n,), and the plates that were left out while batches were inferred, (n,)."""

    labels: Labels
    isolated: Mask


class Inferred:
    """Batches inferred from the control profiles of plates; treated wells and labels are never read.

    Parameters
    ----------
    method : ``changepoints`` along the order of plates, or ``clustering`` of the correlation between plates.
    min_size : plates of the smallest batch, at least 2: a single plate unlike its neighbours is an outlier.
    order : column of the wells that orders plates: numbers by size, text naturally (``week2`` before ``week10``).
    cutoff : robust sd of the distance to its batch beyond which a plate is an outlier.
    n_resamples : of control wells, for stability.
    seed : of the resamples.

    Attributes
    ----------
    result_ : result of :meth:`assign`: tables, and a member of ``batch=ranges`` with the same batches.

    Raises
    ------
    InputError : options out of range, fewer than 2 ``min_size`` plates, and as :func:`control_profiles`.
    """

    reads_values = True

    result_: BatchInference

    def __init__(
        self,
        *,
        method: Annotated[str, OneOf(*METHODS)] = "changepoints",
        min_size: Annotated[int, Between(2, 1_000_000)] = 2,
        order: Name = "plate",
        cutoff: Positive = CUTOFF,
        n_resamples: Count = 100,
        seed: Seed = 0,
    ) -> None:
        self.method, self.min_size, self.order, self.cutoff = method, min_size, order, cutoff
        self.n_resamples, self.seed = n_resamples, seed

    def assign(self, profiles: Profiles) -> pd.Series[str]:
        """Return the batch of each row of ``profiles.wells``, same index."""
        self.result_ = self.find(profiles)
        return as_text(profiles.wells["plate"]).map(dict(self.result_.plates[["plate", "batch"]].to_numpy()))

    def find(self, profiles: Profiles) -> BatchInference:
        """Infer batches, outliers and their stability."""
        self._check(profiles)
        controls = control_profiles(profiles, order=self.order)
        X = controls.components
        assigned = self._batches(X)
        labels, n = assigned.labels, len(X)
        draws = (self._batches(resample).labels for resample in controls.resampled(n=self.n_resamples, seed=self.seed))
        stable = stability(labels, draws)
        distance = distance_from_batch(X, labels, assigned.isolated)
        outlier = distance > self.cutoff
        width = max(2, len(str(labels.max() + 1)))
        batch = np.array([f"batch{label + 1:0{width}d}" for label in labels])
        plates = pd.DataFrame(
            {
                "plate": controls.plates,
                "order": np.arange(1, n + 1),
                "batch": batch,
                "stability": stable.plates,
                "outlier": outlier,
                "distance": distance,
                "cutoff": float(self.cutoff),
                "reason": outlier_reasons(controls, labels, outlier, distance),
                "n_controls": controls.n_controls,
                "intensity": intensity(controls),
                "component_1": X[:, 0],
            }
        )
        boundaries = boundary_table(controls.plates, batch, stable.boundaries)
        change_penalty = penalty(X[~assigned.isolated])
        at = np.flatnonzero(labels[1:] != labels[:-1])
        explained = [explained_error(X, labels, assigned.isolated, int(i)) for i in at]
        boundaries.insert(4, "strength", np.array(explained, dtype=np.float64) / change_penalty)
        return BatchInference(self.method, plates, boundaries, float(stable.adjusted_rand.mean()))

    def _batches(self, X: Doubles) -> Assignment:
        isolated = isolated_plates(X, cutoff=self.cutoff)
        if (~isolated).sum() < 2 * self.min_size:
            isolated = np.zeros(len(X), dtype=bool)
        labels = np.zeros(len(X), dtype=np.int64)
        labels[~isolated] = METHODS[self.method](X[~isolated], self.min_size)
        return Assignment(in_order(assign_isolated(X, labels, isolated)), isolated)

    def _check(self, profiles: Profiles) -> None:
        if self.method not in METHODS:
            raise InputError(f"batch.method={self.method!r} is unknown; choose one of {list(METHODS)}")
        for name, least in (("min_size", 2), ("n_resamples", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"batch.{name}={value!r}: expected a whole number, at least {least}")
        if isinstance(self.cutoff, bool) or not isinstance(self.cutoff, int | float) or not self.cutoff > 0:
            raise InputError(f"batch.cutoff={self.cutoff!r}: expected a number above 0")
        if len(profiles) < 2 * self.min_size:
            raise InputError(
                f"batch=inferred: {len(profiles)} plates; to tell batches of at least {self.min_size} plates apart "
                f"takes {2 * self.min_size}: name batches by batch=column or batch=ranges"
            )


def boundary_table(plates: Sequence[str], batch: NDArray[Any], stability: Doubles) -> pd.DataFrame:
    """Return a row for each place where ``batch`` changes between successive ``plates``, (n,); stability (n - 1,)."""
    at = np.flatnonzero(batch[1:] != batch[:-1])
    names = np.array(plates, dtype=object)
    return pd.DataFrame(
        {
            "after_plate": names[at],
            "before_plate": names[at + 1],
            "after_batch": batch[at],
            "before_batch": batch[at + 1],
            "stability": stability[at],
        }
    )


def explained_error(X: Doubles, labels: Labels, isolated: Mask, i: int) -> float:
    """Return the squared error that the boundary between plates i and i + 1 explains in the two stretches it parts."""
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    edges = [0, *changes.tolist(), len(labels)]
    k = edges.index(i + 1)
    stretches = (np.arange(edges[j], edges[j + 1]) for j in (k - 1, k))
    left, right = (X[rows[~isolated[rows]] if not isolated[rows].all() else rows] for rows in stretches)
    gap = ((left.mean(axis=0) - right.mean(axis=0)) ** 2).sum()
    return float(gap * len(left) * len(right) / (len(left) + len(right)))


def intensity(controls: ControlProfiles) -> Doubles:
    """Average each plate's scaled medians over features named after an intensity, (n,); NaN without such features."""
    named = np.array(["intensity" in feature.lower() for feature in controls.features])
    return controls.scaled[:, named].mean(axis=1) if named.any() else np.full(len(controls.plates), np.nan)
