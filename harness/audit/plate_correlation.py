"""Plate correlation: are plates of one batch more alike than plates of different batches?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext, Check
from harness.audit.shared.hidden_controls import hide_controls
from harness.core.arrays import Doubles
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.data.wells.plate_medians import correlate, plate_medians
from harness.scoring.bootstrap import interval, resample
from harness.settings.annotated_types import Count


class PlateCorrelation(Check):
    """Compare the correlation of plates within a batch with that between batches.

    ``batch_effect/plate_correlation``: mean correlation of plate medians within batches minus that between batches; 0
    without a batch effect. The medians are those of control wells that the normalization did not use (half of each
    plate's controls, hidden from it): medians of the controls that it did use are about 0 by construction. If plates
    have too few controls for that they are medians of treated wells, and ``reason`` says so. Interval: bootstrap of
    plates; a plate is never paired with itself.

    Parameters
    ----------
    min_heldout : hidden control wells that every plate must have.
    """

    needs = ("batches >= 2", "batches_of_two_plates >= 1")

    def __init__(self, *, min_heldout: Count = 2) -> None:
        self.min_heldout = min_heldout

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        medians, plates = self._medians(context)
        correlation = correlate(medians)
        resamples = resample(plates, n=context.n_resamples, seed=context.seed)
        order = pd.Index(resamples.plates).get_indexer(pd.Index(plates["plate"]))
        batch = pd.factorize(plates["batch"])[0]
        unweighted = np.ones((1, len(plates)))
        value = float(within_minus_between(correlation, batch, unweighted)[0])
        if np.isnan(value):
            raise NotApplicable("no pair of plates within a batch, or none between two, has a defined correlation")
        lower, upper = interval(within_minus_between(correlation, batch, resamples.within[:, order]))
        wells_read = str(plates["medians_of"].iloc[0])
        reason = "" if wells_read == "held-out control wells" else f"medians of {wells_read}"
        yield Finding("batch_effect/plate_correlation", value, lower, upper, n=len(plates), reason=reason)

    def _medians(self, context: AuditContext) -> tuple[Doubles, pd.DataFrame]:
        """Return the medians of plates, of hidden controls if possible, and the table of the plates."""
        hidden = hide_controls(context.profiles, share=0.5, seed=context.seed)
        try:
            heldout = plate_medians(context.normalize(hidden)(None), heldout=True)
        except InputError:  # the method needs more controls than the other half
            heldout = None
        if heldout is not None and (heldout[1]["n_wells"] >= self.min_heldout).all():
            return heldout
        return plate_medians(context.normalized(None), heldout=False)


def within_minus_between(correlation: Doubles, batch: NDArray[np.intp], weight: Doubles) -> Doubles:
    """Return the mean correlation over pairs of plates of a batch minus that over pairs of two batches, (R,).

    Own definition, after the squares on the diagonal of plate correlation heatmaps. Undefined correlations are left
    out; NaN where a draw has no pair of a kind. Expected value without a batch effect: 0.

    Parameters
    ----------
    correlation : (P, P), symmetric. batch : (P,). weight : (R, P), how often each plate counts.
    """
    defined_pairs = np.isfinite(correlation) & ~np.eye(len(batch), dtype=bool)
    same = batch[:, None] == batch[None, :]
    r = np.where(defined_pairs, correlation, 0.0)

    def mean(pairs: NDArray[np.bool_]) -> Doubles:
        """Return the weighted mean correlation over pairs of plates, (R,)."""
        total = ((weight @ np.where(pairs, 1.0, 0.0)) * weight).sum(axis=1)
        summed = ((weight @ np.where(pairs, r, 0.0)) * weight).sum(axis=1)
        defined: Doubles = np.divide(summed, total, out=np.full(len(weight), np.nan), where=total > 0)
        return defined

    return np.asarray(mean(defined_pairs & same) - mean(defined_pairs & ~same))
