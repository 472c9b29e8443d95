"""Silhouette: are control wells of one batch more alike than control wells of different batches?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext, Check
from harness.audit.shared.control_embedding import embed_controls
from harness.audit.shared.intervals import mean_interval
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding


class Silhouette(Check):
    """Measure how far control wells of different batches overlap.

    ``batch_effect/silhouette``: batch removal adapted silhouette (BRAS, Rautenstrauch & Ohler 2025, Nature
    Biotechnology) of control wells on 50 principal components; 1 if batches overlap. The label within which batches
    should mix is the role: all wells are negative controls, so there is one label. (Compounds would not do: they rarely
    have two wells in a batch.) ``noise`` scores near 1. Interval: bootstrap of plates with distances fixed.
    """

    needs = ("batches >= 2", "controls >= 10")

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = embed_controls(context)
        score = 1 - np.abs(silhouette(wells.Z, wells.batch))
        lower, upper = mean_interval(context, wells.wells, score)
        yield Finding("batch_effect/silhouette", float(score.mean()), lower, upper, n=len(score))


def silhouette(Z: Floats, batch: NDArray[np.intp]) -> Doubles:
    """Return the silhouette of each well by batch, as BRAS defines it (Rautenstrauch & Ohler 2025), (n,).

    As there: s = (b - a) / max(a, b), a the mean cosine distance to the other wells of the batch, b that to all wells
    of other batches (not to the nearest other batch, which hides a batch effect that pairs of batches share);
    BRAS = mean of 1 - abs(s). A batch of one well has s = 0 (Rousseeuw 1987). Means of cosine distances need only sums
    of unit vectors: no (n, n) matrix is made.

    Parameters
    ----------
    Z : (n, n_components), centred. batch : (n,), 0..B-1.

    Raises
    ------
    NotApplicable : fewer than 2 batches, or a well without direction.
    """
    z = Z.astype(np.float64)
    length = np.linalg.norm(z, axis=1, keepdims=True)
    counts = np.bincount(batch)
    if (counts > 0).sum() < 2:
        raise NotApplicable("all control wells lie in one batch; a silhouette needs 2")
    if not (length > 0).all():
        raise NotApplicable(
            f"{(length == 0).sum()} control wells do not differ from the mean; their angle is undefined"
        )
    z /= length
    sums = np.stack([z[batch == b].sum(axis=0) for b in range(len(counts))])
    batch_size = counts[batch]
    to_own_batch = np.einsum("ij,ij->i", z, sums[batch])
    to_all = z @ sums.sum(axis=0)
    a = (batch_size - to_own_batch) / np.maximum(batch_size - 1, 1)
    b = ((len(z) - batch_size) - (to_all - to_own_batch)) / (len(z) - batch_size)
    s = (b - a) / np.maximum(a, b)
    return np.asarray(np.where(batch_size > 1, s, 0.0))
