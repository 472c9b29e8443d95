"""A spike-in's measurement: how far wells move when known wells carry a known effect, and what that says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import t

from harness.audit.base import BySplit
from harness.audit.spike import FEW, Design, add, control_sd, everywhere
from harness.bootstrap import LEVEL
from harness.seeding import derive
from harness.types import Doubles, Mask, NotApplicable, Profiles


@dataclass(frozen=True)
class Bench:
    """Well profiles, the normalization under test, and the spikes' directions: what the arms share.

    Displacements are in units of the control sd of the normalized, unspiked profiles, pooled within plates.
    """

    profiles: Profiles
    normalize: Callable[[Profiles], BySplit]
    scale: Doubles
    directions: Sequence[Doubles]
    amplitude: float
    seed: int

    @property
    def wells(self) -> pd.DataFrame:
        return self.profiles.wells

    @cached_property
    def plain(self) -> Profiles:
        return self.normalize(self.profiles)(None)

    @cached_property
    def unit(self) -> Doubles:
        """Pooled within-plate control sd of the normalized profiles, (n_features,); features without any count 0."""
        controls = (self.wells["role"] == "negcon").to_numpy()
        variance = np.square(control_sd(self.plain.X, self.wells)[controls]).mean(axis=0)
        return np.asarray(np.sqrt(variance))

    @cached_property
    def references(self) -> list[tuple[Doubles, Doubles]]:
        """For each direction the mean displacement of a few spiked wells of each plate, twice, with other wells.

        Both (n_plates, n_features). The scales of few wells are noisy where each has its own reference of few controls,
        and the squared length of one displacement would count that noise; the product of two does not.
        """
        names = ("reference", "other reference")
        return [(self._reference(i, names[0]), self._reference(i, names[1])) for i in range(len(self.directions))]

    def _reference(self, i: int, name: str) -> Doubles:
        """Mean displacement of a few spiked wells by plate; one without treated wells takes the mean of the others."""
        few = Design("few", everywhere(self.wells, FEW))
        spiked = few.pick(self.wells, derive(self.seed, name, i))
        mean, count = self._by_plate(self.displacement(spiked, i), spiked)
        mean[count == 0] = mean[count > 0].mean(axis=0)
        return mean

    def displacement(self, spiked: Mask, i: int) -> Doubles:
        """Normalized with the spike minus without, in control sd: (n_wells, n_features)."""
        moved = self.normalize(add(self.profiles, spiked, self.directions[i], self.amplitude, self.scale))(None)
        difference = moved.X.astype(np.float64)
        difference -= self.plain.X
        difference /= np.where(self.unit > 0, self.unit, np.inf)
        return difference

    def _by_plate(self, moved: Doubles, rows: Mask) -> tuple[Doubles, Doubles]:
        """Mean over the marked rows of each plate, (n_plates, n_features), and their number, (n_plates,)."""
        codes, plates = pd.factorize(self.wells["plate"])
        count = np.bincount(codes[rows], minlength=len(plates)).astype(float)
        total = np.zeros((len(plates), moved.shape[1]))
        np.add.at(total, codes[rows], moved[rows])
        return total / np.maximum(count, 1)[:, None], count

    def moved(self, arm: Design, i: int) -> pd.DataFrame:
        """Mean displacement of the spiked and of the other wells by plate: ``plate`` and :data:`COLUMNS`.

        Raises
        ------
        NotApplicable : a few spiked wells do not move at all, or in all directions.
        """
        reference, other = self.references[i]
        length = np.einsum("pf,pf->p", reference, other)
        if not (reference.any(axis=1) & other.any(axis=1)).all():
            raise NotApplicable("the normalized profile of a well does not depend on the well: a spike leaves no trace")
        if not (length > 0).all():
            raise NotApplicable("on some plate, two sets of few spiked wells move in opposite directions: too noisy")
        spiked = arm.pick(self.wells, derive(self.seed, arm.name, i))
        moved = self.displacement(spiked, i)
        table = {"plate": pd.unique(self.wells["plate"])}
        for name, rows in (("spiked", spiked), ("other", ~spiked)):
            mean, table[f"n_{name}"] = self._by_plate(moved, rows)
            table[name] = np.einsum("pf,pf->p", mean, reference) / length
        return pd.DataFrame(table)

    def response(self, i: int) -> float:
        """Root mean square displacement of a few spiked wells, relative to the spike's."""
        return float(np.sqrt(np.square(self.references[i][0]).mean()) / self.amplitude)


def retention(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:  # noqa: ARG001
    """Mean displacement of spiked wells."""
    return float((n1 * d1).sum() / n1.sum())


def spillover(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:  # noqa: ARG001
    """Mean displacement of the other wells of plates with spikes."""
    touched = n0 * (n1 > 0)
    return float((touched * d0).sum() / touched.sum())


def contrast(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:
    """Least-squares slope of displacement on the indicator of being spiked, over all wells."""
    n, spiked, moved, both = (n1 + n0).sum(), n1.sum(), (n1 * d1 + n0 * d0).sum(), (n1 * d1).sum()
    return float((both * n - spiked * moved) / (spiked * n - spiked**2))


COLUMNS = ("n_spiked", "spiked", "n_other", "other")
STATISTICS: dict[str, Callable[[Doubles, Doubles, Doubles, Doubles], float]] = {
    "retention": retention,
    "spillover": spillover,
    "contrast": contrast,
}


def student(values: Doubles, *, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a mean over few repeats; NaN, NaN for a single one."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
