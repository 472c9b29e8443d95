"""iLISI: how many batches does the neighbourhood of a control well hold?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext, Check
from harness.audit.shared.control_embedding import embed_controls
from harness.audit.shared.intervals import median_interval
from harness.core.arrays import Doubles
from harness.core.finding import Finding
from harness.settings.limits import Between

TOLERANCE = 1e-5  # of the entropy, in nats
HALVINGS = 60


class Ilisi(Check):
    """Measure how many batches the neighbourhood of a control well holds.

    ``batch_effect/ilisi``: median over control wells of the local inverse Simpson index of their neighbours' batches
    (Korsunsky 2019, Nature Methods 16, 1289) on 50 principal components, scaled to 0 (one batch) to 1 (every batch
    equally near). It is also 1 if nothing is left to measure: ``noise`` scores as high as a perfect correction.
    Interval: bootstrap of plates with neighbourhoods fixed.

    Parameters
    ----------
    perplexity : effective number of neighbours; at most a third of the wells.
    """

    needs = ("batches >= 2", "controls >= 10")

    def __init__(self, *, perplexity: Annotated[int, Between(2, 1_000_000)] = 30) -> None:
        self.perplexity = perplexity

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = embed_controls(context)
        distances, indices = wells.neighbours
        k = min(3 * self.perplexity - 1, distances.shape[1])
        index = lisi(distances[:, :k], wells.batch[indices[:, :k]], perplexity=min(self.perplexity, (k + 1) // 3))
        n_batches = int(wells.batch.max()) + 1
        scaled = (index - 1) / (n_batches - 1)
        yield Finding(
            "batch_effect/ilisi",
            float(np.median(scaled)),
            *median_interval(context, wells.wells, scaled),
            n=len(scaled),
        )


def lisi(distances: Doubles, batch: NDArray[np.intp], *, perplexity: float) -> Doubles:
    """Return the local inverse Simpson index of each well (Korsunsky 2019), 1 to the number of batches, (n,).

    As there: weights exp(-beta d) of the neighbours, beta such that their entropy is log(perplexity), then
    1 / sum_b (weight of batch b)^2. We differ in dividing distances by their row mean first, which changes where the
    search for beta starts and not where it ends. iLISI = (median - 1) / (B - 1), as in Luecken 2022; with batches of
    unequal size p_b perfect mixing gives 1 / sum p_b^2 < B.

    Parameters
    ----------
    distances : (n, k) of the nearest other wells. batch : (n, k), 0..B-1, the batch of each.
    perplexity : < k.
    """
    weight = _weights(distances, np.log(perplexity))
    shares = np.stack([np.where(batch == b, weight, 0.0).sum(axis=1) for b in np.unique(batch)])
    return np.asarray(1.0 / (shares**2).sum(axis=0))


def _weights(distances: Doubles, entropy: float) -> Doubles:
    """Return weights exp(-beta d) of the neighbours, (n, k), with beta such that they have this ``entropy``."""
    d = distances - distances.min(axis=1, keepdims=True)
    scale = d.mean(axis=1, keepdims=True)
    d /= np.where(scale > 0, scale, 1.0)
    beta, low, high = np.ones(len(d)), np.zeros(len(d)), np.full(len(d), np.inf)
    for _ in range(HALVINGS):
        kernel = np.exp(-beta[:, None] * d)
        total = kernel.sum(axis=1)
        entropies = np.log(total) + beta * (d * kernel).sum(axis=1) / total
        if (np.abs(entropies - entropy) < TOLERANCE).all():
            break
        too_flat = entropies > entropy
        low, high = np.where(too_flat, beta, low), np.where(too_flat, high, beta)
        beta = np.where(np.isinf(high), 2 * beta, (low + high) / 2)
    return np.asarray(kernel / total[:, None])
