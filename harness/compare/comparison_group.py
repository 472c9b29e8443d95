"""Runs that may stand in one table, with that table: the content of the terminal output and of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.audit.scorecard.decision import Call
from harness.compare.table import REFERENCE, comparison_table
from harness.core import table_names
from harness.core.score_schema import Over
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.tracking.stored_run import StoredRun, latest, models_of, stored_table

ANCHORS = ("noise", "oracle")  # the scores of nothing and of the planted truth
VERDICT_ORDER = (Call.SOUND, Call.UNDER, Call.INCONCLUSIVE, "-", Call.NO_SIGNAL, Call.OVER, Call.LEAKS)


@dataclass(frozen=True)
class ComparisonGroup:
    """The newest run of each configuration on one data set and split, of those that finished if any did.

    Attributes
    ----------
    experiment : its name.
    runs : finished or not, by label; ``finished`` in the order of ``table``.
    table : of finished runs (:func:`harness.compare.table.comparison_table`), raw first; without rows if none finished.
    """

    experiment: str
    runs: Mapping[str, StoredRun]
    table: pd.DataFrame

    @property
    def finished(self) -> dict[str, StoredRun]:
        """Finished runs by label, in the order of the table."""
        return {label: self.runs[label] for label in self.table["norm"]}

    @property
    def unfinished(self) -> dict[str, StoredRun]:
        """Runs that failed, were cut off or still run, by label."""
        return {label: run for label, run in self.runs.items() if run.status != "FINISHED"}

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the newest run; those of data and split are the same for all."""
        return next(iter(self.runs.values())).tags

    @property
    def models(self) -> list[str]:
        """``<task>/<model>`` of the finished runs."""
        return list(dict.fromkeys("/".join(pair) for run in self.finished.values() for pair in models_of(run)))

    @property
    def heldout_folds(self) -> list[str]:
        """Names of the held-out folds of the first run that has scores."""
        for run in self.finished.values():
            scores = stored_table(run, table_names.SCORES)
            if scores is not None:
                return list(dict.fromkeys(scores.loc[scores["over"] == Over.FOLD, "fold"].astype(str)))
        return []

    @property
    def fold_unit(self) -> str:
        """The plural of what a fold holds out."""
        return "batches" if self.tags.get("split") == "leave_batch_out" else "folds"

    @property
    def size(self) -> str:
        """How many wells, plates and folds the scores rest on, as far as stored, and how many runs finished."""
        counts = []
        for run in self.finished.values():
            predictions = stored_table(run, table_names.PREDICTIONS)
            if predictions is not None:
                wells = predictions[["plate", "well"]].drop_duplicates()
                counts = [f"{len(wells):,} held-out wells", f"{wells['plate'].nunique():,} plates"]
                break
        if folds := self.heldout_folds:
            counts.append(f"{len(folds):,} held-out {self.fold_unit}")
        return " · ".join([*counts, f"{len(self.finished):,} finished runs"])

    @property
    def interval_basis(self) -> str:
        """The units that the intervals of means resample."""
        n = int(self.tags.get("held_out_batches", FEWEST_BATCHES))
        assays = any(key.endswith("/n_groups") for run in self.finished.values() for key in run.metrics)
        units = "plates (compounds, for assays)" if assays else "plates"
        if n >= FEWEST_BATCHES:
            return f"{units} within batches, batches above them"
        return f"{units} only: {n} held-out {'batch' if n == 1 else 'batches'} cannot show how much batches vary"

    def fold_scores(self, metric: str) -> list[tuple[str, str, pd.DataFrame]]:
        """Return norm, ``<task>/<model>``, and its rows of held-out folds (index) with ``value, lower, upper``."""
        fold_scores = []
        for name, run in self.finished.items():
            scores = stored_table(run, table_names.SCORES)
            if scores is None:
                continue
            over_folds = (scores["over"] == Over.FOLD) & (scores["metric"] == metric)
            over_folds &= scores["group"].fillna("") == ""
            for pair in self.models:
                task, _, model = pair.partition("/")
                of_model = over_folds & (scores["task"] == task) & (scores["model"] == model)
                if of_model.any():
                    fold_scores.append((name, pair, scores[of_model].set_index("fold")))
        return fold_scores

    def ranked(self) -> pd.DataFrame:
        """Return ``table`` by verdict, then by AUROC of the first model; ``noise`` and ``oracle`` last."""
        table = self.table.copy()
        rank = {str(call): i for i, call in enumerate(VERDICT_ORDER)}
        table["_anchor"] = [self.runs[label].name in ANCHORS for label in table["norm"]]
        table["_verdict"] = table["verdict"].map(rank).fillna(len(rank))
        key = f"{self.models[0]}/auroc" if self.models else "norm"
        ascending = [True, True, not self.models]
        table = table.sort_values(["_anchor", "_verdict", key], ascending=ascending, kind="stable")
        return table.drop(columns=["_anchor", "_verdict"]).reset_index(drop=True)


def unfinished_reason(run: StoredRun) -> str:
    """Return why a run did not finish, as far as it is known."""
    return run.tags.get("failure", "no result (still running, or interrupted)")


def comparison_group(experiment: str, runs: Sequence[StoredRun], *, extra: Sequence[str] = ()) -> ComparisonGroup:
    """Return ``runs``, newest first and of equal fingerprints, as a group; ``extra`` as in the table.

    Raises
    ------
    InputError : a finished run lacks its resamples.
    """
    newest = latest(runs)
    finished = {label: run for label, run in newest.items() if run.status == "FINISHED"}
    if not finished:
        return ComparisonGroup(experiment, newest, pd.DataFrame({"norm": []}))
    table = comparison_table(finished, extra=extra)
    reference_first = table["norm"].ne(REFERENCE).rename("_order")
    table = table.assign(_order=reference_first).sort_values(["_order", "norm"], kind="stable").drop(columns="_order")
    return ComparisonGroup(experiment, newest, table.reset_index(drop=True))
