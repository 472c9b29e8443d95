"""Many jobs on two workers of this machine."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from strangers import no_hang
from sweeps import FAST, command, environment, runs, sweep

pytestmark = pytest.mark.slow

N_JOBS = 10
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Ten jobs that can be done, each with the same warning, and one that cannot."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder, sweep(folder, *JOBLIB, "+norm=raw", f"seed=range(-1,{N_JOBS})", "+figure.umap.x=1", *FAST)


def test_all_are_recorded_and_none_gives_up_on_a_lock(swept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, ended = swept
    found = runs(folder)
    assert [run.info.status for run in found] == ["FINISHED"] * N_JOBS
    assert sorted(int(run.data.params["seed"]) for run in found) == list(range(N_JOBS))
    assert "locked" not in ended.stderr


def test_what_was_refused_and_the_warning_of_all_stand_on_stderr_once(
    swept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, ended = swept
    lines = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert sorted(line.split(":")[1].strip() for line in lines) == ["seed=-1", "warning"]
    assert any(line.startswith("harness: seed=-1: expected a whole number") for line in lines)
    assert ended.stdout.count("AUROC 0.") == N_JOBS
    assert ended.stdout.splitlines()[-1] == f"{N_JOBS + 1} evaluations: {N_JOBS} new, 0 re-run, 0 skipped, 1 failed"
    assert "\x1b" not in ended.stdout + ended.stderr


def test_nothing_but_the_records_is_left(swept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = swept
    assert [path.name for path in folder.iterdir()] == ["mlruns"]
    assert [path.name for path in (folder / "mlruns/hydra").iterdir()] == ["multirun.yaml"]


def test_a_store_that_cannot_be_used_is_one_line_before_any_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = sweep(tmp_path, *JOBLIB, "+norm=raw,mean", "tracking.uri=sqlite:///file/x.db", *FAST)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert "file/x.db cannot be used" in ended.stderr


def test_an_interrupt_ends_the_workers_and_no_run_is_left_running(tmp_path: Path) -> None:
    """The signal goes to the first process only, as from a scheduler; a terminal sends it to all."""
    arguments = (*JOBLIB, "+norm=raw", "seed=range(0,40)", *FAST, "model=[lightgbm]", "n_resamples=500")
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with no_hang(120):
        while "AUROC 0." not in process.stdout.readline():  # a run has ended: others are under way
            assert process.poll() is None
    workers = _below(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "harness: interrupted")
    statuses = [run.info.status for run in runs(tmp_path)]
    assert set(statuses) <= {"FINISHED", "KILLED"}
    assert len(statuses) < 40
    until = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < until:
        time.sleep(0.2)
    assert len(workers) >= 2
    assert [pid for pid in workers if _alive(pid)] == []


def _below(parent: int) -> list[int]:
    """Processes that a process started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in found.stdout.split() if _alive(int(pid))]


def _alive(pid: int) -> bool:
    """Whether a process does anything; one that ended and that nobody asked about is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
