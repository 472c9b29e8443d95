"""Replicate wells of compounds as the replicate metrics see them: their profiles, their pairs, means over compounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.shared.intervals import crossed_interval
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable

Ints = NDArray[np.intp]

_PAIRS = 4096  # pairs of profiles at a time: 16 MB at 512 features


@dataclass(frozen=True)
class Replicates:
    """Treated wells with replicates, and the control wells of their plates: n rows.

    A treatment is a compound at a dose (where doses are known). Two wells are replicates if they hold the same
    treatment in different positions of a plate: wells that share a position share its edge and gradient effects too.

    Attributes
    ----------
    Z : (n, n_features), each feature in units of its sd over the n rows, 0 at the mean of all control wells. The same
        units for every plate: without them a cosine of raw features is that of the few with large numbers. Not the
        sd of controls: a feature that is constant on each plate's controls has next to none after a normalization,
        and would outweigh all others.
    wells : n rows of the wells table.
    treatment, compound : (n,) numbers; -1 for a control. plate, position : (n,) numbers.
    """

    Z: Floats
    wells: pd.DataFrame
    treatment: Ints
    compound: Ints
    plate: Ints
    position: Ints

    @cached_property
    def cosine(self) -> Floats:
        """Rows of unit length."""
        return _unit(self.Z)

    @cached_property
    def pearson(self) -> Floats:
        """Rows centred over features, of unit length: their products are Pearson correlations."""
        return _unit(self.Z - self.Z.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32))

    @cached_property
    def pairs(self) -> tuple[Ints, Ints]:
        """Every ordered pair of replicates: (query, mate), sorted by query."""
        return replicate_pairs(self.treatment, self.position)

    @cached_property
    def caveat(self) -> str:
        """What else than biology could make replicates alike, or nothing."""
        batch = self.wells["batch"].to_numpy()
        same = float((batch[self.pairs[0]] == batch[self.pairs[1]]).mean())
        return f"{same:.0%} of replicate pairs lie in one batch: its effect makes them alike too" if same > 0.5 else ""

    def mean(self, value: Doubles) -> float:
        """Return mean over treatments of the mean over their wells; ``value`` is (n,), NaN where undefined."""
        known = np.isfinite(value)
        if not known.any():
            raise NotApplicable("the score is undefined for every well: too few controls or other compounds")
        group = ordinal(self.treatment[known])
        return float((np.bincount(group, value[known]) / np.bincount(group)).mean())

    def summary(self, value: Doubles, context: AuditContext) -> tuple[float, float, float, int]:
        """Return the mean, its interval (treatments, plates and batches resampled) and the number of treatments."""
        mean, known = self.mean(value), np.isfinite(value)
        group = ordinal(self.treatment[known])
        lower, upper = crossed_interval(context, self.wells[known], value[known], group)
        return mean, lower, upper, int(group.max()) + 1


def replicate_pairs(treatment: Ints, position: Ints) -> tuple[Ints, Ints]:
    """Return ordered pairs (query, mate) of rows with the same treatment (>= 0) in different positions, sorted by
    query.
    """
    rows = pd.DataFrame({"treatment": treatment, "row": np.arange(len(treatment))})[treatment >= 0]
    both = rows.merge(rows, on="treatment")
    query, mate = (both[side].to_numpy(dtype=np.intp) for side in ("row_x", "row_y"))
    differ = position[query] != position[mate]
    order = np.argsort(query[differ], kind="stable")
    return query[differ][order], mate[differ][order]


def similarities(U: Floats, a: Ints, b: Ints) -> Doubles:
    """Return products of rows a and b of U, pair by pair, (n_pairs,)."""
    out = np.empty(len(a))
    for start in range(0, len(a), _PAIRS):
        part = slice(start, start + _PAIRS)
        np.einsum("ij,ij->i", U[a[part]], U[b[part]], out=out[part], dtype=np.float64)
    return out


def ordinal(numbers: Ints) -> Ints:
    """Return numbers replaced by their rank among the distinct ones."""
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.intp)


def _unit(Z: Floats) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", Z, Z, dtype=np.float64))
    if not (length > 0).all():
        raise NotApplicable(f"{(length == 0).sum()} wells are at the mean of all controls: their angle is undefined")
    return np.asarray(Z / length[:, None], dtype=np.float32)
