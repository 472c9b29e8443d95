"""Faults are made on purpose, in a folder of their own; what comes after them is set against an undisturbed run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import run_command, runs_of
from strangers import QUICK


def metrics(folder: Path, name: str = "raw") -> dict[str, float]:
    """Of the newest run of this name, which must have finished: all but the times."""
    run = runs_of(folder)[name]
    assert run.info.status == "FINISHED"
    return {key: value for key, value in run.data.metrics.items() if not key.startswith("time/")}


def _with_database(folder: Path, database: Path) -> None:
    """A database of runs without runs: making its tables takes seconds."""
    (folder / "mlruns").mkdir()
    shutil.copy(database, folder / "mlruns/mlflow.db")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> dict[str, float]:
    """Metrics of the quick run where nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    _with_database(folder, _database)
    assert run_command(folder, *QUICK).status == 0
    return metrics(folder)


@pytest.fixture
def same_as_undisturbed(undisturbed: dict[str, float]) -> Callable[[Path], None]:
    """Assert that the newest quick run of a folder has the metrics of an undisturbed one."""

    def check(folder: Path) -> None:
        assert metrics(folder) == pytest.approx(undisturbed, rel=1e-9, abs=1e-9, nan_ok=True)

    return check


@pytest.fixture
def small_disk(tmp_path: Path, _database: Path) -> Iterator[Path]:
    """A disk of 4 MB with a database of runs."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        _with_database(folder, _database)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
