"""Embedding of control wells for the batch-effect metrics: principal components and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.numerics.components import N_COMPONENTS, components
from harness.numerics.neighbors import nearest

N_NEIGHBOURS = 89  # with the well itself 90, three times the perplexity of LISI (Korsunsky 2019)
MIN_WELLS = 10


@dataclass(frozen=True)
class ControlEmbedding:
    """The n normalized control wells of a run.

    ``Z`` : (n, <= 50) principal components. ``wells`` : their rows. ``batch`` : (n,) 0..B-1.
    """

    Z: Floats
    wells: pd.DataFrame
    batch: NDArray[np.intp]

    @cached_property
    def neighbours(self) -> tuple[Doubles, NDArray[np.intp]]:
        """Distances and row numbers of the nearest other control wells, (n, <= 89) each, nearest first."""
        return nearest(self.Z, min(N_NEIGHBOURS, len(self.Z) - 1))


def embed_controls(context: AuditContext) -> ControlEmbedding:
    """Embed the normalized control wells of the run, once for all metrics.

    Raises
    ------
    NotApplicable : fewer than 10 control wells or 2 batches, or no feature varies.
    """
    normalized = context.normalized(None)
    return normalized.cached("controls", lambda: _controls(normalized))


def _controls(normalized: Profiles) -> ControlEmbedding:
    """Embed the control wells of normalized profiles."""
    controls = (normalized.wells["role"] == "negcon").to_numpy(dtype=bool)
    wells = normalized.wells[controls].reset_index(drop=True)
    batch, names = pd.factorize(wells["batch"])
    if len(names) < 2:
        raise NotApplicable(f"control wells lie in {len(names)} batch; a batch effect needs 2")
    if len(wells) < MIN_WELLS:
        raise NotApplicable(f"{len(wells)} control wells; batch metrics need {MIN_WELLS}")
    return ControlEmbedding(components(normalized.X[controls], N_COMPONENTS), wells, np.asarray(batch, dtype=np.intp))
