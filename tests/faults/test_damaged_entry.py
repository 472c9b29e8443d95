"""A damaged cache entry: it is rebuilt, perhaps after a line that says so; never a wrong number."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import run_command, runs_of
from strangers import QUICK

from harness.core.exceptions import CorruptedStoreError
from harness.data.demo import Demo
from harness.store import readahead_memmap
from harness.store.checksums import checksum
from harness.store.store import load, open_store, read_truth, store_folder

pytestmark = pytest.mark.slow

Check = Callable[[Path], None]
TINY = Demo(size="tiny")


def flip(path: Path, at: float = 0.6) -> None:
    """One bit of a file, its size kept."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 0b100
    path.write_bytes(content)


def of_another(store: Path) -> None:
    other = Demo(size="tiny", scenario="null")
    load(other, store.parent)
    (store / "store.json").write_bytes((store_folder(other, store.parent) / "store.json").read_bytes())


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a bit of the features": lambda store: flip(store / "features.npy"),
    "the last bit of the features": lambda store: flip(store / "features.npy", 0.99999),
    "a bit of the planted truth": lambda store: flip(store / "planted.npy"),
    "a bit of the wells": lambda store: flip(store / "wells.parquet"),
    "a bit of the description": lambda store: flip(store / "store.json", 0.99),
    "a bit of the truth": lambda store: flip(store / "truth" / "assays.parquet"),
    "no features": lambda store: (store / "features.npy").unlink(),
    "no wells": lambda store: (store / "wells.parquet").unlink(),
    "empty description": lambda store: (store / "store.json").write_text(""),
    "description without content": lambda store: (store / "store.json").write_text("{}"),
    "description that is a list": lambda store: (store / "store.json").write_text("[]"),
    "description of another screen": of_another,
    "features cut": lambda store: os.truncate(store / "features.npy", 400),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_is_made_again_at_once(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    source = Demo(size="tiny")
    expected, store = source.profiles(), store_folder(source, tmp_path)
    load(source, tmp_path)
    DAMAGE[damage](store)
    for _ in range(2):
        again = load(source, tmp_path)
        np.testing.assert_array_equal(again.X, expected.X)
        np.testing.assert_array_equal(again.planted, expected.planted)
        pd.testing.assert_frame_equal(again.wells, expected.wells)
        pd.testing.assert_frame_equal(read_truth(store)["assays"], source.tables()["assays"])
    (line,) = caplog.messages
    assert line.startswith("rebuilding: ")
    assert store.name in line


def test_a_run_on_a_damaged_store_says_so_and_is_right(folder: Path, same_as_undisturbed: Check) -> None:
    store = store_folder(TINY, folder / "mlruns/store")
    load(TINY, store.parent)
    flip(store / "features.npy")
    again = run_command(folder, *QUICK)
    assert again.status == 0
    assert again.line.startswith(f"harness: rebuilding: {store}/features.npy: ")
    same_as_undisturbed(folder)


@pytest.mark.parametrize("more", [(), ("audit=[pseudo_batch]", "processes=1")], ids=["run", "audit"])
def test_a_flipped_bit_in_a_large_store_fails_the_run_and_the_next_is_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch, same_as_undisturbed: Check, more: tuple[str, ...]
) -> None:
    """A large store is not read before it is used: a plate is compared when it is. A check that answers bad input with
    "not applicable here" does not answer this."""
    monkeypatch.setattr(readahead_memmap, "AT_ONCE", 0)
    store = store_folder(TINY, folder / "mlruns/store")
    plate = load(TINY, store.parent).wells["plate"].iloc[-1]
    flip(store / "features.npy", 0.98)
    failed = run_command(folder, *QUICK, *more, "data.leak_guard=off")  # which reads plates before the run begins
    assert failed.status == 2
    assert f"features.npy: plate '{plate}' differs from the plate that was written" in failed.line
    assert runs_of(folder)["raw"].info.status == "FAILED"
    again = run_command(folder, *QUICK)
    assert again.status == 0
    assert "rebuilding" in again.line
    same_as_undisturbed(folder)


def test_every_plate_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readahead_memmap, "AT_ONCE", 0)
    compared: list[int] = []
    monkeypatch.setattr("harness.store.checksums.checksum", lambda X: (compared.append(len(X)), checksum(X))[1])
    profiles = load(TINY, tmp_path).replace(planted=None)
    assert compared == []
    for _ in range(2):
        assert [len(plate.X) for plate in profiles] == compared
    profiles.X[:]
    profiles.X[[3, 4]]
    assert len(compared) == len(profiles)


@pytest.mark.parametrize("rows", [560, -1, slice(None, None, -7), [3, 560], (slice(559, 561), 3), ..., slice(0, 999)])
def test_a_damaged_plate_is_noticed_whichever_way_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    monkeypatch.setattr(readahead_memmap, "AT_ONCE", 0)
    expected = np.array(load(TINY, tmp_path).X[:])
    assert len(expected) == 561
    flip(store_folder(TINY, tmp_path) / "features.npy", 0.98)
    X = open_store(store_folder(TINY, tmp_path)).X
    np.testing.assert_array_equal(X[:400], expected[:400])
    with pytest.raises(CorruptedStoreError, match="differs from the plate that was written"):
        X[rows]


def test_a_store_of_an_earlier_version_is_read_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected, store = TINY.profiles(), store_folder(TINY, tmp_path)
    load(TINY, tmp_path)
    about = json.loads((store / "store.json").read_text())
    for name in ("files", "checksum", "checksums", "plates", "ends"):
        del about[name]
    (store / "store.json").write_text(json.dumps(about, indent=1))
    before = (store / "features.npy").stat().st_ino
    np.testing.assert_array_equal(load(TINY, tmp_path).X, expected.X)
    assert (store / "features.npy").stat().st_ino == before
    assert caplog.messages == []
