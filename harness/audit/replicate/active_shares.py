"""Shares of active wells over a screen and by plate, with intervals from resampled treatments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.replicate.selection import Ints
from harness.audit.replicate.shrinkage import shrink_plate_shares
from harness.core.arrays import Doubles, Mask
from harness.core.seeding import generator
from harness.scoring.bootstrap import interval

ALPHA = 0.05
N_DRAWS = 200
Bounds = tuple[float, float, float]


@dataclass(frozen=True)
class Prevalence:
    """Prevalence: the share of treated wells that are active.

    Attributes
    ----------
    by_plate : share, lower and upper bound (95%) among the treated wells of each plate of the screen, by its name.
    overall, lower, upper : over all treated wells.
    code : one word if the numbers need a caveat; empty if they do not.
    reason : what they rest on, for readers.
    n : treatments they rest on.
    """

    by_plate: Mapping[str, tuple[float, float, float]]
    overall: float
    lower: float
    upper: float
    code: str = ""
    reason: str = ""
    n: int = 0


@dataclass(frozen=True)
class ActiveShares:
    """Shares of active wells with lower and upper bounds, over the screen and by the name of a plate."""

    overall: Bounds
    by_plate: Mapping[str, Bounds]

    @classmethod
    def of(
        cls,
        active: Mask,
        defined: Mask,
        treatment: Ints,
        plate: NDArray[np.str_],
        batch_of: pd.Series[str],
        seed: int,
    ) -> ActiveShares:
        """Count the wells of active treatments, minus the 5% that pass by chance.

        Parameters
        ----------
        active, defined : (n_treatments,) whether p < 0.05, and whether there is a p. treatment, plate : (n_wells,).
        batch_of : the batch of every plate of the screen; a plate without wells takes the share of the screen.
        """
        counted = defined[treatment]
        names, number = np.unique(plate[counted], return_inverse=True)
        n = int(defined.sum())
        number_of_defined = np.cumsum(defined) - 1
        wells_of = np.zeros((n, len(names)))
        np.add.at(wells_of, (number_of_defined[treatment[counted]], number), 1.0)
        multiplicities = generator(seed, "prevalence", n).multinomial(n, np.full(n, 1 / n), N_DRAWS)
        weights = np.vstack([np.ones(n), multiplicities])
        count, positive = weights @ wells_of, (weights * active[defined]) @ wells_of
        overall = _corrected(positive.sum(axis=1) / count.sum(axis=1))
        shares = _by_plate(positive, count, batch_of.loc[list(names)].to_numpy(dtype=object))
        screen_bounds = _bounds(overall)
        by_plate = {str(p): screen_bounds for p in batch_of.index}
        return cls(screen_bounds, by_plate | {str(p): _bounds(shares[:, i]) for i, p in enumerate(names)})

    def up_to(self, other: ActiveShares) -> ActiveShares:
        """Return the same values with upper bounds no lower than those of ``other``."""

        def widened(a: Bounds, b: Bounds) -> Bounds:
            """Return ``a`` with the larger of both upper bounds."""
            return a[0], a[1], max(a[2], b[2])

        by_plate = {plate: widened(bounds, other.by_plate[plate]) for plate, bounds in self.by_plate.items()}
        return ActiveShares(widened(self.overall, other.overall), by_plate)

    def prevalence(self, n: int, reason: str, code: str = "") -> Prevalence:
        """Return the shares as a prevalence that rests on ``n`` treatments."""
        return Prevalence(self.by_plate, *self.overall, code=code, reason=reason, n=n)


def _by_plate(positive: Doubles, count: Doubles, batch: NDArray[np.object_]) -> Doubles:
    """Return the corrected shares of plates, shrunk towards their batch, (n_draws, n_plates)."""
    share = np.divide(positive, count, out=np.full_like(count, np.nan), where=count > 0)
    smooth = (positive + 0.5) / (count + 1)
    noise = smooth * (1 - smooth) / (count + 1)
    return np.array([shrink_plate_shares(_corrected(s), v, batch) for s, v in zip(share, noise, strict=True)])


def _bounds(draws: Doubles) -> Bounds:
    """Return the first of ``draws`` and the interval of the others, all within 0 and 1."""
    inside = np.clip(draws, 0.0, 1.0)
    lower, upper = interval(inside[1:])
    return float(inside[0]), min(lower, float(inside[0])), max(upper, float(inside[0]))


def _corrected(share: Doubles) -> Doubles:
    """Return the share of active wells from the share of wells with p < 0.05."""
    return (share - ALPHA) / (1 - ALPHA)
