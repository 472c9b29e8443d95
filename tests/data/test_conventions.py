"""Screens as pycytominer, JUMP, LINCS, Bray et al., CellProfiler and others write them, read with nothing said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import run_command

from harness.batch import assign_batches
from harness.batch.column import Column
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.tables import Tables
from harness.store.store import load

FEATURES = ["Cells_AreaShape_Area", "Cytoplasm_Texture_x", "Nuclei_Intensity_y"]
DOSES = [0.04, 0.12, 0.37, 1.11]


def layout(n_plates: int = 4, n_wells: int = 24, *, n_controls: int = 6) -> pd.DataFrame:
    """Columns plate, well, number (0 controls, 1 a positive control, 2 empty, above treated) of a screen."""
    wells = [f"{'ABCD'[i // 6]}{i % 6 + 1:02d}" for i in range(n_wells)]
    numbers = [0] * n_controls + [1, 1, 2] + list(range(3, n_wells - n_controls))
    tables = [
        pd.DataFrame({"plate": f"BR{117037 + p:08d}", "well": np.roll(wells, 5 * p), "number": numbers})
        for p in range(n_plates)
    ]
    return pd.concat(tables, ignore_index=True)


def control_where(rows: Any) -> Any:
    return np.where(rows, "control", "trt")


def with_features(table: pd.DataFrame, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return table.assign(**{name: rng.normal(40 * i + 9, 3.0, len(table)) for i, name in enumerate(FEATURES)})


def pycytominer() -> pd.DataFrame:
    """Level 3, ``_augmented.csv.gz``, of JUMP-Target-1 plates: platemap and compound metadata are joined."""
    x = layout()
    control = x["number"] <= 1
    return with_features(
        pd.DataFrame(
            {
                "Metadata_broad_sample": [f"BRD-K{n:08d}-001-01-1" if n else np.nan for n in x["number"]],
                "Metadata_solvent": np.where(x["number"] == 2, None, "DMSO"),
                "Metadata_Plate": x["plate"],
                "Metadata_Well": x["well"],
                "Metadata_Site_Count": 9,
                "Metadata_Count_Cells": 900 + x["number"],
                "Metadata_pert_iname": ["DMSO" if n == 0 else f"drug{n}" for n in x["number"]],
                "Metadata_pert_type": np.where(control, "control", "trt"),
                "Metadata_control_type": [{0: "negcon", 1: "poscon_cp", 2: "empty"}.get(n) for n in x["number"]],
            }
        )
    )


def lincs() -> pd.DataFrame:
    """lincs-cell-painting, level 3: DMSO is the sample, the type says control or trt."""
    x = layout()
    dmso = x["number"] == 0
    return with_features(
        pd.DataFrame(
            {
                "Metadata_Assay_Plate_Barcode": x["plate"],
                "Metadata_well_position": x["well"],
                "Metadata_broad_sample": ["DMSO" if d else f"BRD-K{n}" for n, d in zip(x["number"], dmso, strict=True)],
                "Metadata_mmoles_per_liter": [
                    np.nan if d else DOSES[n % 4] for n, d in zip(x["number"], dmso, strict=True)
                ],
                "Metadata_pert_iname": ["dmso" if d else f"drug{n}" for n, d in zip(x["number"], dmso, strict=True)],
                "Metadata_pert_type": np.where(dmso, "control", "trt"),
                "Metadata_Batch_Number": np.where(x["plate"] <= "BR00117038", 1, 2),
            }
        )
    )


def bray() -> pd.DataFrame:
    """Bray et al. 2017: a well without ``broad_sample`` holds its solvent."""
    x = layout()
    return with_features(
        pd.DataFrame(
            {
                "Metadata_Plate": x["plate"].str[-3:],
                "Metadata_Well": x["well"].str.lower(),
                "Metadata_broad_sample": [None if n == 0 else f"BRD-A{n}" for n in x["number"]],
                "Metadata_mmoles_per_liter": [np.nan if n == 0 else 5.0 for n in x["number"]],
                "Metadata_solvent": "DMSO",
            }
        )
    )


def cellprofiler() -> pd.DataFrame:
    """CellProfiler's export, one row for each image."""
    x = layout().loc[lambda t: t.index.repeat(2)].reset_index(drop=True)
    return with_features(
        pd.DataFrame(
            {
                "Image_Metadata_Plate": x["plate"],
                "Image_Metadata_Well": x["well"],
                "Image_Metadata_Site": x.groupby(["plate", "well"]).cumcount() + 1,
                "Image_Metadata_Compound": ["DMSO" if n == 0 else f"drug{n}" for n in x["number"]],
                "Image_Metadata_Concentration": [0.0 if n == 0 else DOSES[n % 4] for n in x["number"]],
            }
        )
    )


def plain() -> pd.DataFrame:
    """A table of one's own, with an InChIKey."""
    x = layout()
    return with_features(
        pd.DataFrame(
            {
                "Plate": x["plate"],
                "Well": x["well"],
                "Batch": np.where(x["plate"] <= "BR00117039", "one", "two"),
                "InChIKey": ["IAZDPXIOMUYVGZ-UHFFFAOYSA-N" if n == 0 else f"KEY{n}" for n in x["number"]],
                "Dose": 3.0,
            }
        )
    )


def jump(kind: str) -> pd.DataFrame:
    """A production plate of JUMP joined with its well table: only ids tell what the wells hold."""
    controls = {
        "compound": ["JCP2022_033924"] * 6 + ["JCP2022_085227", "JCP2022_037716", "JCP2022_999999"],
        "orf": ["JCP2022_915128", "JCP2022_915129", "JCP2022_915130", "JCP2022_915131"] + ["JCP2022_915132"] * 5,
        "crispr": ["JCP2022_800001"] * 3
        + ["JCP2022_800002"] * 3
        + ["JCP2022_805264", "JCP2022_033924", "JCP2022_999999"],
    }[kind]
    x = layout()
    ids = controls + [f"JCP2022_{8 if kind == 'crispr' else 1}{3000 + i:05d}" for i in range(24 - len(controls))]
    return with_features(
        pd.DataFrame(
            {
                "Metadata_Source": np.where(x["plate"] <= "BR00117038", "source_3", "source_8"),
                "Metadata_Plate": x["plate"],
                "Metadata_Well": x["well"],
                "Metadata_JCP2022": np.tile(ids, 4),
            }
        )
    )


def read(path: object, cache: Path, **options: Any) -> tuple[Profiles, Tables]:
    tables = Tables(paths=[str(p) for p in path] if isinstance(path, list) else str(path), **options)
    return load(tables, cache), tables


def taken(tables: Tables) -> dict[str, str]:
    return {row["what"]: row["taken_from"] for row in tables.report.tables["conventions"]}


@pytest.mark.parametrize(
    ("make", "columns", "roles", "n_batches"),
    [
        (
            pycytominer,
            {"plate": "Metadata_Plate", "well": "Metadata_Well", "compound": "Metadata_broad_sample",
             "cell_count": "Metadata_Count_Cells", "controls": "Metadata_control_type negcon",
             "poscon": "Metadata_control_type poscon_cp", "empty": "Metadata_control_type empty", "site": "",
             "batch": "each plate is its own (no batch column)"},
            {"negcon": 24, "poscon": 8, "empty": 4, "treated": 60}, 4,
        ),
        (
            lincs,
            {"plate": "Metadata_Assay_Plate_Barcode", "well": "Metadata_well_position",
             "dose": "Metadata_mmoles_per_liter", "compound": "Metadata_broad_sample",
             "batch": "Metadata_Batch_Number"},
            {"negcon": 24, "treated": 72}, 2,
        ),
        (
            bray,
            {"controls": "Metadata_broad_sample blank", "plate": "Metadata_Plate"},
            {"negcon": 24, "treated": 72}, 4,
        ),
        (
            cellprofiler,
            {"plate": "Image_Metadata_Plate", "well": "Image_Metadata_Well", "site": "Image_Metadata_Site",
             "compound": "Image_Metadata_Compound", "dose": "Image_Metadata_Concentration",
             "controls": "Image_Metadata_Compound DMSO"},
            {"negcon": 48, "treated": 144}, 4,
        ),
        (
            plain,
            {"plate": "Plate", "well": "Well", "batch": "Batch", "compound": "InChIKey", "dose": "Dose",
             "controls": "InChIKey IAZDPXIOMUYVGZ-UHFFFAOYSA-N"},
            {"negcon": 24, "treated": 72}, 2,
        ),
        (
            lambda: jump("compound"),
            {"batch": "Metadata_Source", "controls": "Metadata_JCP2022 JCP2022_033924", "compound": "Metadata_JCP2022"},
            {"negcon": 24, "poscon": 8, "empty": 4, "treated": 60}, 2,
        ),
        (lambda: jump("orf"), {"batch": "Metadata_Source"}, {"negcon": 16, "poscon": 20, "treated": 60}, 2),
        (
            lambda: jump("crispr"),
            {"empty": "Metadata_JCP2022 JCP2022_999999"},
            {"negcon": 28, "poscon": 4, "empty": 4, "treated": 60}, 2,
        ),
    ],
    ids=["pycytominer", "lincs", "bray", "cellprofiler", "plain", "jump", "jump-orf", "jump-crispr"],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_a_screen_in_the_fields_conventions_is_read_with_nothing_said(
    tmp_path: Path,
    make: Callable[[], pd.DataFrame],
    columns: dict[str, str],
    roles: dict[str, int],
    n_batches: int,
    ending: str,
) -> None:
    path, df = tmp_path / f"plates_augmented.{ending}", make()
    df.to_parquet(path) if ending == "parquet" else df.to_csv(path, index=False)
    profiles, tables = read(path, tmp_path / "cache")
    assert profiles.features == tuple(FEATURES)
    assert taken(tables).items() >= columns.items()
    assert profiles.wells["role"].value_counts().to_dict() == roles
    assert assign_batches(profiles, Column()).wells["batch"].nunique() == n_batches
    assert len([note for note in tables.report.notes if note.startswith("  ")]) == 6
    assert tables.report.warnings == []
    plates = df[columns.get("plate", "Metadata_Plate")].astype(str).unique()
    assert [plate.name for plate in profiles] == list(plates)


def test_settings_override_every_choice(tmp_path: Path) -> None:
    df = pycytominer().assign(day=lambda t: t["Metadata_Plate"].str[-1], count=7, uM=0.5)
    df.to_csv(tmp_path / "s.csv", index=False)
    profiles, tables = read(
        tmp_path / "s.csv", tmp_path / "cache",
        columns={"batch": "day", "cell_count": "count", "dose": "uM", "compound": "Metadata_pert_iname"},
        controls={"column": "Metadata_pert_iname", "values": ["drug5"]},
    )  # fmt: skip
    assert (profiles.wells["role"] == "negcon").sum() == 4
    assert set(profiles.wells["compound"][profiles.wells["role"] == "negcon"]) == {"drug5"}
    assert set(profiles.wells["dose"]) == {0.5}
    rows = {row["what"]: row["by"] for row in tables.report.tables["conventions"]}
    assert {what for what, by in rows.items() if by == "setting"} == {
        "batch",
        "cell_count",
        "dose",
        "compound",
        "controls",
    }
    assert rows["poscon"] == "convention"


def test_rules_of_the_settings_keep_the_wells_that_a_convention_would_mark(tmp_path: Path) -> None:
    jump("compound").to_csv(tmp_path / "s.csv", index=False)
    rule = {"column": "Metadata_JCP2022", "values": ["JCP2022_033924", "JCP2022_085227"]}
    profiles, _ = read(tmp_path / "s.csv", tmp_path / "cache", controls=rule)
    assert profiles.wells["role"].value_counts().to_dict() == {"negcon": 28, "poscon": 4, "empty": 4, "treated": 60}


def refusal(tmp_path: Path, df: pd.DataFrame, **options: Any) -> str:
    df.to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InputError) as error:
        read(tmp_path / "s.csv", tmp_path / "cache", **options)
    assert "\n" not in str(error.value)
    return str(error.value)


NO_MAP = pycytominer()[["Metadata_Plate", "Metadata_Well", *FEATURES]]


@pytest.mark.parametrize(
    ("df", "culprits"),
    [
        (
            lambda: pycytominer().assign(barcode=["x", "y"] * 48),
            ["two columns may be the plate", "data.columns.plate=barcode"],
        ),
        (
            lambda: pycytominer().assign(Well=lambda t: np.roll(t["Metadata_Well"], 1)),
            ["two columns may be the well", "data.columns.well=Metadata_Well"],
        ),
        (
            lambda: lincs().assign(Metadata_Batch=["a", "b"] * 48),
            ["two columns may be the batch", "data.columns.batch=Metadata_Batch_Number"],
        ),
        (
            lambda: lincs().assign(Metadata_pert_type=lambda t: control_where(t["Metadata_broad_sample"] == "BRD-K1")),
            ["Two readings disagree", "Metadata_pert_type control (8 rows)", "(24 rows)",
             "data.controls.column=Metadata_pert_type", "'data.controls.values=[DMSO]'"],
        ),
        (
            lambda: pycytominer().drop(columns="Metadata_control_type"),
            ["Two readings disagree", "Metadata_pert_type control (32 rows)", "Metadata_pert_iname DMSO (24 rows)"],
        ),
        (
            lambda: lincs().assign(control_type=lambda t: t["Metadata_pert_type"].replace("control", "poscon")),
            ["Two readings disagree", "poscon"],
        ),
        (
            lambda: bray().drop(columns="Metadata_solvent"),
            ["24 rows have no Metadata_broad_sample: DMSO or empty?", "data.empty.column=Metadata_broad_sample"],
        ),
        (
            lambda: bray().assign(Metadata_broad_sample=lambda t: t.iloc[:, 2].where(t.index > 2, "DMSO")),
            ["Two readings disagree", "Metadata_broad_sample DMSO (3 rows)", "Metadata_broad_sample blank (21 rows)"],
        ),
        (lambda: NO_MAP, ["which wells are negative controls?", "looked for negcon", "'Metadata_Well'"]),
        (
            lambda: NO_MAP.assign(Metadata_Source="source_4"),
            ["plate.csv.gz", "{path: well.csv.gz, on: [Metadata_Source, Metadata_Plate, Metadata_Well]}"],
        ),
        (
            lambda: NO_MAP.rename(columns=lambda c: c.removeprefix("Metadata_").lower()).assign(source="source_4"),
            ["{source: Metadata_Source, plate: Metadata_Plate, well: Metadata_Well}"],
        ),
        (
            lambda: pycytominer().rename(columns={"Metadata_Plate": "孔板", "Metadata_Well": "孔"}),
            ["no plate column", "Metadata_Plate", "'孔板'", "data.columns.plate=COLUMN"],
        ),
        (
            lambda: pycytominer().rename(columns={"Metadata_Well": "Vertiefung"}),
            ["no well column", "Metadata_Well_Position", "'Vertiefung'", "data.columns.well=COLUMN"],
        ),
    ],
    ids=["plates", "wells", "batches", "types-and-dmso", "controls-of-two-kinds", "dmso-called-poscon",
         "blank-without-solvent", "named-and-blank", "no-platemap", "jump-alone", "jump-embeddings-alone", "chinese",
         "german"],
)  # fmt: skip
def test_two_readings_or_none_are_refused(tmp_path: Path, df: Callable[[], pd.DataFrame], culprits: list[str]) -> None:
    message = refusal(tmp_path, df())
    for culprit in culprits:
        assert culprit in message


def test_what_is_refused_is_decided_by_the_settings_that_the_message_names(tmp_path: Path) -> None:
    lincs().assign(barcode=["x", "y"] * 48).to_csv(tmp_path / "s.csv", index=False)
    profiles, _ = read(tmp_path / "s.csv", tmp_path / "cache", columns={"plate": "Metadata_Assay_Plate_Barcode"})
    assert len(profiles) == 4
    pycytominer().drop(columns="Metadata_control_type").to_csv(tmp_path / "s.csv", index=False)
    rule = {"column": "Metadata_pert_iname", "values": ["DMSO"]}
    profiles, _ = read(tmp_path / "s.csv", tmp_path / "cache", controls=rule)
    assert profiles.wells["role"].value_counts().to_dict() == {"negcon": 24, "treated": 72}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(Metadata_Assay_Plate_Barcode=t["Metadata_Plate"]),
        lambda t: t.assign(Plate=t["Metadata_Plate"].map({p: i for i, p in enumerate(t["Metadata_Plate"].unique())})),
        lambda t: t.assign(Metadata_well_position=[f"{w[0].lower()}{int(w[1:])}" for w in t["Metadata_Well"]]),
        lambda t: t.assign(barcode=np.nan),
    ],
    ids=["copy", "other words", "other spelling", "empty"],
)
def test_columns_that_say_the_same_are_no_two_readings(tmp_path: Path, change: Callable[[pd.DataFrame], Any]) -> None:
    change(pycytominer()).to_csv(tmp_path / "s.csv", index=False)
    profiles, tables = read(tmp_path / "s.csv", tmp_path / "cache")
    assert taken(tables)["plate"] == "Metadata_Plate"
    assert profiles.features == tuple(FEATURES)


def test_batches_are_the_folders_above_the_plates(tmp_path: Path) -> None:
    for i, (plate, df) in enumerate(pycytominer().groupby("Metadata_Plate")):
        folder = tmp_path / f"2021_04_2{i // 2}_Batch{i // 2}" / str(plate)
        folder.mkdir(parents=True)
        df.to_parquet(folder / f"{plate}.parquet")
    profiles, tables = read(tmp_path / "2021*/*/*.parquet", tmp_path / "cache")
    assert taken(tables)["batch"] == "folders of the files"
    assert list(profiles.by_batch()) == ["2021_04_20_Batch0", "2021_04_21_Batch1"]
    before = tables.key()
    (tmp_path / "2021_04_20_Batch0").rename(tmp_path / "2021_renamed")
    _, tables = read(tmp_path / "2021*/*/*.parquet", tmp_path / "cache")
    assert tables.key() != before


def test_a_batch_column_comes_before_folders_and_a_constant_one_after(tmp_path: Path) -> None:
    for i, (_, df) in enumerate(pycytominer().groupby("Metadata_Plate")):
        folder = tmp_path / f"day{i}"
        folder.mkdir()
        df.assign(Metadata_Batch=f"b{i // 2}").to_csv(folder / "a.csv", index=False)
        df.assign(Metadata_Batch="only").to_csv(folder / "b.csv", index=False)
    profiles, tables = read(tmp_path / "day*/a.csv", tmp_path / "cache")
    assert (taken(tables)["batch"], list(profiles.by_batch())) == ("Metadata_Batch", ["b0", "b1"])
    _, tables = read(tmp_path / "day*/b.csv", tmp_path / "cache")
    assert taken(tables)["batch"] == "folders of the files (Metadata_Batch holds one value)"
    _, tables = read([tmp_path / "day0/b.csv"], tmp_path / "cache")
    assert taken(tables)["batch"] == "each plate is its own (Metadata_Batch holds one value)"


def test_metadata_tables_of_jump_say_batch_and_compound(tmp_path: Path) -> None:
    df = jump("compound").assign(Metadata_Source="source_4")
    keys = ["Metadata_Source", "Metadata_Plate"]
    plates = df[keys].drop_duplicates().assign(Metadata_Batch=["b1", "b1", "b2", "b2"], Metadata_PlateType="TARGET2")
    plates.to_csv(tmp_path / "plate.csv.gz", index=False)
    df[[*keys, "Metadata_Well", "Metadata_JCP2022"]].to_csv(tmp_path / "well.csv.gz", index=False)
    df.drop(columns="Metadata_JCP2022").to_parquet(tmp_path / "BR.parquet")
    metadata = [
        {"path": str(tmp_path / "plate.csv.gz"), "on": keys},
        {"path": str(tmp_path / "well.csv.gz"), "on": [*keys, "Metadata_Well"]},
    ]
    profiles, tables = read(tmp_path / "BR.parquet", tmp_path / "cache", metadata=metadata)
    assert taken(tables)["batch"] == "Metadata_Batch"
    assert profiles.wells["role"].value_counts().to_dict() == {"negcon": 24, "poscon": 8, "empty": 4, "treated": 60}


@pytest.mark.parametrize(
    "name",
    ["DMSO", "dmso", "Dimethyl sulfoxide", "dimethylsulfoxide", "DMSO 0.1%", "DMSO_0.5", "nan:DMSO", "0.1% DMSO"],
)
def test_dmso_in_its_spellings(tmp_path: Path, name: str) -> None:
    df = lincs().drop(columns=["Metadata_pert_type", "Metadata_pert_iname"])
    df["Metadata_broad_sample"] = df["Metadata_broad_sample"].replace("DMSO", name)
    df.to_csv(tmp_path / "s.csv", index=False)
    profiles, _ = read(tmp_path / "s.csv", tmp_path / "cache")
    assert (profiles.wells["role"] == "negcon").sum() == 24


@pytest.mark.parametrize("name", ["DMSO-d6", "taxol in DMSO", "DMSA", "dimethyl sulfone", "dmsonol"])
def test_what_is_no_dmso(tmp_path: Path, name: str) -> None:
    df = lincs().drop(columns=["Metadata_pert_type", "Metadata_pert_iname"])
    df["Metadata_broad_sample"] = df["Metadata_broad_sample"].replace("DMSO", name)
    assert "which wells are negative controls?" in refusal(tmp_path, df)


def test_a_site_column_of_one_row_per_well_and_negative_counts_are_not_taken(tmp_path: Path) -> None:
    pycytominer().assign(Metadata_Site=1, Metadata_Count_Cells=-0.3).to_csv(tmp_path / "s.csv", index=False)
    profiles, tables = read(tmp_path / "s.csv", tmp_path / "cache")
    assert (taken(tables)["site"], taken(tables)["cell_count"]) == ("", "")
    assert profiles.level == "well"


def test_a_run_needs_nothing_but_the_paths(folder: Path) -> None:
    for plate, df in lincs().groupby("Metadata_Assay_Plate_Barcode"):
        df.to_csv(folder / f"{plate}_augmented.csv.gz", index=False)
    small = ("model=[logistic]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=20")
    outcome = run_command(folder, "+norm=dmso_within", "data=tables", "data.paths=[*_augmented.csv.gz]", *small)
    assert outcome.status == 0, outcome.err
    assert "harness: controls Metadata_pert_type control 24 wells" in " ".join(outcome.err.split())
    (path,) = folder.glob("mlruns/artifacts/**/conventions.parquet")
    table = pd.read_parquet(path).set_index("what")
    assert table.loc["batch"].to_dict() == {"taken_from": "Metadata_Batch_Number", "by": "convention", "values": 2}
