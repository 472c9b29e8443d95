"""Which compounds have more of their wells among the chosen ones than chance would put there."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

from harness.core.arrays import Doubles, Mask


def enrichment(wells: pd.DataFrame, chosen: Mask, stratum: pd.Series[Any]) -> pd.DataFrame:
    """Return one-sided hypergeometric test of each compound, corrected by Benjamini and Hochberg 1995.

    Wells are drawn within strata: each has as many chosen wells as were found in it, and a compound's count is the
    sum over its strata (one stratum: Fisher's exact test). The test takes the wells of a stratum for exchangeable. A
    compound whose wells share one plate owes part of its enrichment to whatever else is odd about that plate.

    Parameters
    ----------
    wells : n rows with ``compound``; rows without one count in the strata and are not tested.
    chosen : (n,). stratum : (n,) labels.

    Returns
    -------
    DataFrame : ``compound, n_wells, n_chosen, expected, p, q``, by rising p.
    """
    compound = wells["compound"].where(wells["compound"] != "").to_numpy(dtype=object)
    table = pd.DataFrame({"compound": compound, "stratum": stratum.to_numpy(), "chosen": chosen})
    by_stratum = table.groupby("stratum")["chosen"]
    sizes, drawn = by_stratum.size().to_dict(), by_stratum.sum().astype(int).to_dict()
    rows = []
    for name, own in table.groupby("compound", sort=True):
        counts = own["stratum"].value_counts().to_dict()
        parts = [_distribution(sizes[s], drawn[s], n) for s, n in counts.items()]
        found = int(own["chosen"].sum())
        expected = sum(n * drawn[s] / sizes[s] for s, n in counts.items())
        p = min(1.0, float(reduce(np.convolve, parts)[found:].sum()))
        rows.append({"compound": name, "n_wells": len(own), "n_chosen": found, "expected": expected, "p": p})
    columns = ["compound", "n_wells", "n_chosen", "expected", "p"]
    result = pd.DataFrame(rows, columns=columns)
    result["q"] = false_discovery_control(result["p"]) if len(result) else np.empty(0)
    return result.sort_values(["p", "compound"], kind="stable", ignore_index=True)


def _distribution(size: int, drawn: int, n: int) -> Doubles:
    """Return probability of 0 .. n of a compound's n wells among ``drawn`` of ``size``, (n + 1,)."""
    return np.asarray(hypergeom.pmf(np.arange(n + 1), size, drawn, n), dtype=np.float64)
