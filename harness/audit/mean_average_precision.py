"""Mean average precision: are replicates nearer to each other than to controls, or than to other compounds?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.chance import RankedReplicates, chance_average_precision, p_values
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.pair_products import pair_products
from harness.audit.replicate.selection import Ints, ordinal
from harness.audit.replicate.similarity import Replicates
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.settings.annotated_types import Count
from harness.settings.limits import Within

_DECIMALS = 6
_BLOCK = 256  # rows of pair_products at a time: 10 MB at 10,000 wells


class MeanAveragePrecision(Check):
    """Rank the replicates of each well among controls, and among wells of other compounds.

    ``replicates/map_against_controls`` (of the same plate) and ``replicates/map_against_compounds``: mean over
    treatments of the mean average precision of their wells (Kalinin 2025, Nature Communications 16, 5181); 1 if
    replicates are always nearest. Similarity is the cosine of features in units of their sd over the screen, 0 at the
    mean of all controls. For each also ``_chance``, the expectation of a random ranking; for the first also
    ``_share_significant``, the share of treatments with q < ``alpha``. Replicates that share a batch are alike by its
    effect too; ``reason`` says so. Interval: bootstrap of treatments, plates and batches.

    Parameters
    ----------
    n_null : random rankings behind each p. alpha : false discovery rate (Benjamini-Hochberg).
    """

    needs = ("replicated_treatments >= 1",)

    def __init__(self, *, n_null: Count = 10_000, alpha: Annotated[float, Within(0, 1)] = 0.05) -> None:
        self.n_null = n_null
        self.alpha = alpha

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = metric_replicates(context)
        key = "replicates/map_against_controls"
        controls = against_controls(wells)
        yield from self._scored(key, wells, controls, context)
        p = p_values(wells.treatment, controls, n_null=self.n_null, seed=context.seed)
        significant = np.full(len(controls[0]), np.nan)
        defined = np.isfinite(controls[0])
        significant[defined] = (false_discovery_control(p) < self.alpha)[ordinal(wells.treatment[defined])]
        share, lower, upper, n = wells.summary(significant, context)
        yield Finding(f"{key}_share_significant", share, lower, upper, n, wells.caveat)
        key = "replicates/map_against_compounds"
        try:
            yield from self._scored(key, wells, against_compounds(wells), context)
        except NotApplicable as undefined:
            yield Finding(key, float("nan"), reason=undefined.reason)

    def _scored(
        self, key: str, wells: Replicates, ranked: RankedReplicates, context: AuditContext
    ) -> Iterator[Finding]:
        """Yield the mean average precision with its interval, and its expectation by chance."""
        value, lower, upper, n = wells.summary(ranked[0], context)
        yield Finding(key, value, lower, upper, n, wells.caveat)
        yield Finding(f"{key}_chance", wells.mean(chance_average_precision(*ranked[1:])), n=n)


def against_controls(wells: Replicates) -> RankedReplicates:
    """Rank each well's replicates among the controls of the well's own plate, and return the average precision.

    Kalinin 2025, Nature Communications 16, 5181 (copairs: pos_sameby treatment, pos_diffby well, neg_sameby plate).
    We differ in ties, which count half above and half below: identical profiles score chance, not 1.
    NaN for a well without replicate or without control on its plate.
    """
    query, mate = wells.pairs
    similarity = pair_products(wells.cosine, query, mate)
    above, negatives = np.zeros(len(query)), np.zeros(len(wells.plate), dtype=np.intp)
    for plate in np.unique(wells.plate):
        on_plate = wells.plate == plate
        control = np.flatnonzero(on_plate & (wells.treatment < 0))
        negatives[on_plate] = len(control)
        pairs = np.flatnonzero(on_plate[query])
        rows, row_of_pair = np.unique(query[pairs], return_inverse=True)
        table = wells.cosine[rows] @ wells.cosine[control].T
        above[pairs] = _above(table, row_of_pair, similarity[pairs])
    return _average_precision(query, similarity, above, negatives)


def against_compounds(wells: Replicates) -> RankedReplicates:
    """Rank each well's replicates among the wells of all other compounds; controls are left out.

    As :func:`against_controls`; wells of the same compound that are no replicates (another dose, the same position)
    are neither. Similarities are made for a block of wells at a time: memory grows with wells, time with their square.
    """
    query, mate = wells.pairs
    treated = np.flatnonzero(wells.treatment >= 0)
    U, compound = wells.cosine[treated], wells.compound[treated]
    negatives = np.zeros(len(wells.plate), dtype=np.intp)
    negatives[treated] = len(treated) - np.bincount(compound)[compound]
    similarity, above = np.empty(len(query)), np.empty(len(query))
    column = np.empty(len(wells.plate), dtype=np.intp)
    column[treated] = np.arange(len(treated))
    for start in range(0, len(treated), _BLOCK):
        rows = treated[start : start + _BLOCK]
        table = U[start : start + _BLOCK] @ U.T
        pairs = slice(*np.searchsorted(query, [rows[0], rows[-1] + 1]))
        row_of_pair = column[query[pairs]] - start
        similarity[pairs] = table[row_of_pair, column[mate[pairs]]]
        table[compound[start : start + _BLOCK, None] == compound[None, :]] = -np.inf
        above[pairs] = _above(table, row_of_pair, similarity[pairs])
    return _average_precision(query, similarity, above, negatives)


def _above(table: Floats, row: NDArray[np.intp], similarity: Doubles) -> Doubles:
    """Return how many of a row's values lie above each similarity, ties half: table (n, m), row and result (n_pairs,).

    ``table`` is rounded to 6 decimals (the resolution of float32 sums, so that ties are ties) and sorted in place.
    """
    np.round(table, _DECIMALS, out=table)
    table.sort(axis=1)
    limits = np.round(similarity.astype(np.float32), _DECIMALS)
    above = np.empty(len(row))
    bounds = np.searchsorted(row, np.arange(len(table) + 1))
    for values, start, stop in zip(table, bounds[:-1], bounds[1:], strict=True):
        row_limits = limits[start:stop]
        above[start:stop] = (
            len(values) - (values.searchsorted(row_limits) + values.searchsorted(row_limits, side="right")) / 2
        )
    return above


def _average_precision(query: Ints, similarity: Doubles, above: Doubles, negatives: Ints) -> RankedReplicates:
    """Return the mean over a well's positives, nearest first, of rank among positives over rank among all."""
    n = len(negatives)
    positives = np.bincount(query, minlength=n)
    first = np.cumsum(positives) - positives
    order = np.lexsort((-similarity, query))
    rank = np.arange(1, len(query) + 1) - first[query]
    total = np.bincount(query, rank / (rank + above[order]), minlength=n)
    defined = (positives > 0) & (negatives > 0)
    value = np.full(n, np.nan)
    np.divide(total, positives, out=value, where=defined)
    return value, positives, negatives
