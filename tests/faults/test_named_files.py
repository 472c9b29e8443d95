"""Files that the user names and that are none, and folders that are not there: one line, at once, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import SMALL, Outcome, _as_process, run_command
from places import ROOT
from strangers import KINDS, no_hang, settle, state

from harness.apply.command import cli as apply
from harness.compare.__main__ import main as compare
from harness.core.exceptions import InputError
from harness.explore.__main__ import main as explore
from harness.montage.command import cli as montage
from harness.utils.output_file import write_output

MARKS = {
    "--html": "normalizations compared</title>",
    "--csv": "norm,scope,verdict",
    "--out": "<title>Map of wells: ",
}
NO_FILES = ("folder", "link to a folder", "link to nothing", "link in a circle", "pipe")


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    with no_hang():
        yield


def run(command: Callable[[], int], folder: Path, *arguments: str) -> Outcome:
    with _as_process(folder, ["harness", *arguments]) as (out, err):
        status = command()
    return Outcome(status, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize(
    ("command", "file", "words"),
    [
        (apply, "x.parquet", ("+norm=raw", "data.size=tiny", "out=x.parquet", "force=true")),
        (apply, "x.statistics.npz", ("+norm=raw", "data.size=tiny", "out=x.parquet", "force=true")),
        (apply, "old.npz", ("fitted=old.npz", "data.size=tiny", "out=x.parquet")),
        (montage, "x.png", ("out=x.png", "images.template='{plate}/{well}.tif'", "images.channels=[a]", "force=true")),
        (montage, "x.csv", ("out=x.png", "images.template='{plate}/{well}.tif'", "images.channels=[a]", "force=true")),
    ],
    ids=["out", "statistics", "fitted", "sheet", "table"],
)
def test_a_named_file_that_is_none(
    command: Callable[[], int], file: str, words: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    path = settle(folder / file, KINDS[kind])
    before = state(path)
    outcome = run(command, folder, *words)
    assert outcome.status == 2
    assert file in outcome.line
    assert "expected a file; move it away, or choose another file" in outcome.line
    assert state(path) == before
    assert [other.name for other in folder.iterdir()] == [file]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", MARKS)
def test_a_page_or_table_over_something_else(option: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    path = settle(tmp_path / "place/x", KINDS[kind])
    before = state(path)
    with pytest.raises(InputError, match=rf"^{option}.*(another name|another file)$"):
        write_output(str(path), "text", mark=MARKS[option], option=option)
    assert state(path) == before


def test_pages_and_tables_go_to_devices_and_never_half(tmp_path: Path) -> None:
    write_output("/dev/null", "text", mark="x", option="--csv")
    with pytest.raises(InputError, match=r"^--csv .*nowhere/x: cannot be written"):
        write_output(f"{tmp_path}/nowhere/x", "text", mark="x", option="--csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("hydra.run.dir=/dev/null/x",), ("-m", "hydra.sweep.dir=/dev/null/x")])
def test_a_folder_of_hydra_that_cannot_be_made(words: tuple[str, ...], folder: Path) -> None:
    outcome = run_command(folder, *words, "+norm=raw", *SMALL)
    assert outcome.status == 2
    assert outcome.line.endswith("dir=/dev/null/x: /dev/null is no folder; choose another")


@pytest.fixture
def deleted_folder(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    place = tmp_path / "deleted"
    place.mkdir()
    os.chdir(place)
    place.rmdir()
    yield place
    os.chdir(before)


def test_a_working_folder_that_was_deleted(
    deleted_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for main in (compare, explore):
        assert main([]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("(the working folder was deleted); change into a folder that exists")
    from harness.cli.app import cli

    for command in (cli, apply):
        monkeypatch.setattr(sys, "argv", ["harness", "+norm=raw"])
        assert command() == 2
        assert capsys.readouterr().err == "harness: the working folder was deleted; change into one that exists\n"
    assert not deleted_folder.exists()


def test_a_working_folder_that_was_deleted_before_the_command_began(tmp_path: Path) -> None:
    place = tmp_path / "deleted"
    place.mkdir()
    command = f"cd {place} && rmdir {place} && exec {sys.executable} -m harness +norm=raw"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "harness: the working folder was deleted; change into one that exists"
    assert "Traceback" not in done.stderr
