"""Entries made once, found again, bounded in sum, and never taken from whoever uses them."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.exceptions import CorruptedStoreError, InputError
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.data.wells.aggregation import aggregate
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.store import lru_cache, store
from harness.store.lru_cache import MARKER, DirectoryCache
from harness.store.readahead_memmap import ReadaheadMemmap

MB = 1_000_000


def make(folder: Path, *, n_bytes: int = MB) -> None:
    np.save(folder / "features.npy", np.zeros((n_bytes // 4, 1), dtype=np.float32))
    (folder / MARKER).write_text('{"format": 0}')


def opened(folder: Path) -> ReadaheadMemmap:
    if not (folder / MARKER).exists():
        raise CorruptedStoreError(f"{folder}: no {MARKER}")
    return ReadaheadMemmap(folder / "features.npy")


def entry(
    cache: DirectoryCache, key: Any, *, make: Callable[[Path], None] = make, n_bytes: int = MB
) -> ReadaheadMemmap:
    cache.begin()
    return cache.entry(cache.name({"key": key}), make=make, opened=opened, n_bytes=lambda: n_bytes, what=f"entry {key}")


def there(cache: DirectoryCache, *keys: Any) -> list[Any]:
    return [key for key in keys if (cache.folder / cache.name({"key": key})).exists()]


def left(cache: DirectoryCache) -> set[str]:
    return {path.name for path in cache.folder.iterdir()}


def aged(cache: DirectoryCache, key: Any, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(cache.folder / cache.name({"key": key}) / MARKER, (when, when))


def test_an_entry_is_made_once_and_leaves_nothing_else(tmp_path: Path) -> None:
    cache, made = DirectoryCache(tmp_path / "deep" / "cache"), []

    def counted(folder: Path) -> None:
        made.append(folder)
        make(folder)

    first, second = (entry(cache, "a", make=counted) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(made) == 1
    assert left(cache) == {cache.name({"key": "a"})}


def test_least_recently_used_entries_leave(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path, max_gb=0.0035)
    for age, key in enumerate("abc"):
        del_after = entry(cache, key)
        del del_after
        aged(cache, key, 100 - age)
    entry(cache, "a")  # used again: now b is the oldest
    entry(cache, "d")
    assert there(cache, *"abcd") == ["a", "c", "d"]
    assert len(left(cache)) == 3


def test_what_is_used_stays(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path, max_gb=0.0025)
    used = entry(cache, "a")
    aged(cache, "a", 100)
    for key in "bcd":
        entry(cache, key)
    assert there(cache, *"abcd") == ["a", "d"]
    assert float(used.sum()) == 0
    del used
    aged(cache, "d", 50)
    entry(cache, "e")
    assert there(cache, *"ade") == ["d", "e"]


def test_what_another_process_maps_stays(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path, max_gb=0.0015)
    entry(cache, "a")
    ready, end = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        mapped = opened(tmp_path / cache.name({"key": "a"}))
        os.write(ready[1], b"x")
        os.read(end[0], 1)
        os._exit(len(mapped) == 0)
    os.read(ready[0], 1)
    entry(cache, "b")
    assert there(cache, "a", "b") == ["a", "b"]
    os.write(end[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    entry(cache, "b")
    assert there(cache, "a", "b") == ["b"]


def test_what_is_no_entry_is_never_removed(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path, max_gb=1e-6)
    for name in ("photographs", "0" * 32):  # of another program
        (tmp_path / name).mkdir()
        (tmp_path / name / "features.npy").write_bytes(b"x" * MB)
    entry(cache, "a")
    entry(cache, "b")
    assert {"photographs", "0" * 32} < left(cache)
    assert there(cache, "a", "b") == ["b"]


def test_an_entry_larger_than_the_bound_is_made_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = DirectoryCache(tmp_path, max_gb=0.002)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            entry(cache, "large", make=partial(make, n_bytes=5 * MB))
    (line,) = caplog.messages
    assert "entry large takes 0.005 GB" in line
    assert "cache.max_gb=0.002" in line
    assert there(cache, "large") == ["large"]


@pytest.mark.parametrize("bound", [0, -1, True, "much", None, float("nan")])
def test_bounds_that_are_none_are_refused(tmp_path: Path, bound: Any) -> None:
    with pytest.raises(InputError, match=r"cache\.max_gb"):
        DirectoryCache(tmp_path, bound)


def test_no_room_is_said_before_anything_is_made(tmp_path: Path) -> None:
    made: list[Path] = []
    with pytest.raises(InputError, match=r"got .* GB free, entry a needs 1000000000\.0 GB; .*cache\.folder"):
        entry(DirectoryCache(tmp_path), "a", make=made.append, n_bytes=10**18)
    assert made == []
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_and_the_next_one_makes_it(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entry(DirectoryCache(tmp_path), "a", make=fails)
    assert list(tmp_path.iterdir()) == []
    assert len(entry(DirectoryCache(tmp_path), "a")) == MB // 4


def test_who_waits_says_so_and_takes_what_was_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lru_cache, "PATIENCE", 0.1)
    cache, begun, made = DirectoryCache(tmp_path), threading.Event(), []

    def slow(folder: Path) -> None:
        made.append(folder)
        begun.set()
        time.sleep(0.5)
        make(folder)

    first = threading.Thread(target=entry, args=(cache, "a"), kwargs={"make": slow})
    first.start()
    assert begun.wait(5)
    with caplog.at_level(logging.WARNING):
        entry(cache, "a", make=slow)
    first.join()
    assert len(made) == 1
    assert caplog.messages == [f"waiting for another process, which makes entry a ({tmp_path})"]


def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    monkeypatch.setattr(store, "WORTH_KEEPING", 0)
    return store.load(Demo(size="tiny", n_sites=3), DirectoryCache(tmp_path))


@pytest.mark.parametrize("how", ["median", "mean"])
def test_wells_of_a_packed_screen_are_kept_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    packed = screen(tmp_path, monkeypatch)
    assert packed.planted is not None
    in_memory = packed.replace(X=np.array(packed.X), planted=np.array(packed.planted))
    expected = aggregate(in_memory, how)
    for _ in range(2):
        kept = aggregate(packed, how)
        assert isinstance(kept.X, ReadaheadMemmap)
        np.testing.assert_array_equal(kept.X, expected.X)
        np.testing.assert_array_equal(kept.planted, expected.planted)
        assert kept.wells.equals(expected.wells)
    np.testing.assert_array_equal(normalize(packed, Raw(), aggregate=how).X, expected.X)
    assert len(left(DirectoryCache(tmp_path))) == 3, "the screen, its wells, the wells of its planted truth"


def test_kept_wells_are_not_read_from_images_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregate(screen(tmp_path, monkeypatch), "median")
    monkeypatch.setattr("harness.data.wells.aggregation.sites_to_wells", None)
    aggregate(screen(tmp_path, monkeypatch), "median")
    normalize(screen(tmp_path, monkeypatch), Raw())
    with pytest.raises(TypeError):
        aggregate(screen(tmp_path, monkeypatch), "mean")


def test_other_values_other_wells_or_another_method_are_not_taken_for_the_kept_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = screen(tmp_path, monkeypatch).replace(planted=None)
    kept = np.array(aggregate(packed, "median").X)
    assert not np.array_equal(aggregate(packed, "mean").X, kept)
    np.testing.assert_allclose(aggregate(packed.replace(X=packed.X[:] + 1), "median").X, kept + 1, rtol=1e-5)
    wells = packed.wells.assign(well=packed.wells["well"].to_numpy()[np.arange(len(packed.wells)) // 6 * 6])
    fewer = aggregate(packed.replace(wells=wells), "median")
    np.testing.assert_allclose(fewer.X[0], np.median(packed.X[:6], axis=0), rtol=1e-6)
    assert len(fewer.X) == len(kept) // 2


def test_damaged_wells_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    packed = screen(tmp_path, monkeypatch).replace(planted=None)
    kept = aggregate(packed, "median").X
    before, folder = np.array(kept), Path(str(kept.filename)).parent
    flipped = bytearray((folder / "features.npy").read_bytes())
    flipped[-3] ^= 4
    del kept
    (folder / "features.npy").write_bytes(flipped)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(aggregate(packed, "median").X, before)
    assert len(caplog.messages) == 1
    about = json.loads((folder / MARKER).read_text())
    assert about["shape"] == list(before.shape)
