"""What a task offers that needs labels of compounds."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import pandas as pd

LABELS = "labels_fingerprint."  # and the task: tag of a run


@runtime_checkable
class TakesLabels(Protocol):
    """A task without labels until it has seen the wells: :meth:`bind` comes before its ``groups`` and ``labels``."""

    def bind(self, wells: pd.DataFrame, planted: pd.DataFrame | None) -> Self:
        """Return the task with the labels of the compounds in ``wells``; ``planted``: those of a simulated screen, or
        None.
        """

    def fingerprint(self) -> str:
        """Identify which compound has which label."""

    def summary(self) -> str:
        """Return one line: what matched."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what is to be recorded with the run, by name."""
