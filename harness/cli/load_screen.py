"""Load the screen that a configuration names, and bind to it the members that read its wells."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig

from harness.batch import assign_batches
from harness.cli.notices import WARNING, print_once
from harness.cli.screen_key import make_cache, make_reader
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.known_effects.scores import KnownEffectSource
from harness.leak_guard import check_leaks, check_level
from harness.run.plan import EvaluationPlan
from harness.store.plate_subset import PlateSubset, sample_plates
from harness.store.reading_report import ReadingReport, read_report
from harness.store.store import load, locate, read_truth
from harness.task.labels.base import TakesLabels


def leak_guard_level(cfg: DictConfig) -> str:
    """Return ``data.leak_guard``: error, warn or off.

    Raises
    ------
    InputError : anything else.
    """
    level = cfg.data.leak_guard
    level = "off" if level is False else level  # as YAML reads off
    check_level(level)
    return str(level)


class LoadedScreen:
    """Profiles with their batches, and the truth of a simulated screen.

    Attributes
    ----------
    profiles : packed; X stays on disk.
    report : notes and warnings of the reader (:class:`harness.store.reading_report.ReadingReport`).
    batch_inference : how batches were inferred (:class:`harness.batch.inference.assignment.BatchInference`); None if
        they were not.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self._source, self._cache = make_reader(cfg), make_cache(cfg.cache)
        batch = instantiate(cfg.batch, _convert_="all")
        place = locate(self._source, self._cache)
        self.profiles: Profiles = assign_batches(load(self._source, self._cache, place), batch)
        self.batch_inference: Any = getattr(batch, "result_", None)
        folder = self._cache.folder / place.name
        self._truth = cache(lambda: read_truth(folder))
        self.report: ReadingReport = read_report(folder)
        for line in self.report.notes:
            print_once(f"harness: {line}")
        for line in self.report.warnings:
            print_once(f"{WARNING}{line}")

    def check_leaks(self, level: str) -> None:
        """Search features that give labels away and add them to the report as table ``leak_guard``.

        Raises
        ------
        InputError : see :func:`harness.leak_guard.check_leaks`.
        """
        leaks = check_leaks(self.profiles, level)
        if leaks.leaks:
            self.report.add_rows("leak_guard", leaks.rows())
        for line in leaks.warnings(refused_too=True):
            print_once(f"{WARNING}{line}")

    def bind_labels(self, plan: EvaluationPlan) -> EvaluationPlan:
        """Return the plan with labels joined to the tasks that need them, and the tables of inferred batches.

        Prints how many labels matched, and the inferred batches.

        Raises
        ------
        InputError : labels or scores that do not fit the wells.
        """
        if self.batch_inference is not None:
            print(self.batch_inference.sentence(), file=sys.stderr)
            plan = replace(plan, batch_tables=self.batch_inference.tables())
        tasks = {name: task for name, task in plan.tasks.items() if isinstance(task, TakesLabels)}
        if tasks:
            bound = {n: task.bind(self.profiles.wells, self._truth().get("assays")) for n, task in tasks.items()}
            for task in bound.values():
                print(task.summary(), file=sys.stderr)
            plan = replace(plan, tasks={**plan.tasks, **bound})
        return plan

    def audit_subset(self, wells: pd.DataFrame, most: int | None, seed: int) -> Profiles | None:
        """Return packed profiles of some plates with about ``most`` wells; None if all wells are audited.

        Raises
        ------
        InputError : ``most`` is no whole number, or too small for the number of batches.
        """
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise InputError(f"audit_wells={most!r}: expected a whole number of wells, or null for all")
        if most is None or len(wells) <= most:
            return None
        return load(PlateSubset(self.profiles, sample_plates(wells, most, seed)), self._cache)

    def join_known_effects(self, plan: EvaluationPlan, wells: pd.DataFrame) -> None:
        """Join known scores of compounds to the members that read them; refuse a table that does not fit."""
        for member in (*plan.checks.values(), *plan.figures.values()):
            if isinstance(member, KnownEffectSource):
                member.join(wells, self._truth())
