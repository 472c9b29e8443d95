"""A folder with recorded runs that is copied or moved: it neither writes to the old place nor reads from there."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

import pytest
from command import SMALL, run_command, run_compare
from mlflow import MlflowClient

from harness.core.exceptions import InputError
from harness.explore.__main__ import main as explore
from harness.tracking.tracking import Tracking

pytestmark = pytest.mark.slow

QUICK = ("+norm=raw", *SMALL)


def tracking(folder: Path, *, artifacts: str | None = None) -> Tracking:
    return Tracking(
        uri=f"sqlite:///{folder}/mlruns/mlflow.db",
        artifacts=artifacts or str(folder / "mlruns/artifacts"),
        experiment="toy",
    )


def record(store: Tracking, name: str) -> None:
    with store.run(name, params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.text("note.txt", name)


def notes(store: Tracking) -> dict[str, str]:
    return {record.name: record.file("note.txt").decode() for record in store.records()}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one recorded run."""
    place = tmp_path_factory.mktemp("moved") / "old"
    shutil.copytree(folder, place)
    record(tracking(place), "first")
    return place


@pytest.mark.parametrize("how", ["copied", "moved", "moved, made by an earlier version", "copied, renamed"])
def test_runs_follow_their_folder(how: str, old: Path, caplog: pytest.LogCaptureFixture) -> None:
    if "earlier" in how:
        with sqlite3.connect(old / "mlruns/mlflow.db") as connection:
            connection.execute("DELETE FROM experiment_tags WHERE key = 'harness.database'")
        connection.close()
    new = old.with_name("new place")
    (shutil.copytree if "copied" in how else shutil.move)(old, new)
    before = files(old) if old.exists() else set()
    store = tracking(new)
    if "renamed" in how:
        (new / "mlruns").rename(new / "runs")
        store = Tracking(uri=f"sqlite:///{new}/runs/mlflow.db", artifacts=str(new / "runs/artifacts"), experiment="toy")
    record(store, "second")
    assert notes(store) == {"first": "first", "second": "second"}
    assert (files(old) if old.exists() else set()) == before
    said = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
    assert len(said) == 1
    assert said[0].endswith(f"no more in {old}/mlruns/artifacts")
    if old.exists():
        assert notes(tracking(old)) == {"first": "first"}
        for run in store.records():
            assert str(old) + "/" not in str(run.run.info.artifact_uri)


def test_a_folder_that_stays_is_not_taken_for_a_moved_one(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also through a link to it, with artifacts elsewhere, with a second database, and a backup of the first."""
    link = old.with_name("link")
    link.symlink_to(old)
    record(tracking(link), "through a link")
    far = old.with_name("far away")
    elsewhere = Tracking(uri=f"sqlite:///{old}/mlruns/mlflow.db", artifacts=str(far), experiment="elsewhere")
    record(elsewhere, "far")
    shutil.copy(old / "mlruns/mlflow.db", old / "mlruns/backup.db")
    backup = Tracking(uri=f"sqlite:///{old}/mlruns/backup.db", artifacts="mlruns/artifacts", experiment="toy")
    assert notes(backup) == {"first": "first", "through a link": "through a link"}
    assert notes(tracking(old)) == notes(backup)
    assert notes(elsewhere) == {"far": "far"}
    assert caplog.text == ""


def test_artifacts_that_were_left_behind_are_one_line(old: Path) -> None:
    new = old.with_name("new")
    (new / "mlruns").mkdir(parents=True)
    shutil.copy(old / "mlruns/mlflow.db", new / "mlruns/mlflow.db")
    before = files(old), (new / "mlruns/mlflow.db").read_bytes()
    with pytest.raises(
        InputError, match=r"the files of 1 of its 1 runs were not: copy them too \(mkdir -p .*cp -r"
    ) as raised:
        record(tracking(new), "second")
    assert "\n" not in str(raised.value)
    assert (files(old), (new / "mlruns/mlflow.db").read_bytes()) == before
    compared = run_compare(new, "toy")
    assert compared.status == 2
    assert "copy them too" in compared.line
    assert explore(["toy", "--uri", f"sqlite:///{new}/mlruns/mlflow.db", "--out", str(new / "x.html")]) == 2
    shutil.copytree(old / "mlruns/artifacts", new / "mlruns/artifacts")
    assert notes(tracking(new)) == {"first": "first"}


def test_a_copy_that_cannot_be_written_is_one_line(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = shutil.copytree(old, old.with_name("new"))

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr("harness.tracking.moved_database._rewrite", refuse)
    with pytest.raises(InputError, match=r"was copied or moved, and cannot be written.*make it writable once"):
        tracking(new).open()


@pytest.mark.parametrize(("artifacts", "refused"), [("mine", True), ("mlruns/artifacts", False)])
def test_artifacts_of_an_experiment_stay_in_one_place(
    artifacts: str, refused: bool, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(old)
    store = tracking(old, artifacts=artifacts)
    if not refused:
        record(store, "second")
        assert len(list((old / "mlruns/artifacts").iterdir())) == 2
        return
    with pytest.raises(InputError, match=rf"^tracking.artifacts=mine: experiment 'toy' keeps its files in {old}"):
        record(store, "second")
    assert not (old / "mine").exists()
    assert [run.name for run in store.records()] == ["first"]


def test_a_finished_run_without_its_files_is_made_again(folder: Path) -> None:
    first = run_command(folder, *QUICK)
    assert first.status == 0, first.err
    assert run_command(folder, *QUICK).out.startswith("skipped: raw finished")
    shutil.rmtree(folder / "mlruns/artifacts")
    again = run_command(folder, *QUICK)
    assert again.status == 0, again.err
    assert again.out.startswith("re-running raw: the previous run finished on ")
    assert "but its files are gone" in again.out.splitlines()[0]
    assert run_command(folder, *QUICK).out.startswith("skipped: raw finished")


def test_a_working_folder_with_any_characters(folder: Path) -> None:
    """One with all of them: MLflow keeps connections by address, which is relative in such a folder."""
    place = folder / "outer" / "wei?rd %20#ü b&c;d"
    place.mkdir(parents=True)
    shutil.move(folder / "mlruns", place / "mlruns")
    outcome = run_command(place, *QUICK, "tracking.experiment=odd")
    assert outcome.status == 0, outcome.err
    assert [path.name for path in (folder / "outer").iterdir()] == [place.name]
    assert {path.name for path in (place / "mlruns").iterdir()} == {"mlflow.db", "artifacts", "store", "units"}
    again = run_command(place, *QUICK, "tracking.experiment=odd")
    assert again.out.startswith("skipped: "), again.err
    compared = run_compare(place, "odd")
    assert (compared.status, compared.err) == (0, "")


def test_a_database_whose_path_no_address_can_have(tmp_path: Path) -> None:
    store = Tracking(uri=f"sqlite:///{tmp_path}/a?b/mlflow.db")
    with pytest.raises(InputError, match=r"has one of the characters \? % in it; set tracking.uri to another file"):
        store.open()
    assert list(tmp_path.iterdir()) == []


def test_other_characters_are_left_as_they_are(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "ü #b"
    place.mkdir()
    shutil.copy(folder / "mlruns/mlflow.db", place / "mlflow.db")
    store = Tracking(uri=f"sqlite:///{place}/mlflow.db", artifacts=str(place / "artifacts"), experiment="toy")
    record(store, "first")
    assert notes(store) == {"first": "first"}
    assert MlflowClient(f"sqlite:///{place}/mlflow.db").get_experiment_by_name("toy") is not None
