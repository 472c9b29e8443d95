"""Agreement of the wells of a treatment, tested against wells that have no reason to agree. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from harness.audit.replicate.pair_products import pair_products
from harness.audit.replicate.selection import Ints, PairRule, ReplicateWells
from harness.audit.shared.group_sums import group_means
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.seeding import generator

FEWEST_TREATMENTS = 10
NULL_SIZE = 10_000  # sets of wells
DRAWS = (10, 100)  # at least and at most
_PAIRS = 1 << 14  # pairs of whitened profiles at a time


@dataclass(frozen=True)
class Agreement:
    """Agreement of replicates: the mean product of whitened profiles over the pairs of wells of a treatment.

    Attributes
    ----------
    Z : (n, p) whitened profiles of ``wells``, 0 at the controls. rule : which pairs count.

    Raises
    ------
    NotApplicable : fewer than 10 treatments with replicates (``few_compounds``).
    """

    Z: Floats
    wells: ReplicateWells
    rule: PairRule
    seed: int

    def __post_init__(self) -> None:
        n_treatments = len(np.unique(self._treatment_of_pair))
        if n_treatments < FEWEST_TREATMENTS:
            raise NotApplicable(
                f"{n_treatments} treatments have replicates {self.rule}; their agreement needs {FEWEST_TREATMENTS}",
                code="few_compounds",
            )

    def against_others(self) -> Doubles:
        """Return the p of each treatment against sets of wells of as many different compounds, (n_treatments,).

        The null permutes the labels of each plate's wells, so that a set has the plates and the number of pairs of the
        treatment. It is blind to what most wells share: if they have one phenotype, wells of different compounds agree.
        """
        scale = _Scale.of(self.Z, self.wells.plate)
        draws = ((self.Z, order) for order in self._orders())
        return self._p(self._standardized(self.Z, self._pairs, scale), draws, scale)

    def against_noise(self, origins: Callable[[int], Doubles]) -> Doubles:
        """Return the p of each treatment against the residuals of wells from their treatment's mean, (n_treatments,).

        Residuals hold no phenotype, so that one that most wells share counts as agreement; so does everything else that
        sets treated wells apart from controls, e.g. other positions.

        Parameters
        ----------
        origins : from the number of a draw to errors of the plates' zero, (n_plates, p): means of few controls are
            noisy.
        """
        residuals = self._residuals()
        scale = _Scale.of(residuals, self.wells.plate).around_zero()
        draws = (
            (residuals + origins(draw).astype(np.float32)[self.wells.plate], order)
            for draw, order in enumerate(self._orders())
        )
        return self._p(self._standardized(self.Z, self._pairs, scale), draws, scale)

    def centred(self) -> Agreement:
        """Return the agreement of profiles with 0 at the mean of each plate's treated wells."""
        plate = self.wells.plate
        return replace(self, Z=np.asarray(self.Z - group_means(self.Z, plate)[plate], dtype=np.float32))

    def dominance(self) -> float:
        """Return the share of the agreement that lies along one direction: near 1 if all treatments vary along it.

        It is the direction along which the means of treatments vary most. 1 if replicates agree in nothing.
        """
        _, _, directions = np.linalg.svd(group_means(self.Z, self.wells.treatment), full_matrices=False)
        a, b, _ = self._pairs
        total = float(pair_products(self.Z, a, b, block=_PAIRS).mean())
        along = (self.Z @ directions[0].astype(np.float32))[:, None]
        return float(pair_products(along, a, b, block=_PAIRS).mean()) / total if total > 0 else 1.0

    @cached_property
    def _pairs(self) -> tuple[Ints, Ints, Ints]:
        """Rows of each pair of replicates, each pair once, and its treatment."""
        query, mate = self.wells.pairs(self.rule)
        first_of_two = query < mate
        return query[first_of_two], mate[first_of_two], self.wells.treatment[query[first_of_two]]

    @property
    def _treatment_of_pair(self) -> Ints:
        """Treatment of each pair."""
        return self._pairs[2]

    def _residuals(self) -> Floats:
        """Return wells minus the mean of their treatment, scaled to the variance of wells, (n, p)."""
        treatment = self.wells.treatment
        count = np.bincount(treatment)
        residuals = self.Z - group_means(self.Z, treatment)[treatment]
        return np.asarray(residuals * np.sqrt(count / np.maximum(count - 1, 1))[treatment, None], dtype=np.float32)

    def _orders(self) -> Iterator[Ints]:
        """Yield, for each draw of the null, the rows in another order within each plate, (n,)."""
        plate, n_treatments = self.wells.plate, len(np.unique(self._treatment_of_pair))
        for draw in range(int(np.clip(NULL_SIZE // n_treatments, *DRAWS))):
            key = generator(self.seed, "agreement", draw).random(len(plate))
            order = np.empty(len(plate), dtype=np.intp)
            order[np.lexsort((np.arange(len(key)), plate))] = np.lexsort((key, plate))
            yield order

    def _stand_ins(self, order: Ints) -> tuple[Ints, Ints, Ints]:
        """Return pairs of wells in place of those of each treatment, without pairs of one compound."""
        a, b, label = self._pairs
        a, b = order[a], order[b]
        differ = self.wells.compound[a] != self.wells.compound[b]
        return a[differ], b[differ], label[differ]

    def _standardized(self, Z: Floats, pairs: tuple[Ints, Ints, Ints], scale: _Scale) -> Doubles:
        """Return the sum over the pairs of each treatment, minus its mean, over its sd; NaN without pairs."""
        a, b, label = pairs
        plates = self.wells.plate[a], self.wells.plate[b]
        n = int(self.wells.treatment.max()) + 1
        total = np.bincount(label, pair_products(Z, a, b, block=_PAIRS) - scale.mean[plates], minlength=n)
        spread = np.sqrt(np.bincount(label, scale.variance[plates], minlength=n))
        return np.asarray(np.divide(total, spread, out=np.full(n, np.nan), where=spread > 0))

    def _p(self, value: Doubles, draws: Iterator[tuple[Floats, Ints]], scale: _Scale) -> Doubles:
        """Return the p of each value under the pooled null of all treatments, (n_treatments,)."""
        null = np.sort(np.concatenate([self._standardized(Z, self._stand_ins(order), scale) for Z, order in draws]))
        null = null[~np.isnan(null)]
        p = (len(null) - np.searchsorted(null, value) + 1) / (len(null) + 1)
        return np.where(np.isnan(value), np.nan, p)


@dataclass(frozen=True)
class _Scale:
    """Mean and variance of the product of two wells, by their plates, (n_plates, n_plates) each."""

    mean: Doubles
    variance: Doubles

    @classmethod
    def of(cls, Z: Floats, plate: Ints) -> _Scale:
        """Measure mean and variance over all pairs of wells of two plates."""
        parts = [Z[plate == number] for number in range(plate.max() + 1)]
        means = np.array([part.mean(axis=0, dtype=np.float64) for part in parts])
        mean = means @ means.T
        variance = np.zeros_like(mean)
        for i, a in enumerate(parts):
            for j, b in enumerate(parts[:i]):
                square = np.square(a @ b.T, dtype=np.float64).mean()
                variance[i, j] = variance[j, i] = max(square - mean[i, j] ** 2, 0.0)
        return cls(mean, variance)

    def around_zero(self) -> _Scale:
        """Return the scale of products around 0 in place of their mean."""
        return _Scale(np.zeros_like(self.mean), self.variance + self.mean**2)
