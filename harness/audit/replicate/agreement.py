"""How well the wells of a treatment agree, against sets of wells of different compounds. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.audit.replicate.selection import Ints, PairRule, ReplicateWells
from harness.seeding import generator
from harness.types import Doubles, Floats, NotApplicable

FEWEST_TREATMENTS = 10
NULL_SIZE = 20_000  # sets of wells
_PAIRS = 1 << 14


@dataclass(frozen=True)
class Agreement:
    """Agreement of the wells of each treatment.

    Attributes
    ----------
    value : (n_treatments,) mean product of whitened profiles over pairs of replicates, in units of its sd for wells of
        different compounds on the same plates; NaN without pairs. p : (n_treatments,) one-sided.
    """

    value: Doubles
    p: Doubles


def agreement(Z: Floats, wells: ReplicateWells, rule: PairRule, seed: int) -> Agreement:
    """Compare the replicates of each treatment with sets of wells of as many different compounds.

    The null deals the labels of each plate's wells anew, so that a set has the plates and the number of pairs of a
    treatment; pairs of one compound are left out of it.

    Parameters
    ----------
    Z : (n, p) whitened profiles of ``wells``.

    Raises
    ------
    NotApplicable : fewer than 10 treatments with replicates (``few_compounds``).
    """
    query, mate = wells.pairs(rule)
    query, mate = query[query < mate], mate[query < mate]
    n = int(wells.treatment.max()) + 1
    n_treatments = len(np.unique(wells.treatment[query]))
    if n_treatments < FEWEST_TREATMENTS:
        raise NotApplicable(
            f"{n_treatments} treatments have replicates {rule}; agreement of replicates needs {FEWEST_TREATMENTS}",
            code="few_compounds",
        )
    products = _Products.of(Z, wells.plate)
    label = wells.treatment[query]
    value = products.standardized(query, mate, label, n)
    null = []
    for draw in range(max(10, -(-NULL_SIZE // n_treatments))):
        moved = _dealt(wells, seed, draw)
        a, b = moved[query], moved[mate]
        differ = wells.compound[a] != wells.compound[b]
        null.append(products.standardized(a[differ], b[differ], label[differ], n))
    drawn = np.sort(np.concatenate(null))
    drawn = drawn[~np.isnan(drawn)]
    p = (len(drawn) - np.searchsorted(drawn, value) + 1) / (len(drawn) + 1)
    return Agreement(value, np.where(np.isnan(value), np.nan, p))


@dataclass(frozen=True)
class _Products:
    """Products of wells of different plates: ``mean`` and ``variance`` over all wells of two plates, (P, P) each."""

    Z: Floats
    plate: Ints
    mean: Doubles
    variance: Doubles

    @classmethod
    def of(cls, Z: Floats, plate: Ints) -> _Products:
        parts = [Z[plate == number] for number in range(plate.max() + 1)]
        means = np.array([part.mean(axis=0, dtype=np.float64) for part in parts])
        mean = means @ means.T
        variance = np.zeros_like(mean)
        for i, a in enumerate(parts):
            for j, b in enumerate(parts[:i]):
                square = np.square(a @ b.T, dtype=np.float64).mean()
                variance[i, j] = variance[j, i] = max(square - mean[i, j] ** 2, 0.0)
        return cls(Z, plate, mean, variance)

    def standardized(self, a: Ints, b: Ints, label: Ints, n: int) -> Doubles:
        """Sum over the pairs (a, b) of a label, less its mean, over its sd, (n,); NaN without pairs."""
        product = np.empty(len(a))
        for start in range(0, len(a), _PAIRS):
            part = slice(start, start + _PAIRS)
            np.einsum("ij,ij->i", self.Z[a[part]], self.Z[b[part]], out=product[part], dtype=np.float64)
        plates = self.plate[a], self.plate[b]
        total = np.bincount(label, product - self.mean[plates], minlength=n)
        spread = np.sqrt(np.bincount(label, self.variance[plates], minlength=n))
        return np.asarray(np.divide(total, spread, out=np.full(n, np.nan), where=spread > 0))


def _dealt(wells: ReplicateWells, seed: int, draw: int) -> Ints:
    """Rows in another order within each plate, (n,)."""
    key = generator(seed, "agreement", draw).random(len(wells.plate))
    moved = np.empty(len(wells.plate), dtype=np.intp)
    moved[np.lexsort((np.arange(len(key)), wells.plate))] = np.lexsort((key, wells.plate))
    return moved
