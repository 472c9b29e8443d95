"""Tree-structured Parzen estimators without state of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harness.core.seeding import derive


class Tpe(BaseSampler):
    """TPE (Bergstra 2011, NeurIPS) whose draws follow from ``axes``, the place of the trial and those before it.

    Optuna's own sampler draws from one stream: after an interruption it would begin that stream, and thus the first
    trials, again. Here a study that is resumed goes on as if it had never stopped. Failed trials have no place.

    Parameters
    ----------
    axes : from which seeds are derived; without the normalization, so that all begin with the same trials.
    first : the choices of the first trial. Two processes that begin a study at once could both enqueue them; only one
        of them has the first place.
    """

    def __init__(self, *axes: object, first: Mapping[str, Any]) -> None:
        self.axes, self.first = axes, first
        self.places: dict[int, int] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        earlier = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
        self.places[trial.number] = sum(t.state != TrialState.FAIL for t in earlier)

    def _drawing(self, trial: FrozenTrial, *more: object) -> TPESampler:
        return TPESampler(seed=derive(*self.axes, self.places[trial.number], *more) % 2**32)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {} if self.places[trial.number] == 0 else IntersectionSearchSpace().calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._drawing(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self.places[trial.number] == 0:
            return self.first[param_name]
        drawing = self._drawing(trial, param_name)
        return drawing.sample_independent(study, trial, param_name, param_distribution)
