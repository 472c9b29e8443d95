"""Tuning inside the training wells of a fold: what it reads, what it answers, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.task import Task
from harness.metric.auroc import Auroc
from harness.norm.all_within import AllWithin
from harness.norm.raw import Raw
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated
from harness.tuning.base import TuningRequest, TuningResult
from harness.tuning.engine.inner_cv import inner_folds
from harness.tuning.optuna import Optuna

pytestmark = pytest.mark.slow

Screen = Callable[..., Profiles]
SPACES = {"lr": {"C": {"type": "float", "low": 1e-6, "high": 1.0, "log": True}}}
SMALL: dict[str, Any] = {"n_plates": 9, "n_features": 6, "sites": (1,), "awkward": False}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('studies')}/o.db"


class NullRecorder:
    """Keeps tables and metrics."""

    def __init__(self) -> None:
        self.tables: dict[str, pd.DataFrame] = {}
        self.values: dict[str, float] = {}
        self.logged = 0

    def table(self, name: str, table: pd.DataFrame) -> None:
        self.tables[name] = table

    def metrics(self, values: dict[str, float]) -> None:
        self.values |= values

    def trials(self, table: pd.DataFrame) -> None:
        self.logged += len(table)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def _run(profiles: Profiles, tuner: Any, **changes: Any) -> tuple[EvaluationRun, NullRecorder]:
    members: dict[str, Any] = {
        "name": "raw",
        "normalizer": Raw(),
        "splitter": LeaveBatchOut(),
        "tasks": {"dmso_vs_treated": DmsoVsTreated()},
        "models": {"lr": LogisticRegression(C=1e-4, max_iter=500, class_weight="balanced")},
        "metrics": [Auroc()],
        "n_resamples": 10,
        "tuning": tuner,
    }
    recorder = NullRecorder()
    run = EvaluationRun(EvaluationPlan(**(members | changes)), profiles, recorder)  # type: ignore[arg-type]
    run.execute()
    return run, recorder


def _question(profiles: Profiles, **changes: Any) -> TuningRequest:
    members: dict[str, Any] = {
        "training": profiles,
        "task": DmsoVsTreated(),
        "model": LogisticRegression(C=1e-4, max_iter=500),
        **{name: name for name in ("norm", "data", "split", "fold", "task_name")},
        "model_name": "lr",
    }
    return TuningRequest(**(members | changes))


class Spy(Optuna):
    """Keeps what it was asked."""

    asked: list[TuningRequest]

    def tune(self, question: TuningRequest) -> TuningResult:
        self.asked.append(question)
        return super().tune(question)


def test_the_held_out_batch_is_never_read_by_a_trial(screen: Screen, storage: str) -> None:
    """Nothing of it is given to the tuner, and whatever stands there, every trial's value stays to the last bit."""
    profiles = screen(**SMALL)
    held_out = (profiles.wells["batch"] == "b1").to_numpy()
    rng = np.random.default_rng(5)
    X, wells = profiles.X.copy(), profiles.wells.copy()
    X[held_out] = 1e6 * rng.standard_normal(X[held_out].shape)
    wells.loc[held_out, "role"] = rng.permutation(wells.loc[held_out, "role"])
    wells.loc[held_out, "compound"] = "poison"
    found = []
    for study, each in (("clean", profiles), ("poisoned", profiles.replace(X=X, wells=wells))):
        spy = Spy(n_trials=5, storage=storage, study=study, spaces=SPACES)
        spy.asked = []
        run, _ = _run(each, spy)
        for question in spy.asked:
            assert question.fold not in set(question.training.wells["batch"])
            assert len(question.training.wells) == (profiles.wells["batch"] != question.fold).sum()
        trials = run.training.tuning.trials
        assert trials is not None
        found.append({fold: rows[["value", "params", "state"]] for fold, rows in trials.groupby("fold")})
    clean, poisoned = found
    assert list(clean) == ["b1", "b2", "b3"]
    pd.testing.assert_frame_equal(clean["b1"], poisoned["b1"], check_exact=True)
    assert not clean["b2"]["value"].equals(poisoned["b2"]["value"])  # there it is a training batch


def test_the_best_is_tested_once_and_recorded(screen: Screen, storage: str) -> None:
    run, recorder = _run(screen(**SMALL), Optuna(n_trials=4, storage=storage, study="best", spaces=SPACES))
    best, trials = recorder.tables["tuning_best"], recorder.tables["tuning_trials"]
    assert list(best["fold"]) == ["b1", "b2", "b3"]
    assert (best["value"] >= best["default"]).all()
    assert list(trials.groupby("fold").size()) == [4, 4, 4]
    assert set(trials[trials["number"] == 0]["params"]) == {json.dumps({"C": 1e-4})}
    for row in best.itertuples():
        own = trials[(trials["fold"] == row.fold) & (trials["state"] == "complete")]
        assert row.value == own["value"].max()
        assert json.loads(row.params) == json.loads(own["params"][own["value"].idxmax()])
    assert len(run.training.evaluations["dmso_vs_treated", "lr"]) == 3
    assert 0 < recorder.values["tuning/fit_share"] < 1
    assert recorder.logged == 12


def test_every_normalization_begins_with_the_same_draws(screen: Screen, storage: str) -> None:
    drawn = []
    for name, normalizer in (("raw", Raw()), ("all_within", AllWithin())):
        tuner = Optuna(n_trials=3, storage=storage, study="draws", spaces=SPACES)
        run, _ = _run(screen(**SMALL), tuner, name=name, normalizer=normalizer)
        drawn.append(run.training.tuning.trials)
    assert drawn[0]["params"].tolist() == drawn[1]["params"].tolist()
    assert drawn[0]["value"].tolist() != drawn[1]["value"].tolist()
    by_fold = drawn[0].groupby("fold")["params"].agg(tuple)
    assert by_fold.nunique() == 3


def test_a_finished_study_is_not_run_again_and_a_longer_one_goes_on(
    screen: Screen, storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    question = _question(screen(**SMALL))

    def tune(n: int) -> TuningResult:
        caplog.clear()
        return Optuna(n_trials=n, storage=storage, study="again", spaces=SPACES).tune(question)

    first = tune(3)
    assert caplog.text == ""
    assert first.fitting > 0
    again = tune(3)
    assert "resumed, 3 of 3 trials were there" in caplog.text
    assert again.fitting == 0
    longer = tune(5)
    assert "resumed, 3 of 5 trials were there" in caplog.text
    pd.testing.assert_frame_equal(first.trials, again.trials)
    pd.testing.assert_frame_equal(first.trials, longer.trials.head(3))
    pd.testing.assert_frame_equal(first.trials, tune(3).trials)  # the same budget as before, whatever is there


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"model": LogisticRegression(C=1e-3)},
        {"identity": ("another norm",)},
        {"fold": "other"},
        {"norm": "other"},
    ],
    ids=str,
)
def test_what_decides_names_the_study(screen: Screen, storage: str, changes: dict[str, Any]) -> None:
    tuner = Optuna(n_trials=1, storage=storage, study="names", spaces=SPACES)
    tuner.tune(_question(screen(**SMALL)))
    assert tuner.tune(_question(screen(**SMALL), **changes)).fitting > 0


def test_inner_folds_hold_out_batches_or_plates_where_one_batch_is_left(screen: Screen) -> None:
    profiles = screen(**SMALL)

    def held_out(training: Profiles, column: str, most: int) -> list[set[str]]:
        folds = inner_folds(_question(training), most)
        assert all((fold.train ^ fold.test).all() for fold in folds)
        return [set(training.wells.loc[fold.test, column]) for fold in folds]

    assert held_out(profiles, "batch", 5) == [{b} for b in profiles.wells["batch"].unique()]
    one = profiles.take((profiles.wells["batch"] == "b2").to_numpy())
    assert held_out(one, "plate", 5) == [{p} for p in one.wells["plate"].unique()]
    grouped = held_out(profiles, "batch", 2)
    assert sorted(map(len, grouped)) == [1, 2]
    assert set.union(*grouped) == {"b1", "b2", "b3"}


def test_what_cannot_be_tuned_stays_as_it_is_with_a_warning(screen: Screen, storage: str) -> None:
    profiles = screen(**SMALL)
    one = profiles.take((profiles.wells["plate"] == profiles.wells["plate"].iloc[0]).to_numpy())
    question = _question(one)
    with pytest.warns(UserWarning, match="task_name/lr, fold held out: not tuned, the training wells lie on one plate"):
        answer = Optuna(n_trials=2, storage=storage, spaces=SPACES).tune(question)
    assert answer.model is question.model
    with pytest.warns(UserWarning, match="model lr has no search space conf/space/lr.yaml: not tuned"):
        Optuna(storage=storage).check({"lr": question.model})


class Two(Task):
    """Two labels: whether a well is treated, and one that no fold knows."""

    name, unit, groups = "two", "plate", ("known", "never")

    def labels(self, wells: pd.DataFrame) -> Doubles:
        known = (wells["role"] == "treated").to_numpy(dtype=float)
        return np.column_stack([known, np.full(len(wells), np.nan)])

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        pass


def test_a_task_with_several_labels_is_averaged_over_those_that_are_defined(screen: Screen, storage: str) -> None:
    profiles = screen(**SMALL)
    profiles = profiles.take(profiles.wells["role"].isin(["negcon", "treated"]).to_numpy())
    tuner = Optuna(n_trials=2, storage=storage, study="labels", spaces=SPACES)
    one, two = (tuner.tune(_question(profiles, task=task)) for task in (DmsoVsTreated(), Two()))
    assert one.trials["value"].tolist() == pytest.approx(two.trials["value"].tolist())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_trials": 0}, "tuning.n_trials=0: expected a whole number from 1"),
        ({"n_trials": -3}, "tuning.n_trials=-3"),
        ({"n_trials": 2.5}, "tuning.n_trials=2.5"),
        ({"timeout": 0}, "tuning.timeout=0: expected seconds above 0, or null"),
        ({"timeout": "long"}, "tuning.timeout='long'"),
        ({"workers": 0}, "tuning.workers=0"),
        ({"inner_folds": 1}, "tuning.inner_folds=1"),
        ({"metric": "nonsense"}, "there is no metric 'nonsense'; choose one of auroc, "),
        ({"metric": "base_rate"}, "tuning.metric=base_rate: neither"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Optuna(**settings)


def test_a_loss_is_minimized(screen: Screen, tmp_path: Path) -> None:
    tuner = Optuna(n_trials=4, metric="log_loss", storage=f"sqlite:///{tmp_path}/o.db", spaces=SPACES)
    answer = tuner.tune(_question(screen(**SMALL)))
    complete = answer.trials[answer.trials["state"] == "complete"]
    assert answer.value == complete["value"].min() < complete["value"].max()
