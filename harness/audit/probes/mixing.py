"""Mixing of batches among hidden control wells by iLISI and kBET."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.ilisi import lisi
from harness.audit.kbet import kbet
from harness.audit.probes.panel import ProbePanel
from harness.audit.shared.control_embedding import N_NEIGHBOURS
from harness.audit.shared.intervals import mean_interval, median_interval
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.numerics.neighbors import nearest

PERPLEXITY, ALPHA = 30, 0.05


def mixing_findings(context: AuditContext, panel: ProbePanel) -> Iterator[Finding]:
    """Yield ``audit/batch_probe/ilisi`` and ``kbet`` of the wells of the probes, with intervals over plates."""
    index, passed, tables = [], [], []
    n_batches = int(panel.wells.batch.max()) + 1
    for block, view in zip(panel.blocks, panel.reduced, strict=True):
        batch = panel.wells.batch[panel.wells.plate[block]]
        distances, indices = nearest(view.large, min(N_NEIGHBOURS, len(block) - 1))
        k = min(3 * PERPLEXITY - 1, distances.shape[1])
        perplexity = min(PERPLEXITY, (k + 1) // 3)
        index.append((lisi(distances[:, :k], batch[indices[:, :k]], perplexity=perplexity) - 1) / (n_batches - 1))
        tables.append(panel.wells.table.iloc[block])
        try:
            passed.append((kbet(indices, batch) >= ALPHA).astype(np.float64))
        except NotApplicable:
            passed.append(np.full(len(block), np.nan))
    table = pd.concat(tables, ignore_index=True)
    scaled, passes = np.concatenate(index), np.concatenate(passed)
    yield Finding(
        "audit/batch_probe/ilisi", float(np.median(scaled)), *median_interval(context, table, scaled), n=len(scaled)
    )
    if np.isnan(passes).any():
        reason = f"{len(passes)} control wells are fewer than a neighbourhood needs"
        yield Finding("audit/batch_probe/kbet", float("nan"), n=len(passes), reason=reason, code="few_controls")
        return
    yield Finding("audit/batch_probe/kbet", float(passes.mean()), *mean_interval(context, table, passes), n=len(passes))
