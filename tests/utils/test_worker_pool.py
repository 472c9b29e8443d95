"""Work in other processes: the same results, warnings and errors as here, whoever did it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pieces import make
from processes import wait_until

from harness.audit.batch_probe import BatchProbe
from harness.audit.real_labels import RealLabels
from harness.audit.spike_in import SpikeIn
from harness.core.exceptions import InputError
from harness.data.demo import Demo
from harness.metric.auroc import Auroc
from harness.model.projection import Projection
from harness.norm.dmso_within import DmsoWithin
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan
from harness.split.leave_batch_out import LeaveBatchOut
from harness.store.readahead_memmap import ReadaheadMemmap
from harness.store.store import load
from harness.task.dmso_vs_treated import DmsoVsTreated
from harness.utils.worker_pool import background_tasks

pytestmark = pytest.mark.slow

HERE = os.getpid()


def test_without_other_processes_everything_is_done_here() -> None:
    with background_tasks(make, 3, run_here=make(3), names=["1", "2"], n_workers=0) as elsewhere:
        assert dict(elsewhere.results(["1", "2", "5"])) == {"1": (3, HERE), "2": (6, HERE), "5": (15, HERE)}


def test_what_has_not_begun_is_done_here_and_the_rest_elsewhere() -> None:
    names = ["slow", *map(str, range(2, 9))]
    with background_tasks(make, 10, run_here=make(10), names=names, n_workers=1) as elsewhere:
        assert wait_until(elsewhere._submitted["slow"].running, 60)
        results = dict(elsewhere.results([*names, "1"]))
    assert {name: value for name, (value, _) in results.items()} == {"slow": 0, **{str(i): 10 * i for i in range(1, 9)}}
    assert results["slow"][1] != HERE
    assert results["1"][1] == HERE
    assert results["8"][1] == HERE, "begun last, so it could be taken back"


def test_warnings_and_errors_of_the_other_process_arrive() -> None:
    with background_tasks(make, 1, run_here=make(1), names=["warn", "slow"], n_workers=1) as elsewhere:
        assert wait_until(elsewhere._submitted["warn"].done, 60)
        with pytest.warns(UserWarning, match="odd numbers"):
            assert dict(elsewhere.results(["warn", "slow"]))["warn"][0] == 1
    with background_tasks(make, 1, run_here=make(1), names=["bad", "slow"], n_workers=1) as elsewhere:
        assert wait_until(elsewhere._submitted["bad"].done, 60)
        with pytest.raises(InputError, match="choose another"):
            list(elsewhere.results(["bad", "slow"]))


def test_the_work_of_a_process_that_dies_is_done_here_and_it_is_said() -> None:
    with background_tasks(make, 2, run_here=make(2), names=["die"], n_workers=1) as elsewhere:
        assert wait_until(elsewhere._submitted["die"].done, 60)
        with pytest.warns(UserWarning, match="ended unexpectedly"):
            assert dict(elsewhere.results(["die"])) == {"die": (14, HERE)}
    with background_tasks(make, 2, run_here=make(2), names=["3"], n_workers=1) as elsewhere:
        assert dict(elsewhere.results(["3"]))["3"][0] == 6


class Keep:
    """A recorder that keeps findings."""

    def findings(self, findings: Any) -> None:
        self.kept = list(findings)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def test_a_run_with_two_processes_finds_what_one_finds(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    profiles = load(Demo(size="tiny"), tmp_path)
    found = []
    for processes in (1, 2):
        recorder = Keep()
        plan = EvaluationPlan(
            name="dmso_within",
            normalizer=DmsoWithin(),
            splitter=LeaveBatchOut(),
            tasks={"dmso_vs_treated": DmsoVsTreated()},
            models={"lr": make_pipeline(Projection(), LogisticRegression(C=1e-3))},
            metrics=[Auroc()],
            checks={
                "probe": BatchProbe(n_permutations=3),
                "real": RealLabels(),
                "spike": SpikeIn(n_directions=2, n_matched=1, n_others=1),
            },
            n_resamples=20,
            processes=processes,
        )
        EvaluationRun(plan, profiles, recorder).execute()  # type: ignore[arg-type]
        found.append([(f.key, f.reason, f.value, f.lower, f.upper) for f in recorder.kept])
    assert len(found[0]) > 20
    np.testing.assert_array_equal(*[np.array([f[2:] for f in one]) for one in found])
    assert [f[:2] for f in found[0]] == [f[:2] for f in found[1]]


def test_a_memory_map_travels_as_the_path_of_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(300_000, dtype=np.float32).reshape(-1, 3))
    X = ReadaheadMemmap(tmp_path / "x.npy")
    sent = pickle.dumps(X)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent), X)
    assert type(pickle.loads(sent)) is ReadaheadMemmap
    part = X.view()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)), X)
