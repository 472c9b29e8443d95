"""Replace each feature by its rank within the batch, mapped to one distribution for all batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from scipy.special import ndtri

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.settings.limits import OneOf

TARGETS = {"pooled": FitScope.TRANSDUCTIVE, "normal": FitScope.BATCH}
_KNOTS = 4096
_BLOCK = 256  # features that are pooled at a time


class Rank(Normalizer):
    """Q((rank of x in its batch - 1/2) / rows of the batch), ties at their mean rank (scope: see ``target``).

    Ranks run over the filled rows (sites, where there are sites) of all plates of the batch; a row of an empty well
    gets the place that it would have. A constant feature goes to Q(1/2).

    Parameters
    ----------
    target : ``pooled``: Q is the quantile function of the rows of all batches together, held-out ones too: units stay,
        and the scope is transductive. ``normal``: Q is that of the standard normal distribution, which needs no other
        batch: the scope is batch.

    Raises
    ------
    InputError : another target, or a batch that ``fit`` has not read, or one with no filled well.

    Notes
    -----
    Assumes that all batches hold the same mixture of wells and differ by an increasing function of each feature.
    Over-normalizes where they do not: a phenotype commoner in one batch than in another is ranked away. ``normal``
    works for an unseen batch, all of whose wells are read, never their roles; ``pooled`` needs them when fitting.
    Holds one sorted copy of what it has read; Q of ``pooled`` is kept at 4,096 order statistics, the lowest and the
    highest among them, and is linear in between: exact up to 4,096 rows.
    Kothari et al. 2014, IEEE J. Biomed. Health Inform. 18 ("rank"); the places are Hazen's.
    """

    def __init__(self, *, target: Annotated[str, OneOf(*TARGETS)] = "pooled") -> None:
        self.target = target

    @property
    def scope(self) -> FitScope:  # type: ignore[override]
        """The scope that ``target`` implies."""
        if self.target not in TARGETS:
            raise InputError(f"Rank: target {self.target!r} is unknown; choose one of {list(TARGETS)}")
        return TARGETS[self.target]

    def fit(self, plates: Sequence[Plate]) -> Self:
        rows: dict[str, int] = {}
        for plate in plates:
            batch = _batch(plate)
            rows[batch] = rows.get(batch, 0) + int(plate.filled.sum())
        n_features = plates[0].X.shape[1]
        self.sorted_ = {batch: np.empty((n_features, n), dtype=np.float32) for batch, n in rows.items()}
        written = dict.fromkeys(rows, 0)
        for plate in plates:
            batch, n = _batch(plate), int(plate.filled.sum())
            self.sorted_[batch][:, written[batch] : written[batch] + n] = plate.X[plate.filled].T
            written[batch] += n
        for batch, values in self.sorted_.items():
            if not values.shape[1]:
                raise InputError(
                    f"Rank: batch {batch!r} has no filled well to rank; leave it out (data.exclude_plates)"
                )
            values.sort(axis=1)
        n = sum(rows.values())
        knots = np.unique(np.round(np.linspace(0, n - 1, _KNOTS)).astype(np.int64))
        self.place_ = (knots + 0.5) / n
        self.pooled_: Floats | None = None
        if self.target == "pooled":
            self.pooled_ = np.empty((n_features, len(knots)), dtype=np.float32)
            for start in range(0, n_features, _BLOCK):
                block = slice(start, start + _BLOCK)
                together = np.concatenate([values[block] for values in self.sorted_.values()], axis=1)
                together.sort(axis=1)
                self.pooled_[block] = together[:, knots]
        return self

    def transform(self, plate: Plate) -> Floats:
        ordered = self.sorted_.get(_batch(plate))
        if ordered is None:
            raise InputError(
                f"Rank: plate {plate.name!r} is of batch {_batch(plate)!r}, which was not among those that were ranked "
                f"{sorted(self.sorted_)}; fit on it too"
            )
        out = np.empty(plate.X.shape[::-1], dtype=np.float32)
        # by feature: one search for many features at once, on keys of feature and value, takes three times as long
        for g, x in enumerate(np.ascontiguousarray(plate.X.T)):
            place = _place(ordered[g], x)
            if self.pooled_ is None:
                out[g] = ndtri(np.clip(place, 0.5 / ordered.shape[1], 1 - 0.5 / ordered.shape[1]))
            else:
                out[g] = np.interp(place, self.place_, self.pooled_[g])
        return np.ascontiguousarray(out.T)


def _batch(plate: Plate) -> str:
    return str(plate.wells["batch"].iloc[0])


def _place(ordered: Floats, x: Floats) -> Doubles:
    """Return (mean rank - 1/2) / n among ``ordered``, of members and of others alike: between 0 and 1."""
    order = np.argsort(x)
    ascending = x[order]
    left = np.searchsorted(ordered, ascending, "left")
    right = left + (ordered[np.minimum(left, len(ordered) - 1)] == ascending)
    tied = ordered[np.minimum(right, len(ordered) - 1)] == ascending
    right[tied] = np.searchsorted(ordered, ascending[tied], "right")
    place = np.empty(len(x))
    place[order] = (left + right) / (2 * len(ordered))
    return place
