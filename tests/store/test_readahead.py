from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.store import readahead_memmap
from harness.store.readahead_memmap import ReadaheadMemmap

PLATES = [slice(0, 5), slice(5, 12), slice(12, 13), slice(13, 30), slice(30, 37), slice(37, 50), slice(50, 64)]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    X = np.random.default_rng(0).normal(100, 3, (64, 1500)).astype(np.float32)
    np.save(tmp_path / "features.npy", X)
    return tmp_path / "features.npy", X


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Byte ranges that were requested from the disk: (begin, end)."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system has no posix_fadvise: the map is a plain one")
    ranges: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, begin, length, __: ranges.append((begin, begin + length)))
    return ranges


@pytest.mark.parametrize("order", [PLATES, PLATES[::-1], PLATES[1::2], PLATES + PLATES])
def test_any_order_reads_what_was_written(written: tuple[Path, Any], order: list[slice]) -> None:
    path, X = written
    mapped = ReadaheadMemmap(path)
    kept = [mapped[rows] for rows in order]
    for rows, taken in zip(order, kept, strict=True):
        np.testing.assert_array_equal(taken, X[rows])


def test_what_is_taken_is_a_plain_read_only_view(written: tuple[Path, Any]) -> None:
    mapped = ReadaheadMemmap(written[0])
    taken = mapped[PLATES[1]]
    assert type(taken) is np.ndarray
    assert not taken.flags.writeable
    assert np.shares_memory(taken, mapped)
    assert type(mapped[np.array([3, 1])]) is np.ndarray


def test_a_view_outlives_the_map(written: tuple[Path, Any]) -> None:
    path, X = written
    mapped = ReadaheadMemmap(path)
    taken = mapped[PLATES[3]]
    del mapped
    np.testing.assert_array_equal(taken, X[PLATES[3]])


def test_plates_in_order_ask_for_every_later_row_once(written: tuple[Path, Any], asked: list[tuple[int, int]]) -> None:
    path, X = written
    mapped = ReadaheadMemmap(path)
    for start in range(0, len(X), 9):
        mapped[start : start + 9]
    assert asked[0][0] == mapped.offset + 9 * X.strides[0]
    assert all(end == begin for (_, end), (begin, _) in pairwise(asked))
    assert asked[-1][1] == path.stat().st_size


def test_plates_out_of_order_ask_for_nothing(written: tuple[Path, Any], asked: list[tuple[int, int]]) -> None:
    mapped = ReadaheadMemmap(written[0])
    for rows in PLATES[:0:-1]:
        mapped[rows]
    assert asked == []


def test_memory_behind_is_let_go(tmp_path: Path) -> None:
    statm, page = Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
    if not statm.exists():
        pytest.skip("needs /proc/self/statm")
    n_plates, rows, mebi = 24, 256, 1 << 20
    np.save(tmp_path / "features.npy", np.ones((n_plates * rows, 1024), dtype=np.float32))
    mapped = ReadaheadMemmap(tmp_path / "features.npy")
    shared = []
    for start in range(0, len(mapped), rows):
        mapped[start : start + rows].sum()
        shared.append(int(statm.read_text().split()[2]) * page)
    assert max(shared) - min(shared) < (readahead_memmap.PLATES_RESIDENT + 2) * mebi < n_plates * mebi


@pytest.mark.parametrize("kind", ["numbers", "mask"])
def test_rows_that_were_chosen_are_copied_and_let_go(tmp_path: Path, kind: str) -> None:
    statm, page = Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
    if not statm.exists():
        pytest.skip("needs /proc/self/statm")
    n, mebi = 24 * 256, 1 << 20
    X = np.random.default_rng(1).random((n, 1024), dtype=np.float32)
    np.save(tmp_path / "features.npy", X)
    mapped = ReadaheadMemmap(tmp_path / "features.npy")
    before = int(statm.read_text().split()[2]) * page
    held = mapped[40:50]
    chosen = np.arange(n) % 3 == 0
    for part in np.array_split(np.flatnonzero(chosen), 6):
        index = part if kind == "numbers" else np.isin(np.arange(n), part)
        np.testing.assert_array_equal(mapped[index], X[index])
    assert int(statm.read_text().split()[2]) * page - before < 4 * mebi < n * 4096
    np.testing.assert_array_equal(held, X[40:50])
    assert mapped[np.array([], dtype=int)].shape == (0, 1024)
    np.testing.assert_array_equal(mapped[np.array([-1, 3])], X[[-1, 3]])


@pytest.mark.parametrize("index", [np.array([9, 3, 4, 3]), np.isin(np.arange(64), [3, 4, 9])], ids=["numbers", "mask"])
def test_rows_that_are_chosen_are_asked_for_and_no_others(
    written: tuple[Path, Any], asked: list[tuple[int, int]], index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, X = written
    mapped = ReadaheadMemmap(path)
    np.testing.assert_array_equal(mapped[index], X[index])
    row, head = X.strides[0], mapped.offset
    assert asked == [(head + 3 * row, head + 5 * row), (head + 9 * row, head + 10 * row)]
    asked.clear()
    monkeypatch.setattr(readahead_memmap, "MAX_RUNS", 1)
    np.testing.assert_array_equal(mapped[index], X[index])
    assert asked == []
