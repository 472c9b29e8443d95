"""Pipes, sockets, devices, folders, links that lead nowhere: one line each, and never a hang."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_screens import FEATURES, read_small, small_screen, write

from harness.core.exceptions import InputError
from harness.data.files.table_files import expand, read_table
from harness.data.npz import Npz
from harness.known_effects.scores import KnownEffectSource
from harness.task.labels.source import LabelSource


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: names of sockets must be short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))


def make_loop(path: Path) -> None:
    path.symlink_to(path.with_name("back.csv"))
    path.with_name("back.csv").symlink_to(path)


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a named pipe"),
    "socket": (make_socket, "a socket"),
    "folder": (Path.mkdir, "is a folder"),
    "loop": (make_loop, "a link that leads nowhere"),
    "dangling": (lambda path: path.symlink_to("nothing.csv"), "a link that leads nowhere"),
    "link to a pipe": (lambda path: (os.mkfifo(path.with_name("p")), path.symlink_to("p")), "a named pipe"),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
}


def labels(path: str) -> Any:
    source = LabelSource(
        path=path, row_index=None, column_index=None, compound="compound", assay=None, value=None, column=None,
        assays=None, values={"active": [1], "inactive": [0]}, duplicates="error",
    )  # fmt: skip
    return source.read(path)


def joined(path: str) -> Any:
    screen = write(small_screen(), Path("ordinary_screen.csv"))
    refusal = read_small(screen, metadata=[{"path": path, "on": ["Plate"]}]).refusal
    raise InputError(refusal)


READERS: dict[str, Callable[[str], Any]] = {
    "data": lambda path: expand(path, option="data.paths"),
    "metadata": joined,
    "labels": labels,
    "known scores": lambda path: KnownEffectSource(path=path).match_wells(
        pd.DataFrame({"plate": ["p"], "well": ["A01"], "role": ["treated"], "compound": ["c"]})
    ),
    "npz": lambda path: Npz(path=path).features(),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.usefixtures("place")
def test_what_is_no_regular_file_is_named_and_not_opened(kind: str, reader: str) -> None:
    make, what = MAKERS[kind]
    make(Path("screen.csv"))
    with pytest.raises(InputError) as refused:
        READERS[reader]("screen.csv")
    message = str(refused.value)
    assert "\n" not in message
    assert "screen.csv" in message
    assert what in message


@pytest.mark.parametrize("kind", MAKERS)
def test_a_glob_that_meets_one_is_refused(place: Path, kind: str) -> None:
    make, what = MAKERS[kind]
    write(small_screen(), place / "a.csv")
    make(place / "b.csv")
    with pytest.raises(InputError, match=rf"^data\.paths: .*b\.csv.* {what.removeprefix('is ')}"):
        expand("*.csv", option="data.paths")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/stdin"])
def test_devices(device: str) -> None:
    with pytest.raises(InputError, match=r"no regular file|leads nowhere|is empty|unknown kind of file"):
        read_small(Path(device)).raise_refusal()


def test_folders_among_the_matches_of_a_glob_are_passed_over(place: Path) -> None:
    (place / "plates" / "week 1").mkdir(parents=True)
    write(small_screen(), place / "plates" / "a.csv")
    write(small_screen(), place / "plates" / "week 1" / "b.csv")
    assert expand("plates/*", option="o") == [Path("plates/a.csv")]
    assert expand("plates/**", option="o") == [Path("plates/a.csv"), Path("plates/week 1/b.csv")]
    assert expand("**/*.csv", option="o") == [Path("plates/a.csv"), Path("plates/week 1/b.csv")]
    assert expand(str(place / "**" / "b.csv"), option="o") == [place / "plates" / "week 1" / "b.csv"]
    assert expand(["plates/a.csv", "plates/*.csv"], option="o") == [Path("plates/a.csv")]


def test_folders_that_lead_back_to_themselves_are_entered_once(place: Path) -> None:
    """Two links would be 2 to the 40th ways before the system says that there are too many."""
    write(small_screen(), place / "a.csv")
    for name in ("loop", "again", "third"):
        (place / name).symlink_to(place)
    (place / "other").mkdir()
    (place / "other" / "up").symlink_to(place)
    write(small_screen(), place / "other" / "b.csv")
    assert expand("**/*.csv", option="o") == [Path("a.csv"), Path("other/b.csv")]


def test_a_folder_elsewhere_is_entered_through_a_link(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(small_screen(), elsewhere / "a.csv")
    (place / "data").symlink_to(elsewhere)
    (place / ".hidden").mkdir()
    write(small_screen(), place / ".hidden" / "b.csv")
    assert expand("**/*.csv", option="o") == [Path("data/a.csv")]


@pytest.mark.parametrize("name", ["a[1].csv", "100%.csv", "what?.csv", "a b.csv", "ü.csv", "#.csv"])
def test_names_with_signs_of_globs_are_files(place: Path, name: str) -> None:
    write(small_screen(), place / name)
    assert expand(name, option="o") == [Path(name)]
    (place / "in [brackets]").mkdir()
    write(small_screen(), place / "in [brackets]" / "x.csv")
    assert expand("**/x.csv", option="o") == [Path("in [brackets]/x.csv")]


def test_a_file_that_may_not_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(small_screen(), place / "s.csv")
    access = os.access
    monkeypatch.setattr(os, "access", lambda name, mode: Path(name) != path and access(name, mode))
    assert "'s.csv' may not be read by you" in read_small(path).refusal.replace(f"{place}/", "")


@pytest.mark.parametrize("name", ["s.csv", "s.parquet", "s.csv.gz"])
def test_a_disk_that_fails(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = place / name
    if name.endswith("parquet"):
        small_screen().to_parquet(path)
    else:
        small_screen().to_csv(path, index=False)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    for module in ("pandas.read_csv", "pandas.read_parquet"):
        monkeypatch.setattr(module, fail)
    refusal = read_small(path).refusal
    assert name in refusal
    assert "Input/output error" in refusal


def test_a_file_that_goes_while_it_is_read(place: Path) -> None:
    path = write(small_screen(), place / "s.csv")
    (found,) = expand(str(path), option="data.paths")
    shutil.move(path, place / "t.csv")
    with pytest.raises(InputError, match=r"s\.csv.* is not there"):
        read_table(found, text=[])
    np.testing.assert_array_equal(read_small(place / "t.csv").X, small_screen()[FEATURES].to_numpy(np.float32))
