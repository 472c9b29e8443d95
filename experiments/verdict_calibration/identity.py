"""Retrieval of compounds on a simulated screen, measured without the audit."""

from __future__ import annotations

import numpy as np

from harness.audit.shared.whitening import fit_whitening
from harness.core.profiles import Profiles


def retrieval(profiles: Profiles) -> float:
    """Return the mean average precision of compounds' other wells, in other batches and positions, by cosine.

    Wells are whitened by controls. Each treated well queries the treated wells of other batches: those of its compound
    at another position against all of other compounds.
    """
    wells = profiles.wells
    treated = (wells["role"] == "treated").to_numpy()
    Z = fit_whitening(profiles.X, wells, ~treated)(profiles.X)[treated].astype(np.float64)
    Z /= np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)
    table = wells[treated]
    compound, batch, well = (table[c].factorize()[0] for c in ("compound", "batch", "well"))
    same = compound[:, None] == compound
    used = (batch[:, None] != batch) & ~(same & (well[:, None] == well))
    similarity = np.where(used, Z @ Z.T, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    hit = np.take_along_axis(same & used, order, axis=1)
    rank = np.arange(1, hit.shape[1] + 1)
    precision = np.cumsum(hit, axis=1) / rank
    count = hit.sum(axis=1)
    average = np.divide((precision * hit).sum(axis=1), count, out=np.full(len(hit), np.nan), where=count > 0)
    return float(np.nanmean(average))
