"""Can the batch still be told from control wells?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from harness.audit.base import AuditContext, Check, Finding
from harness.audit.components import components
from harness.seeding import generator
from harness.settings.types import Count, Folds, Positive
from harness.types import Floats, NotApplicable


class BatchProbe(Check):
    """Balanced accuracy of logistic regression that predicts the batch of control wells, plates held out.

    Beside it the same after permuting batches over plates, which is what the probe scores where nothing is left to
    find: mean and 95th percentile of that null, and p = (1 + number of permutations at least as good) / (1 + number).

    Parameters
    ----------
    n_folds : groups of whole plates, each held out once; a batch's plates are dealt over the groups.
    n_permutations : of the null.
    n_components : principal components of the standardized profiles that the probe reads (fitted without labels on
        all controls, in the same way for every permutation).
    C : inverse penalty of the logistic regression.
    """

    needs = ("batches_of_two_plates >= 2",)

    def __init__(
        self, *, n_folds: Folds = 5, n_permutations: Count = 20, n_components: Count = 50, C: Positive = 0.1
    ) -> None:
        self.n_folds = n_folds
        self.n_permutations = n_permutations
        self.n_components = n_components
        self.C = C

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        normalized = context.normalized(None)
        controls = (normalized.wells["role"] == "negcon").to_numpy()
        wells = normalized.wells[controls].reset_index(drop=True)
        batch_of = wells.drop_duplicates("plate").set_index("plate")["batch"]
        plates_per_batch = batch_of.value_counts()
        alone = sorted(plates_per_batch.index[plates_per_batch < 2].astype(str))
        if len(plates_per_batch) - len(alone) < 2:
            raise NotApplicable(f"batches {alone or list(plates_per_batch.index)}: needs 2 batches of 2 plates or more")
        chosen = ~wells["batch"].isin(alone)
        wells, batch_of = wells[chosen].reset_index(drop=True), batch_of[~batch_of.isin(alone)]
        Z = components(normalized.X[controls][chosen.to_numpy()], self.n_components)
        rng = generator(context.seed, "batch probe", *batch_of.index)
        value = self._accuracy(Z, wells, batch_of, rng)
        null = np.array(
            [
                self._accuracy(Z, wells, pd.Series(rng.permutation(batch_of.to_numpy()), batch_of.index), rng)
                for _ in range(self.n_permutations)
            ]
        )
        key, n = "batch_effect/probe_balanced_accuracy", len(wells)
        skipped = f"batches with one plate left out: {alone}" if alone else ""
        yield Finding(key, value, n=n, reason=skipped)
        yield Finding(f"{key}_chance", 1 / batch_of.nunique(), n=n)
        yield Finding(f"{key}_null_mean", float(null.mean()), n=len(null))
        yield Finding(f"{key}_null_upper", float(np.quantile(null, 0.95)), n=len(null))
        yield Finding(f"{key}_p", float((1 + (null >= value).sum()) / (1 + len(null))), n=len(null))

    def _accuracy(self, Z: Floats, wells: pd.DataFrame, batch_of: Any, rng: np.random.Generator) -> float:
        batch = wells["plate"].map(batch_of).to_numpy()
        fold = wells["plate"].map(_deal(batch_of, self.n_folds, rng)).to_numpy()
        predicted = np.empty(len(batch), dtype=object)
        for number in np.unique(fold):
            test = fold == number
            probe = LogisticRegression(C=self.C, class_weight="balanced", max_iter=300).fit(Z[~test], batch[~test])
            predicted[test] = probe.predict(Z[test])
        return float(balanced_accuracy_score(batch, predicted.astype(str)))


def _deal(batch_of: Any, n_folds: int, rng: np.random.Generator) -> dict[str, int]:
    """Plates dealt over folds, each batch's plates spread as evenly as their number allows."""
    fold: dict[str, int] = {}
    for _, plates in batch_of.groupby(batch_of):
        order: NDArray[Any] = rng.permutation(plates.index.to_numpy())
        fold.update({str(plate): i % min(n_folds, len(order)) for i, plate in enumerate(order)})
    return fold
