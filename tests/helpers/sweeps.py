"""Sweeps in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from places import ROOT

FAST = ("data.size=tiny", "model=[logistic]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=20")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", "-m", *arguments]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HARNESS_CORES", "SLURM_CPUS_PER_TASK")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def sweep(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=300
    )


def runs(folder: Path) -> list[Run]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlruns/mlflow.db")
    found = client.get_experiment_by_name("demo")
    return client.search_runs([found.experiment_id]) if found else []
