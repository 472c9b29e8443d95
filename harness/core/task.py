"""Tasks: what models are trained to predict."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Split

ONE_LABEL = ("",)


class Task:
    """Base of every task: labels for the wells of a screen.

    Attributes
    ----------
    name : in metric keys.
    unit : what is scored and resampled, see :class:`harness.core.evaluation.Evaluation`; ``compound``: predictions of
        wells are averaged to compounds.
    column : the column of the wells table that holds the labels, if one does: no normalization may keep its effect.
    """

    name: str
    unit: str = "plate"
    column: str | None = None

    @property
    def groups(self) -> Sequence[str]:
        """Names of its labels, e.g. assays; ``("",)`` if it has one."""
        return ONE_LABEL

    def labels(self, wells: pd.DataFrame) -> Doubles:
        """Return 1, 0 or NaN (takes no part); (n_rows,), or (n_rows, n_groups) of a task with several labels."""
        raise NotImplementedError

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        """Refuse a fold that cannot work (InputError)."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return tables about the labels, which are stored with a run."""
        return {}


def grouped(task: Task) -> bool:
    """Return whether a task has labels with names, e.g. assays, even if it is a single one."""
    return tuple(task.groups) != ONE_LABEL
