"""A disk that is full: one line, nothing half-written, and the right result once there is room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command import MAPPING, TABLES, run_command, runs_of, wide
from strangers import QUICK

from harness.core.exceptions import InputError
from harness.data.tables import Tables
from harness.store.store import load

pytestmark = pytest.mark.slow


def fill(folder: Path, *, but: int) -> Path:
    """A file that leaves ``but`` bytes of the disk."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast.write_bytes(b"x" * (free - but))
    return ballast


def kept(folder: Path) -> list[str]:
    return [path.name for path in (folder / "mlruns/store").iterdir() if path.name != "sources.json"]


@pytest.mark.parametrize(("but", "packed"), [(100_000, False), (290_000, True)])
def test_a_sweep_on_a_full_disk(
    small_disk: Path, same_as_undisturbed: Callable[[Path], None], but: int, packed: bool
) -> None:
    """There is no room for the screen; or there is, and none for the record of the runs."""
    ballast = fill(small_disk, but=but)
    norms = ("+norm=raw,dmso_within", *QUICK[1:])
    full = run_command(small_disk, "-m", *norms)
    lines = full.err.splitlines()
    assert full.status == 2
    norm_labels = ["harness: raw: ", "harness: dmso_within: "] if packed else ["harness: "]  # the screen is said once
    assert [line.startswith(label) for label, line in zip(norm_labels, lines, strict=True)] == [True] * len(norm_labels)
    assert all("disk is full" in line or "GB free" in line for line in lines)
    assert len(kept(small_disk)) == packed
    assert "FINISHED" not in {run.info.status for run in runs_of(small_disk).values()}
    ballast.unlink()
    again = run_command(small_disk, "-m", *norms)
    assert (again.status, again.err) == (0, "")
    same_as_undisturbed(small_disk)
    assert len(kept(small_disk)) == 1


def test_a_disk_that_is_filled_while_tables_are_packed(small_disk: Path, tmp_path: Path) -> None:
    """How much room tables take is not known before they are read."""
    path = tmp_path / "screen.csv"
    features = wide()
    features.join(features.filter(like="Cells_").add_prefix("More_")).to_csv(path, index=False)
    source = Tables(
        paths=str(path), columns={"plate": "Plate", "well": "Well", "batch": "Batch", "compound": "Compound"},
        controls={"column": "Compound", "values": ["DMSO"]}, features=["Cells_", "More_"],
    )  # fmt: skip
    (small_disk / "store").mkdir()
    (small_disk / "store/sources.json").write_text("{}" + " " * 8000)
    ballast = fill(small_disk, but=100)
    with pytest.raises(InputError, match=r"store: (got .* free, the next plate needs|the disk is full)") as error:
        load(source, small_disk / "store")
    assert "\n" not in str(error.value)
    assert [entry.name for entry in (small_disk / "store").iterdir()] == ["sources.json"]
    ballast.unlink()
    assert load(source, small_disk / "store").X.shape == (96, 10)


def test_tables_on_a_full_disk_are_one_line(small_disk: Path, tmp_path: Path) -> None:
    wide().to_csv(tmp_path / "screen.csv", index=False)
    ballast = fill(small_disk, but=4096)
    arguments = ("+norm=raw", *TABLES, *MAPPING, f"data.paths=[{tmp_path}/screen.csv]")
    full = run_command(small_disk, *arguments)
    assert full.status == 2
    assert "free some space" in full.line
    ballast.unlink()
    assert run_command(small_disk, *arguments).status == 0
