"""Reports of a normalizer on features without variance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from harness.core import table_names
from harness.core.recorder import Recorder
from harness.numerics.standardize import whole_report
from harness.run.checkpoint.checkpoint import CheckpointStore
from harness.run.checkpoint.serialization import reports_from_table, reports_to_table


class NormalizerReports:
    """Reports by fit: one for each fold, or one named ``""`` if all folds share a fit. They are checkpointed."""

    def __init__(self, checkpoints: CheckpointStore) -> None:
        self.checkpoints = checkpoints
        self._reports: dict[str, Sequence[pd.DataFrame]] = {}

    def add(self, fit: str, reports: Sequence[pd.DataFrame]) -> None:
        """Keep the reports of a fit and checkpoint them."""
        self._reports[fit] = reports
        self.checkpoints.save(reports_to_table(reports), "report", fit)

    def has(self, fit: str) -> bool:
        """Return whether there are reports of a fit, from this attempt or restored from an earlier one."""
        if fit not in self._reports and (stored := self.checkpoints.load("report", fit)) is not None:
            self._reports[fit] = reports_from_table(stored)
        return fit in self._reports

    def record(self, recorder: Recorder, fits: Iterable[str], features: Sequence[str]) -> None:
        """Record the table ``zero_variance`` and metrics ``norm/zero_variance_<fallback>``, if there are reports."""
        reports = [report for fit in dict.fromkeys(fits) for report in self._reports[fit]]
        if not reports:
            return
        table = whole_report(reports, features)
        recorder.table(table_names.ZERO_VARIANCE, table)
        counts = table.groupby("fallback")["feature"].count()
        recorder.metrics({f"norm/zero_variance_{str(k).replace(' ', '_')}": float(v) for k, v in counts.items()})
