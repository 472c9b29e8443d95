"""Plate maps and annotations: which row belongs to which, what is said, what is refused."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_screens import COLUMNS, Reading, read_small, small_screen, write

from harness.core.exceptions import InputError
from harness.data.columns.metadata_join import Join
from harness.data.tables import Tables

MAPPED = {"plate": "Plate", "well": "Well", "compound": "compound_name"}
BY_NAME = {"column": "compound_name", "values": ["DMSO"]}


def platemap(screen: pd.DataFrame) -> pd.DataFrame:
    return screen[["Plate", "Well", "Compound"]].set_axis(["Barcode", "Position", "compound_name"], axis=1)


def read_joined(
    folder: Path, screen: pd.DataFrame, table: pd.DataFrame, *, suffix: str = "csv", **options: Any
) -> Reading:
    """The screen without its compounds, joined with ``table`` by plate and well."""
    entry = {"on": {"Plate": "Barcode", "Well": "Position"}, **options.pop("entry", {})}
    path = write(screen.drop(columns="Compound"), folder / f"screen.{suffix}")
    entry["path"] = str(write(table, folder / f"platemap.{options.pop('map_suffix', 'csv')}"))
    return read_small(path, **{"columns": MAPPED, "controls": BY_NAME, "metadata": [entry], **options})


SPELLINGS = {
    "A1": lambda well: well[0] + str(int(well[1:])),
    "a01": str.lower,
    "a1": lambda well: well[0].lower() + str(int(well[1:])),
    "r01c01": lambda well: f"r{ord(well[0]) - 64:02d}c{int(well[1:]):02d}",
    "R1C1": lambda well: f"R{ord(well[0]) - 64}C{int(well[1:])}",
    "blanks": lambda well: f"  {well} ",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("in_the_map", [True, False])
def test_wells_are_joined_however_they_are_written(tmp_path: Path, spelling: str, in_the_map: bool) -> None:
    screen = small_screen()
    table, other = platemap(screen), screen.copy()
    if in_the_map:
        table["Position"] = table["Position"].map(SPELLINGS[spelling])
    else:
        other["Well"] = other["Well"].map(SPELLINGS[spelling])
    reading = read_joined(tmp_path, other, table)
    assert reading.wells["compound"].tolist() == screen["Compound"].tolist()
    assert reading.wells["well"].tolist() == screen["Well"].tolist()
    assert reading.counts() == {"treated": 12, "negcon": 6}
    assert reading.notes() == ["platemap.csv: 18 of 18 rows have a partner (by Plate, Well)"]


def test_only_the_well_column_is_read_as_wells(tmp_path: Path) -> None:
    """Compounds A1 and A01 are two compounds."""
    screen = small_screen().assign(Compound=["DMSO", "A1", "A01", "DMSO", "A1", "A01"] * 3)
    table = pd.DataFrame({"Compound": ["DMSO", "A1", "A01"], "moa": ["none", "first", "second"]})
    reading = read_small(
        write(screen, tmp_path / "screen.csv"),
        metadata=[{"path": str(write(table, tmp_path / "moa.csv")), "on": ["Compound"]}],
    )
    assert reading.wells["moa"].tolist() == ["none", "first", "second"] * 6


@pytest.mark.parametrize("empty_is_dmso", [False, True])
@pytest.mark.parametrize("rule", [BY_NAME, {"query": "compound_name == 'DMSO'"}])
def test_a_plate_that_the_map_lacks_is_named_and_never_becomes_controls(
    tmp_path: Path, empty_is_dmso: bool, rule: dict[str, Any]
) -> None:
    screen = small_screen()
    table = platemap(screen)
    if empty_is_dmso:
        table["compound_name"] = table["compound_name"].replace("DMSO", np.nan)
        rule = {"query": "compound_name.isna()"} if "query" in rule else {**rule, "values": [None]}
    table = table[table["Barcode"] != "P2"]
    refusal = read_joined(tmp_path, screen, table, controls=rule).refusal
    for part in (
        "platemap.csv: 12 of 18 rows",
        "(by Plate, Well)",
        "Plate 'P2' (6 rows) is not in it",
        "unmatched: warn",
    ):
        assert part in refusal
    reading = read_joined(tmp_path, screen, table, controls=rule, entry={"unmatched": "warn"})
    assert reading.counts() == {"treated": 8, "negcon": 4, "empty": 6}
    assert set(reading.wells["role"][reading.wells["plate"] == "P2"]) == {"empty"}
    assert [line.split(":")[0] for line in reading.report.warnings] == [
        "platemap.csv", "6 rows without a partner take no part (role empty)",
    ]  # fmt: skip
    excluded = read_joined(tmp_path, screen, table, controls=rule, exclude_plates=["P2"])
    assert excluded.counts() == {"treated": 8, "negcon": 4}
    assert excluded.notes()[0] == "platemap.csv: 12 of 12 rows have a partner (by Plate, Well)"


@pytest.mark.parametrize(
    "query", ["compound_name == ''", "compound.isnull()", "not compound_name.notna()", "compound_name != 'c1'"]
)
def test_no_form_of_a_rule_takes_no_partner_for_an_answer(tmp_path: Path, query: str) -> None:
    screen = small_screen()
    table = platemap(screen).replace({"compound_name": {"DMSO": np.nan}})
    reading = read_joined(
        tmp_path, screen, table[table["Barcode"] != "P2"], controls={"query": query}, entry={"unmatched": "warn"}
    )
    assert set(reading.wells["role"][reading.wells["plate"] == "P2"]) == {"empty"}


def test_an_annotation_that_no_rule_reads_leaves_the_roles_alone(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["c1", "c2", "c9"], "moa": ["x", "y", "z"]})
    entry = {"path": str(write(table, tmp_path / "moa.csv")), "on": {"compound": "id"}}
    path = write(small_screen(), tmp_path / "screen.csv")
    assert "compound 'DMSO' (6 rows), 'c3' (3 rows) are not in it" in read_small(path, metadata=[entry]).refusal
    reading = read_small(path, metadata=[{**entry, "unmatched": "warn"}])
    assert reading.counts() == {"treated": 12, "negcon": 6}
    assert reading.wells["moa"].fillna("").tolist() == ["", "x", "y", "", "", "x"] * 3


def test_an_empty_key_has_no_partner_and_is_counted(tmp_path: Path) -> None:
    screen = small_screen().replace({"Compound": {"c3": None}})
    table = pd.DataFrame({"Compound": ["DMSO", "c1", "c2", None], "moa": ["none", "x", "y", "of nothing"]})
    entry = {"path": str(write(table, tmp_path / "moa.csv")), "on": ["Compound"], "unmatched": "warn"}
    reading = read_small(write(screen, tmp_path / "screen.csv"), metadata=[entry])
    assert "Compound is empty in 3 rows" in reading.report.warnings[0]
    assert reading.wells["moa"].isna().sum() == 3


def test_a_batch_without_a_partner_is_refused_also_where_it_is_a_warning(tmp_path: Path) -> None:
    table = pd.DataFrame({"Barcode": ["P1", "P2"], "day": ["d1", "d2"]})
    entry = {"path": str(write(table, tmp_path / "days.csv")), "on": {"Plate": "Barcode"}, "unmatched": "warn"}
    reading = read_small(
        write(small_screen(), tmp_path / "s.csv"), columns={**COLUMNS, "batch": "day"}, metadata=[entry]
    )
    assert "'day' is empty, or has no partner, in 6 rows of plates ['P3']" in reading.refusal


def days(
    folder: Path, plates: list[Any], table: pd.DataFrame, *, suffix: str = "csv", map_suffix: str = "csv"
) -> Reading:
    entry = {"path": str(write(table, folder / f"days.{map_suffix}")), "on": {"Plate": "Barcode"}}
    path = write(small_screen(plates), folder / f"screen.{suffix}")
    return read_small(path, columns={**COLUMNS, "batch": "day"}, metadata=[entry])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("map_suffix", ["csv", "parquet"])
def test_plates_are_compared_as_they_are_written(tmp_path: Path, suffix: str, map_suffix: str) -> None:
    plates = ["007", "7", "11"]
    table = pd.DataFrame({"Barcode": plates, "day": ["d1", "d2", "d3"]})
    reading = days(tmp_path, plates, table, suffix=suffix, map_suffix=map_suffix)
    assert reading.wells["batch"].tolist() == ["d1"] * 6 + ["d2"] * 6 + ["d3"] * 6
    refusal = days(tmp_path, plates, table[table["Barcode"] != "7"], suffix=suffix, map_suffix=map_suffix).refusal
    assert "Plate '7' (6 rows) is not in it" in refusal
    assert "'7' and '007' differ by leading zeros" in refusal


@pytest.mark.parametrize("as_integers", [True, False])
def test_barcodes_of_17_digits_keep_every_digit(tmp_path: Path, as_integers: bool) -> None:
    plates = [f"202311270000000{i}" for i in (11, 12, 13)]
    table = pd.DataFrame({"Barcode": plates, "day": ["d1", "d2", "d3"]})
    if as_integers:
        table["Barcode"] = table["Barcode"].astype("int64")
        assert table["Barcode"].astype(float).nunique() < 3, "floats cannot tell them apart"
    for map_suffix in ("csv", "parquet"):
        reading = days(tmp_path, plates, table, map_suffix=map_suffix)
        assert reading.wells["batch"].tolist() == ["d1"] * 6 + ["d2"] * 6 + ["d3"] * 6
        refusal = days(tmp_path, plates, table.iloc[[0, 2]], map_suffix=map_suffix).refusal
        assert f"Plate '{plates[1]}' (6 rows) is not in it" in refusal


def test_barcodes_that_lost_their_digits_are_refused(tmp_path: Path) -> None:
    long = [20231127000000011, 20231127000000013, 20231127000000015]
    table = pd.DataFrame({"Barcode": [*map(float, long), None], "day": ["d1", "d2", "d3", "d4"]})
    assert "last digits are lost" in days(tmp_path, list(map(str, long)), table, map_suffix="parquet").refusal
    refusal = read_small(write(small_screen(list(map(float, long))), tmp_path / "s.parquet")).refusal
    assert "column 'Plate'" in refusal
    assert "last digits are lost" in refusal


STORED = {
    "int64": pd.array([24277, 24278, 24279], dtype="int64"),
    "int32": pd.array([24277, 24278, 24279], dtype="int32"),
    "nullable": pd.array([24277, 24278, 24279], dtype="Int64"),
    "float": pd.array([24277.0, 24278.0, 24279.0], dtype="float64"),
    "text": pd.array(["24277", "24278", "24279"], dtype=object),
    "text of floats": pd.array(["24277.0", "24278.0", "24279.0"], dtype=object),
    "category": pd.Categorical(["24277", "24278", "24279"]),
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("with_missing", [False, True])
def test_whole_numbers_are_the_same_in_every_type(tmp_path: Path, kind: str, with_missing: bool) -> None:
    table = pd.DataFrame({"Barcode": STORED[kind], "day": ["d1", "d2", "d3"]})
    if with_missing:
        table = pd.concat([table, pd.DataFrame({"day": ["d9"]})], ignore_index=True)  # pandas makes floats of integers
    for map_suffix in ("csv", "parquet"):
        reading = days(tmp_path, ["24277", "24278", "24279"], table, map_suffix=map_suffix)
        assert reading.wells["batch"].tolist() == ["d1"] * 6 + ["d2"] * 6 + ["d3"] * 6


def test_blanks_and_the_way_accents_are_typed_do_not_count(tmp_path: Path) -> None:
    composed = ["Köln", "Genève", "Århus"]
    plates = [unicodedata.normalize("NFD", name) for name in composed]
    assert plates != composed
    table = pd.DataFrame({"Barcode": [f" {name}\t" for name in composed], "day": ["d1", "d2", "d3"]})
    assert days(tmp_path, plates, table).wells["batch"].tolist() == ["d1"] * 6 + ["d2"] * 6 + ["d3"] * 6


def test_upper_and_lower_case_are_two_plates(tmp_path: Path) -> None:
    table = pd.DataFrame({"Barcode": ["P1", "p1", "P2"], "day": ["d1", "d2", "d3"]})
    assert days(tmp_path, ["p1", "P1", "P2"], table).wells["batch"].tolist() == ["d2"] * 6 + ["d1"] * 6 + ["d3"] * 6


def test_rows_that_say_the_same_count_once_and_others_are_refused(tmp_path: Path) -> None:
    screen = small_screen()
    table = platemap(screen)
    twice = table.assign(Position=table["Position"].str.lower())
    assert read_joined(tmp_path, screen, pd.concat([table, twice])).counts() == {"treated": 12, "negcon": 6}
    twice.loc[1, "compound_name"] = "c9"
    refusal = read_joined(tmp_path, screen, pd.concat([table, twice])).refusal
    assert "2 different rows for ['Barcode', 'Position'] = ['P1', 'A02'] would duplicate wells" in refusal


@pytest.mark.parametrize("map_suffix", ["csv", "parquet"])
def test_doses_are_compared_as_numbers(tmp_path: Path, map_suffix: str) -> None:
    screen = small_screen().assign(Dose=["0", "1.0", "0.1", "0.0", "1e1", "1"] * 3)
    table = pd.DataFrame({"conc": [0.0, 1.0, 0.1, 10.0], "level": ["none", "mid", "low", "high"]})
    entry = {"path": str(write(table, tmp_path / f"levels.{map_suffix}")), "on": {"dose": "conc"}}
    reading = read_small(write(screen, tmp_path / "s.csv"), columns={**COLUMNS, "dose": "Dose"}, metadata=[entry])
    assert reading.wells["level"].tolist() == ["none", "mid", "low", "none", "high", "mid"] * 3
    assert reading.wells["dose"].tolist() == [0, 1, 0.1, 0, 10, 1] * 3


def test_names_that_look_like_numbers_are_no_numbers(tmp_path: Path) -> None:
    plates = ["1E3", "1000", "1.10"]
    table = pd.DataFrame({"Barcode": ["1000", "1E3", "1.1", "1.10"], "day": ["d1", "d2", "d3", "d4"]})
    assert days(tmp_path, plates, table).wells["batch"].tolist() == ["d2"] * 6 + ["d1"] * 6 + ["d4"] * 6


def test_floats_without_a_written_form_are_compared_as_numbers(tmp_path: Path) -> None:
    screen = small_screen().assign(Level=np.float32([0.1, 0.25, 3, 0.1, 3, 0.25] * 3))
    table = pd.DataFrame({"level": ["0.10", "0.250", "3"], "name": ["low", "mid", "high"]})
    entry = {"path": str(write(table, tmp_path / "levels.csv")), "on": {"Level": "level"}}
    reading = read_small(write(screen, tmp_path / "s.parquet"), metadata=[entry])
    assert reading.wells["name"].tolist() == ["low", "mid", "high", "low", "high", "mid"] * 3


@pytest.mark.parametrize(
    ("entry", "culprits"),
    [
        ({"unmatched": "ignore"}, ["metadata[0]", "'ignore'", "'warn'"]),
        ({"unmatched": True}, ["metadata[0]", "True"]),
        ({"unmatch": "warn"}, ["metadata[0]", "unmatched"]),
        ({"decimal": ";"}, ["metadata[0].decimal", "';'", "'comma'"]),
        ({"separator": "x"}, ["metadata[0].separator", "'semicolon'"]),
    ],
)
def test_settings_of_a_joined_table_are_checked(tmp_path: Path, entry: dict[str, Any], culprits: list[str]) -> None:
    refusal = read_joined(tmp_path, small_screen(), platemap(small_screen()), entry=entry).refusal
    assert all(culprit in refusal for culprit in culprits), refusal


def test_the_setting_is_part_of_the_key(tmp_path: Path) -> None:
    path = write(platemap(small_screen()), tmp_path / "map.csv")
    keys = []
    for more in ({}, {"unmatched": "warn"}, {"decimal": "comma"}):
        entry = {"path": str(path), "on": ["Barcode"], **more}
        keys.append(str(Tables(paths=str(path), controls=BY_NAME, metadata=[entry]).key()))
    assert len(set(keys)) == 3


def test_a_large_table_is_joined_within_a_second() -> None:
    wells = [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(384)]
    n = 261
    table = pd.DataFrame({"Barcode": np.repeat([f"BR{i:08d}" for i in range(n)], 384), "Position": wells * n})
    table["compound_name"] = [f"c{i}" for i in range(len(table))]
    left = table[["Barcode", "Position"]].set_axis(["Plate", "Well"], axis=1).sample(frac=1, random_state=0)
    join = Join((Path("map.csv"),), {"Plate": "Barcode", "Well": "Position"})
    start = time.process_time()
    rows = join.attach(left, table, aliases={"plate": "Plate", "well": "Well"}, source="screen")
    assert time.process_time() - start < 1.0
    assert len(table) > 100_000
    assert rows.has_partner.all()
    assert rows.table["compound_name"].tolist() == [f"c{i}" for i in left.index]


def test_no_row_with_a_partner_shows_both_sides(tmp_path: Path) -> None:
    screen = small_screen(["1", "2"])
    table = platemap(screen).assign(Barcode=lambda t: "0" + t["Barcode"])
    refusal = read_joined(tmp_path, screen, table, entry={"unmatched": "warn"}).refusal
    for part in ("matches no row", "('1', 'A01')", "('01', 'A01')", "leading zeros"):
        assert part in refusal


def test_a_join_by_a_column_of_an_earlier_join(tmp_path: Path) -> None:
    screen = small_screen()
    table = platemap(screen)
    moa = pd.DataFrame({"compound_name": ["DMSO", "c1", "c2"], "moa": ["none", "x", "y"]})
    entries = [
        {"path": str(write(table, tmp_path / "map.csv")), "on": {"Plate": "Barcode", "Well": "Position"}},
        {"path": str(write(moa, tmp_path / "moa.csv")), "on": ["compound_name"], "unmatched": "warn"},
    ]
    path = write(screen.drop(columns="Compound"), tmp_path / "screen.csv")
    reading = read_small(path, columns=MAPPED, controls={"column": "moa", "values": ["none"]}, metadata=entries)
    assert reading.counts() == {"negcon": 6, "treated": 9, "empty": 3}
    assert "compound_name 'c3' (3 rows) is not in it" in reading.report.warnings[0]


def test_attach_refuses_a_key_that_is_not_there() -> None:
    table = pd.DataFrame({"a": ["1"], "b": [2]})
    with pytest.raises(InputError, match="no column to join by 'x'"):
        Join((Path("t.csv"),), {"x": "a"}).attach(table, table, aliases={}, source="s")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"Metadata_pert_type": ["negcon", "trt", "trt", "negcon", "trt", "trt"] * 3}),
        pd.DataFrame({"Metadata_pert_iname": ["DMSO", "c1", "c2", "DMSO", "c3", "c1"] * 3}),
        pd.DataFrame(
            {"Metadata_broad_sample": [None, "c1", "c2", None, "c3", "c1"] * 3, "Metadata_solvent": ["DMSO"] * 18}
        ),
    ],
    ids=["types", "names", "blank samples"],
)
def test_a_convention_takes_no_partner_for_no_answer_either(tmp_path: Path, table: pd.DataFrame) -> None:
    screen = small_screen()
    table = pd.concat([screen[["Plate", "Well"]], table], axis=1)
    path = write(screen.drop(columns="Compound"), tmp_path / "screen.csv")
    entry = {"on": ["Plate", "Well"], "unmatched": "warn"}
    for rows, counts in (
        (table["Plate"] != "P9", {"treated": 12, "negcon": 6}),
        (table["Plate"] != "P2", {"treated": 8, "negcon": 4, "empty": 6}),
    ):
        entry["path"] = str(write(table[rows], tmp_path / "map.csv"))
        assert read_small(path, columns={}, controls=None, metadata=[entry]).counts() == counts
