"""``python -m harness.apply``: profiles, statistics and provenance on disk, and what was fitted on new plates."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command import MAPPING, Outcome, _as_process, wide

from harness.apply import writers
from harness.apply.command import cli
from harness.apply.fitted_normalization import select_features
from harness.apply.profiles import PlateStatistics
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.norm.chain import Chain
from harness.norm.combat import Combat
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine import serialization
from harness.norm.engine.normalize import normalize
from harness.norm.mean import Mean
from harness.norm.raw import Raw

TINY = ("data.size=tiny", "out=x.parquet")
THREE = {"x.parquet", "x.statistics.npz", "x.provenance.json"}
TABLES = ("data=tables", *MAPPING)


def run(folder: Path, *arguments: str) -> Outcome:
    with _as_process(folder, ["harness.apply", *arguments]) as (out, err):
        try:
            status = cli()
        except SystemExit as end:
            status = int(end.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def done(folder: Path, *arguments: str) -> Outcome:
    outcome = run(folder, *arguments)
    unexpected = [
        line for line in outcome.err.splitlines() if not line.startswith("harness:   ")
    ]  # the table of columns
    assert (outcome.status, unexpected) == (0, [])
    return outcome


def values(path: Path, features: Any) -> Any:
    return pd.read_parquet(path)[list(features)].to_numpy()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"mlruns"}


@pytest.fixture(scope="module")
def tiny() -> Profiles:
    """What ``data.size=tiny`` loads."""
    return Demo(size="tiny").profiles()


@pytest.mark.parametrize(
    ("choice", "normalizer"),
    [
        ("+norm=dmso_within", DmsoWithin()),
        ("+norm=mean", Mean()),
        ("+norm=[dmso_within,dmso_across]", Chain(steps=[DmsoWithin(), DmsoAcross()])),
    ],
)
def test_the_file_holds_metadata_and_then_what_normalize_gives(
    choice: str, normalizer: Any, tmp_path: Path, tiny: Profiles
) -> None:
    outcome = done(tmp_path, choice, *TINY)
    assert files(tmp_path) == THREE
    table = pd.read_parquet(tmp_path / "x.parquet")
    expected = normalize(tiny, normalizer)
    assert list(table.columns[:4]) == ["plate", "well", "batch", "role"]
    assert list(table.columns[-len(tiny.features) :]) == list(tiny.features)
    assert set(table.columns) == {*expected.wells.columns, *tiny.features}
    assert (table[list(tiny.features)].dtypes == np.float32).all()
    np.testing.assert_array_equal(table[list(tiny.features)].to_numpy(), expected.X)
    for column in expected.wells:
        assert table[column].tolist() == expected.wells[column].tolist()
    assert f"{len(table)} wells x {len(tiny.features)} features" in outcome.out


def test_provenance_says_what_was_done_to_what(tmp_path: Path, tiny: Profiles) -> None:
    done(tmp_path, "+norm=dmso_across", "+norm.seed=4", *TINY)
    record = json.loads((tmp_path / "x.provenance.json").read_text())
    assert record["command"] == "python -m harness.apply +norm=dmso_across +norm.seed=4 data.size=tiny out=x.parquet"
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["versions"]) >= {"harness", "python", "pandas", "pyarrow"}
    assert record["normalization"]["name"] == "dmso_across"
    assert record["normalization"]["scope"] == "train"
    (step,) = record["normalization"]["steps"]
    assert step["class"] == "harness.norm.dmso_across.DmsoAcross"
    expected = {"exchangeable": True, "scope": "train", "seed": 4, "on_constant": "centre"}
    assert step["parameters"] == expected
    assert step["statistics"] == f"DmsoAcross (train): fitted on all {len(tiny.wells)} rows"
    assert record["data"]["rows"] == record["rows"] == len(tiny.wells)
    assert len(record["data"]["fingerprint"]) == 64
    assert record["config"]["data"]["size"] == "tiny"
    assert record["time"].endswith("+00:00")
    assert set(record["sha256"]) == {"x.parquet", "x.statistics.npz"}
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("norm", ["combat", "dmso_within_then_sphering"])
def test_saved_statistics_give_the_same_bits_on_the_same_data(norm: str, tmp_path: Path) -> None:
    done(tmp_path, f"+norm={norm}", *TINY)
    done(tmp_path, "fitted=x.statistics.npz", "data.size=tiny", "out=y.parquet")
    first, second = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in "xy")
    pd.testing.assert_frame_equal(first, second)
    record = json.loads((tmp_path / "y.provenance.json").read_text())
    assert record["fitted"]["sha256"] == hashlib.sha256((tmp_path / "x.statistics.npz").read_bytes()).hexdigest()
    assert record["normalization"]["name"] == norm


def screens(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A screen of 4 plates, and a later one of 2 whose batch is shifted: columns in another order, one feature more."""
    old, new = wide(), wide(n_plates=2, n_batches=1)
    new["Plate"], new["Batch"] = new["Plate"].str.replace("P", "Q"), "week9"
    features = [c for c in new if c.startswith("Cells_")]
    new[features] = 3 * new[features] + 100
    new["Cells_Extra"] = 1.0
    new = new[[*(c for c in new if not c.startswith("Cells_")), "Cells_Extra", *features[::-1]]]
    old.to_csv(folder / "old.csv", index=False)
    new.to_csv(folder / "new.csv", index=False)
    return old, new


def fitted_and_applied(folder: Path, norm: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Outcome]:
    """Both screens, what the new one became, and what the command said."""
    old, new = screens(folder)
    done(folder, norm, *TABLES, "data.paths=old.csv", "out=old.parquet")
    outcome = done(folder, "fitted=old.statistics.npz", *TABLES, "data.paths=new.csv", "out=new.parquet")
    return old, new, pd.read_parquet(folder / "new.parquet"), outcome


def test_a_training_scope_is_frozen_on_new_plates(tmp_path: Path) -> None:
    old, new, got, outcome = fitted_and_applied(tmp_path, "+norm=dmso_across_textbook")
    features = [c for c in old if c.startswith("Cells_")]
    assert list(got.columns[-5:]) == features
    controls = old.loc[old["Compound"] == "DMSO", features].astype(np.float32)
    expected = (new[features] - controls.mean()) / controls.std(ddof=0)
    np.testing.assert_allclose(got[features], expected, rtol=1e-3, atol=1e-3)
    assert "frozen" in outcome.out


def test_plate_scope_is_fitted_on_the_new_plate_itself_and_says_so(tmp_path: Path) -> None:
    _, new, got, outcome = fitted_and_applied(tmp_path, "+norm=dmso_within_textbook")
    features = [c for c in got if c.startswith("Cells_")]
    for plate, rows in new.groupby("Plate"):
        controls = rows.loc[rows["Compound"] == "DMSO", features]
        expected = (rows[features] - controls.mean()) / controls.std(ddof=0)
        np.testing.assert_allclose(got.loc[got["plate"] == plate, features], expected, rtol=1e-3, atol=1e-3)
    assert "fitted on each of these plates itself" in outcome.out


def test_a_batch_scope_is_fitted_on_the_new_batch_itself(tmp_path: Path) -> None:
    _, new, got, outcome = fitted_and_applied(tmp_path, "+norm=mean")
    features = [c for c in got if c.startswith("Cells_")]
    np.testing.assert_allclose(got[features], new[features] - new[features].mean(), rtol=1e-3, atol=1e-3)
    assert "fitted on each of these batches itself" in outcome.out


def test_a_scope_of_training_rows_and_controls_adapts_to_the_new_batch_s_controls(tmp_path: Path) -> None:
    """As in one screen of both, with all old wells in training."""
    old, new, got, outcome = fitted_and_applied(tmp_path, "+norm=combat")
    features = [c for c in old if c.startswith("Cells_")]
    both = pd.concat([old, new], ignore_index=True)
    wells = both[["Plate", "Well", "Batch"]].rename(columns=str.lower)
    wells["role"] = np.where(both["Compound"] == "DMSO", "negcon", "treated")
    train = np.arange(len(both)) < len(old)
    whole = Profiles(both[features].to_numpy(np.float32), wells)
    expected = normalize(whole, Combat(), Split("old", train, ~train)).X[~train]
    assert Combat().scope == "train_and_controls"
    np.testing.assert_allclose(got[features], expected, rtol=1e-5, atol=1e-5)
    assert "frozen, then adapted to the controls of each of these batches" in outcome.out


def test_missing_features_are_named(tmp_path: Path) -> None:
    _, new = screens(tmp_path)
    done(tmp_path, "+norm=dmso_across", *TABLES, "data.paths=old.csv", "out=old.parquet")
    new.rename(columns={"Cells_Area": "Cells_Aera"}).drop(columns="Cells_Mean").to_csv(
        tmp_path / "new.csv", index=False
    )
    outcome = run(tmp_path, "fitted=old.statistics.npz", *TABLES, "data.paths=new.csv", "out=new.parquet")
    assert outcome.status == 2
    assert "2 of the 5 features that were fitted are not in the data: ['Cells_Area', 'Cells_Mean']" in outcome.line
    assert not any(name.startswith("new.") and name != "new.csv" for name in files(tmp_path))


def test_known_plate_names_with_other_content_are_warned_of(tmp_path: Path) -> None:
    done(tmp_path, "+norm=dmso_across", *TINY)
    outcome = run(tmp_path, "fitted=x.statistics.npz", "data.size=tiny", "data.seed=5", "out=y.parquet")
    assert outcome.status == 0
    assert "have the names of plates that were fitted, but these are other data" in outcome.line


def test_sites_can_be_kept_and_images_become_wells(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    table = wide()
    images = pd.concat([table.assign(Site=site) for site in (1, 2, 3)], ignore_index=True)
    features = [c for c in table if c.startswith("Cells_")]
    images[features] += rng.normal(0, 1, (len(images), 5)) * table[features].std().to_numpy()
    images.to_csv(tmp_path / "images.csv", index=False)
    words = (*TABLES, "data.paths=images.csv", "data.columns.site=Site", "+norm=dmso_within")
    done(tmp_path, *words, "out=wells.parquet")
    done(tmp_path, *words, "out=sites.parquet", "aggregate=none")
    done(tmp_path, *words, "out=means.parquet", "aggregate=mean")
    wells, sites, means = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("wells", "sites", "means"))
    assert (len(wells), len(sites), len(means)) == (len(table), len(images), len(table))
    assert "site" in sites
    assert "site" not in wells
    by_well = sites.groupby(["plate", "well"])[features]
    for got, expected in ((wells, by_well.median()), (means, by_well.mean())):
        np.testing.assert_allclose(got.set_index(["plate", "well"])[features].sort_index(), expected, atol=1e-5)


def test_batches_that_are_interleaved_keep_every_row_with_its_profile(tmp_path: Path) -> None:
    table = wide()
    table["Batch"] = table["Plate"].map({"P1": "a", "P2": "b", "P3": "a", "P4": "b"})
    table.to_csv(tmp_path / "t.csv", index=False)
    done(tmp_path, *TABLES, "data.paths=t.csv", "+norm=mean", "out=x.parquet")
    got = pd.read_parquet(tmp_path / "x.parquet").set_index(["plate", "well"])
    features = [c for c in table if c.startswith("Cells_")]
    expected = table.set_index(["Plate", "Well"])[features]
    expected = expected - table.groupby("Batch")[features].transform("mean").to_numpy()
    np.testing.assert_allclose(got[features], expected.loc[got.index.tolist()], rtol=1e-3, atol=1e-3)


def test_statistics_of_plates_are_kept_for_the_record_unless_they_are_large(
    tmp_path: Path, tiny: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(tmp_path, "+norm=[dmso_within,mean]", *TINY)
    kept = serialization.load_with_extra(tmp_path / "x.statistics.npz")[1]["by_plate"]
    assert {stage: set(by) for stage, by in kept.items()} == {
        "0": set(tiny.wells["plate"]),
        "1": set(tiny.wells["batch"]),
    }
    plate = tiny[1]
    by_hand = DmsoWithin().fit([plate])
    np.testing.assert_array_equal(kept["0"][plate.name].mean_, by_hand.mean_)
    monkeypatch.setattr("harness.apply.profiles.MOST_BYTES", 1000)
    done(tmp_path, "+norm=dmso_within", *TINY, "force=true")
    assert serialization.load_with_extra(tmp_path / "x.statistics.npz")[1]["by_plate"] == {}
    assert "left out" in json.loads((tmp_path / "x.provenance.json").read_text())["statistics_by_plate_or_batch"]
    assert PlateStatistics().complete


def test_nothing_is_overwritten_unless_asked_to(tmp_path: Path) -> None:
    done(tmp_path, "+norm=raw", *TINY)
    before = {name: (tmp_path / name).read_bytes() for name in THREE}
    outcome = run(tmp_path, "+norm=mean", *TINY)
    assert outcome.status == 2
    assert "x.parquet" in outcome.line
    assert "force=true" in outcome.line
    assert {name: (tmp_path / name).read_bytes() for name in THREE} == before
    done(tmp_path, "+norm=mean", *TINY, "force=true")
    assert (tmp_path / "x.parquet").read_bytes() != before["x.parquet"]


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done(tmp_path, "+norm=raw", *TINY)
    before = {name: (tmp_path / name).read_bytes() for name in THREE}

    def broken(_: Any, plate: Any) -> Any:
        if plate.name == "24514":
            raise InputError("a plate that cannot be done")
        return plate.X

    monkeypatch.setattr(Raw, "transform", broken)
    outcome = run(tmp_path, "+norm=raw", *TINY, "force=true")
    assert (outcome.status, outcome.line) == (2, "harness: raw: a plate that cannot be done")
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


REFUSED: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "nothing": (("out=x.parquet",), ["+norm=NAME", "fitted="]),
    "no out": (("+norm=raw",), ["out is not set"]),
    "another ending": (("+norm=raw", "out=x.csv"), ["x.csv", ".parquet", ".h5ad"]),
    "no folder": (("+norm=raw", "out=a/b/x.parquet"), ["no folder", "'a/b'"]),
    "unknown norm": (("+norm=bogus", "out=x.parquet"), ["'bogus'", "dmso_within"]),
    "unknown norm in a chain": (("+norm=[raw,bogus]", "out=x.parquet"), ["'bogus'", "dmso_within"]),
    "settings of a chain of names": (
        ("+norm=[dmso_within,dmso_across]", "norm.exchangeable=false", *TINY),
        ["norm.exchangeable", "which step"],
    ),
    "no plus": (("norm=raw", "out=x.parquet"), ["+norm=NAME"]),
    "unknown setting": (("+norm=raw", "split=random_wells", "out=x.parquet"), ["split"]),
    "unknown aggregation": (("+norm=raw", "aggregate=bogus", *TINY), ["aggregate='bogus'"]),
    "both": (("+norm=raw", "fitted=f.npz", "out=x.parquet"), ["both"]),
    "absent": (("fitted=gone.npz", "out=x.parquet"), ["gone.npz: no such file"]),
    "text": (("fitted=text.npz", "out=x.parquet"), ["text.npz", "pickle"]),
    "pickled": (("fitted=pickled.npz", "out=x.parquet"), ["pickled.npz", "pickle", "refused"]),
    "truncated": (("fitted=truncated.npz", "out=x.parquet"), ["truncated.npz", "damaged"]),
    "no features in it": (("fitted=bare.npz", "out=x.parquet"), ["bare.npz", "no feature names"]),
    "onto itself": (("fitted=x.statistics.npz", "force=true", "out=x.parquet"), ["would overwrite"]),
    "needs controls": (("+norm=dmso_within", "+data.n_controls=2", *TINY), ["dmso_within: "]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_leaves_no_file(case: str, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no statistics")
    np.savez(tmp_path / "pickled.npz", about=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    serialization.save(Mean(), tmp_path / "bare.npz")
    (tmp_path / "truncated.npz").write_bytes((tmp_path / "bare.npz").read_bytes()[:-30])
    before = files(tmp_path)
    arguments, named = REFUSED[case]
    outcome = run(tmp_path, *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.line.startswith("harness: ")
    assert [name for name in named if name not in outcome.line] == []
    assert files(tmp_path) == before


def test_h5ad_without_its_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    outcome = run(tmp_path, "+norm=raw", "data.size=tiny", "out=x.h5ad")
    assert outcome.status == 2
    assert "pip install 'normharness[anndata]'" in outcome.line
    assert files(tmp_path) == set()


def test_h5ad_holds_the_same(tmp_path: Path, tiny: Profiles) -> None:
    anndata = pytest.importorskip("anndata")
    done(tmp_path, "+norm=dmso_within", "data.size=tiny", "out=x.h5ad")
    assert files(tmp_path) == {"x.h5ad", "x.statistics.npz", "x.provenance.json"}
    data = anndata.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(data.X, normalize(tiny, DmsoWithin()).X)
    assert list(data.var_names) == list(tiny.features)
    assert list(data.obs.columns[:4]) == ["plate", "well", "batch", "role"]
    assert data.obs["well"].tolist() == tiny.wells["well"].tolist()


def test_row_groups_hold_many_plates_and_types_do_not_change_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that is empty on one plate has the type it has on the others."""
    parts = [pd.DataFrame({"plate": f"p{i}", "note": [None if i else "x"] * 3, "n": i}) for i in range(6)]
    wells = pd.concat(parts, ignore_index=True)
    X = np.random.default_rng(0).normal(5, 2, (18, 4)).astype(np.float32)
    for limit, groups in ((writers._GROUP_BYTES, 1), (150, 3), (1, 6)):
        monkeypatch.setattr(writers, "_GROUP_BYTES", limit)
        with writers.write_parquet(tmp_path / "x.parquet", wells, ("a", "b", "c", "d")) as write:
            for i in range(6):
                write(wells.iloc[3 * i : 3 * i + 3], X[3 * i : 3 * i + 3])
        file = pq.ParquetFile(tmp_path / "x.parquet")
        assert file.num_row_groups == groups
        got = file.read().to_pandas()
        np.testing.assert_array_equal(got[["a", "b", "c", "d"]].to_numpy(), X)
        assert got["note"].isna().tolist() == wells["note"].isna().tolist()


def test_a_feature_named_like_metadata_is_refused(screen: Any) -> None:
    profiles = screen()
    with pytest.raises(InputError, match=r"\['well'\] have the names of metadata columns"):
        writers.metadata_first(profiles.wells, ("f0", "well"))


def test_features_are_taken_by_name_and_rows_are_only_read_when_asked_for(screen: Any) -> None:
    profiles = screen()
    wanted = ["f7", "f0", "f3"]
    chosen = select_features(profiles, wanted, "x.npz")
    assert chosen.features == tuple(wanted)
    assert not isinstance(chosen.X, np.ndarray)
    for plate, whole in zip(chosen, profiles, strict=True):
        np.testing.assert_array_equal(plate.X, whole.X[:, [7, 0, 3]])
        assert plate.X.flags.c_contiguous
    assert select_features(profiles, list(profiles.features), "x.npz") is profiles
