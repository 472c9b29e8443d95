"""kBET: does the neighbourhood of a control well hold the batches in the proportions of the screen?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from harness.audit.base import AuditContext, Check
from harness.audit.shared.control_embedding import embed_controls
from harness.audit.shared.intervals import mean_interval
from harness.core.arrays import Doubles
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.settings.limits import Within


class Kbet(Check):
    """Test for each control well whether its neighbourhood holds the batches in the proportions of the screen.

    ``batch_effect/kbet``: share of control wells whose neighbourhood passes the test (Buttner 2019, Nature Methods 16,
    43) on 50 principal components; about 1 - ``alpha`` without a batch effect. ``noise`` passes as a perfect correction
    does. Interval: bootstrap of plates with neighbourhoods fixed.

    Parameters
    ----------
    alpha : level of the test.
    """

    needs = ("batches >= 2", "controls >= 10")

    def __init__(self, *, alpha: Annotated[float, Within(0, 1)] = 0.05) -> None:
        self.alpha = alpha

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = embed_controls(context)
        passed = (kbet(wells.neighbours[1], wells.batch) >= self.alpha).astype(np.float64)
        lower, upper = mean_interval(context, wells.wells, passed)
        yield Finding("batch_effect/kbet", float(passed.mean()), lower, upper, n=len(passed))


def neighbourhood_size(batch: NDArray[np.intp]) -> int:
    """Return the size of a neighbourhood, the well included: a quarter of the mean batch, 10 to 70 (as in scib)."""
    return min(70, max(10, len(batch) // (4 * len(np.unique(batch)))))


def kbet(indices: NDArray[np.intp], batch: NDArray[np.intp]) -> Doubles:
    """Return the p of the chi-squared test of k-BET (Buttner 2019, Nature Methods 16, 43) for each well, (n,).

    As there: batches counted in the well's neighbourhood against their share of all wells, B - 1 degrees of freedom.
    We differ in testing every well, not a random tenth; in Euclidean neighbours, not diffusion distance (scib); and
    there are no labels to test within, since all wells here are controls.

    Parameters
    ----------
    indices : (n, k) row numbers of the nearest other wells, nearest first; the first ``neighbourhood_size - 1``
        are read. batch : (n,), 0..B-1.

    Raises
    ------
    NotApplicable : a neighbourhood would be the whole screen, or fewer neighbours are given than it has.
    """
    size = neighbourhood_size(batch)
    if len(batch) <= size or indices.shape[1] < size - 1:
        raise NotApplicable(f"{len(batch)} control wells; k-BET on neighbourhoods of {size} needs more")
    inside = np.concatenate([batch[:, None], batch[indices[:, : size - 1]]], axis=1)
    expected = size * np.bincount(batch) / len(batch)
    observed = np.stack([(inside == b).sum(axis=1) for b in range(len(expected))], axis=1)
    return np.asarray(chi2.sf(((observed - expected) ** 2 / expected).sum(axis=1), len(expected) - 1))
