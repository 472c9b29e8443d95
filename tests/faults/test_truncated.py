"""A features file that was truncated, before a run and in the middle of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import run_command, runs_of
from strangers import QUICK

from harness.cli import load_screen
from harness.core.exceptions import CorruptedStoreError
from harness.data.demo import Demo
from harness.store.store import load, store_folder

pytestmark = pytest.mark.slow


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_truncated_before_a_run(folder: Path, same_as_undisturbed: Callable[[Path], None]) -> None:
    assert run_command(folder, *QUICK).status == 0
    halve(*folder.glob("mlruns/store/*/features.npy"))
    again = run_command(folder, *QUICK, "force=true")
    assert again.status == 0
    assert "rebuilding" in again.line
    same_as_undisturbed(folder)


@pytest.mark.parametrize("name", ["features.npy", "planted.npy"])
def test_a_plate_of_a_file_that_was_truncated_meanwhile_is_not_read(tmp_path: Path, name: str) -> None:
    """Reading beyond the end of a mapped file would kill the process."""
    source = Demo(size="tiny")
    profiles = load(source, tmp_path)
    assert profiles[0].X.any()
    halve(store_folder(source, tmp_path) / name)
    with pytest.raises(CorruptedStoreError, match=rf"{name}: has \d+ bytes; expected \d+; run again"):
        profiles[len(profiles) - 1]


def test_truncated_in_the_middle_of_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, same_as_undisturbed: Callable[[Path], None]
) -> None:
    def then_truncated(*arguments: Any) -> Any:
        profiles = load(*arguments)
        halve(*folder.glob("mlruns/store/*/features.npy"))
        return profiles

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(load_screen, "load", then_truncated)
        failed = run_command(folder, *QUICK, "data.leak_guard=off")  # which reads plates before the run begins
    assert failed.status == 2
    assert "features.npy: has" in failed.line
    assert runs_of(folder)["raw"].info.status == "FAILED"
    again = run_command(folder, *QUICK)
    assert again.status == 0
    same_as_undisturbed(folder)
