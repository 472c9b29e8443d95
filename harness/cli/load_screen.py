"""The screen that a configuration names, and what its members need to know of it before anything is computed."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig

from harness.batch import assign_batches
from harness.cli.notices import WARNING, say_once
from harness.cli.screen_key import chosen_cache, reader
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.known_effects.scores import KnownEffectSource
from harness.leak_guard import check_leaks, check_level
from harness.run.plan import EvaluationPlan
from harness.store.plate_sample import PlateSubset, sample_plates
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
    """Profiles with their batches, and the truth that a simulated screen comes with.

    Attributes
    ----------
    profiles : packed; X stays on disk.
    report : what the reader made of its input (:class:`harness.store.reading_report.ReadingReport`).
    found : of a batch member that infers batches, how it did
        (:class:`harness.batch.inference.assignment.BatchInference`), else None.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self._source, self._cache = reader(cfg), chosen_cache(cfg.cache)
        batch = instantiate(cfg.batch, _convert_="all")
        place = locate(self._source, self._cache)
        self.profiles: Profiles = assign_batches(load(self._source, self._cache, place), batch)
        self.found: Any = getattr(batch, "found_", None)
        folder = self._cache.folder / place.name
        self._truth = cache(lambda: read_truth(folder))
        self.report: ReadingReport = read_report(folder)
        for line in self.report.notes:
            say_once(f"harness: {line}")
        for line in self.report.warnings:
            say_once(f"{WARNING}{line}")

    def guard(self, level: str) -> None:
        """Look for features that give labels away; what was found is the table ``leak_guard`` of the report.

        Raises
        ------
        InputError : see :func:`harness.leak_guard.check_leaks`.
        """
        leaks = check_leaks(self.profiles, level)
        if leaks.leaks:
            self.report.add_rows("leak_guard", leaks.rows())
        for line in leaks.warnings(refused_too=True):
            say_once(f"{WARNING}{line}")

    def bind(self, plan: EvaluationPlan) -> EvaluationPlan:
        """Return the plan with labels given to the tasks that need them, known scores to what reads them, and found
        batches.

        Says what matched, and which batches were found.

        Raises
        ------
        InputError : labels or scores that do not fit the wells.
        """
        if self.found is not None:
            print(self.found.sentence(), file=sys.stderr)
            plan = replace(plan, batch_tables=self.found.tables())
        tasks = {name: task for name, task in plan.tasks.items() if isinstance(task, TakesLabels)}
        if tasks:
            bound = {n: task.bind(self.profiles.wells, self._truth().get("assays")) for n, task in tasks.items()}
            for task in bound.values():
                print(task.summary(), file=sys.stderr)
            plan = replace(plan, tasks={**plan.tasks, **bound})
        return plan

    def some(self, wells: pd.DataFrame, most: int | None, seed: int) -> Profiles | None:
        """Return profiles of plates with about ``most`` wells, packed; None where there are no more, or ``most`` is
        None.

        Raises
        ------
        InputError : no whole number, or too few for the batches there are.
        """
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise InputError(f"audit_wells={most!r}: expected a whole number of wells, or null for all")
        if most is None or len(wells) <= most:
            return None
        return load(PlateSubset(self.profiles, sample_plates(wells, most, seed)), self._cache)

    def join_scores(self, plan: EvaluationPlan, wells: pd.DataFrame) -> None:
        """Give known scores of compounds to what reads them; refuses a table that does not fit."""
        for member in (*plan.checks.values(), *plan.figures.values()):
            if isinstance(member, KnownEffectSource):
                member.join(wells, self._truth())
