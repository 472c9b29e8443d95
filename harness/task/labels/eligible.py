"""Choose the assays that have enough compounds of both classes to be predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError


def eligible_assays(table: pd.DataFrame, *, min_active: int, min_inactive: int) -> pd.DataFrame:
    """Count the compounds of each assay and decide whether it is kept.

    Parameters
    ----------
    table : (n_compounds, n_assays), compounds of the data, 1, 0 and NaN.
    min_active, min_inactive : compounds with that label.

    Returns
    -------
    columns ``assay, n_active, n_inactive, base_rate`` (share of actives, NaN without labels), ``kept`` and ``reason``,
    which is empty for an assay that is kept.

    Raises
    ------
    InputError : no assay is kept; names the best one and its counts.
    """
    y = table.to_numpy()
    active, inactive = (y == 1).sum(axis=0), (y == 0).sum(axis=0)
    assays = pd.DataFrame({"assay": list(table.columns), "n_active": active, "n_inactive": inactive})
    assays["base_rate"] = active / np.where(active + inactive > 0, active + inactive, np.nan)
    lack = pd.DataFrame(index=assays.index)
    for what, least in (("active", min_active), ("inactive", min_inactive)):
        n = assays[f"n_{what}"]
        lack[what] = (n.astype(str) + f" {what} compounds, fewer than {least}").where(n < least, "")
    assays["reason"] = [" and ".join(filter(None, row)) for row in zip(lack["active"], lack["inactive"], strict=True)]
    assays["kept"] = assays["reason"] == ""
    if not assays["kept"].any():
        share = np.minimum(active / min_active, inactive / min_inactive)
        best = assays.loc[int(share.argmax())]
        raise InputError(
            f"assay_activity: none of {len(assays)} assays has at least {min_active} active and {min_inactive} "
            f"inactive compounds among the {len(table):,} with labels; the best, {best['assay']!r}, has "
            f"{best['n_active']} active and {best['n_inactive']} inactive: lower task.assay_activity.min_active and "
            "min_inactive, or bring labels of more compounds"
        )
    return assays[["assay", "n_active", "n_inactive", "base_rate", "kept", "reason"]]
