"""Batch cost: how much worse scores get on a batch that the model has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.probes.partitions import Codes
from harness.audit.probes.plate_transfer import PlateSums, ordered_pairs
from harness.audit.probes.wells import probed_plates
from harness.audit.shared.bounded_interval import bounded_interval, degrees_of_freedom, difference_interval
from harness.audit.shared.views import normalized_wells
from harness.audit.shared.well_choice import choose_per_plate
from harness.core.arrays import Doubles, Mask
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.seeding import generator
from harness.numerics.components import components
from harness.scoring.bootstrap import Resamples, resample, weighted_mean
from harness.settings.annotated_types import Count

KEY = "audit/batch_cost/auroc"


class BatchCost(Check):
    """Compare the AUROC of treated wells against controls on plates of a known and of a new batch.

    ``audit/batch_cost/auroc_known_batch``, ``auroc_new_batch`` and their ``auroc_difference`` (new minus known;
    negative if a new batch costs AUROC, 0 if it does not). Each plate is scored twice by a linear discriminant on
    principal components: trained on plates of other batches only, and with some of these replaced by the other plates
    of its own batch, so that both models read equally many plates. The value is the mean over batches of the AUROC of
    their wells. A batch that can be predicted but costs nothing is a smaller problem than one that costs.

    Wells are normalized in the descriptive view, which reads every batch: this is the cost to the model alone, not to a
    normalization that has to be fitted without the batch. Intervals resample plates and batches.

    Parameters
    ----------
    n_wells : controls, and treated wells, that are read, at most about, evenly over plates.
    n_components : principal components.
    """

    needs = ("batches_of_two_plates >= 2", "controls >= 1")

    def __init__(self, *, n_wells: Count = 2000, n_components: Count = 50) -> None:
        self.n_wells, self.n_components = n_wells, n_components

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        normalized = normalized_wells(context)
        table = normalized.wells
        plates, _ = probed_plates(table[table["plate"].isin(_with_both(table))])
        role = table["role"].to_numpy()
        rows = np.concatenate(
            [
                choose_per_plate(table, role == name, plates, self.n_wells, context.seed, "probed wells")
                for name in ("negcon", "treated")
            ]
        )
        wells = table.iloc[rows].reset_index(drop=True)
        positive = (wells["role"] == "treated").to_numpy()
        plate = np.asarray(pd.Index(plates).get_indexer(pd.Index(wells["plate"].astype(str))), dtype=np.intp)
        names = wells.drop_duplicates("plate").set_index("plate")["batch"].loc[plates]
        batch = np.asarray(pd.factorize(names, sort=True)[0], dtype=np.intp)
        Z = components(normalized.X[rows], self.n_components).astype(np.float64)
        sums = PlateSums(Z / Z.std(axis=0), plate, positive)
        resamples = resample(wells, n=context.n_resamples, seed=context.seed)
        freedom = degrees_of_freedom(wells)
        values, resampled = [], []
        training = _training_plates(plates, batch, context.seed)
        for name, train in zip(("known_batch", "new_batch"), training, strict=True):
            score = np.empty(len(Z))
            for q in range(len(plates)):
                score[plate == q] = sums.log_odds(train[q], q)
            ordered = ordered_pairs(score, positive, plate)
            value, draws = _mean_auroc(ordered, sums.n, batch, *_weights(resamples, plates))
            values.append(value)
            resampled.append(draws)
            yield Finding(f"{KEY}_{name}", value, *bounded_interval(value, draws, freedom=freedom), n=len(rows))
        difference = values[1] - values[0]
        bounds = difference_interval(difference, resampled[1] - resampled[0], freedom=freedom)
        yield Finding(f"{KEY}_difference", difference, *bounds, n=len(rows))


def _with_both(wells: pd.DataFrame) -> pd.Index[str]:
    """Return the plates with both control and treated wells. Raises NotApplicable if there is none."""
    counts = pd.crosstab(wells["plate"], wells["role"]).reindex(columns=["negcon", "treated"], fill_value=0)
    with_both = counts.index[(counts > 0).all(axis=1)]
    if with_both.empty:
        raise NotApplicable("no plate has both control and treated wells to tell apart", code="no_labels")
    return with_both


def _training_plates(plates: Sequence[str], batch: Codes, seed: int) -> tuple[Mask, Mask]:
    """Return which plates are trained on for each plate (rows), (Q, Q): with its batch known, and with its batch new.

    If the batch is known, its other plates take the place of as many plates of other batches.
    """
    train_new = batch[:, None] != batch[None]
    train_known = train_new.copy()
    for q, plate in enumerate(plates):
        siblings = np.flatnonzero((batch == batch[q]) & (np.arange(len(batch)) != q))
        others = generator(seed, "batch cost", plate).permutation(np.flatnonzero(train_new[q]))
        train_known[q, others[: len(siblings)]] = False
        train_known[q, siblings] = True
    return train_known, train_new


def _weights(resamples: Resamples, plates: Sequence[str]) -> tuple[Doubles, Doubles]:
    """Return how often each plate, and its batch, is resampled, (R, Q) each, in the order of ``plates``."""
    order = pd.Index(resamples.plates).get_indexer(pd.Index(plates))
    return resamples.within[:, order], resamples.above[:, order]


def _mean_auroc(ordered: Doubles, n: Doubles, batch: Codes, within: Doubles, above: Doubles) -> tuple[float, Doubles]:
    """Return the mean over batches of the AUROC of their wells, and its resamples (R,)."""
    weights = np.vstack([np.ones(len(batch)), within])
    aurocs = []
    for b in range(int(batch.max()) + 1):
        w = weights[:, batch == b]
        pairs = np.einsum("ri,ij,rj->r", w, ordered[np.ix_(batch == b, batch == b)], w)
        aurocs.append(pairs / ((w @ n[0, batch == b]) * (w @ n[1, batch == b])))
    values = np.stack(aurocs, axis=1)
    first = np.unique(batch, return_index=True)[1]
    return float(values[0].mean()), weighted_mean(values[1:], above[:, first])
