"""Maps between two batches from transfer standards: compounds and controls measured in both.

A map takes scores x (n, k) to ``mean_ref + (x - mean) (I + change)``; a ridge penalty holds ``change`` (k, k) at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles

QUANTILES = np.linspace(0.1, 0.9, 9)
MIN_SHARED = 5
PENALTIES = np.logspace(-2, 2, 9)
_FOLDS = 5


@dataclass(frozen=True)
class Controls:
    """Statistics of the control wells of a batch: number, mean (k,), quantiles about it (9, k), covariance (k, k)."""

    n: int
    mean: Doubles
    quantiles: Doubles
    noise: Doubles


@dataclass(frozen=True)
class Transfer:
    """A map from a batch to the reference batch: ``mean``, ``mean_ref`` (k,) and ``change`` (k, k)."""

    mean: Doubles
    mean_ref: Doubles
    change: Doubles

    def __call__(self, scores: Doubles) -> Doubles:
        moved = scores - self.mean
        return np.asarray(moved + moved @ self.change + self.mean_ref)


@dataclass(frozen=True)
class TransferSet:
    """The controls of a batch (``source``) and of the ``reference`` batch, and c compounds of both, minus controls.

    ``A`` in the batch, ``B`` in the reference, (c, k) each; ``n`` and ``n_ref`` (c,): in how many wells.
    """

    source: Controls
    reference: Controls
    A: Doubles
    B: Doubles
    n: Doubles
    n_ref: Doubles

    def equations(self, rows: NDArray[np.int64] | slice = slice(None)) -> tuple[Doubles, Doubles, float]:
        """Return H and R (k, k) of H change = R, from controls and the compounds in ``rows``, and the penalty's unit.

        Controls pair by rank, axis by axis, since no well of one batch is a well of the other: quantiles of one axis
        against the same quantiles in the reference, which sets a gain per axis and no rotation. Compounds pair by name.
        The noise of their means is taken out of H (errors in variables; Fuller 1987, "Measurement error models"): a
        plain regression of noisy on noisy wells would shrink every effect.
        """
        a, b = self.source.quantiles, self.reference.quantiles
        weight = self.source.n / len(QUANTILES)
        H, cross = np.diag(weight * (a * a).sum(axis=0)), np.diag(weight * (a * b).sum(axis=0))
        unit = np.trace(H)
        A, w = self.A[rows], self.weights[rows]
        if len(A):
            raw = (A.T * w) @ A
            unit += np.trace(raw)
            values, vectors = np.linalg.eigh(raw - (w / self.n[rows]).sum() * self.source.noise)
            H += (vectors * np.maximum(values, 0)) @ vectors.T
            cross += (A.T * w) @ self.B[rows]
        return H, cross - H, float(unit) / len(H)

    @property
    def weights(self) -> Doubles:
        """Weights of the compounds, (c,), in wells: the harmonic mean of both batches."""
        return 2 * self.n * self.n_ref / (self.n + self.n_ref)

    def transfer(self, penalty: float) -> Transfer:
        """Return the map from all standards."""
        return Transfer(self.source.mean, self.reference.mean, _solve(*self.equations(), penalty))

    def errors_on_compounds(self) -> Doubles:
        """Return, by :data:`PENALTIES`, the squared distance of compounds to the reference's, mapped by the others."""
        number, total = np.arange(len(self.A)), np.zeros(len(PENALTIES))
        for fold in range(_FOLDS):
            out = number % _FOLDS == fold
            equations, A, B = self.equations(number[~out]), self.A[out], self.B[out]
            for i, penalty in enumerate(PENALTIES):
                total[i] += self.weights[out] @ ((A + A @ _solve(*equations, penalty) - B) ** 2).sum(axis=1)
        return total

    def errors_on_controls(self, source: Doubles, reference: Doubles) -> Doubles:
        """Return, by :data:`PENALTIES`, the squared distance of mapped quantiles ``source`` (9, k) to ``reference``."""
        equations = self.equations()
        gains = [1 + np.diag(_solve(*equations, penalty)) for penalty in PENALTIES]
        return np.array([((source * gain - reference) ** 2).sum() for gain in gains])


def _solve(H: Doubles, R: Doubles, unit: float, penalty: float) -> Doubles:
    ridge = penalty * unit * np.eye(len(H))
    return np.asarray(np.linalg.lstsq(H, R)[0] if not ridge.any() else np.linalg.solve(H + ridge, R))


def controls_of(scores: Doubles) -> Controls:
    """Return the statistics of control wells from their scores (n, k), n >= 2."""
    mean = scores.mean(axis=0)
    centred = scores - mean
    return Controls(len(scores), mean, np.quantile(centred, QUANTILES, axis=0), centred.T @ centred / (len(scores) - 1))


def standards(
    source: Controls, reference: Controls, compounds: pd.DataFrame, compounds_ref: pd.DataFrame
) -> TransferSet:
    """Return the transfer standards of a batch, from controls and :func:`means_by_compound` of both batches."""
    shared = sorted(set(compounds.index) & set(compounds_ref.index))
    both = [table.loc[shared] for table in (compounds, compounds_ref)]
    (A, n), (B, n_ref) = ((t.drop(columns="n").to_numpy(np.float64), t["n"].to_numpy(np.float64)) for t in both)
    return TransferSet(source, reference, A - source.mean, B - reference.mean, n, n_ref)


def controls_only(source: Controls, reference: Controls) -> TransferSet:
    none, empty = np.empty((0, len(source.mean))), np.empty(0)
    return TransferSet(source, reference, none, none, empty, empty)


def means_by_compound(scores: Doubles, compound: pd.Series[str]) -> pd.DataFrame:
    """Return the mean scores of each compound, and the number of its wells in column ``n``."""
    grouped = pd.DataFrame(scores).groupby(compound.to_numpy())
    return grouped.mean().assign(n=grouped.size())


def quantiles_by_batch(scores: Doubles, wells: pd.DataFrame) -> dict[str, Doubles]:
    """Return, for each batch of two wells or more, the quantiles of their scores about their mean."""
    by_batch = {b: scores[(wells["batch"] == b).to_numpy()] for b in wells["batch"].unique()}
    return {b: controls_of(part).quantiles for b, part in by_batch.items() if len(part) >= 2}


def by_batch(
    scores: Doubles, wells: pd.DataFrame, enough: Callable[[str, Doubles], Controls]
) -> dict[str, tuple[Controls, pd.DataFrame]]:
    """Return the controls and the means of the compounds of each batch."""
    statistics = {}
    for batch in sorted(wells["batch"].unique()):
        rows = (wells["batch"] == batch).to_numpy()
        named = rows & wells["compound"].notna().to_numpy()
        controls = scores[rows & wells["control"].to_numpy()]
        statistics[batch] = enough(batch, controls), means_by_compound(scores[named], wells.loc[named, "compound"])
    return statistics
