from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.files.table_files import read_table
from harness.data.tables import Tables
from harness.store.store import load

# As pycytominer's write_gct lays it out (tests/test_cyto_utils/test_write_gct.py there): fields lose their Metadata_.
WRITTEN = """#1.3
3\t6\t1\t4
id\tcp_feature_name\tSAMPLE_0\tSAMPLE_1\tSAMPLE_2\tSAMPLE_3\tSAMPLE_4\tSAMPLE_5
Plate\tnan\t007\t007\t007\t10\t10\t10
Well\tnan\tA01\tA02\tA03\tA01\tA02\tA03
pert_iname\tnan\tDMSO\tx\ty\tDMSO\tx\tNA
dose\tnan\t0\t1.5\t3\t0\t1.5\t3
Cells_x\tCells_x\t1\t2.5\t-1\t1e3\t3\t5
Cytoplasm_y\tCytoplasm_y\t5\t6\t-5\t8\t3\t1
Nuclei_z\tNuclei_z\t2\t2\t-2\t5\t-2\t1
"""
X = np.array([[1, 5, 2], [2.5, 6, 2], [-1, -5, -2], [1000, 8, 5], [3, 3, -2], [5, 1, 1]], np.float32)
OPTIONS = {
    "columns": {"plate": "Plate", "well": "Well", "compound": "pert_iname"},
    "controls": {"column": "pert_iname", "values": ["DMSO"]},
}


def read(path: Path, **options: Any) -> Profiles:
    return load(Tables(paths=str(path), **{**OPTIONS, **options}), path.parent / "cache")


@pytest.mark.parametrize("ending", [".gct", ".gct.gz", ".GCT"])
def test_columns_are_wells_and_rows_are_features(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"s{ending}"
    content = WRITTEN.encode()
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    profiles = read(path)
    np.testing.assert_array_equal(profiles.X, X)
    assert profiles.features == ("Cells_x", "Cytoplasm_y", "Nuclei_z")
    assert [plate.name for plate in profiles] == ["007", "10"]
    assert list(profiles.wells["well"]) == ["A01", "A02", "A03"] * 2
    assert list(profiles.wells["compound"]) == ["DMSO", "x", "y", "DMSO", "x", ""]
    assert list(profiles.wells["id"]) == [f"SAMPLE_{i}" for i in range(6)]
    assert list(profiles.wells["dose"].astype(float)) == [0, 1.5, 3] * 2


def test_fields_of_wells_are_no_features_even_if_they_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "s.gct"
    plain = (
        WRITTEN.replace("Cells_x", "200814_at").replace("Cytoplasm_y", "222103_at").replace("Nuclei_z", "201453_x_at")
    )
    path.write_text(plain.replace("dose", "days"))
    assert read(path).features == ("200814_at", "222103_at", "201453_x_at")


@pytest.mark.parametrize("ends", ["\r\n", "\n\n", "\n"])
def test_line_ends_and_a_byte_order_mark(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "s.gct"
    path.write_bytes(b"\xef\xbb\xbf" + WRITTEN.replace("\n", "\r\n" if "\r" in ends else "\n").encode() + ends.encode())
    np.testing.assert_array_equal(read(path).X, X)


def test_version_1_2_has_names_only(tmp_path: Path) -> None:
    path = tmp_path / "s.gct"
    names = [f"p{i // 3}:{'AB'[i % 3 > 1]}0{i % 3 + 1}:{'DMSO' if i % 3 == 0 else 'x'}" for i in range(6)]
    rows = ["\t".join([f"Cells_{i}", "na", *map(str, column)]) for i, column in enumerate(X.T)]
    path.write_text("\n".join(["#1.2", "3\t6", "\t".join(["Name", "Description", *names]), *rows]))
    profiles = read(
        path,
        columns={"plate": "id", "plate_regex": "^(.+?):", "well": "id", "well_regex": ":([AB][0-9]+):"},
        controls="id.str.endswith('DMSO')",
    )
    np.testing.assert_array_equal(profiles.X, X)
    assert list(profiles.wells["well"]) == ["A01", "A02", "B03"] * 2


def test_missing_values_follow_on_missing(tmp_path: Path) -> None:
    path = tmp_path / "s.gct"
    path.write_text(WRITTEN.replace("\t8\t3\t1\n", "\t8\tNaN\t\n"))
    with pytest.raises(InputError, match=r"2 NaN.*Cytoplasm_y \(2\)"):
        read(path)
    assert read(path, on_missing="drop_features").features == ("Cells_x", "Nuclei_z")


LAST = "Nuclei_z\tNuclei_z\t2\t2\t-2\t5\t-2\t1\n"
BAD: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["0 bytes"]),
    "another version": (WRITTEN.replace("#1.3", "#1.1").encode(), ["'#1.1'", "'#1.3'"]),
    "no GCT": (b"plate,well\n1,A01\n", ["'plate,well'", "GCT"]),
    "bytes": (bytes(range(256)), ["s.gct"]),
    "not UTF-8": (WRITTEN.encode().replace(b"DMSO", b"\xff\xfe", 1), ["not UTF-8"]),
    "one line": (b"#1.3\n", ["ends after 1 lines"]),
    "sizes that are no numbers": (WRITTEN.replace("3\t6\t1", "3\tx\t1").encode(), ["line 2", "'x'"]),
    "negative sizes": (WRITTEN.replace("3\t6\t1", "-3\t6\t1").encode(), ["line 2", "'-3'"]),
    "two sizes": (WRITTEN.replace("3\t6\t1\t4", "3\t6").encode(), ["line 2", "4 whole numbers"]),
    "no wells": (WRITTEN.replace("3\t6\t1", "3\t0\t1").encode(), ["3 features of 0 wells"]),
    "no features": (WRITTEN.replace("3\t6\t1", "0\t6\t1").encode(), ["0 features"]),
    "a promise of wells": (WRITTEN.replace("3\t6\t1", "3\t9999999999\t1").encode(), ["line 3", "8 columns"]),
    "a promise of features": (WRITTEN.replace("3\t6\t1", "9999999999\t6\t1").encode(), ["3 lines", "9999999999"]),
    "a promise of fields": (WRITTEN.replace("\t4\n", "\t9999999999\n").encode(), ["ends after 7 of 9999999999"]),
    "one field too few": (WRITTEN.replace("\t4\n", "\t3\n").encode(), ["4 lines of features", "expected 3"]),
    "truncated": (WRITTEN.encode()[:-30], ["s.gct"]),
    "ends in the fields": (WRITTEN[: WRITTEN.index("dose")].encode(), ["ends after 3 of 4 lines"]),
    "a feature too many": ((WRITTEN + LAST.replace("_z", "_w")).encode(), ["4 lines of features"]),
    "a short line": (WRITTEN.replace("8\t3\t1\n", "8\t3\n").encode(), ["line 9", "7 columns", "expected 8"]),
    "a long line": (WRITTEN.replace("8\t3\t1\n", "8\t3\t1\t7\n").encode(), ["not a table"]),
    "a short field": (WRITTEN.replace("A03\n", "\n", 1).replace("A02\t\n", "A02\n").encode(), ["s.gct"]),
    "text in a feature": (WRITTEN.replace("\t8\t3", "\thigh\t3").encode(), ["line 9", "'Cytoplasm_y'", "'high'"]),
    "a feature twice": (WRITTEN.replace("Nuclei_z\tN", "Cells_x\tN").encode(), ["['Cells_x'] occur more than once"]),
    "a field twice": (WRITTEN.replace("dose", "Well").encode(), ["['Well'] occur more than once"]),
    "a field named like a feature": (WRITTEN.replace("dose", "Cells_x").encode(), ["['Cells_x']"]),
    "a feature without a name": (WRITTEN.replace("Nuclei_z\tN", "\tN").encode(), ["line 10", "without a name"]),
    "gzip inside": (gzip.compress(WRITTEN.encode()), ["s.gct"]),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_are_not_right_are_one_line(tmp_path: Path, case: str) -> None:
    content, culprits = BAD[case]
    path = tmp_path / "s.gct"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read(path)
    assert "\n" not in str(error.value)
    for culprit in ["s.gct", *culprits]:
        assert culprit in str(error.value)
    assert not [entry for entry in (tmp_path / "cache").rglob("*") if entry.name != "sources.json"]


def test_a_truncated_gzip_and_a_pipe_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.gct.gz"
    path.write_bytes(gzip.compress(WRITTEN.encode())[:-20])
    with pytest.raises(InputError, match="corrupt or truncated gzip"):
        read_table(path, text=[])
    os.mkfifo(tmp_path / "pipe.gct")
    with pytest.raises(InputError, match="named pipe"):
        read(tmp_path / "pipe.gct")
