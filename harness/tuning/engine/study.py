"""One Optuna study: created or loaded by name, resumed, and limited to its number of trials."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.pruners import MedianPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.core.exceptions import InputError, NotApplicable
from harness.tuning.engine.inner_cv import InnerCVObjective
from harness.tuning.engine.sampler import Tpe
from harness.tuning.engine.space import Space, difference
from harness.tuning.engine.storage import delete_command, open_storage
from harness.utils.process_identity import has_ended, this_process

Direction = Literal["minimize", "maximize"]
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_OWNER, _SPACE, SECONDS = "process", "space", "seconds_fitting"
_STALE = 600.0, 10.0  # of an unknown process: so many seconds, and so many times the longest trial, without an end


@dataclass(frozen=True)
class StudyLocation:
    """The storage and name of a study, and the seeds of its trials."""

    storage: str
    name: str
    axes: tuple[object, ...]
    direction: Direction

    def open(self, space: Space) -> Study:
        """Return the study, created if it does not exist; trials of processes that have ended are failed.

        Raises
        ------
        InputError : it was made with another search space.
        """
        storage = open_storage(self.storage)
        sampler, pruner = Tpe(*self.axes, first=space.default), MedianPruner(n_startup_trials=5)
        try:
            study = optuna.create_study(
                storage=storage, study_name=self.name, direction=self.direction, sampler=sampler, pruner=pruner
            )
        except DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=self.name, sampler=sampler, pruner=pruner)
        stored = study.user_attrs.get(_SPACE)
        if stored is None:
            study.set_user_attr(_SPACE, space.stored)
        elif differs := difference(stored, space.stored):
            raise InputError(
                f"tuning: study {self.name!r} was made with another search space: {differs}; go on with that one, "
                f"start anew with tuning.study=NEWNAME, or delete it: {delete_command(self.storage, self.name)}"
            )
        fail_lost(study)
        return study


@dataclass(frozen=True)
class StudyWorker:
    """A loop that makes trials until the study has ``n_trials``; several may run at once, in several processes.

    Attributes
    ----------
    seconds : after which no further trial begins, if not None.
    """

    location: StudyLocation
    space: Space
    objective: InnerCVObjective
    n_trials: int
    seconds: float | None = None

    def run(self) -> float:
        """Make trials and return the seconds spent in training and predicting; at the end wait for trials of others."""
        study, fitting, start = self.location.open(self.space), 0.0, time.monotonic()
        while self.seconds is None or time.monotonic() - start < self.seconds or not finished(study, 1):
            trials = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.FAIL]
            if len(trials) < self.n_trials:
                fitting += self._one(study)
            elif any(t.state == TrialState.RUNNING for t in trials):
                time.sleep(0.2)
                fail_lost(study)
            else:
                break
        return fitting

    def _one(self, study: Study) -> float:
        trial = study.ask(self.space.distributions)
        assert isinstance(study.sampler, Tpe)
        if study.sampler.places[trial.number] >= self.n_trials:
            study.tell(trial, state=TrialState.FAIL)  # another process took the last place at the same moment
            return 0.0
        try:
            return self._evaluate(study, trial)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise

    def _evaluate(self, study: Study, trial: Trial) -> float:
        trial.set_user_attr(_OWNER, this_process())
        values = self.objective.partial_means(self.space.candidate(trial.params))
        pruned, value, fitting, last = False, float("nan"), 0.0, len(self.objective.folds) - 1
        for step in range(last + 1):
            start = time.perf_counter()
            try:
                value = next(values)
            except NotApplicable as undefined:
                trial.set_user_attr("undefined", undefined.reason)
                pruned = True
            fitting += time.perf_counter() - start
            if pruned:
                break
            trial.report(value, step)
            if pruned := step < last and trial.should_prune():
                break
        trial.set_user_attr(SECONDS, fitting)
        if pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
        return fitting


def finished(study: Study, most: int) -> list[FrozenTrial]:
    """Return the first ``most`` trials that finished, by number."""
    return [t for t in study.get_trials(deepcopy=False) if t.state in _FINISHED][:most]


def fail_lost(study: Study) -> None:
    """Fail the trials that are marked as running though their process has ended, so that their places are free."""
    trials = study.get_trials(deepcopy=False)
    longest = max((t.duration.total_seconds() for t in trials if t.duration is not None), default=0.0)
    for trial in trials:
        if trial.state == TrialState.RUNNING and _is_orphaned(trial.user_attrs, trial.datetime_start, longest):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _is_orphaned(attributes: Mapping[str, Sequence[str]], began: datetime | None, longest: float) -> bool:
    process = attributes.get(_OWNER, ("", "0", ""))
    if list(process) == this_process():
        return False
    if has_ended(process):
        return True
    age = (datetime.now() - began).total_seconds() if began else 0.0
    return age > max(_STALE[0], _STALE[1] * longest) or (process[0] == "" and age > 60)
