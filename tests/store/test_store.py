from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import CorruptedStoreError, InputError
from harness.core.profiles import Profiles
from harness.data.tables import Tables
from harness.store import lru_cache
from harness.store.store import load, open_store, read_truth, store_folder
from harness.store.writer import NpyAppender
from harness.utils.hashing import file_hash_cache, file_sha256

SIZES = {"P2": 3, "P1": 5, "P3": 2}


class Source:
    """A screen in memory; counts how often it is read."""

    name = "simulated"

    def __init__(self, *, seed: int = 1, change: Any = None, planted: bool = True) -> None:
        self.seed = seed
        self.change = change
        self.planted = planted
        self.read = 0

    def key(self) -> dict[str, Any]:
        return {"reader": "test", "seed": self.seed}

    def features(self) -> list[str]:
        return ["a", "b"]

    def plates(self) -> Iterator[tuple[Any, pd.DataFrame, Any]]:
        self.read += 1
        rng = np.random.default_rng(self.seed)
        for plate, n in SIZES.items():
            X = rng.normal([100, -3], [5, 0.1], (n, 2)).astype(np.float32)
            wells = pd.DataFrame({"plate": plate, "well": [f"A{i + 1:02d}" for i in range(n)], "role": "treated"})
            wells.loc[0, "role"] = "negcon"
            truth = X - 1 if self.planted else None
            yield self.change(plate, X, wells, truth) if self.change else (X, wells, truth)

    def tables(self) -> dict[str, pd.DataFrame]:
        return {"strength": pd.DataFrame({"compound": ["x"], "strength": [2.5]})} if self.planted else {}


def left(cache: Path) -> list[str]:
    return sorted(entry.name for entry in cache.iterdir() if entry.name != "sources.json")


def same(one: Profiles, other: Profiles) -> None:
    np.testing.assert_array_equal(one.X, other.X)
    pd.testing.assert_frame_equal(one.wells, other.wells)
    assert (one.features, one.fingerprint) == (other.features, other.fingerprint)


def test_what_is_packed_comes_back_as_a_read_only_map_and_is_packed_once(tmp_path: Path) -> None:
    source = Source()
    parts = list(Source().plates())
    profiles = load(source, tmp_path)
    assert isinstance(profiles.X, np.memmap)
    assert not profiles.X.flags.writeable
    assert profiles.X.dtype == np.float32
    np.testing.assert_array_equal(profiles.X, np.concatenate([X for X, _, _ in parts]))
    assert profiles.planted is not None
    np.testing.assert_array_equal(profiles.planted, np.concatenate([truth for _, _, truth in parts]))
    assert [plate.name for plate in profiles] == list(SIZES)
    assert set(profiles.wells["batch"]) == {""}
    same(load(source, tmp_path), profiles)
    assert source.read == 1
    folder = store_folder(source, tmp_path)
    assert left(tmp_path) == [folder.name]
    assert read_truth(folder)["strength"]["strength"].tolist() == [2.5]
    assert json.loads((folder / "store.json").read_text())["provenance"] == source.key()


def test_a_screen_that_is_not_simulated_has_no_truth(tmp_path: Path) -> None:
    source = Source(planted=False)
    assert load(source, tmp_path).planted is None
    assert read_truth(store_folder(source, tmp_path)) == {}


def test_features_npy_is_a_plain_npy_file(tmp_path: Path) -> None:
    profiles = load(Source(), tmp_path)
    path = store_folder(Source(), tmp_path) / "features.npy"
    np.testing.assert_array_equal(np.load(path), profiles.X)
    with path.open("rb") as file:
        assert np.lib.format.read_magic(file) == (1, 0)
        assert np.lib.format.read_array_header_1_0(file) == ((10, 2), False, np.dtype(np.float32))


def test_the_fingerprint_follows_content_not_key(tmp_path: Path) -> None:
    def louder(plate: str, X: Any, wells: Any, truth: Any) -> Any:
        return X + (plate == "P3"), wells, truth

    first = load(Source(), tmp_path / "a").fingerprint
    assert load(Source(), tmp_path / "b").fingerprint == first
    assert load(Source(change=louder), tmp_path / "c").fingerprint != first
    assert load(Source(seed=2), tmp_path / "a").fingerprint != first


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 8)


def overwrite(path: Path) -> None:
    path.write_text('{"format": 1')


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("features.npy", cut), ("features.npy", lengthen), ("features.npy", Path.unlink), ("features.npy", overwrite),
        ("planted.npy", cut), ("wells.parquet", cut), ("wells.parquet", Path.unlink), ("store.json", overwrite),
        ("store.json", Path.unlink), ("truth/strength.parquet", cut),
        ("truth/strength.parquet", Path.unlink),
    ],
)  # fmt: skip
def test_a_damaged_store_is_packed_again_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: Any
) -> None:
    source = Source()
    packed = load(source, tmp_path)
    whole = packed.replace(X=np.array(packed.X), planted=None)
    folder = store_folder(source, tmp_path)
    damage(folder / name)
    with caplog.at_level(logging.WARNING):
        again = load(source, tmp_path)
    same(again, whole)
    assert source.read == 2
    assert [record.name for record in caplog.records] == ["harness.store.lru_cache"]
    assert Path(name).name in caplog.text or folder.name in caplog.text
    assert left(tmp_path) == [folder.name]
    open_store(folder)


def test_opening_a_damaged_store_says_what_is_wrong(tmp_path: Path) -> None:
    load(Source(), tmp_path)
    folder = store_folder(Source(), tmp_path)
    lengthen(folder / "features.npy")
    with pytest.raises(CorruptedStoreError, match=r"features\.npy: has 216 bytes; expected 208"):
        open_store(folder)
    with pytest.raises(CorruptedStoreError, match=r"store\.json"):
        open_store(tmp_path / "absent")


def twice(plate: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(well="A01") if plate == "P1" else wells, truth


def again(_: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(plate="P2"), truth


def mixed(plate: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(plate=[*["P9"] * (len(X) - 1), plate]), truth


def torn(_: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(batch=range(len(X))), truth


def holed(plate: str, X: Any, wells: Any, truth: Any) -> Any:
    X[-1, 1] = np.nan if plate == "P1" else X[-1, 1]
    return X, wells, truth


def short(_: str, X: Any, wells: Any, truth: Any) -> Any:
    return X[:-1], wells, truth


def no_controls(_: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(role="treated"), truth


def all_controls(_: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells.assign(role="negcon"), truth


def fails(plate: str, X: Any, wells: Any, truth: Any) -> Any:
    if plate == "P3":
        raise KeyboardInterrupt
    return X, wells, truth


def half_truth(plate: str, X: Any, wells: Any, truth: Any) -> Any:
    return X, wells, truth if plate == "P2" else None


@pytest.mark.parametrize(
    ("change", "culprits"),
    [
        (twice, ["'P1'", "'A01'", "2 rows"]), (again, ["plates ['P2']", "more than once"]), (mixed, ["'P9'", "'P2'"]),
        (torn, ["'P2'", "3 batches"]), (holed, ["'P1'", "'A05'", "'b'", "nan"]), (short, ["(2, 2)", "3 rows"]),
        (no_controls, ["no negative control"]), (all_controls, ["all 10"]), (half_truth, ["3 of 10"]),
    ],
)  # fmt: skip
def test_bad_plates_are_refused_and_leave_nothing_behind(tmp_path: Path, change: Any, culprits: list[str]) -> None:
    if change is twice:
        culprits = ["'P1'", "'A01'", "5 rows"]
    with pytest.raises(InputError) as error:
        load(Source(change=change), tmp_path)
    for culprit in ["simulated", *culprits]:
        assert culprit in str(error.value)
    assert "\n" not in str(error.value)
    assert left(tmp_path) == []


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(Source(change=fails), tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("names", "message"), [([], "no feature columns"), (["a", "a"], r"\['a'\] occur more than once")]
)
def test_feature_names_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], message: str
) -> None:
    monkeypatch.setattr(Source, "features", lambda _: names)
    with pytest.raises(InputError, match=message):
        load(Source(), tmp_path)
    assert left(tmp_path) == []


def test_no_plates_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "plates", lambda _: iter(()))
    with pytest.raises(InputError, match="empty"):
        load(Source(), tmp_path)
    assert left(tmp_path) == []


def test_without_locks_a_store_that_appears_while_packing_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lru_cache, "exclusive_lock", lambda *_, **__: nullcontext())

    def meanwhile(plate: str, X: Any, wells: Any, truth: Any) -> Any:
        if plate == "P3":
            load(Source(), tmp_path)
        return X, wells, truth

    profiles = load(Source(change=meanwhile), tmp_path)
    same(profiles, load(Source(), tmp_path))
    assert left(tmp_path) == [store_folder(Source(), tmp_path).name]


def test_a_cache_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/cache"):
        load(Source(), tmp_path / "file" / "cache")


def write(path: Path, shift: float = 0.0) -> None:
    df = pd.DataFrame({"plate": "P1", "well": ["A1", "A2", "A3"], "compound": ["DMSO", "x", "y"]})
    df.assign(f=np.array([100.5, 2.5, 7.5]) + shift).to_csv(path, index=False)


def source(path: Path) -> Tables:
    return Tables(paths=str(path), controls="compound == 'DMSO'")


def test_a_changed_source_file_is_noticed_even_right_after_it_was_read(tmp_path: Path) -> None:
    path, cache = tmp_path / "s.csv", tmp_path / "cache"
    write(path)
    first = np.array(load(source(path), cache).X)
    stat = path.stat()
    write(path, shift=1.0)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    np.testing.assert_array_equal(load(source(path), cache).X, first + 1)
    assert len(left(cache)) == 2


def test_an_unchanged_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "s.csv", tmp_path / "cache"
    write(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    load(source(path), cache)
    hashed: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: (hashed.append(file.name), digest(file, name))[1])
    load(source(path), cache)
    assert hashed == []
    os.utime(path, (1_100_000_000, 1_100_000_000))
    load(source(path), cache)
    assert hashed == [str(path)]
    assert len(left(cache)) == 1
    (cache / "sources.json").write_text("{broken")
    load(source(path), cache)
    assert hashed == [str(path)] * 2
    path.write_text(path.read_text() + "P1,A4,z,9.0\n")
    os.utime(path, (1_100_000_000, 1_100_000_000))
    assert len(load(source(path), cache).wells) == 4


def test_hashes_are_those_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    with file_hash_cache(tmp_path / "sources.json"):
        assert file_sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="absent"):
        file_sha256(tmp_path / "absent")


def test_options_and_renamed_features_make_another_store(tmp_path: Path) -> None:
    path, cache = tmp_path / "s.csv", tmp_path / "cache"
    write(path)
    load(source(path), cache)
    load(Tables(paths=str(path), controls="compound == 'DMSO'", on_missing="drop_features"), cache)
    assert len(left(cache)) == 2


def test_a_store_is_opened_and_streamed_without_being_loaded(tmp_path: Path) -> None:
    """160 MB are read plate by plate; private memory must stay far below."""
    features, n, plates = 1000, 4000, 10

    class Large(Source):
        name = "large"

        def features(self) -> list[str]:
            return [f"f{i}" for i in range(features)]

        def plates(self) -> Iterator[tuple[Any, pd.DataFrame, Any]]:
            for plate in range(plates):
                wells = pd.DataFrame({"plate": f"P{plate}", "well": [f"w{i}" for i in range(n)], "role": "treated"})
                wells.loc[0, "role"] = "negcon"
                yield np.full((n, features), plate, np.float32), wells, None

        def tables(self) -> dict[str, pd.DataFrame]:
            return {}

    load(Large(), tmp_path)
    code = (
        "import sys, pathlib\n"
        "from harness.store.store import open_store\n"
        "import numpy as np\n"
        "def private():\n"
        "    lines = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('RssAnon'))\n"
        "p = open_store(pathlib.Path(sys.argv[1]))\n"
        "before = private(); most = 0\n"
        "for i, plate in enumerate(p):\n"
        "    assert float(plate.X.sum(dtype=np.float64)) == i * plate.X.size\n"
        "    most = max(most, private() - before)\n"
        "print(most)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc/self/status to read memory from")
    folder = str(store_folder(Large(), tmp_path))
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50_000, "kB of private memory beyond the wells"


def test_a_grown_file_keeps_its_header_in_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(9, 2, (n, 3)).astype(np.float32) for n in (1, 1200, 7)]
    file = NpyAppender(tmp_path / "x.npy", 3)
    for part in parts:
        file.append(np.asfortranarray(part))
    file.close()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.concatenate(parts))


def test_packing_is_silent_where_nobody_watches(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(Source(), tmp_path)
    assert capfd.readouterr() == ("", "")
