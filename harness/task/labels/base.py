"""Protocol of tasks that need labels of compounds."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import pandas as pd

LABELS = "labels_fingerprint."  # followed by the name of the task: a tag of a run


@runtime_checkable
class TakesLabels(Protocol):
    """Task that reads its labels for the wells of a screen: call :meth:`bind` before ``groups`` and ``labels``."""

    def bind(self, wells: pd.DataFrame, planted: pd.DataFrame | None) -> Self:
        """Return the task with the labels of the compounds in ``wells``; ``planted``: a simulated screen's."""

    def fingerprint(self) -> str:
        """Identify the assays and the label of each compound."""

    def summary(self) -> str:
        """Return one line that says how many compounds and assays have labels."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables to record with the run, by name."""
