"""Enrichment: compounds with more of their wells among selected ones than chance explains."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

from harness.core.arrays import Doubles, Mask


def enrichment(wells: pd.DataFrame, selected: Mask, stratum: pd.Series[Any]) -> pd.DataFrame:
    """Test each compound by a one-sided hypergeometric test, corrected by Benjamini and Hochberg 1995.

    Under the null, wells are selected at random within strata, as many in each as were in fact selected, and a
    compound's count is the sum over its strata (with one stratum: Fisher's exact test). The test assumes that the wells
    of a stratum are exchangeable. A compound whose wells share one plate owes part of its enrichment to whatever else
    is odd about that plate.

    Parameters
    ----------
    wells : n rows with ``compound``; rows without one count in the strata and are not tested.
    selected : (n,) the wells in question. stratum : (n,) labels.

    Returns
    -------
    DataFrame : ``compound, n_wells, n_chosen, expected, p, q``, by rising p.
    """
    compound = wells["compound"].where(wells["compound"] != "").to_numpy(dtype=object)
    table = pd.DataFrame({"compound": compound, "stratum": stratum.to_numpy(), "chosen": selected})
    by_stratum = table.groupby("stratum")["chosen"]
    sizes, n_selected = by_stratum.size().to_dict(), by_stratum.sum().astype(int).to_dict()
    rows = []
    for name, of_compound in table.groupby("compound", sort=True):
        counts = of_compound["stratum"].value_counts().to_dict()
        parts = [_distribution(sizes[s], n_selected[s], n) for s, n in counts.items()]
        n_of_compound = int(of_compound["chosen"].sum())
        expected = sum(n * n_selected[s] / sizes[s] for s, n in counts.items())
        p = min(1.0, float(reduce(np.convolve, parts)[n_of_compound:].sum()))
        rows.append(
            {"compound": name, "n_wells": len(of_compound), "n_chosen": n_of_compound, "expected": expected, "p": p}
        )
    columns = ["compound", "n_wells", "n_chosen", "expected", "p"]
    result = pd.DataFrame(rows, columns=columns)
    result["q"] = false_discovery_control(result["p"]) if len(result) else np.empty(0)
    return result.sort_values(["p", "compound"], kind="stable", ignore_index=True)


def _distribution(size: int, n_selected: int, n: int) -> Doubles:
    """Return the probability that 0 to n of a compound's n wells are among the selected of a stratum, (n + 1,)."""
    return np.asarray(hypergeom.pmf(np.arange(n + 1), size, n_selected, n), dtype=np.float64)
