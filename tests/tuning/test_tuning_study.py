"""Studies: never more trials than asked for, resumed as if nothing had happened, pruned, and refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sklearn.linear_model import LogisticRegression

from harness.core.exceptions import InputError, NotApplicable
from harness.tuning.engine.sampler import Tpe
from harness.tuning.engine.space import space_of
from harness.tuning.engine.storage import open_storage
from harness.tuning.engine.study import StudyLocation, StudyWorker, fail_lost, finished
from harness.utils.process_identity import start_time

pytestmark = pytest.mark.slow

ENTRIES = {"C": {"type": "float", "low": 1e-4, "high": 10.0, "log": True}, "fit_intercept": {"choices": [True, False]}}
Work = Callable[..., StudyWorker]
SPACE = space_of("lr", ENTRIES, LogisticRegression(C=0.5))


class Parabola:
    """Best at C = 0.1, worse without an intercept; four inner folds of unequal level."""

    folds = (0, 1, 2, 3)

    def __init__(self) -> None:
        self.seen: list[float] = []

    def partial_means(self, model: Any) -> Iterator[float]:
        self.seen.append(model.C)
        for fold in self.folds:
            yield -abs(model.C - 0.1) - (not model.fit_intercept) - 0.1 * fold


class Undefined(Parabola):
    def partial_means(self, model: Any) -> Iterator[float]:
        if len(self.seen) == 1:
            raise NotApplicable("no call")
        yield from super().partial_means(model)


@pytest.fixture(scope="module")
def _url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests: making its tables takes a second."""
    return f"sqlite:///{tmp_path_factory.mktemp('studies')}/o.db"


@pytest.fixture(name="work")
def worker_factory(_url: str, request: pytest.FixtureRequest) -> Callable[..., StudyWorker]:
    """A worker on a study of the test's own."""

    def make(n_trials: int, objective: Any = None, study: str = "", **changes: Any) -> StudyWorker:
        place = StudyLocation(_url, f"{request.node.name} {study}", (0, "fold", "model"), "maximize")
        return replace(StudyWorker(place, SPACE, objective or Parabola(), n_trials), **changes)

    return make


def _params(worker: StudyWorker) -> list[Any]:
    return [(t.params, t.state, t.value) for t in finished(worker.location.open(SPACE), 1000)]


def test_the_first_trial_is_the_default_and_hopeless_ones_end_early(work: Work) -> None:
    worker = work(14)
    worker.run()
    trials = finished(worker.location.open(SPACE), 1000)
    assert trials[0].params == SPACE.default
    assert len(trials) == 14
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    assert pruned
    assert all(len(t.intermediate_values) < 4 for t in pruned)
    assert all(not t.params["fit_intercept"] or abs(t.params["C"] - 0.1) > 0.05 for t in pruned)


def test_resumed_is_as_if_never_interrupted(work: Work) -> None:
    work(13).run()
    work(4, study="parts").run()
    lost = work(5, study="parts").location.open(SPACE)
    trial = lost.ask(SPACE.distributions)
    trial.set_user_attr("process", [socket.gethostname(), str(_dead()), "gone"])
    again = work(13, study="parts")
    again.run()
    assert _params(again) == _params(work(13))
    assert len(again.objective.seen) == 9
    states = [t.state for t in again.location.open(SPACE).trials]
    assert states.count(TrialState.FAIL) == 1
    assert TrialState.RUNNING not in states
    again.run()
    assert len(again.objective.seen) == 9


def _dead() -> int:
    """The number of a process that has ended."""
    child = os.fork() if hasattr(os, "fork") else 0
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_a_default_that_was_lost_is_tried_again(work: Work) -> None:
    study = work(3).location.open(SPACE)
    trial = study.ask(SPACE.distributions)
    trial.set_user_attr("process", [socket.gethostname(), str(_dead()), "gone"])
    worker = work(3)
    worker.run()
    assert finished(study, 1)[0].params == SPACE.default
    assert len(finished(study, 100)) == 3


def test_trials_of_living_processes_are_left_alone(work: Work) -> None:
    study = work(3).location.open(SPACE)
    for owner in ([socket.gethostname(), str(os.getppid()), start_time(os.getppid())], ["another host", "1", "x"]):
        study.ask(SPACE.distributions).set_user_attr("process", owner)
    fail_lost(study)
    assert [t.state for t in study.trials] == [TrialState.RUNNING] * 2


def test_several_at_once_make_exactly_so_many_trials(work: Work) -> None:
    workers = [work(17) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(StudyWorker.run, workers))
    study = workers[0].location.open(SPACE)
    assert len(finished(study, 1000)) == 17
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert sum(len(worker.objective.seen) for worker in workers) == 17
    assert [t.params for t in finished(study, 1000)].count(SPACE.default) == 1


def test_draws_follow_from_the_axes_and_differ_between_parameters_and_trials() -> None:
    def draws(*axes: object) -> list[Any]:
        study = optuna.create_study(sampler=Tpe(*axes, first={"a": 0.25, "b": 0.75}))
        first, *others = (study.ask({"a": D, "b": D}).params for _ in range(5))
        assert first == {"a": 0.25, "b": 0.75}
        return others

    D = optuna.distributions.FloatDistribution(0, 1)
    assert draws(0, "x") == draws(0, "x")
    assert draws(0, "x") != draws(1, "x")
    values = [v for trial in draws(0, "x") for v in trial.values()]
    assert len(set(values)) == 8


def test_a_time_limit_leaves_the_default(work: Work) -> None:
    worker = work(10, seconds=1e-9)
    worker.run()
    assert [t.params for t in finished(worker.location.open(SPACE), 10)] == [SPACE.default]


def test_an_undefined_value_costs_a_trial_and_is_never_the_best(work: Work) -> None:
    worker = work(3, Undefined())
    worker.run()
    trials = finished(worker.location.open(SPACE), 10)
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]
    assert trials[1].user_attrs["undefined"] == "no call"


def test_an_error_fails_its_trial_and_goes_on(work: Work) -> None:
    class Broken(Parabola):
        def partial_means(self, _: Any) -> Iterator[float]:
            raise ZeroDivisionError

    worker = work(3, Broken())
    with pytest.raises(ZeroDivisionError):
        worker.run()
    assert worker.location.open(SPACE).trials[0].state == TrialState.FAIL


def test_another_space_is_refused_with_both_ways_out(work: Work) -> None:
    worker = work(2)
    worker.run()
    other = space_of("lr", {**ENTRIES, "C": {**ENTRIES["C"], "high": 5.0}}, LogisticRegression(C=0.5))
    said = r"C was 0.0001 to 10.0 \(log\) and is 0.0001 to 5.0.*tuning.study=NEWNAME.*optuna delete-study --storage"
    with pytest.raises(InputError, match=said):
        worker.location.open(other)


@pytest.mark.parametrize("url", ["sqlite:///{}/file/o.db", "nonsense://x", "not an address", "mysql://u@127.0.0.1:1/x"])
def test_a_storage_that_cannot_be_used_is_one_line(tmp_path: Path, url: str) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"tuning\.storage=.* cannot be used") as refused:
        open_storage(url.format(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_text("nothing of the kind, but long enough to be looked at" * 20)
    with pytest.raises(InputError, match="not a database"):
        open_storage(f"sqlite:///{tmp_path}/o.db")
