"""Runs that may stand in one table, with that table: what the terminal and the page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.audit.scorecard.decision import Call
from harness.compare.table import REFERENCE, comparison
from harness.tracking.stored_run import StoredRun, latest, models_of

ANCHORS = ("noise", "oracle")  # what nothing and what the planted truth would score
ORDER = (Call.SOUND, Call.UNDER, Call.INCONCLUSIVE, "-", Call.NO_SIGNAL, Call.OVER, Call.LEAKS)


@dataclass(frozen=True)
class Group:
    """The newest run of each configuration on one data set and split, of those that finished if any did.

    Attributes
    ----------
    experiment : its name.
    runs : finished or not, by label; ``finished`` in the order of ``table``.
    table : of finished runs (:func:`harness.compare.table.comparison`), raw first; without rows where none finished.
    """

    experiment: str
    runs: Mapping[str, StoredRun]
    table: pd.DataFrame

    @property
    def finished(self) -> dict[str, StoredRun]:
        return {label: self.runs[label] for label in self.table["norm"]}

    @property
    def unfinished(self) -> dict[str, StoredRun]:
        return {label: run for label, run in self.runs.items() if run.status != "FINISHED"}

    @property
    def tags(self) -> Mapping[str, str]:
        return next(iter(self.runs.values())).tags

    @property
    def models(self) -> list[str]:
        """``<task>/<model>`` of all runs."""
        return list(dict.fromkeys("/".join(pair) for run in self.finished.values() for pair in models_of(run)))

    def ranked(self) -> pd.DataFrame:
        """Return ``table`` by verdict, then by AUROC of the first model; ``noise`` and ``oracle`` last."""
        table = self.table.copy()
        place = {str(call): i for i, call in enumerate(ORDER)}
        table["_anchor"] = [self.runs[label].name in ANCHORS for label in table["norm"]]
        table["_verdict"] = table["verdict"].map(place).fillna(len(place))
        key = f"{self.models[0]}/auroc" if self.models else "norm"
        ascending = [True, True, not self.models]
        table = table.sort_values(["_anchor", "_verdict", key], ascending=ascending, kind="stable")
        return table.drop(columns=["_anchor", "_verdict"]).reset_index(drop=True)


def group_up(experiment: str, runs: Sequence[StoredRun], *, extra: Sequence[str] = ()) -> Group:
    """Return ``runs``, newest first and of equal fingerprints, as a group; ``extra`` as in the table.

    Raises
    ------
    InputError : a finished run lacks its resamples.
    """
    chosen = latest(runs)
    finished = {label: run for label, run in chosen.items() if run.status == "FINISHED"}
    if not finished:
        return Group(experiment, chosen, pd.DataFrame({"norm": []}))
    table = comparison(finished, extra=extra)
    first = table["norm"].ne(REFERENCE).rename("_order")
    table = table.assign(_order=first).sort_values(["_order", "norm"], kind="stable").drop(columns="_order")
    return Group(experiment, chosen, table.reset_index(drop=True))
