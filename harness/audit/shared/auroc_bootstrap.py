"""AUROC of a model over folds, with its bootstrap over plates or batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from harness.audit.shared.bounded_interval import auroc_sd, bounded_interval, degrees_of_freedom
from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.auroc import Auroc
from harness.scoring.bootstrap import FEWEST_BATCHES, Resamples, weighted_mean
from harness.scoring.score_table import draws_of, weigh

ONE_SIDED = 0.95  # level at which both quantiles agree


@dataclass(frozen=True)
class BootstrappedAuroc:
    """AUROC of one model, the mean over folds.

    ``draws`` : (R,) its bootstrap. ``wells`` : the wells that were scored.
    """

    value: float
    draws: Doubles
    wells: pd.DataFrame

    @property
    def miss(self) -> float:
        """Change of the score by half a misplaced well: scores nearer to 0 or 1 do not differ from these."""
        n_controls = int((self.wells["role"] == "negcon").sum())
        return 1 / (2 * min(n_controls, len(self.wells) - n_controls))

    @property
    def sd(self) -> float:
        """Standard error on the logit scale if wells were independent."""
        n_controls = int((self.wells["role"] == "negcon").sum())
        value = float(np.clip(self.value, self.miss, 1 - self.miss))
        return auroc_sd(max(value, 1 - value), len(self.wells) - n_controls, n_controls) / (value * (1 - value))


def resample_units(evaluations: Sequence[Evaluation], n_resamples: int) -> Resamples:
    """Return resamples of batches, or of plates if there are fewer than 4 batches.

    Plates are not drawn within drawn batches: the variation between batches includes that of their plates, and drawing
    both would count it twice (Davison & Hinkley 1997, section 3.8), which matters if batches are alike.
    """
    draws = draws_of(evaluations, n_resamples=n_resamples)
    if len(set(draws.batch)) < FEWEST_BATCHES:
        return draws
    return replace(draws, within=np.ones_like(draws.within))


def bootstrap_auroc(evaluations: Sequence[Evaluation], draws: Resamples) -> BootstrappedAuroc:
    """Return the mean AUROC over folds and how it varies over the resamples of :func:`resample_units`."""
    folds = weigh(evaluations, draws)
    metric = Auroc()
    pairs = zip(folds.evaluations, folds.weights, strict=True)
    by_fold = np.column_stack([metric.values(evaluation, weight) for evaluation, weight in pairs])
    value = float(np.mean([metric(evaluation) for evaluation in evaluations]))
    return BootstrappedAuroc(value, weighted_mean(by_fold, folds.above), folds.together.wells)


def mean_auroc_interval(repeats: Sequence[BootstrappedAuroc]) -> tuple[float, float, float]:
    """Return value, lower and upper bound of the mean AUROC over relabellings of a screen.

    The spread between batches, or plates, is estimated and takes Student's quantile; that of independent wells is
    computed and takes the normal quantile. The wider of the two intervals is returned.
    """
    value, miss = (float(np.mean([getattr(auroc, name) for auroc in repeats])) for name in ("value", "miss"))
    # draws of exactly 1 would lie far from all others on the logit scale
    bounded = float(np.clip(value, miss, 1 - miss))
    draws = np.clip(np.mean([auroc.draws for auroc in repeats], axis=0), miss, 1 - miss)
    freedom = degrees_of_freedom(repeats[0].wells)
    sd = float(np.mean([auroc.sd for auroc in repeats]) / np.sqrt(len(repeats))) * bounded * (1 - bounded)
    sd *= norm.ppf(ONE_SIDED) / t.ppf(ONE_SIDED, freedom) if freedom else 1.0
    lower, upper = bounded_interval(bounded, draws, freedom=freedom, least_sd=sd)
    return value, float(np.minimum(lower, value)), float(np.maximum(upper, value))
