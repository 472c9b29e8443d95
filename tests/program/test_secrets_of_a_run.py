"""A planted password is in nothing that a run prints or writes, whether it succeeds or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import SMALL, run_command, runs_of
from processes import environment

pytestmark = pytest.mark.slow

PW = "Gehe1mes.Wort"
DSN = f"postgresql://anna@lab.org:{PW}@127.0.0.1:1/x"


def _holding(folder: Path) -> list[str]:
    """Files below ``folder`` in whose name or content the password stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if PW.encode() in path.read_bytes() or PW in path.name]


def test_of_a_run_that_succeeds(folder: Path) -> None:
    words = (f"+hydra.job.env_set.X='http://h/?sig={PW}'", f"tracking.outbox='{DSN}'", "hydra.output_subdir=.hydra")
    outcome = run_command(folder, "+norm=raw", *SMALL, *words)
    assert outcome.status == 0, outcome.err
    assert PW not in outcome.out + outcome.err
    assert (folder / ".hydra/hydra.yaml").exists()
    assert "anna@lab.org:***@" in runs_of(folder)["raw"].data.tags["command"]
    assert _holding(folder) == []


def test_of_a_sweep_that_succeeds(folder: Path) -> None:
    outcome = run_command(
        folder, "-m", "+norm=raw,mean", *SMALL, f"tracking.outbox='{DSN}'", f"+hydra.job.env_set.X='{DSN}'"
    )
    assert outcome.status == 0, outcome.err
    assert PW not in outcome.out + outcome.err
    assert (folder / "mlruns/hydra/multirun.yaml").exists()
    assert _holding(folder) == []


@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_of_a_store_that_cannot_be_used(sweep: tuple[str, ...], tmp_path: Path) -> None:
    words = [*sweep, "+norm=raw", *SMALL, f"tracking.uri=http://anna@lab.org:{PW}@127.0.0.1:1", "tracking.retries=0"]
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("harness: raw: tracking: http://anna@lab.org:***@127.0.0.1:1 cannot be used")
    assert ended.stderr.count("\n") == 1
    assert PW not in ended.stdout
    (tmp_path / "there").touch()
    assert _holding(tmp_path) == []


def test_of_a_defect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        try:
            raise ValueError(f"cannot connect to {DSN}")
        except ValueError as error:
            raise RuntimeError(f"odd: http://h/?token={PW}") from error

    monkeypatch.setattr("harness.run.training.evaluate_groups", broken)
    outcome = run_command(folder, "+norm=raw", *SMALL, f"+hydra.job.env_set.X='{DSN}'")
    assert outcome.status == 1
    assert "ValueError: cannot connect to postgresql://anna@lab.org:***@127.0.0.1:1/x" in outcome.err
    assert "RuntimeError: odd: http://h/?token=***" in outcome.err
    assert "Error executing job" not in outcome.err
    assert PW not in outcome.out + outcome.err
    assert runs_of(folder)["raw"].data.tags["failure"] == "odd: http://h/?token=***"
    assert _holding(folder) == []


def test_of_a_configuration_that_is_refused_or_shown(tmp_path: Path) -> None:
    for words in ((f"tracking.uri={DSN}",), ("+norm=raw", f"tracking.uri={DSN}", "--help"), (f"--bogus={DSN}",)):
        outcome = run_command(tmp_path, *words)
        assert PW not in outcome.out + outcome.err, words
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "+norm=raw", f"tracking.uri='{DSN}'", "--cfg", "job"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert "postgresql://anna@lab.org:***@127.0.0.1:1/x" in ended.stdout
    assert PW not in ended.stdout + ended.stderr
