"""What concerns the screen is said once for a sweep; what concerns a normalization, with its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import MAPPING, SMALL, TABLES, run_command, wide

from harness.store.reading_report import ReadingReport

pytestmark = pytest.mark.slow


def test_a_file_that_is_not_there(folder: Path) -> None:
    outcome = run_command(folder, "data.paths=[missing.csv]", "-m", "+norm=raw,mean,rank", *TABLES, *MAPPING)
    assert outcome.status == 2
    assert outcome.line.startswith("harness: data.paths: no such file: 'missing.csv'")
    assert outcome.out == "3 evaluations: 0 new, 0 re-run, 0 skipped, 3 failed\n"


def test_a_screen_without_controls(folder: Path) -> None:
    wide().to_csv(folder / "plates.csv", index=False)
    words = ("data.paths=[plates.csv]", *TABLES, *MAPPING, "data.controls.values=[Nobody]")
    outcome = run_command(folder, "-m", "+norm=raw,mean", *words)
    assert outcome.status == 2
    assert outcome.line.startswith("harness: ")
    assert not outcome.line.startswith(("harness: raw:", "harness: mean:"))


def test_an_error_of_one_normalization_has_its_name(folder: Path) -> None:
    outcome = run_command(folder, "-m", "+norm=raw,well_mean", *SMALL, "+norm.nonsense=1")
    lines = outcome.err.splitlines()
    assert outcome.status == 2
    assert lines
    assert all("norm" in line for line in lines)


def test_notes_and_warnings_of_the_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ReadingReport()
    report.note("516 features; left out 14 columns")
    report.warn("two spellings of one control")
    monkeypatch.setattr("harness.cli.load_screen.read_report", lambda _: report)
    outcome = run_command(folder, "-m", "+norm=raw,mean", *SMALL)
    assert outcome.status == 0
    assert outcome.err.splitlines() == [
        "harness: 516 features; left out 14 columns",
        "harness: warning: two spellings of one control",
    ]
