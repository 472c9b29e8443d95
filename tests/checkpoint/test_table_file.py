"""Units on disk: bit-equal when whole, computed again when not, never half written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import wait_until

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.run.checkpoint.serialization import (
    evaluations_from_table,
    evaluations_to_table,
    findings_from_table,
    findings_to_table,
    reports_from_table,
    reports_to_table,
)
from harness.run.checkpoint.table_file import (
    CorruptedTableError,
    StoredTable,
    read_table,
    remove_temporaries,
    write_table,
)
from harness.scoring.evaluate import Evaluated
from harness.utils.process_identity import has_ended, start_time, this_process

WELLS = pd.DataFrame(
    {
        "plate": ["p2", "p2", "p1", "p1", "p1"],
        "well": ["A01", "A02", "A01", "B02", "B03"],
        "batch": ["b9"] * 2 + ["b1"] * 3,
        "dose": [np.nan, 0.1, 3, 3, 1e-300],
    }
)
FOLD = Split("b1", np.array([True, True, False, False, False]), np.array([False, False, True, True, True]))


def evaluation(*rows: int, threshold: object = 1 / 3, group: str = "") -> Evaluation:
    at = np.array(rows, dtype=np.intp)
    score = np.nextafter(np.arange(len(rows)) / 7, 2)
    wells = WELLS.iloc[at].reset_index(drop=True)
    return Evaluation(at.astype(np.int8) % 2, score, threshold, wells, FOLD, 5, group, "compound", at)  # type: ignore[arg-type]


def test_evaluations_come_back_bit_by_bit(tmp_path: Path) -> None:
    one, several = evaluation(2, 3, 4, group="µ/\n"), evaluation(4, 2, threshold=np.array([0.1, 0.7]), group="b")
    write_table(tmp_path / "x.parquet", evaluations_to_table(Evaluated([one, several], {"c": "no labelled wells"})))
    again = evaluations_from_table(read_table(tmp_path / "x.parquet"), WELLS, FOLD, 5)
    assert isinstance(again, Evaluated)
    assert again.declined == {"c": "no labelled wells"}
    for before, after in zip([one, several], again.evaluations, strict=True):
        for name in ("y", "score", "rows"):
            a, b = getattr(before, name), getattr(after, name)
            assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())
        assert np.asarray(before.threshold).tobytes() == np.asarray(after.threshold).tobytes()
        assert type(before.threshold) is type(after.threshold)
        pd.testing.assert_frame_equal(before.wells, after.wells)
        assert (after.split, after.seed, after.group, after.unit) == (FOLD, 5, before.group, "compound")


def test_a_model_without_meaning_and_one_without_any_group(tmp_path: Path) -> None:
    for name, answer in (("a", NotApplicable("no cell count")), ("b", Evaluated([], {"x": "one class"}))):
        write_table(tmp_path / name, evaluations_to_table(answer))
        again = evaluations_from_table(read_table(tmp_path / name), WELLS, FOLD, 0)
        assert (again.reason if isinstance(again, NotApplicable) else again.declined) == (
            "no cell count" if name == "a" else {"x": "one class"}
        )


def test_findings_keep_what_is_undefined_or_infinite(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    findings = [Finding("audit/a", 0.1 + 0.2, -inf, inf, 3), Finding("audit/b", nan, reason="too few, 'é'")]
    write_table(tmp_path / "x.parquet", findings_to_table(findings))
    assert repr(findings_from_table(read_table(tmp_path / "x.parquet"))) == repr(findings)
    write_table(tmp_path / "none.parquet", findings_to_table([]))
    assert findings_from_table(read_table(tmp_path / "none.parquet")) == []


def test_reports_come_back_as_one_table(tmp_path: Path) -> None:
    parts = [
        pd.DataFrame({"plate": [p], "feature_number": [n], "fallback": ["left alone"]}) for p, n in (("b", 3), ("a", 1))
    ]
    write_table(tmp_path / "x.parquet", reports_to_table(parts))
    (again,) = reports_from_table(read_table(tmp_path / "x.parquet"))
    pd.testing.assert_frame_equal(again, pd.concat(parts, ignore_index=True))
    write_table(tmp_path / "none.parquet", reports_to_table([]))
    assert reports_from_table(read_table(tmp_path / "none.parquet")) == []


def test_damage_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_table(path, StoredTable(pd.DataFrame({"score": np.random.default_rng(0).random(200)}), {"reason": "none"}))
    whole = path.read_bytes()
    unnoticed = []
    for at in range(0, len(whole), 23):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        for damaged in (whole[:at], bytes(flipped)):
            path.write_bytes(damaged)
            try:
                kept = read_table(path)
            except CorruptedTableError:
                continue
            unnoticed.append(kept)
    path.write_bytes(whole)
    for kept in unnoticed:  # bytes that say nothing of the table, e.g. who wrote it
        pd.testing.assert_frame_equal(kept.table, read_table(path).table)
        assert kept.metadata == {"reason": "none"}
    assert len(unnoticed) < len(whole) / 23
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "absent.parquet")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    write_table(path, StoredTable(pd.DataFrame({"a": [1]}), {}))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_table(path, StoredTable(pd.DataFrame({"a": [2]}), {}))
    assert list(read_table(path).table["a"]) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


def test_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    host, _, _ = this_process()
    child = subprocess.Popen(["true"])
    child.wait()
    names = {"dead": [host, str(child.pid), "1"], "alive": this_process(), "elsewhere": ["another-host", "1", "1"]}
    paths = {
        name: tmp_path / "~".join([f".{'0' * 24}-{i:032x}.parquet", *process])
        for i, (name, process) in enumerate(names.items())
    }
    for path in paths.values():
        path.write_bytes(b"PAR1")
    remove_temporaries(tmp_path)
    assert [name for name, path in paths.items() if path.exists()] == ["alive", "elsewhere"]


def test_a_process_is_known_by_host_number_and_start() -> None:
    host, pid, start = this_process()
    assert not has_ended([host, pid, start])
    assert has_ended([host, pid, f"{start}0"])
    assert not has_ended([f"not-{host}", "999999999", "1"])
    child = subprocess.Popen(["true"])
    assert wait_until(lambda: start_time(child.pid) is None, 60)  # ends, and is not asked for its status
    assert has_ended([host, str(child.pid), "1"])
    child.wait()
