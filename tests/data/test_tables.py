from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import ROOT

from harness.batch import assign_batches
from harness.batch.regex import Regex
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.tables import Tables
from harness.store.store import load

BBBC021 = Path(os.environ.get("HARNESS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "bbbc021"
CONTROLS = {"column": "Drug", "values": ["DMSO"]}
COLUMNS = {"plate": "Metadata_Plate", "well": "Metadata_Well", "batch": "Week", "compound": "Drug"}
FEATURES = ["Cells_a", "Cells_b", "Nuclei_a"]


def screen() -> pd.DataFrame:
    """Three plates of 3, 4 and 5 wells; ids with leading zeros; features of unequal means and scales."""
    rng = np.random.default_rng(8)
    plates = ["007"] * 3 + ["010"] * 4 + ["011"] * 5
    wells = [f"{'ABC'[i % 3]}{i // 3 + 1}" for n in (3, 4, 5) for i in range(n)]
    df = pd.DataFrame({"Metadata_Plate": plates, "Metadata_Well": wells, "Week": ["w1"] * 7 + ["w2"] * 5})
    df["Drug"] = ["DMSO" if i % 3 == 0 else f"c{i}" for i in range(len(df))]
    for i, name in enumerate(FEATURES):
        df[name] = rng.normal(50.0 * (i + 1), 0.1 * 10**i, len(df))
    return df


def read(paths: object, cache: Path | None = None, **options: Any) -> Profiles:
    given: dict[str, Any] = {"columns": COLUMNS, "controls": CONTROLS, **options}
    shown = [str(p) for p in paths] if isinstance(paths, list) else str(paths)
    where = Path(shown[0] if isinstance(shown, list) else shown).parent / "cache" if cache is None else cache
    return load(Tables(paths=shown, **given), where)


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "s.tsv", "s.tsv.gz", "s.parquet"])
def test_every_kind_of_file_gives_the_same_profiles(tmp_path: Path, name: str) -> None:
    df = screen()
    if name.endswith("parquet"):
        df.to_parquet(tmp_path / name)
    else:
        df.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    profiles = read(tmp_path / name)
    np.testing.assert_array_equal(profiles.X, df[FEATURES].to_numpy(np.float32))
    assert [plate.name for plate in profiles] == ["007", "010", "011"]
    assert list(profiles.wells["batch"]) == ["w1"] * 7 + ["w2"] * 5
    assert profiles.features == tuple(FEATURES)
    assert (profiles.wells["role"] == "negcon").tolist() == (df["Drug"] == "DMSO").tolist()
    assert profiles.name == "s"


def test_a_plate_may_be_spread_over_files_with_columns_in_any_order(tmp_path: Path) -> None:
    df = screen()
    first, second = df.iloc[[0, 1, 7, 8, 9, 3]], df.iloc[[2, 10, 4, 5, 6, 11]]
    first.to_csv(tmp_path / "a.csv", index=False)
    second[list(reversed(df.columns))].to_csv(tmp_path / "b.csv.gz", index=False)
    profiles = read([tmp_path / "b*.gz", tmp_path / "*.csv"], tmp_path / "cache")
    expected = pd.concat([second, first])
    expected = pd.concat([expected[expected["Metadata_Plate"] == p] for p in ("007", "011", "010")])
    place = [FEATURES[::-1].index(name) for name in FEATURES]
    np.testing.assert_array_equal(profiles.X[:, place], expected[FEATURES].to_numpy(np.float32))
    assert list(profiles.wells["compound"]) == list(expected["Drug"])
    assert len(profiles) == 3


def test_features_that_differ_between_files_are_refused(tmp_path: Path) -> None:
    df = screen()
    df.iloc[:3].to_csv(tmp_path / "a.csv", index=False)
    df.iloc[3:].rename(columns={"Cells_b": "Cells_c"}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(
        InputError, match=r"b\.csv: features differ .*a\.csv: missing \['Cells_b'\], extra \['Cells_c'\]"
    ):
        read([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "cache")


def test_a_feature_without_values_in_one_file_is_missing_there_not_metadata(tmp_path: Path) -> None:
    df = screen().assign(comment=None)
    df.iloc[:3].assign(Cells_b=np.nan).to_csv(tmp_path / "a.csv", index=False)
    df.iloc[3:].to_csv(tmp_path / "b.csv", index=False)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(InputError, match=r"3 NaN.*Cells_b \(3\)"):
        read(files, tmp_path / "cache")
    with pytest.raises(InputError, match="plate '007' has no finite value"):
        read(files, tmp_path / "cache", on_missing="impute_plate_median")
    kept = read(files, tmp_path / "cache", on_missing="drop_features")
    np.testing.assert_array_equal(kept.X, df[["Cells_a", "Nuclei_a"]].to_numpy(np.float32))


def test_excluded_plates_are_gone_before_anything_is_checked(tmp_path: Path) -> None:
    df = screen()
    df.loc[df["Metadata_Plate"] == "010", "Cells_a"] = np.nan
    df.to_csv(tmp_path / "s.csv", index=False)
    profiles = read(tmp_path / "s.csv", exclude_plates=["010"])
    np.testing.assert_array_equal(profiles.X, df.drop(index=range(3, 7))[FEATURES].to_numpy(np.float32))
    with pytest.raises(InputError, match=r"exclude_plates names \['10'\]; found plates \['007', '010', '011'\]"):
        read(tmp_path / "s.csv", exclude_plates=10)


def test_metadata_is_joined_and_never_a_feature(tmp_path: Path) -> None:
    df = screen()
    df.drop(columns=["Drug", "Week"]).to_csv(tmp_path / "s.csv", index=False)
    plates = pd.DataFrame(
        {"Barcode": ["007", "010", "011", "099"], "Week": ["w1", "w1", "w2", "w9"], "active": [1, 0, 1, 1]}
    )
    plates.to_csv(tmp_path / "plates.csv", index=False)
    drugs = df.rename(columns={"Metadata_Well": "well"})[["Metadata_Plate", "well", "Drug"]].iloc[1:]
    pd.concat([drugs, drugs]).to_csv(tmp_path / "map.txt", index=False, sep="\t")
    profiles = read(
        tmp_path / "s.csv",
        metadata=[
            {"path": str(tmp_path / "plates.csv"), "on": {"plate": "Barcode"}},
            {
                "path": str(tmp_path / "map.txt"),
                "on": {"Metadata_Plate": "Metadata_Plate", "Metadata_Well": "well"},
                "unmatched": "warn",
            },
        ],
    )
    assert profiles.features == tuple(FEATURES)
    assert list(profiles.wells["compound"]) == ["", *df["Drug"].iloc[1:]]
    assert profiles.wells["role"].iloc[0] == "empty", "whether it is a control is not known"
    assert list(profiles.wells["active"]) == [1] * 3 + [0] * 4 + [1] * 5
    assert list(profiles.wells["batch"]) == ["w1"] * 7 + ["w2"] * 5


@pytest.mark.parametrize(
    ("table", "entry", "culprits"),
    [
        ({"p": ["007", "007"], "x": [1, 2]}, {"on": {"Metadata_Plate": "p"}}, ["2 different rows", "duplicate", "7"]),
        ({"p": ["21", "22"], "x": [1, 2]}, {"on": {"Metadata_Plate": "p"}}, ["matches no row", "21", "7"]),
        ({"p": ["007"], "x": [1]}, {"on": {"Metadata_Plate": "q"}}, ["no metadata column 'q'", "'p'"]),
        ({"p": ["007"], "x": [1]}, {"on": {"Metadata_Plat": "p"}}, ["Metadata_Plat'", "'Metadata_Plate'"]),
        ({"p": ["007"], "Drug": [1]}, {"on": {"Metadata_Plate": "p"}}, ["Drug", "already"]),
        ({"p": ["007"]}, {"on": []}, ["on is empty"]),
        ({"p": ["007"]}, {}, ["metadata[0]", "path, on"]),
        ({"p": ["007"], "x": [1]}, {"on": "Metadata_Plate", "columns": "y"}, ["no metadata column 'Metadata_Plate'"]),
    ],
)
def test_joins_that_go_wrong(
    tmp_path: Path, table: dict[str, list[object]], entry: dict[str, object], culprits: list[str]
) -> None:
    screen().to_csv(tmp_path / "s.csv", index=False)
    pd.DataFrame(table).to_csv(tmp_path / "meta.csv", index=False)
    refused(tmp_path / "s.csv", culprits, metadata=[{"path": str(tmp_path / "meta.csv"), **entry}])


def test_columns_that_a_store_cannot_hold_as_they_are_become_text(tmp_path: Path) -> None:
    df = screen()
    listed = [[i] for i in range(12)]
    df.assign(Metadata_l=listed, when=pd.Timestamp("2020-02-03"), kind=pd.Categorical(["u", "v"] * 6)).to_parquet(
        tmp_path / "a.pq"
    )
    wells = read(tmp_path / "a.pq").wells
    assert list(wells["Metadata_l"])[:2] == ["[0]", "[1]"]
    assert wells["when"].iloc[0] == pd.Timestamp("2020-02-03")
    df.iloc[:3].assign(Metadata_n=7).to_csv(tmp_path / "a.csv", index=False)
    df.iloc[3:].assign(Metadata_n="z").to_csv(tmp_path / "b.csv")
    wells = read(tmp_path / "*.csv").wells
    assert list(wells["Metadata_n"]) == ["7"] * 3 + ["z"] * 9
    assert not [name for name in wells if name.startswith("Unnamed")]


def refused(path: object, culprits: list[str], **options: Any) -> None:
    """One line that names the culprits; nothing half-written in the cache."""
    cache = Path(str(path[0] if isinstance(path, list) else path)).parent / "cache"
    with pytest.raises(InputError) as error:
        read(path, cache, **options)
    message = str(error.value)
    assert "\n" not in message
    for culprit in culprits:
        assert culprit in message
    assert not [entry for entry in cache.rglob("*") if entry.name != "sources.json"] if cache.exists() else True


@pytest.mark.parametrize(
    ("change", "options", "culprits"),
    [
        ({}, {"columns": {**COLUMNS, "plate": "Barcode"}}, ["s.csv", "Barcode", "Metadata_Plate", "Week"]),
        ({}, {"columns": {"plaet": "Metadata_Plate"}}, ["plaet", "cell_count"]),
        ({"Cells_b": [1.5, 2, 3, "n/d"] * 3}, {}, ["s.csv, row 4", "Cells_b", "n/d"]),
        ({"Cells_b": ["x", "y", 3.5, "n/d"] * 3}, {"features": ["Cells_"]}, ["s.csv, row 1", "Cells_b", "'x'"]),
        ({"Cells_b": [1, None, np.inf, 4] * 3}, {}, ["s.csv", "6 NaN", "Cells_b (6)", "drop_features"]),
        ({"Cells_a": None}, {"features": ["Cells_a"], "on_missing": "drop_features"}, ["leaves no feature"]),
        ({"Metadata_Well": ["A1", "A01", "A2", *"bcdefghij"]}, {}, ["'007'", "'A01'", "2 rows"]),
        ({"Week": ["w1"] * 4 + ["w2"] * 8}, {}, ["'010'", "['w1', 'w2']"]),
        ({"Metadata_Plate": ["007"] * 5 + [None] + ["011"] * 6}, {}, ["s.csv, row 6", "Metadata_Plate", "empty"]),
        ({}, {"controls": {"column": "Drug", "values": ["dmso"]}}, ["data.controls", "dmso", "'DMSO'"]),
        ({"Drug": "DMSO"}, {}, ["data.controls", "all 12"]),
        ({"Drug": "c1"}, {"controls": {"column": None, "values": None, "query": None}}, ["controls.column", "'Drug'"]),
        ({}, {"controls": {"column": "Drug", "values": ["DMSO"], "query": "Week == 'w1'"}}, ["either"]),
        ({}, {"features": "Cyto("}, ["'Cyto('", "regular expression"]),
        ({}, {"features": "^Cyto"}, ["s.csv", "'^Cyto'", "Cells_a"]),
        ({}, {"features": ["Cells_", "Cyto_"]}, ["s.csv", "'Cyto_'"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused(
    tmp_path: Path, change: dict[str, object], options: dict[str, object], culprits: list[str]
) -> None:
    screen().assign(**change).to_csv(tmp_path / "s.csv", index=False)
    refused(tmp_path / "s.csv", culprits, **options)


def test_no_feature_columns(tmp_path: Path) -> None:
    screen().drop(columns=FEATURES).to_csv(tmp_path / "s.csv", index=False)
    refused(tmp_path / "s.csv", ["s.csv", "no feature columns", "Metadata_Plate"])


def test_a_header_that_names_a_column_twice(tmp_path: Path) -> None:
    text = screen().to_csv(index=False).replace("Cells_b", "Cells_a", 1)
    (tmp_path / "s.csv").write_text(text)
    refused(tmp_path / "s.csv", ["s.csv", "'Cells_a'", "more than once"])


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    refused(tmp_path / "no*.csv", ["no such file", "no*.csv"])
    refused(tmp_path, ["is a folder", "/*.csv"])
    (tmp_path / "empty.csv").touch()
    refused(tmp_path / "empty.csv", ["empty.csv", "is empty"])
    (tmp_path / "header.csv").write_text("Metadata_Plate,Metadata_Well,Cells_a\n")
    refused(tmp_path / "header.csv", ["header.csv", "is empty", "no rows"])
    (tmp_path / "s.xlsx").write_bytes(b"PK")
    refused(tmp_path / "s.xlsx", ["s.xlsx", ".parquet"])
    screen().to_parquet(tmp_path / "cut.parquet")
    whole = (tmp_path / "cut.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.parquet", ["cut.parquet", "corrupt Parquet"])
    packed = gzip.compress(screen().to_csv(index=False).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    refused(tmp_path / "cut.csv.gz", ["cut.csv.gz", "gzip"])
    (tmp_path / "none.csv.gz").write_text("a,b\n1,2\n")
    refused(tmp_path / "none.csv.gz", ["none.csv.gz", "gzip"])
    (tmp_path / "latin.csv").write_bytes("plate,well,µ\n".encode("latin-1"))
    refused(tmp_path / "latin.csv", ["latin.csv", "UTF-8"])
    ragged = screen().to_csv(index=False).splitlines()
    (tmp_path / "long.csv").write_text("\n".join([ragged[0], *(line + ",1" for line in ragged[1:])]))
    refused(tmp_path / "long.csv", ["long.csv", "header"])
    (tmp_path / "one.csv").write_text("\n".join([*ragged[:3], ragged[3] + ",1,2"]))
    refused(tmp_path / "one.csv", ["one.csv", "line 4"])


def test_the_row_of_an_error_is_that_of_its_file(tmp_path: Path) -> None:
    df = screen()
    df.loc[8, "Metadata_Well"] = None
    df.iloc[:7].to_csv(tmp_path / "a.csv", index=False)
    df.iloc[7:].to_csv(tmp_path / "b.csv", index=False)
    refused([tmp_path / "a.csv", tmp_path / "b.csv"], ["b.csv, row 2"], exclude_plates=["007"])


def test_the_configuration_has_every_key_that_users_set(tmp_path: Path) -> None:
    screen().assign(moa=["DMSO", "x", "y"] * 4).to_csv(tmp_path / "s.csv", index=False)
    changes = [
        f"paths={tmp_path}/s.csv", "columns.plate=Metadata_Plate", "columns.well=Metadata_Well", "controls.column=moa",
        "controls.values=[DMSO]", "features=[Cells_,Nuclei_]",
    ]  # fmt: skip
    cfg = OmegaConf.load(ROOT / "conf" / "data" / "tables.yaml")
    assert OmegaConf.is_missing(cfg, "paths")
    OmegaConf.set_struct(cfg, True)
    merged = OmegaConf.merge(cfg, OmegaConf.from_dotlist(changes))
    profiles = load(instantiate(merged, _convert_="all"), tmp_path / "cache")
    assert (profiles.wells["role"] == "negcon").sum() == 4
    assert profiles.features == tuple(FEATURES)
    assert set(profiles.wells["batch"]) == {"007", "010", "011"}


@pytest.mark.skipif(not BBBC021.is_dir(), reason=f"no folder {BBBC021}")
def test_bbbc021_from_a_frame_from_parquet_and_from_its_own_files(tmp_path: Path) -> None:
    keys = ["Image_Metadata_Plate", "Image_Metadata_Well"]
    own = ["Image_Metadata_Plate_DAPI", "Image_Metadata_Well_DAPI"]
    drug = ["Image_Metadata_Compound", "Image_Metadata_Concentration"]
    wells, doses = dict(zip(keys, own, strict=True)), dict(zip(drug, ["compound", "concentration"], strict=True))
    profiles = BBBC021 / "ljosa_jbiomolscreen_2013_per_well_mean.csv.gz"
    images = pd.read_csv(BBBC021 / "BBBC021_v1_image.csv.gz").rename(columns=dict(zip(own, keys, strict=True)))
    moa = pd.read_csv(BBBC021 / "BBBC021_v1_moa.csv")
    moa = moa.rename(columns=dict(zip(["compound", "concentration"], drug, strict=True)))
    x = pd.read_csv(profiles).merge(images[keys + drug].drop_duplicates(), how="left").merge(moa, how="left")
    x.to_parquet(tmp_path / "bbbc021.parquet")
    columns = {"plate": keys[0], "well": keys[1], "compound": drug[0], "dose": drug[1]}
    controls = {"column": "moa", "values": ["DMSO"]}
    frame = profiles_from_frame(x, **columns, controls=controls)
    packed = read(tmp_path / "bbbc021.parquet", columns=columns, controls=controls)
    joined = read(
        profiles, tmp_path / "cache", columns=columns, controls={"query": "moa == 'DMSO'"},
        metadata=[
            {"path": str(BBBC021 / "BBBC021_v1_image.csv.gz"), "on": wells, "columns": drug},
            {"path": str(BBBC021 / "BBBC021_v1_moa.csv"), "on": doses},
        ],
    )  # fmt: skip
    for read_in in (frame, packed, joined):
        read_in = assign_batches(read_in, Regex(pattern=r"^(Week\d+)_"))
        assert read_in.X.shape == (632, 459)
        assert len(read_in) == 55
        assert list(read_in.by_batch()) == list(x["Image_Metadata_Plate"].str.split("_").str[0].unique())
        assert {plate.negcon.sum() for plate in read_in} == {6}
        np.testing.assert_array_equal(read_in.X, x[list(read_in.features)].to_numpy(np.float32))
        expected = assign_batches(frame, Regex(pattern=r"^(Week\d+)_")).wells
        pd.testing.assert_frame_equal(read_in.wells, expected, check_dtype=False)
    assert packed.fingerprint == profiles_from_frame(x, **columns, batch=keys[0], controls=controls).fingerprint
