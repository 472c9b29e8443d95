from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import run_command
from hydra import compose, initialize_config_dir
from places import SHARED

from harness.batch import assign_batches
from harness.batch.regex import Regex
from harness.cli.load_screen import LoadedScreen, leak_guard_level
from harness.cli.screen_key import make_reader
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.demo import Demo
from harness.data.simulation.scenario import SCENARIOS
from harness.leak_guard import check_leaks, find_leaks, guard, sample

N_FEATURES = 60
Values = Callable[[pd.DataFrame, np.random.Generator], Any]


def make_wells(
    *, n_batches: int = 3, n_plates: int = 2, n_wells: int = 96, n_controls: int = 16, seed: int = 0
) -> pd.DataFrame:
    """Wells of plates in the order of rows and columns; controls and 40 compounds in other wells on every plate."""
    rng = np.random.default_rng(seed)
    tables = []
    for plate in range(n_batches * n_plates):
        places = rng.permutation(n_wells)
        role, compound = np.full(n_wells, "treated", dtype=object), np.full(n_wells, "DMSO", dtype=object)
        role[places[:n_controls]] = "negcon"
        compound[places[n_controls:]] = [f"c{i % 40}" for i in range(n_wells - n_controls)]
        row, column = np.divmod(np.arange(n_wells), 12)
        well = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
        tables.append(
            pd.DataFrame(
                {"plate": f"p{plate:02d}", "well": well, "row": row + 1, "column": column + 1, "role": role,
                 "batch": f"b{plate // n_plates}", "compound": compound}
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def with_feature(wells: pd.DataFrame, values: Any, *, seed: int = 1) -> Profiles:
    """Noise in plates that differ, and one more feature, ``suspect``."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 5, (wells["plate"].nunique(), N_FEATURES))[pd.factorize(wells["plate"])[0]]
    X = np.column_stack([rng.normal(100, 1, (len(wells), N_FEATURES)) + shift, values])
    return Profiles(X.astype(np.float32), wells, features=[*(f"f{i}" for i in range(N_FEATURES)), "suspect"])


def shuffled(wells: pd.DataFrame) -> pd.DataFrame:
    """The rows of every plate in an order of their own."""
    rng = np.random.default_rng(2)
    parts = [wells[wells["plate"] == plate] for plate in wells["plate"].unique()]
    return pd.concat([part.iloc[rng.permutation(len(part))] for part in parts], ignore_index=True)


def treated(wells: pd.DataFrame) -> Any:
    return (wells["role"] == "treated").to_numpy().astype(float)


def plate_number(wells: pd.DataFrame) -> Any:
    return pd.factorize(wells["plate"])[0]


REFUSED: dict[str, tuple[Values, str]] = {
    "label": (lambda w, _: treated(w), "tells controls"),
    "label of another sign": (lambda w, _: 1 - treated(w), "tells controls"),
    "several labels": (lambda w, rng: np.where(treated(w) > 0, rng.integers(1, 7, len(w)), 0), "tells controls"),
    "dose": (lambda w, rng: np.where(treated(w) > 0, rng.lognormal(0, 2, len(w)), 0), "tells controls"),
    "label that differs by plate": (lambda w, _: treated(w) + 7 * plate_number(w), "tells controls"),
    "label with noise": (lambda w, rng: treated(w) + rng.normal(0, 0.1, len(w)), "tells controls"),
    "saved index": (lambda w, _: np.arange(len(w)), "follows the order of rows of the file"),
    "image numbers from 9 to 9": (lambda w, _: np.arange(len(w))[::-1] * 9 + 5, "follows the order of rows"),
    "index of each plate": (lambda w, _: w.groupby("plate").cumcount(), "follows the order of rows"),
    "share of the file": (lambda w, _: np.arange(len(w)) / len(w), "follows the order of rows"),
    "time, row by row": (lambda w, rng: w["row"] * 60 + w["column"] * 5 + rng.random(len(w)), "wells by rows"),
    "time, column by column": (lambda w, rng: w["column"] * 60 + w["row"] * 5 + rng.random(len(w)), "wells by columns"),
    "time, forth and back": (
        lambda w, _: w["row"] * 200 + w["column"] * np.where(w["row"] % 2 == 0, -4, 4),
        "wells by rows in serpentines",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows_in_order", [True, False])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_label_or_a_counter_is_refused_with_its_name_and_the_setting_that_keeps_it(
    kind: str, rows_in_order: bool
) -> None:
    values, what = REFUSED[kind]
    wells = make_wells() if rows_in_order else shuffled(make_wells())
    profiles = with_feature(wells, values(wells, np.random.default_rng(3)))
    with pytest.raises(InputError) as error:
        check_leaks(profiles)
    message = str(error.value)
    assert message.startswith("data.leak_guard: feature 'suspect' ")
    assert what.removeprefix("follows the order of ") in message or rows_in_order
    assert "data.leak_guard=warn" in message
    assert "data.features" in message
    assert "\n" not in message
    report = check_leaks(profiles, "warn")
    assert [(leak.feature, leak.is_refused) for leak in report.leaks] == [("suspect", True)]
    assert len(report.warnings(refused_too=True)) == 1
    assert report.warnings() == []
    assert check_leaks(profiles, "off").leaks == []


WARNED: dict[str, tuple[Values, str]] = {
    "threshold of the plate": (lambda w, _: 0.1 * plate_number(w), "identifies the plate (constant within each of 6"),
    "lot of the batch": (lambda w, _: w["batch"] == "b2", "identifies the batch (constant within each of 3 batches)"),
    "weight of the compound": (lambda w, _: w["compound"].map(len).to_numpy() + pd.factorize(w["compound"])[0] % 7,
                               "identifies the compound (constant within each of 41 compounds)"),
    "row": (lambda w, _: w["row"], "identifies the well position (constant within each of 96 well positions)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WARNED)
def test_what_identifies_something_is_named_in_a_warning(kind: str) -> None:
    values, what = WARNED[kind]
    wells = shuffled(make_wells())
    report = check_leaks(with_feature(wells, values(wells, np.random.default_rng(3))))
    assert len(report.warnings()) == 1
    assert report.warnings()[0].startswith(f"feature 'suspect' {what}")
    assert [row["refused"] for row in report.rows()] == [False]


def sorted_by(wells: pd.DataFrame, values: Any) -> tuple[pd.DataFrame, Any]:
    order = np.lexsort((values, plate_number(wells)))
    return wells.iloc[order].reset_index(drop=True), values[order]


def test_a_feature_by_which_the_file_was_sorted_is_a_warning() -> None:
    wells, values = sorted_by(make_wells(), np.random.default_rng(4).normal(size=576))
    report = check_leaks(with_feature(wells, values))
    assert "which may be sorted by it" in report.warnings()[0]


INNOCENT: dict[str, Values] = {
    "rare": lambda w, rng: (rng.random(len(w)) < 0.01) * rng.random(len(w)),
    "counts": lambda w, rng: rng.poisson(2, len(w)),
    "euler numbers": lambda w, rng: rng.integers(-1, 2, len(w)),
    "constant": lambda w, _: np.full(len(w), 1e7 + 1),
    "strong in two of three batches": lambda w, rng: rng.normal(0, 1, len(w)) + 20 * treated(w) * (w["batch"] != "b1"),
    "moderate": lambda w, rng: rng.normal(0, 1, len(w)) + 2 * treated(w),
    "gradient along columns": lambda w, rng: w["column"] + rng.normal(0, 1, len(w)),
    "edge wells": lambda w, rng: w["row"].isin([1, 8]) + rng.normal(0, 0.1, len(w)),
}  # fmt: skip


@pytest.mark.parametrize("kind", INNOCENT)
def test_measurements_are_not_blamed(kind: str) -> None:
    wells = make_wells()
    assert find_leaks(with_feature(wells, INNOCENT[kind](wells, np.random.default_rng(5)))).leaks == []


@pytest.mark.parametrize("counts", [False, True])
def test_a_strong_phenotype_is_not_refused_and_a_label_beside_it_is(counts: bool) -> None:
    wells, rng = make_wells(), np.random.default_rng(6)
    profiles = with_feature(wells, treated(wells))
    X = profiles.X.copy()
    if counts:
        X[:, :20] = rng.poisson(6, (len(wells), 20))
    X[:, :20] += (treated(wells)[:, None] * rng.choice([-60, 60], 20)).astype(np.float32)
    report = find_leaks(profiles.replace(X=X))
    assert [leak.feature for leak in report.leaks if leak.is_refused] == ["suspect"]
    assert sum("a strong phenotype, or a leak" in leak.what for leak in report.leaks) == 20


@pytest.mark.parametrize(
    ("n_batches", "n_plates", "n_wells", "n_controls"),
    [(1, 1, 24, 2), (2, 1, 12, 1), (2, 2, 24, 1), (3, 2, 96, 1), (2, 1, 4, 1), (1, 2, 6, 3), (12, 2, 48, 4)],
)
def test_noise_is_not_blamed_whatever_the_layout(n_batches: int, n_plates: int, n_wells: int, n_controls: int) -> None:
    wells = make_wells(n_batches=n_batches, n_plates=n_plates, n_wells=n_wells, n_controls=n_controls)
    rng = np.random.default_rng(7)
    kinds = [
        rng.normal(size=(len(wells), 500)),
        rng.integers(0, 3, (len(wells), 500)),
        rng.poisson(0.05, (len(wells), 500)),
    ]
    assert find_leaks(Profiles(np.column_stack(kinds).astype(np.float32), wells)).leaks == []


def test_controls_on_plates_of_their_own() -> None:
    wells = make_wells()
    wells["role"] = np.where(plate_number(wells) % 2 == 0, "negcon", "treated")
    threshold = with_feature(wells, 0.1 * treated(wells) + 0.01 * plate_number(wells))
    assert [leak.what for leak in find_leaks(threshold).leaks] == ["identifies the plate"]
    assert find_leaks(with_feature(wells, treated(wells))).leaks[0].is_refused


def test_sites_are_looked_at_as_wells_and_a_large_screen_on_some_plates(monkeypatch: pytest.MonkeyPatch) -> None:
    wells = make_wells(n_batches=14, n_plates=5, n_wells=24, n_controls=4)
    sites = wells.loc[np.repeat(wells.index, 3)].reset_index(drop=True)
    profiles = with_feature(sites, np.arange(len(sites)))
    assert find_leaks(profiles).leaks[0].detail.endswith("each of 70 plates")
    monkeypatch.setattr(guard, "SMALL_BYTES", 0)
    assert find_leaks(profiles).leaks[0].detail.endswith("each of 48 plates")


def test_of_a_screen_without_suspects_four_plates_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = with_feature(make_wells(n_batches=6, n_plates=5, n_wells=48, n_controls=12), np.arange(1440) % 11)
    plates_read: list[list[str]] = []

    def read_wells(profiles: Profiles, plates: list[str], *features: Any) -> Any:
        plates_read.append(plates)
        return sample.read_wells(profiles, plates, *features)

    monkeypatch.setattr(guard, "read_wells", read_wells)
    assert find_leaks(profiles).leaks == []
    assert plates_read == [["p00", "p04", "p25", "p29"]]


@pytest.mark.parametrize("level", ["Error", "yes", "", None, 1, True])
def test_an_unknown_level_is_refused_before_anything_is_read(level: Any) -> None:
    with pytest.raises(InputError, match=r"data\.leak_guard=.*expected one of \['error', 'warn', 'off'\]"):
        check_leaks(None, level)  # type: ignore[arg-type]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_no_simulated_screen_is_blamed(size: str, scenario: str) -> None:
    assert find_leaks(Demo(size=size, scenario=scenario).profiles()).leaks == []


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no folder {SHARED}")
def test_bbbc021_is_not_blamed() -> None:
    df = pd.read_csv(SHARED / "bbbc021" / "ljosa_jbiomolscreen_2013_per_well_mean.csv.gz")
    keys = ["Image_Metadata_Plate", "Image_Metadata_Well"]
    images = pd.read_csv(SHARED / "bbbc021" / "BBBC021_v1_image.csv.gz")
    images = images.rename(columns={f"{key}_DAPI": key for key in keys})
    compounds = images[[*keys, "Image_Metadata_Compound"]].drop_duplicates()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        profiles = profiles_from_frame(
            df.merge(compounds, how="left"), plate=keys[0], well=keys[1], compound="Image_Metadata_Compound",
            controls="Image_Metadata_Compound == 'DMSO'",
        )  # fmt: skip
    assert find_leaks(assign_batches(profiles, Regex(pattern=r"^(Week\d+)_"))).leaks == []


def write_label(folder: Path) -> list[str]:
    """A screen with a label among its features, and the words that read it."""
    profiles = with_feature(make_wells(), treated(make_wells()))
    table = pd.DataFrame(profiles.X, columns=[*(f"Cells_f{i}" for i in range(N_FEATURES)), "injury"])
    pd.concat([make_wells()[["plate", "well", "batch", "compound"]], table], axis=1).to_csv(
        folder / "s.csv", index=False
    )
    features = "data.features=[Cells_,injury]"
    controls = ["data.controls.column=compound", "data.controls.values=[DMSO]"]
    return ["data=tables", f"data.paths=[{folder}/s.csv]", *controls, features, f"cache.folder={folder}/store"]


def test_the_setting_is_none_of_the_readers_and_findings_are_recorded(tmp_path: Path, conf: Path) -> None:
    with initialize_config_dir(config_dir=str(conf), version_base="1.3"):
        cfg = compose("config", overrides=["+norm=raw", *write_label(tmp_path)])
    assert cfg.data.leak_guard == "error"
    assert "leak_guard" not in str(make_reader(cfg).key())
    assert cfg.data.leak_guard == "error"
    screen = LoadedScreen(cfg)
    with pytest.raises(InputError, match="'injury' tells controls from treated"):
        screen.check_leaks(cfg.data.leak_guard)
    cfg.data.leak_guard = False  # what YAML makes of off
    screen.check_leaks(leak_guard_level(cfg))
    assert "leak_guard" not in screen.report.tables
    screen.check_leaks("warn")
    assert [(row["feature"], row["refused"]) for row in screen.report.tables["leak_guard"]] == [("injury", True)]


def test_a_label_among_the_features_ends_the_run_with_one_line(tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "+norm=raw", *write_label(tmp_path), "audit=[]", "figure=[]", "model=[logistic]")
    assert outcome.status == 2
    lines = [line for line in outcome.err.splitlines() if "leak_guard" in line]
    assert len(lines) == 1
    assert (
        "feature 'injury' tells controls from treated wells in every batch by itself (AUROC 1.000, 3 batches)"
        in lines[0]
    )
