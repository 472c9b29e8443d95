"""Ids are read as they are written: ``NA`` is a name, an empty cell is none; one name in two spellings is told of."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_screens import COLUMNS, FEATURES, read_small, small_screen, write

from harness.core.exceptions import InputError
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.columns.spellings import fold
from harness.data.tables import Tables
from harness.store.plate_subset import PlateFilter
from harness.task.labels.coding import Coding
from harness.task.labels.source import LabelSource
from harness.utils.text import MISSING_WORDS, as_key, as_text, normalize_id, quoting_hint

pytestmark = pytest.mark.slow

WORDS = sorted(MISSING_WORDS - {""})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("word", WORDS)
def test_compounds_called_like_a_missing_value_are_names(tmp_path: Path, suffix: str, word: str) -> None:
    screen = small_screen().replace({"Compound": {"c2": word, "c3": None}})
    reading = read_small(write(screen, tmp_path / f"s.{suffix}"))
    assert reading.wells["compound"].tolist() == ["DMSO", "c1", word, "DMSO", "", "c1"] * 3
    assert reading.counts() == {"treated": 12, "negcon": 6}
    assert reading.notes() == [
        f"compounds called {word!r} (3 rows) are names like any other: only an empty cell is no compound"
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "N/A"])
def test_controls_may_be_called_so_in_a_rule_and_in_a_query(tmp_path: Path, suffix: str, word: str) -> None:
    screen = small_screen().replace({"Compound": {"DMSO": word}})
    screen["kind"] = screen["Compound"].map({word: word}).fillna("trt")
    path = write(screen, tmp_path / f"s.{suffix}")
    for rule in (
        {"column": "Compound", "values": [word]},
        {"column": "kind", "values": [word]},
        {"query": f"Compound == '{word}'"},
        {"query": f"kind == '{word}'"},
    ):
        reading = read_small(path, controls=rule)
        assert reading.counts() == {"treated": 12, "negcon": 6}, (rule, reading.refusal)
    assert "matches no row" in read_small(path, controls={"query": "Compound.isna()"}).refusal


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_joined_compounds_are_read_in_the_same_way(tmp_path: Path, suffix: str) -> None:
    screen = small_screen().replace({"Compound": {"c2": "NA"}})
    table = screen[["Plate", "Well", "Compound"]].rename(columns={"Compound": "drug"})
    entry = {"path": str(write(table, tmp_path / f"map.{suffix}")), "on": ["Plate", "Well"]}
    reading = read_small(
        write(screen.drop(columns="Compound"), tmp_path / "s.csv"),
        metadata=[entry], columns={**COLUMNS, "compound": "drug"}, controls={"column": "drug", "values": ["DMSO"]},
    )  # fmt: skip
    assert reading.wells["compound"].tolist() == ["DMSO", "c1", "NA", "DMSO", "c3", "c1"] * 3


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    "query",
    [
        "Compound.isna() or Compound == 'DMSO'", "Compound == '' or Compound == 'DMSO'", "Compound in ['', 'DMSO']",
        "Compound.isnull() | (Compound == 'DMSO')", "not (Compound.notna() and Compound != 'DMSO')",
        "Compound.isin(['', 'DMSO'])", "~Compound.notnull() | Compound.str.lower().str.startswith('dmso')",
        "Compound.str.strip().isna() or Compound.str.fullmatch('DMSO')", "~Compound.str.contains('^c')",
    ],
)  # fmt: skip
def test_an_empty_id_is_missing_mapped_or_not(tmp_path: Path, query: str, suffix: str, mapped: bool) -> None:
    screen = small_screen()
    half = (screen["Compound"] == "DMSO") & (screen.index % 2 == 1)
    assert half.any()
    columns = COLUMNS if mapped else {"plate": "Plate", "well": "Well"}
    for empty in ("", None, "  "):
        path = write(screen.assign(Compound=screen["Compound"].where(~half, empty)), tmp_path / f"s.{suffix}")
        reading = read_small(path, controls={"query": query}, columns=columns)
        assert reading.refusal == ""
        assert (reading.wells["role"] == "negcon").tolist() == (screen["Compound"] == "DMSO").tolist()


def test_missing_numbers_are_missing_and_zero_is_not(tmp_path: Path) -> None:
    screen = small_screen().assign(dose=[0, 1, 2, np.nan, 4, 5] * 3)
    for query in ("dose.isna() or dose == 0", "not (dose > 0)"):
        reading = read_small(write(screen, tmp_path / "s.csv"), controls={"query": query})
        assert (reading.wells["role"] == "negcon").tolist() == [True, False, False, True, False, False] * 3
    reading = read_small(tmp_path / "s.csv", controls={"query": "dose.notna() and dose < 1"})
    assert (reading.wells["role"] == "negcon").sum() == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [("007", "007"), ("1E3", "1E3"), ("2021_08", "2021_08"), ("true", "true"), ("24277", 24277), ("1.10", "1.10")],
)
@pytest.mark.parametrize("column", ["Compound", "kind"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_values_of_controls_are_compared_as_they_are_written(
    tmp_path: Path, suffix: str, column: str, written: str, value: Any
) -> None:
    screen = small_screen().replace({"Compound": {"DMSO": written}})
    screen["kind"] = screen["Compound"].where(screen["Compound"] == written, "0")
    reading = read_small(write(screen, tmp_path / f"s.{suffix}"), controls={"column": column, "values": [value]})
    assert reading.counts() == {"treated": 12, "negcon": 6}, reading.refusal


@pytest.mark.parametrize(("written", "value"), [("2021_08", 202108), ("1E3", 1000.0), ("true", True), ("007", 7)])
def test_a_value_that_was_read_as_a_number_is_to_be_quoted(tmp_path: Path, written: str, value: Any) -> None:
    path = write(small_screen([written, "P2"]).replace({"Compound": {"DMSO": written}}), tmp_path / "s.csv")
    by_plate = read_small(path, controls={"column": "Compound", "values": [written]}, exclude_plates=[value]).refusal
    for part in (
        f"exclude_plates names ['{normalize_id(value)}']",
        f"'{written}'",
        "in quotes: 'data.exclude_plates=[\"2021_08\"]'",
    ):
        assert part in by_plate
    by_compound = read_small(path, controls={"column": "Compound", "values": [value]}).refusal
    for part in ("matches no row", f"'{written}'", "in quotes: 'data.controls.values=[\"2021_08\"]'"):
        assert part in by_compound
    source = PlateFilter(Tables(paths=str(path), columns=COLUMNS, controls=f"Compound == '{written}'"), [value])
    with pytest.raises(InputError, match=r"in quotes: 'data[.]exclude_plates"):
        list(source.plates())


def test_text_needs_no_hint(tmp_path: Path) -> None:
    path = write(small_screen(), tmp_path / "s.csv")
    assert "quotes" not in read_small(path, exclude_plates=["P9"]).refusal
    assert "quotes" not in read_small(path, controls={"column": "Compound", "values": ["x", None]}).refusal
    assert quoting_hint(["a", None], option="o") == ""


@pytest.mark.parametrize(
    "spelling", ["dmso", "Dmso", "D.M.S.O.", "DM-SO", "d m s o", "\uff24\uff2d\uff33\uff2f", "dimethyl sulfoxide"]
)
def test_spellings_of_a_control_are_pointed_out_with_their_counts(tmp_path: Path, spelling: str) -> None:
    screen = small_screen()
    some = (screen["Compound"] == "DMSO") & (screen.index % 6 == 0)
    path = write(screen.assign(Compound=screen["Compound"].where(~some, spelling)), tmp_path / "s.csv")
    for rule in (
        {"column": "Compound", "values": ["DMSO"]},
        {"query": "Compound == 'DMSO'"},
        {"query": "compound == 'DMSO'"},
    ):
        reading = read_small(path, controls=rule)
        assert reading.report.warnings == [
            f"column 'Compound': {spelling!r} (3 rows) counts as treated, 'DMSO' (3 rows) as negcon: are these "
            "spellings of one name? Add them to data.controls, or correct the table"
        ]
    both = read_small(path, controls={"column": "Compound", "values": ["DMSO", spelling]})
    assert both.report.warnings == []
    assert both.counts() == {"treated": 12, "negcon": 6}


@pytest.mark.parametrize("spelling", ["DMSO ", "  DMSO", "DMSO\t"])
def test_outer_blanks_are_no_other_spelling(tmp_path: Path, spelling: str) -> None:
    screen = small_screen().replace({"Compound": {"DMSO": spelling}})
    screen.loc[0, "Compound"] = "DMSO"
    reading = read_small(write(screen, tmp_path / "s.csv"))
    assert reading.report.warnings == []
    assert reading.counts() == {"treated": 12, "negcon": 6}


def test_a_column_of_kinds_and_positive_controls_are_looked_at_too(tmp_path: Path) -> None:
    screen = small_screen().assign(kind=["negcon", "trt", "poscon", "Negcon", "Poscon", "trt"] * 3)
    rules = {"controls": {"column": "kind", "values": ["negcon"]}, "poscon": {"column": "kind", "values": ["poscon"]}}
    warned = read_small(write(screen, tmp_path / "s.csv"), **rules).report.warnings
    assert len(warned) == 2, "the compound DMSO stands in wells of both spellings and is no spelling of itself"
    assert "'Negcon' (3 rows) counts as treated, 'negcon' (3 rows) as negcon" in warned[0]
    assert "'Poscon' (3 rows) counts as treated, 'poscon' (3 rows) as poscon" in warned[1]


INNOCENT = [
    ("DMSO", ["DMSO2", "DMSO-d6", "DMSO 0.1%", "DMS", "DMF"]),
    ("c-1", ["c-11", "c-2", "C-1.5", "c"]),
    ("1.0", ["10", "1-0", "100"]),
    ("drug 1.0", ["drug 10", "drug 1.00", "drug 1-0"]),
    ("A", ["a", "B", "b"]),
    ("水", ["酒", "油"]),
]


@pytest.mark.parametrize(("control", "others"), INNOCENT)
def test_other_names_are_not_blamed(tmp_path: Path, control: str, others: list[str]) -> None:
    screen = small_screen().replace({"Compound": {"DMSO": control}})
    treated = screen["Compound"] != control
    screen.loc[treated, "Compound"] = np.resize(others, int(treated.sum()))
    reading = read_small(write(screen, tmp_path / "s.csv"), controls={"column": "Compound", "values": [control]})
    assert reading.refusal == ""
    assert reading.report.warnings == []


def test_wells_and_plates_are_no_names_of_controls(tmp_path: Path) -> None:
    screen = small_screen(["AB-1", "AB1", "ab1"])
    reading = read_small(write(screen, tmp_path / "s.csv"), controls={"query": "Plate == 'AB-1' and Well == 'A01'"})
    assert reading.report.warnings == []


def test_the_python_interface_warns_and_gives_the_same() -> None:
    screen = small_screen()
    screen.loc[0, "Compound"] = "dmso"
    options: dict[str, Any] = {
        "plate": "Plate",
        "well": "Well",
        "compound": "Compound",
        "controls": "Compound == 'DMSO'",
    }
    with pytest.warns(UserWarning, match=r"'dmso' \(1 rows\) counts as treated"):
        profiles_from_frame(screen, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profiles_from_frame(small_screen(), **options)


def test_fold() -> None:
    assert fold("D.M.S.O.") == fold("dmso") == fold(" D M S O") == fold("Dimethyl-sulphoxide") == "dmso"
    assert fold("") == fold("7") == fold("1.0") == fold("A") == fold("-") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("24277"), "24277"), (Decimal("24277.00"), "24277"), (Decimal("0.50"), "0.50"), (-3.0, "-3"),
        ("-3.0", "-3"), ("007", "007"), ("007.5", "007.5"), (np.int64(2**62), str(2**62)), (Decimal("NaN"), "NaN"),
        (float("inf"), "inf"), (np.float32(0.1), "0.1"), (True, "True"),
    ],
)  # fmt: skip
def test_one_text(value: Any, text: str) -> None:
    assert normalize_id(value) == text


def test_small_floats_are_written_as_they_are_stored() -> None:
    for kind in ("float16", "float32", "float64", "Float32"):
        assert as_text(pd.Series([0.1, 2, np.nan]).astype(kind)).tolist() == ["0.1", "2", ""]


def test_keys_are_composed() -> None:
    assert as_key(pd.Series(["e\u0301", "\u00e9", "e", None])).tolist() == ["\u00e9", "\u00e9", "e", ""]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_counts_doses_and_sites_stored_as_text_are_numbers(tmp_path: Path, suffix: str) -> None:
    screen = pd.concat([small_screen(["P1"])] * 2, ignore_index=True).assign(
        n=[str(100 + i) for i in range(12)],
        conc=["0.10", "1e-3", "", "5", "2.5", "0"] * 2,
        field=["1"] * 6 + ["12"] * 6,
    )
    columns = {**COLUMNS, "cell_count": "n", "dose": "conc", "site": "field"}
    wells = read_small(write(screen, tmp_path / f"s.{suffix}"), columns=columns).wells
    assert wells["cell_count"].tolist() == list(range(100, 112))
    np.testing.assert_array_equal(wells["dose"], [0.1, 0.001, np.nan, 5, 2.5, 0] * 2)
    assert wells["site"].tolist() == [1] * 6 + [12] * 6


def test_decimals_of_arrow_are_numbers(tmp_path: Path) -> None:
    screen = small_screen(["P1"]).assign(n=[Decimal(i) for i in range(6)], conc=[Decimal("0.5")] * 5 + [None])
    wells = read_small(
        write(screen, tmp_path / "s.parquet"), columns={**COLUMNS, "cell_count": "n", "dose": "conc"}
    ).wells
    assert wells["cell_count"].tolist() == list(range(6))
    np.testing.assert_array_equal(wells["dose"].astype(float), [0.5] * 5 + [np.nan])


def test_sites_with_leading_zeros_stay_as_they_are(tmp_path: Path) -> None:
    screen = small_screen(["P1"]).assign(site=["01", "02", "03", "04", "05", "06"])
    assert read_small(write(screen, tmp_path / "s.parquet")).wells["site"].tolist() == list(screen["site"])


def test_labels_of_a_compound_called_na_are_its_labels(tmp_path: Path) -> None:
    table = pd.DataFrame({"compound": ["NA", "c1", ""], "a": [1, 0, 1]})
    source = LabelSource(
        path=str(write(table, tmp_path / "labels.csv")), row_index=None, column_index=None, compound="compound",
        assay=None, value=None, column=None, assays=None, values={"active": [1], "inactive": [0]}, duplicates="error",
    )  # fmt: skip
    assert source.read(str(source.path)).compounds == ["NA", "c1", ""]
    assert Coding({"active": [1], "inactive": [0]}).meaning["1"] == 1


def test_a_batch_that_is_empty_in_some_rows_is_refused(tmp_path: Path) -> None:
    screen = small_screen().assign(Week=["w1"] * 6 + [""] * 6 + ["w2"] * 6)
    refusal = read_small(write(screen, tmp_path / "s.csv"), columns={**COLUMNS, "batch": "Week"}).refusal
    assert "'Week' is empty, or has no partner, in 6 rows of plates ['P2']" in refusal
    empty = read_small(write(screen.assign(Week=""), tmp_path / "s.csv"), columns={**COLUMNS, "batch": "Week"})
    assert set(empty.wells["batch"]) == {""}
    np.testing.assert_array_equal(empty.X, screen[FEATURES].to_numpy(np.float32))


@pytest.mark.parametrize(
    "rule", [5, True, ["DMSO"], {"column": "Compound"}, {"values": ["DMSO"]}, {"colum": "Compound"}]
)
def test_a_rule_that_is_none_is_refused(tmp_path: Path, rule: Any) -> None:
    refusal = read_small(write(small_screen(), tmp_path / "s.csv"), controls=rule).refusal
    assert refusal.startswith("data.controls: got ")
    assert "query" in refusal
