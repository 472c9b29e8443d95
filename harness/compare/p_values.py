"""P-values of paired differences, corrected for the number of normalizations compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles


def two_sided_p_value(differences: Doubles) -> float:
    """Return the bootstrap p-value of a difference of 0 from resampled paired differences, (R,).

    Twice the smaller share of resamples on one side of 0, those at 0 counting for both (Efron & Tibshirani 1993,
    section 15.4: the level at which the percentile interval just excludes 0). Never below 1 / (R + 1), which is as
    far as R resamples can see, never above 1; NaN if fewer than half of the resamples are defined, as for the
    interval (:func:`harness.scoring.bootstrap.interval`).
    """
    defined = differences[~np.isnan(differences)]
    if len(defined) < 2 or len(defined) < len(differences) / 2:
        return float("nan")
    share = min(np.mean(defined <= 0), np.mean(defined >= 0))
    return float(np.clip(2 * share, 1 / (len(defined) + 1), 1.0))


def holm_correction(p: Doubles) -> Doubles:
    """Return p-values (m,) corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6:65).

    Reject where the corrected value is at most the level: the chance of any false rejection is then at most the level,
    whatever the dependence. Undefined p-values stay NaN and are not counted.
    """
    corrected = np.full(len(p), np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def add_corrected_p_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``table`` with a column ``<name>_holm`` after each column ``<name>`` that ends in ``_p``.

    The family is the column: all normalizations compared with the same reference by the same model.
    """
    for name in [str(c) for c in table if str(c).endswith("_p")]:
        table.insert(list(table).index(name) + 1, f"{name}_holm", holm_correction(table[name].to_numpy(float)))
    return table
