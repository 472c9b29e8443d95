from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.data.columns.from_frame import parse_wide_table, profiles_from_frame
from harness.data.columns.safe_query import Query
from harness.data.columns.well_names import position, standardize
from harness.utils.text import as_text, normalize_id


def screen() -> pd.DataFrame:
    """Two interleaved plates, unequal counts, feature means far from 0."""
    rng = np.random.default_rng(3)
    plates = ["P2", "P1", "P2", "P1", "P2", "P2", "P1"]
    wells = ["a1", "A01", "B02", "b2", "C3", "AF48", "C03"]
    compound = ["DMSO", "DMSO", "x", "y", "DMSO", "pos", None]
    df = pd.DataFrame({"plate": plates, "well": wells, "batch": [2, 1, 2, 1, 2, 2, 1], "compound": compound})
    for i, name in enumerate(["Cells_a", "Cells_b", "Nuclei_a"]):
        df[name] = rng.normal(100.0 * (i + 1), 1.0 + i, len(df))
    return df


def test_rows_are_grouped_by_plate_in_order_of_first_appearance_and_keep_their_order() -> None:
    df = screen()
    profiles = profiles_from_frame(df)
    expected = pd.concat([df[df.plate == "P2"], df[df.plate == "P1"]])
    assert [plate.name for plate in profiles] == ["P2", "P1"]
    assert profiles.X.dtype == np.float32
    np.testing.assert_array_equal(profiles.X, expected[["Cells_a", "Cells_b", "Nuclei_a"]].to_numpy(np.float32))
    assert list(profiles.wells["well"]) == ["A01", "B02", "C03", "AF48", "A01", "B02", "C03"]
    assert list(profiles.wells["row"]) == [1, 2, 3, 32, 1, 2, 3]
    assert list(profiles.wells["column"]) == [1, 2, 3, 48, 1, 2, 3]
    assert list(profiles.wells["role"]) == ["negcon", "treated", "negcon", "treated", "negcon", "treated", "treated"]
    assert list(profiles.wells["batch"]) == ["2"] * 4 + ["1"] * 3
    assert profiles.wells["compound"].iloc[-1] == ""
    assert profiles.features == ("Cells_a", "Cells_b", "Nuclei_a")


def test_the_table_given_is_not_changed() -> None:
    df = screen()
    before = df.copy(deep=True)
    profiles_from_frame(df)
    pd.testing.assert_frame_equal(df, before)


def test_a_fingerprint_follows_content_only() -> None:
    df = screen()
    same, other, moved = profiles_from_frame(df), df.copy(), df.copy()
    other.loc[4, "Cells_b"] += 0.5
    moved.loc[4, "well"] = "D3"
    assert profiles_from_frame(df, name="another").fingerprint == same.fingerprint
    assert len({same.fingerprint, profiles_from_frame(other).fingerprint, profiles_from_frame(moved).fingerprint}) == 3


@pytest.mark.parametrize(
    ("written", "canonical", "row", "column"),
    [
        ("a1", "A01", 1, 1),
        ("P24", "P24", 16, 24),
        ("AA12", "AA12", 27, 12),
        ("r02c03", "B03", 2, 3),
        ("h012", "H12", 8, 12),
    ],
)
def test_well_names(written: str, canonical: str, row: int, column: int) -> None:
    place = position(written)
    assert place is not None
    assert (place.name, place.row, place.column) == (canonical, row, column)


@pytest.mark.parametrize("written", ["", "A0", "A", "12", "BA01", "r0c1", "A100", "site1"])
def test_what_is_no_well_name_is_left_as_it_is(written: str) -> None:
    assert position(written) is None
    table = standardize(pd.Series([written, "b7"]))
    assert list(table["well"]) == [written, "B07"]
    assert table["row"].isna().tolist() == [True, False]
    assert "row" not in standardize(pd.Series([written]))


def test_ids_are_the_same_text_whatever_type_they_were_stored_in() -> None:
    assert [normalize_id(v) for v in ("24277.0", 24277.0, np.float32(3), " x ", None, np.nan, pd.NA, 0.1)] == [
        "24277", "24277", "3", "x", "", "", "", "0.1",
    ]  # fmt: skip
    assert list(as_text(pd.Series([2.0, np.nan, 1.0]))) == ["2", "", "1"]
    assert list(as_text(pd.Series(["007", None, "b"], dtype="category"))) == ["007", "", "b"]


def test_empty_goes_before_poscon_before_negcon() -> None:
    df = screen()
    profiles = profiles_from_frame(
        df,
        controls="compound in ['DMSO', 'pos']",
        poscon={"column": "compound", "values": ["pos", "y"]},
        empty="compound == 'y' or compound == ''",
    )
    assert dict(zip(profiles.wells["compound"], profiles.wells["role"], strict=True)) == {
        "DMSO": "negcon", "x": "treated", "pos": "poscon", "y": "empty", "": "empty",
    }  # fmt: skip


def test_controls_may_be_the_wells_without_a_value_and_values_are_compared_as_text() -> None:
    df = screen().assign(dose=[0.0, 0, 1, 2, 3, 4, 0])
    by_blank = profiles_from_frame(df, controls={"column": "compound", "values": [None]})
    assert (by_blank.wells["role"] == "negcon").sum() == 1
    by_number = profiles_from_frame(df, controls={"column": "dose", "values": [0]})
    assert (by_number.wells["role"] == "negcon").sum() == 3


def test_mapped_columns_take_their_standard_name_and_others_stay() -> None:
    df = screen().rename(columns={"plate": "Metadata_Plate", "well": "Pos", "compound": "Drug"})
    df = df.assign(Metadata_n=5, note="n", n_cells=[10, 20, 30, 40, 50, 60, 70], ImageNumber=range(7))
    profiles = profiles_from_frame(df, plate="Metadata_Plate", well="Pos", compound="Drug", cell_count="n_cells")
    assert profiles.features == ("Cells_a", "Cells_b", "Nuclei_a")
    assert list(profiles.wells.columns) == [
        "plate", "well", "row", "column", "batch", "role", "compound", "cell_count", "Metadata_n", "note",
        "ImageNumber",
    ]  # fmt: skip
    by_own_name = profiles_from_frame(
        df, plate="Metadata_Plate", well="Pos", cell_count="n_cells", controls="Drug == 'DMSO'"
    )
    np.testing.assert_array_equal(by_own_name.wells["role"], profiles.wells["role"])


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (None, ["Cells_a", "Cells_b", "Nuclei_a"]),
        (["Nuclei_a", "Cells_a"], ["Cells_a", "Nuclei_a"]),
        (["Cells_"], ["Cells_a", "Cells_b"]),
        ("_a$", ["Cells_a", "Nuclei_a"]),
        (".", ["Cells_a", "Cells_b", "Nuclei_a"]),
    ],
)
def test_choice_of_features(features: object, expected: list[str]) -> None:
    X, _, names = parse_wide_table(screen(), columns={}, controls="compound == 'DMSO'", features=features)  # type: ignore[arg-type]
    assert names == expected
    np.testing.assert_array_equal(X, screen()[expected].to_numpy(np.float32))


def test_integer_and_nullable_features_are_read() -> None:
    df = screen().assign(Cells_n=pd.array([1, 2, 3, 4, 5, 6, 7], dtype="Int32"), Cells_i=range(10, 17))
    profiles = profiles_from_frame(df)
    assert profiles.features[-2:] == ("Cells_n", "Cells_i")
    assert sorted(profiles.X[:, -1]) == list(range(10, 17))


@pytest.mark.parametrize(
    "query",
    [
        "@df", "compound.__class__", "compound.to_pickle('x') == 1", "().__class__", "compound == __import__('os')",
        "plate.str.cat('x') == 'a'", "(lambda: 1)() == 1", "[c for c in plate]", "plate[0] == 'P1'", "exec('1')",
        "compound.isin(plate.to_csv('`') == '`')", "plate.str == 1", "f'{plate}' == 'x'", "compound = 'DMSO'", "",
    ],
)  # fmt: skip
def test_a_query_cannot_run_python(query: str) -> None:
    with pytest.raises(InputError, match="controls: "):
        profiles_from_frame(screen(), controls=query)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("a > 1 and `b c` != 'u'", [1]),
        ("not (a in [1, 3])", [1, 3]),
        ("`b c`.str.startswith('u') | a.isnull()", [0, 2, 3]),
        ("`b c`.str.contains('V', case=False)", [1]),
        ("a.between(2, 3) & `b c`.notna()", [1, 2]),
        ("`b c` == 'it`s' or -a == -2", [1]),
    ],
)
def test_what_a_query_can_do(query: str, rows: list[int]) -> None:
    columns = {"a": pd.Series([1.0, 2, 3, np.nan]), "b c": pd.Series(["u", "v", "u", None])}
    assert np.flatnonzero(Query.parse(query, option="q").mask(columns, option="q")).tolist() == rows


@pytest.mark.parametrize(
    ("change", "options", "culprits"),
    [
        ({}, {"plate": "Barcode"}, ["Barcode", "'Cells_a'"]),
        ({"well": [None] + ["A01"] * 6}, {}, ["row 1", "well", "empty"]),
        ({}, {"features": ["Cyto_"]}, ["Cyto_", "Cells_a"]),
        ({}, {"features": "Cyto"}, ["Cyto"]),
        ({}, {"features": "("}, ["'('", "regular expression"]),
        ({}, {"features": ["Cells_a", "batch", "compound"]}, ["compound", "DMSO", "row 1"]),
        ({"Cells_b": [1, 2, 3, "bad", 5, 6, 7]}, {}, ["table, row 4", "Cells_b", "bad"]),
        (
            {"Cells_b": [1, 2, np.nan, np.inf, 5, 6, 7]},
            {},
            ["2 NaN", "Cells_b (2)", "drop_features", "impute_plate_median"],
        ),
        ({"well": ["a1", "A01", "A01", "b2", "C3", "D3", "C03"]}, {}, ["P2", "A01", "2 rows"]),
        ({"batch": [1, 1, 2, 1, 2, 2, 1]}, {}, ["P2", "['1', '2']"]),
        ({}, {"controls": {"column": "compound", "values": ["dmso"]}}, ["dmso", "DMSO", "no row of 7"]),
        ({}, {"controls": "compound == 'dmso'"}, ["dmso", "DMSO"]),
        ({}, {"controls": "plate != ''"}, ["all 7", "P1", "P2"]),
        ({}, {"controls": {"column": "compound"}}, ["column and values"]),
        ({}, {"controls": {"column": "cmpd", "values": ["x"]}}, ["cmpd", "compound"]),
        ({}, {"controls": None}, ["controls.column"]),
        ({}, {"poscon": "compound == 'nothing'"}, ["poscon", "nothing"]),
        ({}, {"controls": "plaat == 'P1'"}, ["plaat"]),
        ({}, {"controls": "plate"}, ["plate"]),
        ({}, {"level": "field"}, ["field", "image"]),
        ({}, {"on_missing": "ignore"}, ["ignore", "drop_features"]),
        ({"n": [1, 2, 3, 4, "many", 6, 7]}, {"cell_count": "n"}, ["row 5", "many"]),
    ],
)
def test_bad_tables_are_refused_in_one_line_that_names_the_culprit(
    change: dict[str, list[object]], options: dict[str, object], culprits: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        profiles_from_frame(screen().assign(**change), **options)  # type: ignore[arg-type]
    message = str(error.value)
    assert "\n" not in message
    for culprit in culprits:
        assert culprit in message


def test_no_features_no_rows_and_columns_twice_are_refused() -> None:
    df = screen()
    with pytest.raises(InputError, match="no feature columns"):
        profiles_from_frame(df.drop(columns=["Cells_a", "Cells_b", "Nuclei_a"]))
    with pytest.raises(InputError, match="empty"):
        profiles_from_frame(df.iloc[:0])
    with pytest.raises(InputError, match=r"columns \['Cells_a'\] occur more than once"):
        profiles_from_frame(df.rename(columns={"Cells_b": "Cells_a"}))


def test_missing_values_are_dropped_or_imputed_by_the_plates_median() -> None:
    df = screen()
    df.loc[[0, 1], "Cells_b"] = [np.nan, np.inf]  # one on each plate
    dropped = profiles_from_frame(df, on_missing="drop_features")
    assert dropped.features == ("Cells_a", "Nuclei_a")
    np.testing.assert_array_equal(dropped.X[0], df.loc[0, ["Cells_a", "Nuclei_a"]].to_numpy(np.float32))
    imputed = profiles_from_frame(df, on_missing="impute_plate_median")
    assert imputed.X[0, 1] == np.float32(np.median(df.loc[[2, 4, 5], "Cells_b"].astype(np.float32)))
    assert imputed.X[4, 1] == pytest.approx(df.loc[[3, 6], "Cells_b"].mean(), rel=1e-6)
    df.loc[df.plate == "P1", "Cells_b"] = np.nan
    with pytest.raises(InputError, match=r"plate 'P1'.*Cells_b.*drop_features"):
        profiles_from_frame(df, on_missing="impute_plate_median")


def test_images_are_told_apart_by_site_or_numbered() -> None:
    df = pd.concat([screen(), screen()], ignore_index=True)
    with pytest.raises(InputError, match="level=image"):
        profiles_from_frame(df)
    numbered = profiles_from_frame(df, level="image")
    assert numbered.level == "image"
    assert numbered.wells.groupby(["plate", "well"])["site"].apply(list).tolist() == [[1, 2]] * 7
    field = [1] * 7 + [4] * 7
    by_site = profiles_from_frame(df.assign(field=field), site="field")
    assert sorted(by_site.wells["site"].unique()) == [1, 4]
    with pytest.raises(InputError, match="site '1' stands in 2 rows"):
        profiles_from_frame(df.assign(field=1), site="field")
    with pytest.raises(InputError, match="stands in 2 rows"):
        profiles_from_frame(df.assign(field=field), site="field", level="well")


def test_a_well_whose_images_disagree_about_its_role_is_refused() -> None:
    df = pd.concat([screen(), screen()], ignore_index=True)
    df.loc[7, "compound"] = "x"
    with pytest.raises(InputError, match=r"plate 'P2', well 'A01'.*negcon.*treated"):
        profiles_from_frame(df, level="image")
