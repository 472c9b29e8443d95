"""Does the design itself tie the label to the batch or to the position on the plate, and what may the method read?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.shared.positions import PLACES, held_out, places
from harness.audit.shared.relabelled import mean_interval
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.norm.base import declared_columns
from harness.settings.annotated_types import NotNegative


class Confounding(Check):
    """Cramer's V of role x batch, role x place, compound x batch and compound x position, before anything is trained.

    Places are the well (``position``), its ``row`` and ``column``, and whether it stands at the ``edge``, in an
    outermost row or column. ``audit/position/auroc``: how well held-out controls and treated wells are told apart by
    how often controls stand where they stand on training plates (:func:`harness.audit.shared.positions.held_out`).
    ``declared_columns``: how many columns of the wells the normalization reads beyond what every method may know.

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
        both = places(wells[wells["role"].isin(["negcon", "treated"])], extent=context.wells)
        pairs = {"role_x_batch": (wells, "role", "batch")}
        pairs |= {f"role_x_{name}": (both, "role", column) for name, column in PLACES.items()}
        pairs["compound_x_batch"] = (treated, "compound", "batch")
        pairs["compound_x_position"] = (treated, "compound", "well")
        for name, (table, a, b) in pairs.items():
            key = f"audit/confounding/{name}"
            absent = [column for column in (a, b) if not _present(table, column).any()]
            known = table[_present(table, a) & _present(table, b)]
            v, corrected = cramers_v(known[a], known[b]) if len(known) else (np.nan, np.nan)
            reason = ""
            if np.isnan(v):
                reason = f"no {absent[0]} is known" if absent else f"{a} or {b} takes one value only"
            elif corrected > self.warn_above:
                reason = f"{a} is tied to {b}: a score may be about the {b}"
            yield Finding(key, v, n=len(known), reason=reason)
            yield Finding(f"{key}_corrected", corrected, n=len(known), reason=reason)
        yield _position(context)
        yield _declared(context)


def _present(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in table:
        return pd.Series(False, index=table.index)
    return table[column].notna() & (table[column] != "")


def _position(context: AuditContext) -> Finding:
    """Score position alone."""
    key = "audit/position/auroc"
    try:
        scored = held_out(context.wells, context.splits, seed=context.seed, n_resamples=context.n_resamples)
    except NotApplicable as undefined:
        return Finding(key, float("nan"), reason=undefined.reason, code=undefined.code)
    return Finding(key, *mean_interval([scored]), n=len(scored.wells))


def _declared(context: AuditContext) -> Finding:
    """Return how many columns the method declares, which ones, and whether they name what is in a well."""
    columns = () if context.normalizer is None else declared_columns(context.normalizer)
    names = set(columns) & {"compound", "dose"}
    reason = f"the normalization reads {', '.join(columns)}" if columns else ""
    if names:
        reason += ": what is in a well, which a normalization can write into its profile; the nulls test that"
    key = "audit/confounding/declared_columns"
    return Finding(key, len(columns), n=len(columns), reason=reason, code="reads_compound" if names else "")


def cramers_v(a: pd.Series[Any], b: pd.Series[Any]) -> tuple[float, float]:
    """Return cramer's V and its bias-corrected form; NaN where one side takes a single value. Never builds the full
    table.
    """
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
