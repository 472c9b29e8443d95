from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from places import SHARED
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.batch import assign_batches
from harness.batch.column import Column
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.columns.feature_columns import NO_PREFIX, choose, values
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.columns.left_out_columns import left_out_sentence
from harness.data.conventions.cellprofiler_names import read_name
from harness.data.conventions.embedding_names import embedding_columns
from harness.data.conventions.identifier_names import identifier_reason
from harness.data.tables import Tables
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut
from harness.store.store import load
from harness.task.dmso_vs_treated import DmsoVsTreated

FEATURES = [
    f"{part}_{kind}"
    for part in ("Cells", "Nuclei")
    for kind in ("AreaShape_Area", "Intensity_MeanIntensity_DNA", "Texture_Contrast_ER_3_00_256", "Granularity_1_Mito")
]
COLUMNS = {
    "plate": "Metadata_Plate",
    "well": "Metadata_Well",
    "compound": "Metadata_Compound",
    "batch": "Metadata_Batch",
}
CONTROLS = {"column": "Metadata_Compound", "values": ["DMSO"]}
ROWS, N_COLUMNS, N_CONTROLS = "ABCDEFGH", 12, 16


def left_out_lines(source: Tables) -> list[str]:
    return [line for line in source.report.notes if "left out" in line]


def make_table(*, effect: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Three batches of two plates, 96 wells in the same order on each; DMSO in the first 16 wells of every plate."""
    rng = np.random.default_rng(seed)
    wells = [f"{row}{column:02d}" for row in ROWS for column in range(1, N_COLUMNS + 1)]
    treated = [f"CPD-{i % 40:02d}" for i in range(len(wells) - N_CONTROLS)]
    tables = []
    for plate in range(6):
        shift = rng.normal(0, 1, len(FEATURES))
        table = pd.DataFrame(rng.normal(10, 1, (len(wells), len(FEATURES))) + shift, columns=FEATURES)
        table.iloc[N_CONTROLS:] += effect
        table.insert(0, "Metadata_Compound", ["DMSO"] * N_CONTROLS + treated)
        table.insert(0, "Metadata_Well", wells)
        table.insert(0, "Metadata_Plate", f"P{plate + 1}")
        table.insert(0, "Metadata_Batch", f"Week{plate // 2 + 1}")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def choice_of(df: pd.DataFrame, features: Any = None) -> Any:
    return choose(df, features, claimed={*COLUMNS.values()}, source="s.csv")


def mean_auroc(profiles: Profiles) -> float:
    """Held-out batches, DMSO against treated, after z-scores by the DMSO wells of a plate."""
    scaled = normalize(profiles, DmsoWithin())
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced"))
    splits = LeaveBatchOut().split(profiles.wells)
    evaluations = [evaluate(scaled, split, DmsoVsTreated(), model) for split in splits]
    return float(np.mean([roc_auc_score(one.y, one.score) for one in evaluations]))


def twice_saved(df: pd.DataFrame, path: Path) -> None:
    df.to_csv(path)
    pd.read_csv(path).to_csv(path)


def named_index(df: pd.DataFrame, path: Path) -> None:
    df.rename_axis("observation").to_parquet(path)


@pytest.mark.parametrize(
    ("name", "save", "index"),
    [
        ("twice.csv", twice_saved, ["Unnamed: 0.1", "Unnamed: 0"]),
        ("column.csv", lambda df, path: df.reset_index().to_csv(path, index=False), ["index"]),
        ("level.csv", lambda df, path: df.reset_index(names="level_0").to_csv(path, index=False), ["level_0"]),
        ("named.parquet", named_index, ["observation"]),
        ("rowid.parquet", lambda df, path: df.reset_index(names="row_id").to_parquet(path), ["row_id"]),
    ],
)
def test_a_saved_index_is_no_feature_and_a_screen_without_effect_scores_as_one(
    tmp_path: Path, name: str, save: Callable[[pd.DataFrame, Path], None], index: list[str]
) -> None:
    save(make_table(), tmp_path / name)
    source = Tables(paths=str(tmp_path / name), columns=COLUMNS, controls=CONTROLS)
    profiles = load(source, tmp_path / "cache")
    assert profiles.features == tuple(FEATURES)
    named = ", ".join(f"{column} (saved index)" for column in index)
    plural = "columns" if len(index) > 1 else "column"
    assert left_out_lines(source) == [f"8 features; left out {len(index)} {plural}: {named}"]
    assert source.report.tables["left_out_columns"] == [{"column": c, "reason": "saved index"} for c in index]
    assert mean_auroc(profiles) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("prefixed", [True, False])
def test_what_is_written_beside_features_is_left_out_with_its_reason(prefixed: bool) -> None:
    df = make_table()
    rng, n = np.random.default_rng(1), len(df)
    reasons = {
        "Image_ImageNumber": "image number", "ImageNumber": "image number", "TableNumber": "counter",
        "Image_Group_Index": "counter", "Cells_Number_Object_Number": "object number",
        "Cells_ObjectNumber": "object number", "Nuclei_Location_Center_X": "location",
        "Nuclei_AreaShape_Center_Y": "location", "Cells_AreaShape_BoundingBoxMinimum_X": "bounding box",
        "Image_Mean_Cells_Location_Center_X": "location", "Cells_Parent_Nuclei": "parent",
        "Nuclei_Children_Cells_Count": "children", "Image_Count_Cells": "count", "Count_Nuclei": "count",
        "metadata_imaging_day": "metadata", "dose_uM": "dose", "image_id": "identifier", "PlateBarcode": "identifier",
        "ChannelExecutionTime": "execution time", "Image_ExecutionTime_01LoadData": "execution time",
        "Image_Scaling_DNA": "channel setting", "Image_Height_DNA": "image size",
        "Image_Exposure_DNA": "channel setting",
        "Image_MD5Digest_DNA": "checksum", "Image_ProcessingStatus": "processing status",
        "Cells_Neighbors_FirstClosestObjectNumber_5": "object number", "Site": "site", "Day": "date",
        "Batch": "batch",
        "Time [s]": "time", "Unnamed: 0_x": "saved index",
        "Well": "well", "bbox-0": "bounding box", "centroid-1": "location", "level_1": "saved index",
    }  # fmt: skip
    numbers = pd.DataFrame({name: rng.normal(100, 5, n) for name in reasons})
    if not prefixed:
        df = df.rename(columns={name: f"measure {chr(97 + i)}" for i, name in enumerate(FEATURES)})
    choice = choice_of(pd.concat([numbers, df], axis=1))
    assert choice.left_out == reasons
    assert len(choice.names) == len(FEATURES)


MORPHOLOGY = [
    "Cells_AreaShape_EulerNumber", "Nuclei_AreaShape_Zernike_5_1", "Cytoplasm_AreaShape_Orientation",
    "Cells_AreaShape_BoundingBoxArea", "Cells_Neighbors_NumberOfNeighbors_10", "Nuclei_Threshold_Final",
    "Cells_Neighbors_AngleBetweenNeighbors_5", "Image_AreaOccupied_AreaOccupied_Cells",
    "Nuclei_RadialDistribution_FracAtD_DNA_1of4", "Cells_RadialDistribution_ZernikePhase_ER_9_9",
    "Cells_Correlation_Costes_DNA_ER", "Cells_Correlation_K_DNA_RNA", "Cells_Intensity_MassDisplacement_AGP",
    "Image_Granularity_1_DNA", "Image_Intensity_MeanIntensity_DNA", "Image_Texture_Contrast_DNA_3_00_256",
    "Image_Correlation_Slope_DNA_ER", "Image_ImageQuality_PowerLogLogSlope_DNA",
    "Image_Threshold_FinalThreshold_Cells", "Nuclei_Classify_Mitotic", "Cells_Math_Ratio",
    "Nuclei_Mean_Spots_AreaShape_Area", "Image_Mean_Cells_AreaShape_Area", "StDev_Nuclei_AreaShape_Area",
    "Nuclei_ObjectSkeleton_NumberTrunks_mito_skel", "Organoids_AreaShape_Area", "Filtered_Nuclei_Texture_Entropy_DNA_3",
    "Mito_Granularity_3_Mito", "Nuclei_Distance_Minimum_Cells", "AreaShape_Area", "Texture_Gabor_DNA_3",
]  # fmt: skip


@pytest.mark.parametrize("name", MORPHOLOGY)
def test_what_measures_morphology_stays(name: str) -> None:
    df = make_table().assign(**{name: np.arange(576) % 7})
    choice = choice_of(df)
    assert choice.names == [*FEATURES, name]
    assert choice.left_out == {}


@pytest.mark.parametrize("name", ["Nuclei.Location.Center.X", "nuclei_location_center_x", "Nuclei,Location_Center_X"])
def test_the_grammar_is_read_in_other_spellings(name: str) -> None:
    reading = read_name(name)
    assert reading is not None
    assert reading.reason == "location"


@pytest.mark.parametrize(
    "stem",
    ["X_", "feature_", "Feature_", "emb_", "all_emb_", "dna_emb_", "efficientnet_", "PC_", "PC", "dino_", "dinov2_",
     "deepprofiler_", "cp_", "z", "latent_", "x", "resnet50_", "Well_Embedding_", "features."],
)  # fmt: skip
@pytest.mark.parametrize("first", [0, 1])
def test_embeddings_are_the_features_and_nothing_else(stem: str, first: int) -> None:
    df = make_table().drop(columns=FEATURES)
    names = [f"{stem}{first + i}" for i in range(6)]
    rng = np.random.default_rng(2)
    embedding = pd.DataFrame(rng.normal(size=(len(df), 6)), columns=names)
    choice = choice_of(pd.concat([df, embedding], axis=1).assign(injury=1, viability=rng.normal(size=len(df))))
    assert choice.names == names
    assert choice.left_out == {"injury": NO_PREFIX, "viability": NO_PREFIX}


def test_cellprofiler_features_and_an_embedding_are_both_features() -> None:
    df = make_table().assign(emb_0=0.5, emb_1=0.1, Metadata_n=3, ratio=0.3, umap_1=1.0, umap_2=2.0)
    choice = choice_of(df)
    assert choice.names == [*FEATURES, "emb_0", "emb_1"]
    assert choice.left_out == {"ratio": NO_PREFIX, "umap_1": "location", "umap_2": "location"}


def test_many_numbered_columns_are_an_embedding_whatever_their_name() -> None:
    assert len(embedding_columns([str(i) for i in range(64)])) == 64
    assert embedding_columns([f"texture_{i}" for i in range(13)]) == set()
    assert embedding_columns(["x1", "y1", "x2", "y2"]) == set()


def test_without_prefixes_numeric_columns_are_features_but_for_identifiers_and_labels() -> None:
    rng = np.random.default_rng(3)
    df = make_table().drop(columns=FEATURES)
    n = len(df)
    measured = {
        "nucleus area": rng.normal(90, 3, n), "euler_number": rng.integers(-3, 2, n), "granularity_1": rng.random(n),
        "shape_index": rng.random(n), "mean_class_1": rng.random(n), "cell_intensity": rng.random(n),
        "Nuclei - Area Mean per Well": rng.random(n), "number_of_nucleoli": rng.integers(0, 9, n),
        "time_to_peak": rng.random(n),
    }  # fmt: skip
    beside = {
        "injury_code": rng.integers(0, 2, n), "Week": rng.integers(1, 9, n), "treated": rng.integers(0, 2, n),
        "Row": rng.integers(1, 9, n), "is_dmso": rng.random(n) < 0.5, "made_up": np.arange(7, 7 + n),
        "barcode_text": [f"00{i}" for i in range(n)], "serial": [str(i * 7) for i in range(n)],
        "nothing": np.full(n, np.nan), "comment": "fine", "seen": pd.Timestamp("2021-03-04"),
    }  # fmt: skip
    choice = choice_of(df.assign(**measured, **beside))
    assert choice.names == list(measured)
    assert choice.left_out == {
        "injury_code": "label", "Week": "date", "treated": "label", "Row": "identifier", "is_dmso": "true or false",
        "made_up": "saved index", "barcode_text": "identifier", "serial": "identifier", "nothing": "empty",
    }  # fmt: skip


def test_a_stray_prefix_does_not_push_out_the_features() -> None:
    df = make_table().drop(columns=FEATURES)
    rng = np.random.default_rng(4)
    named = {name: rng.random(len(df)) for name in ("area", "perimeter", "solidity")}
    assert choice_of(df.assign(**named, Image_Count_Cells=5, Cells_density=rng.random(len(df)))).names == [
        "area", "perimeter", "solidity", "Cells_density",
    ]  # fmt: skip


def test_numbers_of_every_kind_are_read_as_numbers() -> None:
    df = make_table()
    expected = df[FEATURES].to_numpy(np.float32)
    stored = df.assign(
        **{
            FEATURES[0]: df[FEATURES[0]].map(repr),
            FEATURES[1]: df[FEATURES[1]].map(lambda number: Decimal(repr(number))),
            FEATURES[2]: df[FEATURES[2]].astype("Float64"),
        },
        Cells_Classify_Round=df[FEATURES[3]] > 10,
        Cells_Classify_Kind="round",
    )
    choice = choice_of(stored)
    assert choice.names == [*FEATURES, "Cells_Classify_Round"]
    assert choice.left_out == {"Cells_Classify_Kind": "text"}
    X = values(stored, choice.names, source="s.csv")
    np.testing.assert_array_equal(X[:, :-1], expected)
    np.testing.assert_array_equal(X[:, -1], (df[FEATURES[3]] > 10).to_numpy(np.float32))


def test_text_numbers_of_a_parquet_file_give_the_profiles_of_the_numbers(tmp_path: Path) -> None:
    df = make_table(effect=0.5)
    df.assign(**{name: df[name].map(repr) for name in FEATURES[:2]}).to_parquet(tmp_path / "s.parquet")
    source = Tables(paths=str(tmp_path / "s.parquet"), columns=COLUMNS, controls=CONTROLS)
    np.testing.assert_array_equal(load(source, tmp_path / "cache").X, df[FEATURES].to_numpy(np.float32))
    assert left_out_lines(source) == []


@pytest.mark.parametrize(
    ("text", "culprits"),
    [
        ({0: "n/d"}, ["row 1", "'n/d'", FEATURES[0]]),
        ({i: f"{i},5" for i in range(576)}, ["row 1", "'0,5'", "decimal comma"]),
        ({1: "1,5"}, ["row 2", "'1,5'", "decimal comma"]),
    ],
)
def test_numbers_with_text_among_them_are_refused(text: dict[int, str], culprits: list[str]) -> None:
    df = make_table()
    df[FEATURES[0]] = df[FEATURES[0]].astype(object)
    for row, value in text.items():
        df.loc[row, FEATURES[0]] = value
    with pytest.raises(InputError) as error:
        choice_of(df)
    assert all(culprit in str(error.value) for culprit in culprits)
    assert "\n" not in str(error.value)


def test_names_in_full_win_and_prefixes_leave_out_what_measures_nothing() -> None:
    df = make_table().assign(Cells_Parent_Nuclei=1, Cells_Location_Center_X=2, Cells_note=3, score=4.0)
    by_prefix = choice_of(df, ["Cells_"])
    assert by_prefix.names == [*FEATURES[:4], "Cells_note"]
    assert by_prefix.left_out == {"Cells_Parent_Nuclei": "parent", "Cells_Location_Center_X": "location"}
    in_full = choice_of(df, ["Cells_", "Cells_Parent_Nuclei", "score", "Metadata_Plate"])
    assert in_full.names == ["Metadata_Plate", *FEATURES[:4], "Cells_Parent_Nuclei", "Cells_note", "score"]
    assert in_full.left_out == {"Cells_Location_Center_X": "location"}
    assert choice_of(df, "_Center_X|Area$").names == [FEATURES[0], FEATURES[4]]
    for features in ("_Center_X", ["Cells_Parent"]):
        with pytest.raises(InputError, match=r"but for columns that are left out: .*(location|parent).*in full"):
            choice_of(df, features)


def test_nothing_but_identifiers_is_refused_with_the_reasons() -> None:
    df = make_table().drop(columns=FEATURES).assign(ImageNumber=range(576), dose=1.0)
    with pytest.raises(InputError, match=r"no feature columns .*ImageNumber \(image number\), dose \(dose\)"):
        choice_of(df)


def test_a_frame_warns_of_what_is_left_out_and_keeps_it_beside_the_wells() -> None:
    df = make_table().assign(imaging_day=3)
    before = df.attrs.copy()
    with pytest.warns(UserWarning, match=r"^table: 8 features; left out 1 column: imaging_day \(date\)$"):
        profiles = profiles_from_frame(df, **COLUMNS, controls=CONTROLS)
    assert list(profiles.wells["imaging_day"]) == [3] * 576
    assert df.attrs == before


def test_a_column_that_is_empty_in_one_file_is_not_left_out(tmp_path: Path) -> None:
    df = make_table()
    first = df["Metadata_Plate"] == "P1"
    df[first].assign(Cells_AreaShape_Area=np.nan, note_n=1.5).to_csv(tmp_path / "a.csv", index=False)
    df[~first].assign(note_n=1.5).to_csv(tmp_path / "b.csv", index=False)
    source = Tables(paths=str(tmp_path / "*.csv"), columns=COLUMNS, controls=CONTROLS, on_missing="impute_plate_median")
    with pytest.raises(InputError, match="plate 'P1' has no finite value"):
        load(source, tmp_path / "cache")
    assert left_out_lines(source) == ["8 features; left out 1 column: note_n (no feature prefix)"]
    assert len(source.report.tables["left_out_columns"]) == 1


def test_the_sentence_names_one_column_of_every_reason_first() -> None:
    reasons = {f"Location_{i}": "location" for i in range(20)} | {"dose": "dose"}
    assert left_out_sentence(516, reasons).startswith(
        "516 features; left out 21 columns: Location_0 (location), dose (dose), Location_1 (location), "
    )
    assert left_out_sentence(516, reasons).endswith(" and 11 more")
    assert left_out_sentence(1, {}) == ""


@pytest.mark.parametrize(
    "name", ["area", "profile_7", "mean_intensity", "dna_content", "spot_distance", "nucleus_solidity"]
)
def test_names_of_measurements_are_no_identifiers(name: str) -> None:
    assert identifier_reason(name) == ""


def test_a_left_out_column_can_be_the_batch_and_a_feature_is_named_as_one() -> None:
    df = make_table().assign(week=lambda d: d["Metadata_Batch"].str[-1].astype(int), Cells_lot=1)
    columns = {name: column for name, column in COLUMNS.items() if name != "batch"}
    with pytest.warns(UserWarning, match="week"):
        profiles = profiles_from_frame(df, **columns, controls=CONTROLS)
    assert list(assign_batches(profiles, Column(column="week")).by_batch()) == ["1", "2", "3"]
    with pytest.raises(
        InputError, match=r"'Cells_lot' was read as a feature; name it by data\.columns\.batch=Cells_lot"
    ):
        assign_batches(profiles, Column(column="Cells_lot"))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder {SHARED}")
def test_columns_of_bbbc021() -> None:
    df = pd.read_csv(SHARED / "bbbc021" / "ljosa_jbiomolscreen_2013_per_well_mean.csv.gz")
    choice = choose(df, None, claimed={"Image_Metadata_Well"}, source="bbbc021")
    assert len(choice.names) == 459
    counts = pd.Series(choice.left_out).value_counts().to_dict()
    assert counts == {"location": 40, "object number": 11, "children": 3, "parent": 3}
    left_out_words = ("Location", "Center_", "Parent", "Children", "ObjectNumber", "Object_Number")
    assert not [name for name in choice.names if any(word in name for word in left_out_words)]
