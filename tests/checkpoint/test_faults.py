"""Sweeps that are killed at random moments, or given twice at once: the results are those of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command import client_of
from mlflow.entities import Run
from places import ROOT

pytestmark = pytest.mark.slow

WORDS = (
    "-m", "+norm=dmso_within,dmso_across", "data.size=tiny", "model=[logistic]", "baseline=[row_norm]",
    "audit=[confounding,controls_vs_controls]", "figure=[]", "metric=[auroc,brier]", "n_resamples=20", "processes=1",
)  # fmt: skip
KILLS = 20
Victims = Callable[..., dict[str, Any]]
SIGKILL = -9


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    """``victims(folder, n=1, seconds=None)``: see :mod:`victims`."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
    script = str(ROOT / "tests" / "helpers" / "victims.py")
    pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, script], env=environment, **pipe) as process:

        def ask(folder: Path, n: int = 1, seconds: float | None = None) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            request = {"folder": str(folder), "words": WORDS, "n": n, "seconds": seconds}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield ask


@dataclass(frozen=True)
class Result:
    """What a finished run left: metrics but times, and names of artifacts."""

    metrics: dict[str, float]
    artifacts: set[str]

    def check(self, other: Result) -> None:
        assert set(self.metrics) == set(other.metrics)
        for key, value in self.metrics.items():
            assert abs(value - other.metrics[key]) <= 1e-9, key
        assert self.artifacts == other.artifacts


@dataclass
class State:
    """The tracking store of a folder."""

    folder: Path
    runs: list[Run] = field(init=False)

    def __post_init__(self) -> None:
        client = client_of(self.folder)
        found = client.get_experiment_by_name("demo")
        self.runs = list(client.search_runs([found.experiment_id])) if found else []

    def of(self, status: str) -> list[Run]:
        return [run for run in self.runs if run.info.status == status]

    def finished(self) -> dict[str, Result]:
        names = [str(run.info.run_name) for run in self.of("FINISHED")]
        assert len(names) == len(set(names)), "a run was made twice"
        return {str(run.info.run_name): self._result(run) for run in self.of("FINISHED")}

    def _result(self, run: Run) -> Result:
        root = self.folder / "mlruns/artifacts" / run.info.run_id / "artifacts"
        files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        return Result({k: v for k, v in run.data.metrics.items() if not k.startswith("time/")}, files)

    def left_over(self) -> list[str]:
        """Files that a finished sweep does not need."""
        below = [path for path in (self.folder / "mlruns").rglob("*") if path.name.startswith(".")]
        return [str(path) for path in [*below, *(self.folder / "mlruns/units").iterdir()]]


@pytest.fixture(scope="module")
def undisturbed(victims: Victims, new: Callable[[], Path]) -> tuple[dict[str, Result], float]:
    """What a sweep leaves that nothing disturbs, and its seconds."""
    folder = new()
    answer = victims(folder)
    assert answer["status"] == [0], folder.with_suffix(".said").read_text()
    state = State(folder)
    results = state.finished()
    assert set(results) == {"dmso_within", "dmso_across"}
    assert len(state.runs) == 2
    assert min(len(result.metrics) for result in results.values()) > 15
    assert state.left_over() == []
    return results, float(answer["seconds"])


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Callable[[], Path]:
    """An empty folder but for a database without runs."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("killed")
        (folder / "mlruns").mkdir()
        shutil.copy(_database, folder / "mlruns/mlflow.db")
        return folder

    return make


def test_a_sweep_that_is_killed_at_random_moments(
    victims: Victims, new: Callable[[], Path], undisturbed: tuple[dict[str, Result], float]
) -> None:
    """Killed over and over until one gets through, in a new folder each time, until 20 were killed."""
    expected, whole = undisturbed
    draw, kills, taken_over = random.Random(3), 0, 0
    while kills < KILLS:
        folder = new()
        status = SIGKILL
        while status == SIGKILL:
            seconds = draw.uniform(0, whole) if kills < KILLS else None
            (status,) = victims(folder, seconds=seconds)["status"]
            kills += status == SIGKILL
            for name, result in State(folder).finished().items():
                result.check(expected[name])
        said = folder.with_suffix(".said").read_text()
        assert status == 0, said
        state = State(folder)
        assert set(state.finished()) == set(expected)
        assert {run.info.status for run in state.runs} <= {"FINISHED", "KILLED"}
        assert {run.data.tags["failure"] for run in state.of("KILLED")} <= {"cut off"}
        interrupted = set(re.findall(r"the previous run was interrupted \(run (\w{32})\)", said))
        assert interrupted == {run.info.run_id for run in state.of("KILLED")}
        assert state.left_over() == []
        taken_over += said.count("parts restored")
    assert kills == KILLS
    assert taken_over > 0


def test_two_sweeps_at_once_make_each_run_once(
    victims: Victims, new: Callable[[], Path], undisturbed: tuple[dict[str, Result], float]
) -> None:
    folder = new()
    assert victims(folder, n=2)["status"] == [0, 0], folder.with_suffix(".said").read_text()
    state = State(folder)
    assert {run.info.status for run in state.runs} == {"FINISHED"}
    assert len(state.runs) == 2
    for name, result in state.finished().items():
        result.check(undisturbed[0][name])
    assert state.left_over() == []
    said = folder.with_suffix(".said").read_text()
    assert said.count("skipped: ") == 2
    assert said.count("waiting: another process evaluates") >= 1
