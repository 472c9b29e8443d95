"""Confounding by design: is the role, or the compound, tied to the batch or to the position on the plate?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.shared.auroc_bootstrap import mean_auroc_interval
from harness.audit.shared.positions import PLACES, score_position_alone, with_edge
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.norm.base import declared_columns
from harness.settings.annotated_types import NotNegative


class Confounding(Check):
    """Measure from the table of wells alone how far the layout ties roles and compounds to batches and positions.

    ``audit/confounding/role_x_batch``, ``role_x_<place>``, ``compound_x_batch`` and ``compound_x_position`` are
    Cramer's V = sqrt(chi2 / n / min(r - 1, c - 1)): 0 if the two are independent, 1 if one follows from the other. V of
    a sparse table is large by chance alone; ``..._corrected`` is the bias-corrected form (Bergsma 2013, J. Korean Stat.
    Soc. 42). Places are the well (``position``), its ``row`` and ``column``, and whether it lies at the ``edge``, in an
    outermost row or column.

    ``audit/position/auroc``: AUROC of held-out controls against treated wells, scored by how often controls stand at
    their position on training plates; 0.5 if position tells nothing
    (:func:`harness.audit.shared.positions.score_position_alone`). ``audit/confounding/declared_columns``: how many
    columns of the wells the normalization reads beyond those that every method may know.

    A tie is a risk, no proof: it says that a score may be about the batch or the position, not that it is.

    Parameters
    ----------
    warn_above : a corrected V above it is named as a risk in ``reason``. 0.3 is Cohen's "medium" (1988, w for two
        classes): weaker ties move a held-out AUROC by less than its interval on a screen of 20 plates.
    """

    needs_full_screen = True
    before_training = True

    def __init__(self, *, warn_above: NotNegative = 0.3) -> None:
        self.warn_above = warn_above

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = context.wells[context.wells["role"] != "empty"]
        treated = wells[wells["role"] == "treated"]
        controls_and_treated = with_edge(wells[wells["role"].isin(["negcon", "treated"])], extent=context.wells)
        pairs = {"role_x_batch": (wells, "role", "batch")}
        pairs |= {f"role_x_{name}": (controls_and_treated, "role", column) for name, column in PLACES.items()}
        pairs["compound_x_batch"] = (treated, "compound", "batch")
        pairs["compound_x_position"] = (treated, "compound", "well")
        for name, (table, first, second) in pairs.items():
            key = f"audit/confounding/{name}"
            absent = [column for column in (first, second) if not _present(table, column).any()]
            rows_with_both = table[_present(table, first) & _present(table, second)]
            v, corrected = (
                cramers_v(rows_with_both[first], rows_with_both[second]) if len(rows_with_both) else (np.nan, np.nan)
            )
            reason = ""
            if np.isnan(v):
                reason = f"no {absent[0]} is known" if absent else f"{first} or {second} takes one value only"
            elif corrected > self.warn_above:
                reason = f"{first} is tied to {second}: a score may be about the {second}"
            yield Finding(key, v, n=len(rows_with_both), reason=reason)
            yield Finding(f"{key}_corrected", corrected, n=len(rows_with_both), reason=reason)
        yield _position(context)
        yield _declared(context)


def _present(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    """Mark the rows with a value in ``column``; none if there is no such column."""
    if column not in table:
        return pd.Series(False, index=table.index)
    return table[column].notna() & (table[column] != "")


def _position(context: AuditContext) -> Finding:
    """Return the AUROC of position alone."""
    key = "audit/position/auroc"
    try:
        scored = score_position_alone(context.wells, context.splits, seed=context.seed, n_resamples=context.n_resamples)
    except NotApplicable as undefined:
        return Finding(key, float("nan"), reason=undefined.reason, code=undefined.code)
    return Finding(key, *mean_auroc_interval([scored]), n=len(scored.wells))


def _declared(context: AuditContext) -> Finding:
    """Return how many columns the method declares, which ones, and whether they tell what a well holds."""
    columns = () if context.normalizer is None else declared_columns(context.normalizer)
    naming_columns = set(columns) & {"compound", "dose"}
    reason = f"the normalization reads {', '.join(columns)}" if columns else ""
    if naming_columns:
        reason += ": they tell what a well holds, which could be written into its profile; the null tests check that"
    key = "audit/confounding/declared_columns"
    return Finding(key, len(columns), n=len(columns), reason=reason, code="reads_compound" if naming_columns else "")


def cramers_v(a: pd.Series[Any], b: pd.Series[Any]) -> tuple[float, float]:
    """Return Cramer's V of two columns and its bias-corrected form; NaN if one column has a single value.

    Counts are of the cells that occur: the full table of a large screen is never built.
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
