"""A scikit-learn pipeline from named steps, so that each can be set on the command line."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from harness.core.exceptions import InputError


def pipeline(**steps: BaseEstimator | None) -> Pipeline:
    """Return a pipeline of the steps, e.g. ``scale=StandardScaler(), classifier=LogisticRegression()``, without None.

    The ``classifier`` comes last wherever it is named, so that a step can be added on the command line.

    Raises
    ------
    InputError : a step that is no estimator, e.g. a setting of one that was written a level too high; a last step
        that gives no probabilities.
    """
    ordered = sorted(steps.items(), key=lambda item: item[0] == "classifier")
    present = [(name, step) for name, step in ordered if step is not None]
    for name, step in present:
        if not hasattr(step, "fit"):
            raise InputError(
                f"model: step {name!r} is {step!r}; expected an estimator {{_target_: ...}}; a setting belongs below a "
                f"step, as in {' or '.join(f'{earlier}.NAME=VALUE' for earlier, one in present if hasattr(one, 'fit'))}"
            )
    if not present or not hasattr(present[-1][1], "predict_proba"):
        raise InputError(
            f"model: the steps are {[name for name, _ in present]}; the last must be a classifier with predict_proba"
        )
    return Pipeline(present)
