"""A tracking folder or database that cannot be used: one plain line, and once it is repaired the run is right."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import SMALL, run_command, runs_of
from places import ROOT

from harness.core.exceptions import InputError
from harness.tracking.tracking import Tracking

pytestmark = pytest.mark.slow

OURS = {**os.environ, "PYTHONPATH": str(ROOT)}
MEMORY = Path("/dev/shm")  # where there is one: the tables are made by hundreds of writes that wait for the disk
KEY = "dmso_vs_treated/logistic/auroc"


@pytest.fixture
def read_only(folder: Path) -> Iterator[Callable[[bool], None]]:
    """Makes ``mlruns`` read-only, or writable again. Permissions do not bind root: then it is mounted so."""
    place = folder / "mlruns"
    if os.geteuid() != 0:
        yield lambda wanted: place.chmod(0o555 if wanted else 0o755)
        place.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", place, place], capture_output=True).returncode:
        pytest.skip("this root may not mount a folder read-only")
    yield lambda wanted: subprocess.run(
        ["mount", "-o", f"remount,bind,{'ro' if wanted else 'rw'}", place], check=True
    ).check_returncode()
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("with_database", [True, False])
def test_a_read_only_tracking_folder(
    with_database: bool, folder: Path, read_only: Callable[[bool], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    spare = tmp_path_factory.mktemp("spare") / "mlflow.db"
    shutil.copy(folder / "mlruns/mlflow.db", spare)
    if not with_database:
        (folder / "mlruns/mlflow.db").unlink()
    read_only(True)
    elsewhere = [f"cache={folder}/screens", f"units={folder}/units"]
    refused = run_command(folder, "+norm=raw", *SMALL, *elsewhere)
    assert refused.status == 2
    assert refused.line.startswith("harness: raw: tracking: sqlite:///mlruns/mlflow.db cannot be used (")
    assert refused.line.endswith("; set tracking.uri to a store you can write")
    assert "read-only" in refused.line or "Read-only" in refused.line or "Permission denied" in refused.line
    read_only(False)
    shutil.copy(spare, folder / "mlruns/mlflow.db")
    words = [sys.executable, "-m", "harness", "+norm=raw", *SMALL, *elsewhere]
    done = subprocess.run(words, cwd=folder, env=OURS, capture_output=True, text=True)  # this one has it open read-only
    assert done.returncode == 0, done.stderr
    assert runs_of(folder)["raw"].info.status == "FINISHED"
    assert KEY in runs_of(folder)["raw"].data.metrics


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database, " * 300)


def _half(path: Path) -> None:
    """As a process leaves it that is killed while it makes the tables."""
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    connection.close()


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_garbage, r"is no database, or damaged \(file is not a database\); move it away"),
        (_half, "its making was cut off; move it away"),
        (_newer, "another version of MLflow made it.*install the newer MLflow"),
        (_folder, "is no file; set tracking.uri to sqlite:///PATH"),
    ],
)
def test_a_database_that_is_none_is_one_line_and_another_is_made_in_its_place(
    spoil: Callable[[Path], None], said: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, spare = folder / "mlruns/mlflow.db", tmp_path_factory.mktemp("spare") / "mlflow.db"
    shutil.copy(path, spare)
    spoil(path)
    tracking = Tracking(uri=f"sqlite:///{path}", artifacts=str(folder / "kept"))
    with pytest.raises(InputError, match=said) as raised:
        tracking.experiment_id(tracking.open())
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    if path.is_dir():
        path.rmdir()
    path.write_bytes(spare.read_bytes())  # in place: this process has it open
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.metrics({"a": 1.0})
    assert [(record.status, record.metrics) for record in tracking.records()] == [("FINISHED", {"a": 1.0})]


def test_a_tracking_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("mine")
    tracking = Tracking(uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    with pytest.raises(InputError, match=r"mlruns/mlflow\.db cannot be used \(.*mlruns'\); set tracking.uri"):
        tracking.open()
    assert (tmp_path / "mlruns").read_text() == "mine"


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from harness.tracking.tracking import Tracking

path = Path(sys.argv[1])
tracking = Tracking(uri=f"sqlite:///{path}")

def opened(after):
    child = os.fork()
    if not child:
        tracking.open()
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]

start = time.monotonic()
assert opened(None) == 0
whole = time.monotonic() - start
path.unlink()
killed = 0
for _ in range(5):
    status = opened(whole * random.uniform(0.05, 0.7))
    killed += os.WIFSIGNALED(status)
    if path.exists():
        assert opened(None) == 0
        path.unlink()
    print(sorted(p.name for p in path.parent.iterdir()))
assert killed >= 3, killed
with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
    recorder.metrics({"a": 1.0})
assert [record.metrics for record in tracking.records()] == [{"a": 1.0}]
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def test_a_process_that_is_killed_while_it_makes_the_database_leaves_none(place: Path) -> None:
    """SIGKILL at five random moments of the first migration; each next process begins anew."""
    path = place / "mlflow.db"
    done = subprocess.run(
        [sys.executable, "-c", KILLS, path],
        cwd=place,
        env=OURS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "mlflow.db.making" in done.stdout
    assert not list(place.glob("mlflow.db.*"))
