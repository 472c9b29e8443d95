"""Principal component regression: how much of the variance of control wells is between batches?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext, Check
from harness.audit.shared.control_embedding import embed_controls
from harness.core.arrays import Floats
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding


class Pcr(Check):
    """Measure which share of the variance of control wells lies between batches.

    ``batch_effect/pcr``: principal component regression (Buttner 2019, Nature Methods 16, 43); 0 if the batch explains
    nothing, 1 if it explains all. A normalization that whitens cannot be compared with one that does not: whitening
    changes the weights of the components. There is no interval: a bootstrap of plates adds variance between batches and
    lies above the value.
    """

    needs = ("batches >= 2", "controls >= 10")

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = embed_controls(context)
        yield Finding("batch_effect/pcr", pcr(wells.Z, wells.batch), n=len(wells.batch))


def pcr(Z: Floats, batch: NDArray[np.intp]) -> float:
    """Compute principal component regression, sum_j Var_j R2_j / sum_j Var_j (Buttner 2019, Nature Methods 16, 43).

    R2_j is that of principal component j on the batch. We differ only in the arithmetic: with a categorical covariate
    the sum is the sum of squares between batches over the total. Wells without any batch effect give
    (B - 1) / (n - 1) on average, more where plates differ.

    Parameters
    ----------
    Z : (n, n_components) principal components. batch : (n,), 0..B-1.

    Raises
    ------
    NotApplicable : the components do not vary.
    """
    z = Z.astype(np.float64)
    z -= z.mean(axis=0)
    total = (z**2).sum()
    if total == 0:
        raise NotApplicable("the principal components of control wells do not vary")
    counts = np.bincount(batch)
    sums = np.stack([z[batch == b].sum(axis=0) for b in np.flatnonzero(counts)])
    return float(((sums**2).sum(axis=1) / counts[counts > 0]).sum() / total)
