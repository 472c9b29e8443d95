"""A screen under one normalization, fold by fold."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from harness.core.evaluation import Split
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer, depends_on_training
from harness.norm.engine.normalize import normalize
from harness.run.normalizer_reports import NormalizerReports
from harness.run.step_times import StepTimes


class NormalizedScreen:
    """Normalized wells of a screen for each fold, computed once for all folds if training wells do not matter.

    Parameters
    ----------
    profiles : sites or wells before normalization.
    aggregate : how the sites of a well become one profile.
    reports : collects what the normalizer reports; None if nobody reads it.
    times : measures the normalization as the step ``normalize``.
    """

    def __init__(
        self,
        profiles: Profiles,
        normalizer: Normalizer,
        aggregate: str,
        *,
        reports: NormalizerReports | None = None,
        times: StepTimes | None = None,
    ) -> None:
        needs_planted = any(stage.needs_planted for stage in normalizer.stages())
        # planted truth that no stage needs would be read, and verified, with every plate
        self.profiles = profiles if needs_planted or profiles.planted is None else profiles.replace(planted=None)
        self.normalizer = normalizer
        self.aggregate = aggregate
        self.reports = reports
        self.times = times or StepTimes()
        self._every_row: Profiles | None = None

    @cached_property
    def depends_on_training(self) -> bool:
        """Whether the normalization is fitted again for each fold."""
        return depends_on_training(self.normalizer)

    def for_split(self, split: Split | None) -> Profiles:
        """Return normalized wells as the fold may see them; with None as the descriptive view that reads every row."""
        if split is not None and self.depends_on_training:
            return self._fit(split)
        if self._every_row is None:
            self._every_row = self._fit(None)
        return self._every_row

    def with_profiles(self, profiles: Profiles) -> NormalizedScreen:
        """Return other profiles under the same normalization; their reports are not collected."""
        return NormalizedScreen(profiles, self.normalizer, self.aggregate, times=self.times)

    def fit_name(self, split: Split | None) -> str:
        """Return the name of the fit that a fold uses: the fold's own, or ``""`` if all folds share one."""
        return split.name if split is not None and self.depends_on_training else ""

    def has_report(self, split: Split) -> bool:
        """Return whether the normalizer's report on a fold is there, or is not collected."""
        return self.reports is None or self.reports.has(self.fit_name(split))

    def _fit(self, split: Split | None) -> Profiles:
        # the descriptive view of a normalization that is fitted by fold adds nothing to the reports of the folds
        is_reported = self.reports is not None and (split is not None) == self.depends_on_training
        tables: list[pd.DataFrame] = []
        with self.times.measure("normalize"):
            normalized = normalize(
                self.profiles,
                self.normalizer,
                split,
                aggregate=self.aggregate,
                report=tables.append if is_reported else None,
            )
        if self.reports is not None and is_reported:
            self.reports.add(self.fit_name(split), tables)
        return normalized
