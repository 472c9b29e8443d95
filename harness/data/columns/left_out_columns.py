"""Describe the columns that were left out of the features, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LISTED = 10


def listed_with_reasons(reasons: Mapping[str, str], limit: int = _LISTED) -> str:
    """Return ``name (reason), ...`` of at most ``limit`` columns, first one of every reason, and how many more."""
    seen: dict[str, int] = {}
    rank = {}
    for name, reason in reasons.items():
        rank[name] = seen.get(reason, 0)
        seen[reason] = rank[name] + 1
    first = sorted(reasons, key=lambda name: rank[name])[:limit]
    more = len(reasons) - len(first)
    return ", ".join(f"{name} ({reasons[name]})" for name in first) + (f" and {more} more" if more else "")


def left_out_sentence(n_features: int, reasons: Mapping[str, str]) -> str:
    """Return ``516 features; left out 14 columns: ImageNumber (counter), ...``, or "" if no column was left out.

    Source of the reasons: :attr:`harness.data.columns.feature_columns.FeatureChoice.left_out`.
    """
    if not reasons:
        return ""
    columns = "column" if len(reasons) == 1 else "columns"
    features = "feature" if n_features == 1 else "features"
    return f"{n_features} {features}; left out {len(reasons)} {columns}: {listed_with_reasons(reasons)}"


def left_out_rows(reasons: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of the table ``left_out_columns``: column, reason."""
    return [{"column": name, "reason": reason} for name, reason in reasons.items()]
