"""A scikit-learn pipeline from named steps, so that each can be set on the command line."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline


def pipeline(**steps: Any) -> Pipeline:
    """Steps in the order given, e.g. ``scale=StandardScaler(), classifier=LogisticRegression()``; None is left out.

    The ``classifier`` comes last wherever it is named, so that a step can be added on the command line.
    """
    ordered = sorted(steps.items(), key=lambda item: item[0] == "classifier")
    return Pipeline([(name, step) for name, step in ordered if step is not None])
