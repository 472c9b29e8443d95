"""Whatever removes or replaces files knows its own: foreign ones beside them, of all sorts, stay as they are."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from strangers import KINDS, OLD, no_hang, settle, state

from harness.cli.worker_channel import JobResult, WorkerChannel
from harness.core.exceptions import CorruptedStoreError, InputError
from harness.norm.engine.serialization import load, save
from harness.norm.raw import Raw
from harness.run.checkpoint import table_file
from harness.run.checkpoint.checkpoint import FileCheckpoints, prepare_folder, remove_superseded
from harness.run.checkpoint.keys import RunKey
from harness.run.checkpoint.table_file import StoredTable
from harness.store.lru_cache import DirectoryCache
from harness.sync import main as sync
from harness.tracking.database import open_database
from harness.tracking.outbox import RunInfo, RunOutbox
from harness.tuning.engine.storage import open_storage
from harness.utils.file_lock import exclusive_lock
from harness.utils.hashing import file_hash_cache, file_sha256
from harness.utils.output_file import write_output
from harness.utils.process_identity import this_process

ASKED = RunKey({key: {} for key in ("batch", "norm", "split", "aggregate", "seed")}, "data")
MB = 1_000_000


@pytest.fixture(autouse=True)
def _in_time() -> Any:
    with no_hang():
        yield


def dead() -> list[str]:
    """A process of this machine that ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return [this_process()[0], str(child.pid), "1"]


@dataclass(frozen=True)
class Place:
    """Where something is removed.

    Attributes
    ----------
    ours : makes what is to be removed; returns its paths.
    names : patterns of names, with a number in them, like those of ours.
    act : does what removes.
    """

    ours: Callable[[Path], list[Path]]
    names: tuple[Callable[[int], str], ...]
    act: Callable[[Path], object]


def _unit(path: Path) -> Path:
    table_file.write_table(path, StoredTable(pd.DataFrame({"x": [1.0]}), {}))
    os.utime(path, (OLD, OLD))
    return path


def _units(folder: Path) -> list[Path]:
    unit = _unit(folder / f"{ASKED.checkpoint_prefix[:24]}-{1:032x}.parquet")
    cut_off = folder / "~".join([f".{2:024x}-{2:032x}.parquet", *dead()])
    cut_off.write_bytes(unit.read_bytes()[:40])
    return [unit, cut_off]


def _prepared(folder: Path) -> None:
    prepare_folder(folder)
    remove_superseded(folder, ASKED, datetime.now())


def _entry(folder: Path) -> Path:
    folder.mkdir()
    np.save(folder / "features.npy", np.zeros((MB // 4, 1), dtype=np.float32))
    (folder / "store.json").write_text('{"format": 0}')
    os.utime(folder / "store.json", (OLD, OLD))
    return folder


def _entries(folder: Path) -> list[Path]:
    unfinished = folder / f".{1:032x}.{1:08x}.part"
    (unfinished / "truth").mkdir(parents=True)
    for name in ("features.npy", "wells.parquet", "truth/types.parquet"):
        (unfinished / name).write_bytes(b"half")
    return [_entry(folder / f"{1:032x}"), unfinished]


def _opened(folder: Path) -> Path:
    if not (folder / "store.json").is_file():
        raise CorruptedStoreError(f"{folder}: no store.json")
    return folder


def _filled(folder: Path) -> None:
    cache = DirectoryCache(folder, max_gb=0.0012)
    cache.begin()

    def make(part: Path) -> None:
        np.save(part / "features.npy", np.zeros((MB // 4, 1), dtype=np.float32))
        (part / "store.json").write_text('{"format": 0}')

    cache.entry(cache.name({}), make=make, opened=_opened, n_bytes=lambda: MB, what="entry")


def _journal(folder: Path) -> list[Path]:
    journal = RunOutbox.begin(folder)
    journal.release()
    return [journal.folder]


PLACES = {
    "units": Place(
        _units,
        (
            lambda i: f"{ASKED.checkpoint_prefix[:24]}-{i + 100:032x}.parquet",
            lambda i: f"plate{i}.parquet",
            lambda i: f".{i + 100}~y",
            lambda i: f".x~y~z~{i}",
            lambda i: "~".join([f".{i + 100:024x}-{i:032x}.parquet", this_process()[0], "999999999", "1"]),
            lambda i: f"{i + 100:064x}.lock",
        ),
        _prepared,
    ),
    "cache": Place(
        _entries,
        (
            lambda i: f"{i + 100:032x}",
            lambda i: f".{i + 100:032x}.{i:08x}.part",
            lambda i: f".{i + 100:032x}.mine.part",
            lambda i: f".{i + 100:032x}.lock",
            lambda i: f"{i}.part",
        ),
        _filled,
    ),
    "outbox": Place(
        _journal,
        (
            lambda i: f"20260101-000000-{i + 100:08x}",
            lambda i: f"plates {i}",
            lambda i: f"{i:06d}",
            lambda i: f".20260101-000000-{i + 100:08x}",
        ),
        lambda folder: sync(["--outbox", str(folder)]),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_ours_leave_and_what_stands_beside_them_stays(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    there = PLACES[place]
    ours = there.ours(folder)
    assert all(path.exists() for path in ours)
    strangers = [
        settle(folder / name(number), make) for number, make in enumerate(KINDS.values()) for name in there.names
    ]
    before = {path: state(path) for path in strangers}
    there.act(folder)
    for path in strangers:
        assert state(path) == before[path], path.name
    assert [path for path in ours if path.exists()] == []


def test_a_table_of_the_user_is_not_removed_for_its_age(tmp_path: Path) -> None:
    """``units=.`` and ``units=plates``: a month old input is the usual input."""
    path = settle(tmp_path / "plate1.parquet", KINDS["table"])
    before = path.read_bytes()
    prepare_folder(tmp_path)
    assert path.read_bytes() == before


def test_units_of_this_run_are_forgotten_and_nothing_that_took_their_names(tmp_path: Path) -> None:
    units = FileCheckpoints(tmp_path, ASKED, content=("a",))
    for name in "ab":
        units.save(StoredTable(pd.DataFrame({"x": [1.0]}), {}), "report", name)
    first, second = sorted(tmp_path.iterdir())
    first.unlink()
    KINDS["table"](first)
    units.clear()
    assert (first.exists(), second.exists()) == (True, False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_unit_is_one_line_and_stays(kind: str, tmp_path: Path) -> None:
    units = FileCheckpoints(tmp_path / "units", ASKED, content=("a",))
    (tmp_path / "units").mkdir()
    path = settle(units._path("report", ("b",)), KINDS[kind])
    before = state(path)
    if kind == "table":  # one that was damaged looks alike: it is computed again
        assert units.load("report", "b") is None
        return
    for act in (
        partial(units.load, "report", "b"),
        partial(units.save, StoredTable(pd.DataFrame(), {}), "report", "b"),
    ):
        with pytest.raises(InputError, match=r"^units: .*move it away") as raised:
            act()
        assert "\n" not in str(raised.value)
    assert state(path) == before


def _lock(path: Path) -> None:
    with exclusive_lock(path):
        pytest.fail("nothing is to be done")


EXACT: dict[str, tuple[str, Callable[[Path], object]]] = {  # a name that is needed, and who needs it
    "lock": ("x.lock", lambda folder: _lock(folder / "x.lock")),
    "lock of units": (f"{ASKED.run_key}.lock", lambda folder: _lock(folder / f"{ASKED.run_key}.lock")),
    "lock of an entry": (f".{DirectoryCache(Path()).name({})}.lock", _filled),
    "entry": (DirectoryCache(Path()).name({}), _filled),
    "database": ("mlflow.db", lambda folder: open_database(folder / "mlflow.db", make=True)),
    "database in the making": ("mlflow.db.making", lambda folder: open_database(folder / "mlflow.db", make=True)),
    "its log": ("mlflow.db.making-journal", lambda folder: open_database(folder / "mlflow.db", make=True)),
    "lock of a database": ("mlflow.db.lock", lambda folder: open_database(folder / "mlflow.db", make=True)),
    "studies": ("optuna.db", lambda folder: open_storage(f"sqlite:///{folder}/optuna.db")),
    "lock of studies": ("optuna.db.lock", lambda folder: open_storage(f"sqlite:///{folder}/optuna.db")),
    "statistics to read": ("x.npz", lambda folder: load(folder / "x.npz")),
    "page": ("x.html", lambda folder: write_output(f"{folder}/x.html", "<p>ours", mark="<p>", option="--out")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EXACT)
def test_a_name_that_is_needed_and_taken_is_one_line(name: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    file, act = EXACT[name]
    path = settle(folder / file, KINDS[kind])
    before = state(path)
    with pytest.raises(InputError) as raised:
        act(folder)
    assert "\n" not in str(raised.value)
    assert file in str(raised.value) or file.removesuffix("-journal") in str(raised.value)
    assert state(path) == before
    assert [other.name for other in folder.iterdir() if not other.name.endswith(".lock")] in ([file], [])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("text", "table", "link")])
def test_an_output_replaces_files_only(kind: str, tmp_path: Path) -> None:
    """With ``force=true`` of apply and montage what is replaced is a file; through a link, the file it leads to."""
    (tmp_path / "place").mkdir()
    path = settle(tmp_path / "place/x.npz", KINDS[kind])
    before = state(path)
    with pytest.raises(InputError, match="expected a file"):
        save(Raw(), path)
    assert state(path) == before
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_an_output_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    KINDS["link"](tmp_path / "place/x.npz")
    save(Raw(), tmp_path / "place/x.npz")
    assert (tmp_path / "place/x.npz").is_symlink()
    assert isinstance(load(tmp_path / "somewhere else.txt"), Raw)


def test_a_page_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = str(tmp_path / "x.html")
    for text in ("<p>one", "<p>two"):
        write_output(path, text, mark="<p>", option="--out")
    assert (tmp_path / "x.html").read_text() == "<p>two"
    assert [file.name for file in tmp_path.iterdir()] == ["x.html"]


@pytest.mark.parametrize("kind", [*KINDS, "list", "other object"])
def test_hashes_are_not_kept_over_a_foreign_file(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    texts = {"list": "[1, 2]", "other object": json.dumps({"sources": ["a.csv"]})}
    make = KINDS.get(kind) or (lambda path: path.write_text(texts[kind]))
    path, data = settle(folder / "sources.json", make), settle(tmp_path / "data.csv", KINDS["text"])
    before = state(path)
    with file_hash_cache(path):
        file_sha256(data)
    assert state(path) == before
    assert "sources.json" in caplog.text
    assert [file.name for file in folder.iterdir()] == ["sources.json"]


def test_hashes_are_kept_in_our_own_file(tmp_path: Path) -> None:
    data, path = settle(tmp_path / "data.csv", KINDS["text"]), tmp_path / "sources.json"
    for _ in range(2):
        with file_hash_cache(path):
            file_sha256(data)
    assert list(json.loads(path.read_text())) == [str(data)]


def test_a_worker_channel_removes_its_messages_only(tmp_path: Path) -> None:
    channel = WorkerChannel()
    channel.open(tmp_path)
    assert channel.folder is not None
    channel.start_job(1)
    channel.send(1, JobResult(0))
    channel.start_job(2)
    strangers = [
        settle(channel.folder / f"{i}{end}", make) for i, make in enumerate(KINDS.values()) for end in (".x", "a.json")
    ]
    before = {path: state(path) for path in strangers}
    assert len(channel.receive()) == 1
    channel.close()
    assert {path: state(path) for path in strangers} == before
    assert {path.name for path in channel.folder.iterdir()} == {"stop", *(path.name for path in strangers)}
    assert not channel.is_open


def test_a_sent_journal_with_a_foreign_file_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = RunOutbox.begin(tmp_path)
    (journal.folder / "notes.txt").write_text("mine")
    journal.release()
    assert sync(["--outbox", str(tmp_path)]) == 0
    assert "holds other files, and stays" in capsys.readouterr().out
    assert (journal.folder / "notes.txt").read_text() == "mine"


def test_a_journal_that_lost_its_run_is_not_thrown_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.tracking.requests import TrackingRequest

    journal = RunOutbox.begin(tmp_path)
    journal.set_run(RunInfo("http://127.0.0.1:1", "0", "r", "r"))
    journal.append(TrackingRequest("tags", {"a": "b"}))
    (journal.folder / "run.json").unlink()
    journal.release()
    assert sync(["--outbox", str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err
    assert (journal.folder / "000001/call.json").is_file()


def test_a_damaged_entry_with_a_foreign_file_is_one_line(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path)
    folder = _entry(tmp_path / cache.name({}))
    (folder / "notes.txt").write_text("mine")

    def damaged(_: Path) -> None:
        raise CorruptedStoreError("truncated")

    with pytest.raises(InputError, match=r"is damaged, and holds 'notes.txt'.*set cache.folder"):
        cache.entry(cache.name({}), make=Path.mkdir, opened=damaged, n_bytes=lambda: 0, what="entry")
    assert {path.name for path in folder.iterdir()} == {"features.npy", "store.json", "notes.txt"}


def test_an_entry_with_a_foreign_file_is_used_and_stays(tmp_path: Path) -> None:
    """A file of the desktop, say: no reason to refuse, nor to remove it with the entry."""
    cache = DirectoryCache(tmp_path, max_gb=1e-9)
    folder = _entry(tmp_path / cache.name({}))
    (folder / ".DS_Store").write_text("mine")
    assert cache.entry(cache.name({}), make=Path.mkdir, opened=Path, n_bytes=lambda: 0, what="entry") == folder
    _filled(tmp_path)
    assert (folder / ".DS_Store").read_text() == "mine"


def test_an_unreadable_entry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DirectoryCache(tmp_path)
    folder = _entry(tmp_path / cache.name({}))
    really_iterate = Path.iterdir

    def refuse(path: Path) -> Any:
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return really_iterate(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); move it away, or set cache.folder"):
        cache.entry(cache.name({}), make=Path.mkdir, opened=Path, n_bytes=lambda: 0, what="entry")


def test_studies_are_not_made_in_a_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "plates.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE plates (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="is a database of something else; choose another file"):
        open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_lock_is_waited_for_by_one_and_removed_by_the_other(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "x.lock"):
        assert (tmp_path / "x.lock").exists()
        KINDS["text"](tmp_path / "x.lock")  # whose content is then somebody's
    assert (tmp_path / "x.lock").read_text() == "mine\n"
    (tmp_path / "x.lock").unlink()
    start = time.monotonic()
    with exclusive_lock(tmp_path / "x.lock"):
        pass
    assert time.monotonic() - start < 5
    assert list(tmp_path.iterdir()) == []
