"""Grit: how far do replicates of a compound stand out from the controls of the plate?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.pair_products import pair_products
from harness.audit.replicate.similarity import Replicates
from harness.core.arrays import Doubles
from harness.core.finding import Finding

MIN_CONTROLS = 3


class Grit(Check):
    """Measure how far the replicates of a treatment stand out from the controls of their plate.

    ``replicates/grit``: mean over treatments of the mean grit of their wells, in sd of a well's correlations with
    controls (Way et al., cytominer-eval 0.1); 0 if replicates are as similar as controls are. Correlations are
    Pearson's over features in units of their sd over the screen. ``noise`` scores about sqrt(features) / controls, not
    quite 0: all treated wells share the error of the controls' mean from which profiles are measured. Replicates that
    share a batch are alike by its effect too; ``reason`` says so. Interval: bootstrap of treatments, plates and
    batches.
    """

    needs = ("replicated_treatments >= 1", "controls_per_plate >= 3")

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = metric_replicates(context)
        value, lower, upper, n = wells.summary(grit(wells), context)
        yield Finding("replicates/grit", value, lower, upper, n, wells.caveat)


def grit(wells: Replicates) -> Doubles:
    """Return the grit of each well (Way et al., cytominer-eval 0.1, github.com/cytomining/cytominer-eval), (n,).

    As there: mean over replicates of (r - mean_c) / sd_c, r the correlation with the replicate, mean_c and sd_c
    (divisor n) of the correlations with controls. We differ in that controls are those of the well's own plate, not
    of the screen, so that a plate's own shift is on both sides. NaN for a well without replicate, or with fewer than
    3 controls on its plate, or equally like all of them.
    """
    query, mate = wells.pairs
    mean, sd = np.full((2, len(wells.plate)), np.nan)
    for plate in np.unique(wells.plate):
        on_plate = wells.plate == plate
        rows, controls = (
            np.flatnonzero(on_plate & (wells.treatment >= 0)),
            np.flatnonzero(on_plate & (wells.treatment < 0)),
        )
        if len(controls) >= MIN_CONTROLS:
            r = (wells.pearson[rows] @ wells.pearson[controls].T).astype(np.float64)
            mean[rows], sd[rows] = r.mean(axis=1), r.std(axis=1)
    sd[sd == 0] = np.nan
    z = (pair_products(wells.pearson, query, mate) - mean[query]) / sd[query]
    count = np.bincount(query, minlength=len(mean)).astype(np.float64)
    total = np.bincount(query, z, minlength=len(mean))
    mean_z: Doubles = np.divide(total, count, out=np.full(len(mean), np.nan), where=count > 0)
    return mean_z
