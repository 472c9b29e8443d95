"""A scikit-learn pipeline from named steps, so that each can be set on the command line."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline


def pipeline(**steps: Any) -> Pipeline:
    """Steps in the order given, e.g. ``scale=StandardScaler(), classifier=LogisticRegression()``; None is left out."""
    return Pipeline([(name, step) for name, step in steps.items() if step is not None])
