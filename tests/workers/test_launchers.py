"""Launchers for clusters, in their local modes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import FAST, runs, sweep

pytestmark = pytest.mark.slow

LAUNCHERS = {"submitit_local": "submitit", "ray": "ray"}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_jobs_are_done_and_one_that_is_refused_leaves_its_line(launcher: str, tmp_path: Path) -> None:
    pytest.importorskip(LAUNCHERS[launcher], reason=f"the extra for hydra/launcher={launcher} is not installed")
    ended = sweep(tmp_path, f"hydra/launcher={launcher}", "+norm=raw", "seed=3,-1,5", *FAST, HARNESS_CORES="2")
    lines = ended.stderr.splitlines()
    assert [line for line in lines if line.startswith("harness: ")] == [
        "harness: seed=-1: expected a whole number from 0 to 4,294,967,295"
    ], ended.stderr
    assert ended.returncode == 2
    found = runs(tmp_path)
    assert {run.data.params["seed"]: run.info.status for run in found} == {"3": "FINISHED", "5": "FINISHED"}
    assert ended.stdout.count("raw (leave_batch_out): dmso_vs_treated/logistic AUROC 0.") == 2
    assert ended.stdout.splitlines()[-1] == "3 evaluations: 2 new, 0 re-run, 0 skipped, 1 failed"
    assert list((tmp_path / "mlruns/hydra").glob("sweep-*")) == []
