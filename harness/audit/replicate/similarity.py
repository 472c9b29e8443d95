"""Replicate wells as the replicate metrics read them: profiles, pairs of replicates, means over treatments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.replicate.crossed_resamples import resample_crossed
from harness.audit.replicate.selection import Ints, ordinal
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable


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
        """Causes other than biology that make replicates alike; empty if most replicates are in different batches."""
        batch = self.wells["batch"].to_numpy()
        same = float((batch[self.pairs[0]] == batch[self.pairs[1]]).mean())
        return (
            f"{same:.0%} of replicate pairs lie in one batch, whose effect makes them alike too" if same > 0.5 else ""
        )

    def mean(self, value: Doubles) -> float:
        """Return the mean over treatments of the mean over their wells; ``value`` is (n,), NaN where undefined."""
        defined = np.isfinite(value)
        if not defined.any():
            raise NotApplicable("the score is undefined for every well: too few controls or other compounds")
        group = ordinal(self.treatment[defined])
        return float((np.bincount(group, value[defined]) / np.bincount(group)).mean())

    def summary(self, value: Doubles, context: AuditContext) -> tuple[float, float, float, int]:
        """Return the mean, its interval (treatments, plates and batches resampled) and the number of treatments."""
        mean, defined = self.mean(value), np.isfinite(value)
        group = ordinal(self.treatment[defined])
        estimate = resample_crossed(context, self.wells[defined], group, kind="groups").mean(value[defined])
        return mean, estimate.lower, estimate.upper, int(group.max()) + 1


def replicate_pairs(treatment: Ints, position: Ints) -> tuple[Ints, Ints]:
    """Return ordered pairs (query, mate) of rows of one treatment (>= 0) in different positions, sorted by query."""
    rows = pd.DataFrame({"treatment": treatment, "row": np.arange(len(treatment))})[treatment >= 0]
    joined = rows.merge(rows, on="treatment")
    query, mate = (joined[side].to_numpy(dtype=np.intp) for side in ("row_x", "row_y"))
    differ = position[query] != position[mate]
    order = np.argsort(query[differ], kind="stable")
    return query[differ][order], mate[differ][order]


def _unit(Z: Floats) -> Floats:
    """Return rows scaled to unit length. Raises NotApplicable if one has none."""
    length = np.sqrt(np.einsum("ij,ij->i", Z, Z, dtype=np.float64))
    if not (length > 0).all():
        raise NotApplicable(f"{(length == 0).sum()} wells are at the mean of all controls: their angle is undefined")
    return np.asarray(Z / length[:, None], dtype=np.float32)
