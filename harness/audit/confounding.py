"""Does the design itself tie the label to the batch or to the position on the plate?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check, Finding
from harness.settings.types import NotNegative


class Confounding(Check):
    """Cramer's V of role x batch, compound x batch and compound x well position, before anything is trained.

    V = sqrt(chi2 / n / min(r - 1, c - 1)); beside it the bias-corrected form (Bergsma 2013, J. Korean Stat. Soc. 42),
    because V of a sparse table is large by chance alone.

    Parameters
    ----------
    warn_above : a corrected V beyond it is named as a risk in ``reason``. 0.3 is Cohen's "medium" (1988, w for
        two classes): weaker ties move a held-out AUROC by less than its interval on a screen of 20 plates.
    """

    whole = True
    before_training = True

    def __init__(self, *, warn_above: NotNegative = 0.3) -> None:
        self.warn_above = warn_above

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = context.wells[context.wells["role"] != "empty"]
        treated = wells[wells["role"] == "treated"]
        pairs = {"role_x_batch": (wells, "role", "batch")}
        pairs["compound_x_batch"] = (treated, "compound", "batch")
        pairs["compound_x_position"] = (treated, "compound", "well")
        for name, (table, a, b) in pairs.items():
            key = f"audit/confounding/{name}"
            known = table[table[a].notna() & (table[a] != "")] if a in table else table.iloc[:0]
            v, corrected = cramers_v(known[a], known[b]) if len(known) else (np.nan, np.nan)
            reason = ""
            if np.isnan(v):
                reason = f"no {a} is known" if not len(known) else f"{a} or {b} takes one value only"
            elif corrected > self.warn_above:
                reason = f"{a} is tied to {b}: a score may be about the {b}"
            yield Finding(key, v, n=len(known), reason=reason)
            yield Finding(f"{key}_corrected", corrected, n=len(known), reason=reason)


def cramers_v(a: pd.Series[Any], b: pd.Series[Any]) -> tuple[float, float]:
    """Cramer's V and its bias-corrected form; NaN where one side takes a single value. Never builds the full table."""
    n = len(a)
    codes_a, codes_b = pd.factorize(a)[0], pd.factorize(b)[0]
    rows, columns = np.bincount(codes_a).astype(float), np.bincount(codes_b).astype(float)
    r, c = len(rows), len(columns)
    if min(r, c) < 2:
        return float("nan"), float("nan")
    cell, count = np.unique(codes_a.astype(np.int64) * c + codes_b, return_counts=True)
    phi2 = float((count.astype(float) ** 2 / (rows[cell // c] * columns[cell % c])).sum() - 1)
    v = np.sqrt(max(phi2, 0.0) / min(r - 1, c - 1))
    if n < 2:
        return float(v), float("nan")
    shrunk = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    r_tilde, c_tilde = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    room = min(r_tilde - 1, c_tilde - 1)
    return float(v), float(np.sqrt(shrunk / room)) if room > 0 else float("nan")
