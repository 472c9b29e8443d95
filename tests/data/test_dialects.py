"""CSV and TSV files as spreadsheets of all countries write them: right to the digit, or one line that says why not."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_screens import COLUMNS, FEATURES, read_small, small_screen, write

from harness.core.exceptions import InputError
from harness.data.files.dialect import AUTO, find_decimal, sniff_separator
from harness.data.files.table_files import read_table


def text_of(table: pd.DataFrame, *, sep: str = ",", decimal: str = ".") -> str:
    return table.to_csv(index=False, sep=sep, decimal=decimal)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
def test_every_dialect_gives_the_same_values(tmp_path: Path, suffix: str, sep: str, decimal: str) -> None:
    screen = small_screen().assign(Cells_Count=range(18), Dose=[0.0, 0.5, 1.25, 0.0, 10.0, 100.0] * 3)
    path = tmp_path / f"screen.{suffix}"
    path.write_text(text_of(screen, sep=sep, decimal=decimal))
    features = [*FEATURES, "Cells_Count"]
    reading = read_small(path, features=features, columns={**COLUMNS, "dose": "Dose"})
    np.testing.assert_array_equal(reading.X, screen[features].to_numpy(np.float32))
    assert reading.wells["dose"].tolist() == screen["Dose"].tolist()
    assert reading.counts() == {"treated": 12, "negcon": 6}
    usual = {"csv": ",", "tsv": "\t", "txt": "\t"}[suffix]
    separated = f"columns separated by {'tabs' if sep == chr(9) else repr(sep)}"
    expected = ", ".join([separated] * (sep != usual) + ["decimal commas"] * (decimal == ","))
    assert reading.notes() == ([f"screen.{suffix}: {expected}"] if expected else [])


def test_several_files_of_one_dialect_are_told_of_once(tmp_path: Path) -> None:
    screen = small_screen()
    for plate, table in screen.groupby("Plate"):
        (tmp_path / f"{plate}.csv").write_text(text_of(table, sep=";", decimal=","))
    reading = read_small(tmp_path / "*.csv")
    assert reading.notes() == ["P1.csv: columns separated by ';', decimal commas"]
    assert len(reading.report.tables["text_files"]) == 3
    np.testing.assert_array_equal(reading.X, screen[FEATURES].to_numpy(np.float32))


def test_decimal_commas_that_begin_far_down_are_seen(tmp_path: Path) -> None:
    screen = small_screen([f"P{i:03d}" for i in range(100)])
    whole = screen["Plate"] < "P060"
    screen.loc[whole, FEATURES] = screen.loc[whole, FEATURES].round() + 1.0
    path = tmp_path / "s.tsv"
    path.write_text(text_of(screen, sep="\t", decimal=",").replace(",0\t", "\t").replace(",0\n", "\n"))
    reading = read_small(path)
    np.testing.assert_array_equal(reading.X, screen[FEATURES].to_numpy(np.float32))


@pytest.mark.parametrize(
    ("number", "value"), [("1,5E-3", 0.0015), ("-0,25", -0.25), ("+3,75", 3.75), (",5", 0.5), ("1,234", 1.234)]
)
def test_forms_of_a_number_with_a_decimal_comma(tmp_path: Path, number: str, value: float) -> None:
    screen = small_screen()
    lines = text_of(screen, sep=";", decimal=",").splitlines()
    fields = lines[3].split(";")
    fields[-1] = number
    (tmp_path / "s.csv").write_text("\n".join([*lines[:3], ";".join(fields), *lines[4:]]))
    assert read_small(tmp_path / "s.csv").X[2, 1] == np.float32(value)


THOUSANDS = {
    "comma, alone": (",", ["1,234", "2,500", "999"], ["1,234"]),
    "comma, beside decimal points": (",", ["1,234.5", "2,500.25", "999"], ["1,234.5"]),
    "point, beside decimal commas": (";", ["1.234,5", "2.500,25", "999"], ["1.234,5"]),
    "millions": (",", ["1,234,567", "2,500,000", "999"], ["1,234,567"]),
    "millions in German": (";", ["1.234.567", "2.500.000", "999"], ["1.234.567"]),
    "alone, semicolons": (";", ["1,234", "2,500", "3,750"], ["1,234"]),
}


@pytest.mark.parametrize("kind", THOUSANDS)
def test_numbers_that_may_be_read_in_two_ways_are_refused_with_the_setting_that_decides(
    tmp_path: Path, kind: str
) -> None:
    sep, numbers, culprits = THOUSANDS[kind]
    screen = small_screen().assign(Nuclei_Intensity=1, Cells_Area=numbers * 6)
    path = write(screen, tmp_path / "s.csv", sep=sep)
    refusal = read_small(path).refusal
    for part in ("s.csv", "'Cells_Area'", *culprits, "data.decimal=comma", "data.decimal=point"):
        assert part in refusal
    sign = "." if "," in numbers[0] and not kind.startswith("point") else ","
    thousands = {".": ",", ",": "."}[sign]
    expected = [float(text.replace(thousands, "").replace(sign, ".")) for text in numbers] * 6
    for given in ({".": "point", ",": "comma"}[sign], sign):
        reading = read_small(path, decimal=given)
        np.testing.assert_array_equal(reading.X[:, 0], np.float32(expected))


def test_the_same_text_is_a_decimal_where_the_user_says_so(tmp_path: Path) -> None:
    screen = small_screen().assign(Cells_Area=["1,234", "2,500", "3,750"] * 6, Nuclei_Intensity=1)
    path = write(screen, tmp_path / "s.csv", sep=";")
    np.testing.assert_array_equal(read_small(path, decimal="comma").X[:, 0], np.float32([1.234, 2.5, 3.75] * 6))
    np.testing.assert_array_equal(read_small(path, decimal="point").X[:, 0], np.float32([1234, 2500, 3750] * 6))


def test_both_signs_as_decimals_are_refused(tmp_path: Path) -> None:
    screen = small_screen().assign(Cells_Area=["1.5", "2.25", "3.0"] * 6, Nuclei_Intensity=["0,5", "1,25", "2,0"] * 6)
    refusal = read_small(write(screen, tmp_path / "s.csv", sep=";")).refusal
    assert "s.csv" in refusal
    assert "Nuclei_Intensity" in refusal or "Cells_Area" in refusal


INNOCENT: dict[str, list[Any]] = {
    "names with commas": ["1,2-dichlorobenzene", "2,4-D", "N,N-dimethyl"],
    "lists": ["1,2,3", "4,5,6", "7,8,9"],
    "coordinates": ["12,34", "1,2", "3,45"],
    "sentences": ["one, two", "three; four", "five\tsix"],
    "versions": ["1.2.3", "1.2.4", "2.0.0"],
    "dates": ["1.2.2023", "2.2.2023", "3.2.2023"],
    "times": ["2023-01-02", "2023-01-03", "2023-01-04"],
    "addresses": ["127.0.0.1", "10.0.0.2", "10.0.0.3"],
    "whole numbers": ["1000", "2000", "3000"],
    "small numbers": ["1.234", "2.345", "3.456"],
    "exponents": ["1e-3", "2e5", "3E+07"],
    "empty": [None, None, None],
}


def test_pairs_of_sites_are_no_thousands(tmp_path: Path) -> None:
    screen = small_screen().assign(Metadata_Sites=["101,102", "103,104", "105,106"] * 6)
    reading = read_small(write(screen, tmp_path / "s.csv"))
    assert reading.wells["Metadata_Sites"].tolist() == screen["Metadata_Sites"].tolist()
    np.testing.assert_array_equal(reading.X, screen[FEATURES].to_numpy(np.float32))


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("kind", INNOCENT)
def test_what_must_not_be_blamed(tmp_path: Path, kind: str, sep: str) -> None:
    screen = small_screen().assign(remark=INNOCENT[kind] * 6)
    reading = read_small(write(screen, tmp_path / "s.csv", sep=sep))
    assert reading.refusal == ""
    np.testing.assert_array_equal(reading.X, screen[FEATURES].to_numpy(np.float32))
    expected = pd.read_csv(tmp_path / "s.csv", sep=sep)["remark"]
    assert reading.wells["remark"].astype(object).map(str).tolist() == expected.astype(object).map(str).tolist()


def test_ids_say_nothing_about_decimals(tmp_path: Path) -> None:
    screen = small_screen(["1,001", "1,002", "1,003"])
    reading = read_small(write(screen, tmp_path / "s.csv"))
    assert list(dict.fromkeys(reading.wells["plate"])) == ["1,001", "1,002", "1,003"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le with mark", "utf-16-be with mark", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_of_spreadsheets(tmp_path: Path, encoding: str, packed: bool) -> None:
    screen = small_screen(["Köln", "Århus", "P3"])
    text = text_of(screen, sep="\t")
    marks = {"utf-16-le with mark": codecs.BOM_UTF16_LE, "utf-16-be with mark": codecs.BOM_UTF16_BE}
    content = marks.get(encoding, b"") + text.encode(encoding.split(" ")[0])
    path = tmp_path / ("s.csv.gz" if packed else "s.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    reading = read_small(path)
    np.testing.assert_array_equal(reading.X, screen[FEATURES].to_numpy(np.float32))
    assert list(dict.fromkeys(reading.wells["plate"])) == ["Köln", "Århus", "P3"]
    assert ("UTF-16" in reading.notes()[0]) == encoding.startswith("utf-16")


@pytest.mark.parametrize(
    ("content", "culprits"),
    [
        (text_of(small_screen(["Köln"])).encode("latin-1"), ["not UTF-8", "'ö'", "CSV UTF-8"]),
        (text_of(small_screen(["5 µM"])).encode("cp1252"), ["not UTF-8", "'µ'"]),
        (text_of(small_screen()).encode("utf-16-le"), ["UTF-16 without a byte order mark"]),
        (codecs.BOM_UTF16_LE + text_of(small_screen()).encode("utf-16-le")[:-1], ["not UTF-8", "save it as UTF-8"]),
        (b"PK\x03\x04" + bytes(3000), ["binary"]),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes, culprits: list[str]) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    refusal = read_small(tmp_path / "s.csv").refusal
    assert all(culprit in refusal for culprit in ["s.csv", *culprits]), refusal


def test_the_first_line_of_excel_names_the_separator(tmp_path: Path) -> None:
    screen = small_screen()
    (tmp_path / "s.csv").write_text("sep=;\n" + text_of(screen, sep=";"))
    np.testing.assert_array_equal(read_small(tmp_path / "s.csv").X, screen[FEATURES].to_numpy(np.float32))


def test_rows_that_begin_with_a_name_as_r_writes_them(tmp_path: Path) -> None:
    header, *rows = text_of(small_screen()).splitlines()
    (tmp_path / "s.csv").write_text("\n".join([header, *(f"{i},{row}" for i, row in enumerate(rows))]))
    refusal = read_small(tmp_path / "s.csv").refusal
    assert "more fields than the header" in refusal
    assert "as R writes" in refusal


def test_the_separator_may_be_given(tmp_path: Path) -> None:
    screen = small_screen()
    path = write(screen, tmp_path / "s.csv", sep=";")
    for given in ("semicolon", ";", "auto"):
        assert len(read_small(path, separator=given).X) == 18
    assert "no plate column 'Plate'" in read_small(path, separator="comma").refusal
    assert "data.separator: got ' '" in read_small(path, separator=" ").refusal
    assert (
        "data.decimal: got 'dot'; expected one of ['auto', 'point', 'comma']" in read_small(path, decimal="dot").refusal
    )


@pytest.mark.parametrize(
    ("lines", "usual", "expected"),
    [
        (["a;b;c", "1,5;2;3", "1,6;2;3"], ",", ";"),
        (["a,b;b,c", "1,5;2", "1,6;2"], ",", ";"),
        (["a,b,c", "x;y,2,3", "x;z,2,3"], ",", ","),
        (["a\tb", "1,5\t2,5"], ",", "\t"),
        (["a,b", '"1,5","2;5"'], "\t", ","),
        (["only", "1", "2"], ",", ","),
        (["only", "1", "2"], "\t", "\t"),
        (['a;"b;c"', "1;2"], ",", ";"),
        (["a,b,c", "1,2,3", "1,2,3,4"], ",", ","),
        (["a;b;c", "1;2;3", "1;2;3;4"], ",", ";"),
        ([], ",", ","),
    ],
)
def test_separators(lines: list[str], usual: str, expected: str) -> None:
    assert sniff_separator(lines, usual=usual) == expected


def test_labels_and_plate_maps_are_read_in_every_dialect_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["c1", "c2"], "score": [0.5, 1.25]})
    path = write(table, tmp_path / "scores.csv", sep=";", decimal=",")
    assert read_table(path, text=["id"])["score"].tolist() == [0.5, 1.25]
    path = write(pd.DataFrame({"id": ["c1", "c2"], "score": ["1,000", "2,000"]}), tmp_path / "two_ways.csv", sep=";")
    with pytest.raises(InputError, match="without separators of thousands"):
        read_table(path, text=["id"])


def test_columns_of_numbers_alone_decide() -> None:
    table = pd.DataFrame({"a": ["1,5", "2"], "b": [1, 2]})
    assert find_decimal(table, ids=[], read_with=".", dialect=AUTO, source="t") == ","
    assert find_decimal(table, ids=["a"], read_with=".", dialect=AUTO, source="t") == "."
    assert find_decimal(table.assign(b=[0.5, 2]), ids=[], read_with=".", dialect=AUTO, source="t") == "."
