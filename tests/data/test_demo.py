from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import ROOT, SHARED
from scipy.stats import chi2_contingency, ks_2samp, kstest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.data.simulation.scenario import SCENARIOS

PLATEMAPS = SHARED / "bray2017" / "platemaps"


@cache
def tiny(scenario: str) -> Profiles:
    return Demo(scenario=scenario, size="tiny").profiles()


@cache
def middle(scenario: str) -> Demo:
    """Between tiny and small: 5 batches x 4 plates of 384 wells, one site, few features."""
    return Demo(scenario=scenario, n_sites=1, n_features=48)


@cache
def profiles(scenario: str) -> Profiles:
    return middle(scenario).profiles()


def ordinary(demo: Demo) -> np.ndarray:
    return (demo.tables()["features"]["kind"] == "ordinary").to_numpy()


def negcon(wells: pd.DataFrame) -> np.ndarray:
    return (wells["role"] == "negcon").to_numpy()


def held_out_auroc(X: np.ndarray, wells: pd.DataFrame) -> Doubles:
    """Treated against controls, each batch held out in turn."""
    y, scores = ~negcon(wells), []
    for batch in wells["batch"].unique():
        test = (wells["batch"] == batch).to_numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500))
        model.fit(X[~test], y[~test])
        scores.append(roc_auc_score(y[test], model.predict_proba(X[test])[:, 1]))
    return np.array(scores)


def batch_probe(X: np.ndarray, wells: pd.DataFrame) -> float:
    """Balanced accuracy of naming the batch of a control well on plates not seen."""
    control = negcon(wells)
    batch, plate = wells["batch"][control], wells["plate"][control]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    folds = GroupKFold(2, shuffle=True, random_state=0)
    named = cross_val_predict(model, X[control], batch, groups=plate, cv=folds)
    return float(balanced_accuracy_score(batch, named))


def cramers_v(a: pd.Series, b: pd.Series) -> float:
    table = pd.crosstab(a, b).to_numpy()
    chi2 = chi2_contingency(table, correction=False).statistic
    return float(np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)))


def z_within(X: np.ndarray, wells: pd.DataFrame) -> np.ndarray:
    out = np.zeros_like(X)
    for plate in wells["plate"].unique():
        rows = (wells["plate"] == plate).to_numpy()
        control = X[rows & negcon(wells)].astype(np.float64)
        sd = control.std(axis=0, ddof=1)
        varies = sd > 1e-6 * np.abs(control.mean(axis=0))
        out[np.ix_(rows, varies)] = ((X[rows] - control.mean(axis=0)) / np.where(varies, sd, 1))[:, varies]
    return out


def test_same_parameters_give_the_same_screen_and_another_seed_another() -> None:
    first, again = Demo(size="tiny").profiles(), Demo(size="tiny").profiles()
    assert np.array_equal(first.X, again.X)
    pd.testing.assert_frame_equal(first.wells, again.wells)
    other = Demo(size="tiny", seed=1).profiles()
    n = min(len(first.X), len(other.X))
    assert not np.isclose(first.X[:n], other.X[:n]).all(axis=0)[ordinary(Demo(size="tiny"))].any()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_streamed_plates_are_the_whole_screen_and_follow_the_contract(scenario: str) -> None:
    demo, whole = Demo(scenario=scenario, size="tiny"), tiny(scenario)
    streamed = list(demo.plates())
    assert len(streamed) == len(whole) == 6
    for (X, wells, planted), plate in zip(streamed, whole, strict=True):
        assert X.dtype == planted.dtype == np.float32
        assert X.flags["C_CONTIGUOUS"]
        assert X.shape == planted.shape == (len(wells), 40)
        assert np.array_equal(X, plate.X)
        assert np.array_equal(planted, plate.planted)
        assert wells.equals(wells.sort_values(["row", "column", "site"]))
        assert list(wells["well"]) == sorted(wells["well"])
        assert set(wells["role"]) == {"negcon", "treated"}
        assert set(wells.loc[negcon(wells), "compound"]) == {"DMSO"}
        assert (wells["cell_count"] >= 0).all()
        assert np.isfinite(X).all()
        assert np.isfinite(planted).all()
    plates = [int(p) for p in whole.wells["plate"].unique()]
    assert plates == sorted(plates)
    assert whole.wells["batch"].is_monotonic_increasing


def test_a_plate_does_not_depend_on_the_plates_made_before_it() -> None:
    backwards = Demo(size="tiny")._screen
    for plate, (X, wells, planted) in reversed(list(enumerate(Demo(size="tiny").plates()))):
        again = backwards.plate(plate)
        assert np.array_equal(X, again[0])
        assert np.array_equal(planted, again[2])
        pd.testing.assert_frame_equal(wells, again[1])


def test_scenarios_share_the_draws_that_they_do_not_change() -> None:
    balanced, clean, null = tiny("balanced"), tiny("no_batch_effect"), tiny("null")
    assert balanced.planted is not None
    assert clean.planted is not None
    assert null.planted is not None
    assert np.array_equal(balanced.planted, clean.planted)
    assert balanced.wells["well"].equals(null.wells["well"])
    control = negcon(balanced.wells)
    assert np.array_equal(balanced.X[control], null.X[control])
    assert not np.allclose(balanced.X[~control], null.X[~control])


def test_names_are_unique_and_the_key_is_json_and_names_all_parameters() -> None:
    names = Demo(size="bray2017").features()
    assert len(set(names)) == len(names) == 4096
    keys = [
        Demo(size="tiny"),
        Demo(size="tiny", seed=1),
        Demo(size="tiny", scenario="null"),
        Demo(size="tiny", n_sites=2),
        Demo(size="tiny", share_active=0.2),
    ]
    texts = [json.dumps(demo.key(), sort_keys=True) for demo in keys]
    assert len(set(texts)) == len(texts)
    assert json.loads(texts[0]) == Demo(size="tiny").key()
    assert keys[2].name == "demo null tiny"


def test_features_are_far_from_zero_on_unequal_scales_with_the_declared_constants() -> None:
    demo, screen = middle("balanced"), profiles("balanced")
    control = negcon(screen.wells)
    table = demo.tables()["features"].assign(
        sd=screen.X.astype(np.float64).std(axis=0), sd_control=screen.X[control].astype(np.float64).std(axis=0)
    )
    kinds = dict(iter(table.groupby("kind")))
    assert set(kinds) == {"ordinary", "constant", "constant_on_controls"}
    constant = [list(screen.features).index(f) for f in kinds["constant"]["feature"]]
    rare = [list(screen.features).index(f) for f in kinds["constant_on_controls"]["feature"]]
    assert (np.ptp(screen.X[:, constant], axis=0) == 0).all()
    assert (np.ptp(screen.X[control][:, rare], axis=0) == 0).all()
    assert (np.ptp(screen.X[~control][:, rare], axis=0) > 0.1).all()
    assert screen.planted is not None
    assert (screen.planted[:, constant] == 0).all()
    assert (screen.planted[control][:, rare] == 0).all()
    shown = kinds["ordinary"]
    assert (shown["sd_control"] > 0).all()
    assert (shown["mean"].abs() / shown["scale"]).median() > 3
    assert 0.6 < (shown["mean"] > 0).mean() < 1
    assert shown["scale"].max() / shown["scale"].min() > 10
    absent = Demo(scenario="null", size="tiny").tables()["features"]
    assert set(absent["kind"]) == {"ordinary", "constant"}


def test_planted_profiles_are_in_units_of_control_wells_and_correlated() -> None:
    demo = Demo(size="tiny", n_controls=48, plates_per_batch=16, n_sites=40, n_features=20)
    means = []
    for _, wells, planted in itertools.islice(demo.plates(), 12):
        rows = negcon(wells)
        means.append(pd.DataFrame(planted[rows]).groupby(wells["well"].to_numpy()[rows]).mean().to_numpy())
    control = np.concatenate(means)[:, ordinary(demo)]
    # 40 sites leave (0.49 + 0.25 * communality) / 40 < 0.02 of site variance in a well's mean.
    assert np.allclose(control.std(axis=0), 1, atol=0.15)
    assert np.allclose(control.mean(axis=0), 0, atol=0.2)
    off = np.abs(np.corrcoef(control.T)[np.triu_indices(control.shape[1], 1)])
    assert np.median(off) > 2 / np.sqrt(len(control))


def test_strength_is_the_effect_in_control_sd_and_toxicity_costs_cells() -> None:
    demo, screen, idle = middle("balanced"), profiles("balanced"), profiles("null")
    truth = demo.tables()["compounds"].set_index("compound").reindex(screen.wells["compound"])
    assert screen.planted is not None
    effect = (screen.planted - idle.planted)[:, ordinary(demo)].astype(np.float64)
    size = np.sqrt((effect**2).mean(axis=1))
    assert np.allclose(size, truth["strength"].fillna(0), atol=1e-5)
    treated = ~negcon(screen.wells)
    toxic = (truth["toxicity"] > 4).to_numpy()
    assert toxic.sum() > 100
    assert screen.wells["cell_count"][toxic].mean() < 0.8 * idle.wells["cell_count"][toxic].mean()
    still = treated & (truth["strength"] == 0).to_numpy()
    assert screen.wells["cell_count"][still].mean() == pytest.approx(
        screen.wells["cell_count"][~treated].mean(), rel=0.05
    )


def test_some_compounds_are_strong_more_are_weak_and_many_do_nothing() -> None:
    truth = Demo(plates_per_batch=8).tables()["compounds"]
    assert truth["active"].mean() == pytest.approx(0.1, abs=0.03)
    assert 0.2 < (truth["strength"] == 0).mean() < 0.4
    assert truth.loc[truth["active"], "strength"].min() >= 1
    assert truth["strength"].max() > 3


def test_assays_are_sparse_and_follow_the_latent_axes() -> None:
    tables = Demo().tables()
    assays = tables["assays"].set_index("compound")
    assert assays.shape == (len(tables["compounds"]), 12)
    assert assays.isna().mean().between(0.25, 0.85).all()
    assert assays.mean().between(0.03, 0.35).all()
    assert set(np.unique(assays.to_numpy()[assays.notna()])) == {0.0, 1.0}
    axes = tables["compounds"].set_index("compound").filter(like="axis_")
    for assay in assays:
        known = assays[assay].notna()
        direction = axes[known][assays[assay][known] == 1].mean() - axes[known][assays[assay][known] == 0].mean()
        assert roc_auc_score(assays[assay][known], axes[known] @ direction) > 0.75


def test_missing_wells_and_missing_sites() -> None:
    wells = Demo(n_features=10).profiles().wells
    found = wells.groupby("plate")["well"].nunique()
    assert (found < 384).all()
    assert found.sum() / (384 * len(found)) == pytest.approx(0.98, abs=0.006)
    sites = wells.groupby(["plate", "well"]).size()
    assert 0.002 < (sites == 1).mean() < 0.03
    assert not wells.duplicated(["plate", "well", "site"]).any()


def test_one_outlier_plate_and_two_clusters_of_wells_inside_some_batches() -> None:
    demo, screen = middle("balanced"), profiles("balanced")
    truth = demo.tables()["plates"].set_index("plate")
    assert truth["outlier"].sum() == 1
    keep = ordinary(demo)
    assert screen.planted is not None
    scale = demo.tables()["features"]["scale"].to_numpy()[keep]
    shift = pd.DataFrame((screen.X - screen.X.mean(axis=0))[:, keep] / scale)
    medians = shift[negcon(screen.wells)].groupby(screen.wells["plate"][negcon(screen.wells)]).median()
    distance = np.sqrt(((medians - medians.median()) ** 2).mean(axis=1))
    assert distance.idxmax() == truth.index[truth["outlier"]][0]
    assert truth.groupby("batch")["clusters"].nunique().eq(1).all()
    two = truth.index[truth["clusters"] == 2]
    assert 0 < len(two) < len(truth)
    # A jump between the middle columns beyond what the gradient over columns explains, for every role alike.
    for role in ("negcon", "treated"):
        jump = {}
        for plate, rows in screen.wells[screen.wells["role"] == role].groupby("plate"):
            left = (rows["column"] <= 12).to_numpy(dtype=float)
            design = np.column_stack([np.ones(len(rows)), rows["column"], rows["row"], left])
            residual = ((screen.X - screen.X.mean(axis=0))[rows.index][:, keep]) / scale
            jump[plate] = np.sqrt((np.linalg.lstsq(design, residual, rcond=None)[0][3] ** 2).mean())
        sizes = pd.Series(jump)
        assert sizes[two].min() > sizes.drop(two).max()


def test_balanced_ties_neither_role_nor_compound_to_position() -> None:
    wells = profiles("balanced").wells
    control = wells[negcon(wells)]
    assert cramers_v(wells["role"], wells["column"]) < 0.04
    assert cramers_v(wells["role"], wells["row"]) < 0.1
    assert cramers_v(wells["role"], wells["batch"]) < 0.03
    assert control.groupby(["plate", "column"]).size().between(1, 3).all()
    assert (control.groupby("well").size() < 12).all()
    treated = wells[~negcon(wells)]
    places = treated.groupby("compound").agg(batches=("batch", "nunique"), wells=("well", "nunique"))
    assert (places["batches"] >= 3).all()
    assert (places["wells"] >= 3).mean() > 0.99


def test_oracle_beats_plate_z_scores_which_beat_raw_and_batches_are_separable() -> None:
    screen = profiles("balanced")
    assert screen.planted is not None
    raw, scored, oracle = (
        held_out_auroc(X, screen.wells).mean() for X in (screen.X, z_within(screen.X, screen.wells), screen.planted)
    )
    assert 0.58 < raw < 0.75
    assert scored > raw + 0.015
    assert oracle > scored + 0.02
    assert batch_probe(screen.X, screen.wells) > 0.6
    assert batch_probe(screen.planted, screen.wells) < 0.3


def test_null_makes_treated_wells_exchangeable_with_controls() -> None:
    demo, screen = middle("null"), profiles("null")
    control = negcon(screen.wells)
    assert screen.planted is not None
    tests = [ks_2samp(column[control], column[~control]).pvalue for column in screen.planted[:, ordinary(demo)].T]
    assert kstest(tests, "uniform").pvalue > 0.001
    cells = screen.wells["cell_count"]
    assert ks_2samp(cells[control], cells[~control]).pvalue > 0.01
    assert abs(held_out_auroc(screen.planted, screen.wells).mean() - 0.5) < 0.04
    truth = demo.tables()["compounds"]
    assert not truth["active"].any()
    assert (truth.drop(columns="compound").astype(float) == 0).all(axis=None)
    assert demo.tables()["assays"].set_index("compound").notna().any().all()


def active_share(demo: Demo, wells: pd.DataFrame) -> pd.Series:
    truth = demo.tables()["compounds"].set_index("compound")["active"]
    treated = wells[~negcon(wells)]
    return treated["compound"].map(truth).astype(float).groupby(treated["plate"]).mean()


def test_phenotype_rich_fills_half_of_the_plates_with_actives() -> None:
    shares = active_share(middle("phenotype_rich"), profiles("phenotype_rich").wells)
    assert ((shares > 0.75) & (shares < 0.99)).sum() == len(shares) / 2
    assert (shares < 0.2).sum() == len(shares) / 2
    wells = profiles("phenotype_rich").wells
    assert wells["batch"][wells["plate"].map(shares) > 0.75].nunique() == 5


def test_confounded_ties_controls_and_actives_to_the_batch() -> None:
    wells = profiles("confounded").wells
    assert cramers_v(wells["role"], wells["batch"]) > 0.3
    assert wells.groupby("plate")["role"].apply(lambda r: (r == "negcon").sum()).min() >= 10
    shares = active_share(middle("confounded"), wells)
    by_batch = shares.groupby(wells.drop_duplicates("plate").set_index("plate")["batch"]).mean()
    assert by_batch.is_monotonic_increasing
    assert by_batch.iloc[0] < 0.05
    assert by_batch.iloc[-1] > 0.3


def test_fixed_layout_repeats_every_well_on_every_plate() -> None:
    wells = profiles("fixed_layout").wells
    pairs = wells[["well", "compound"]].drop_duplicates()
    assert not pairs["well"].duplicated().any()
    assert not pairs["compound"][pairs["compound"] != "DMSO"].duplicated().any()
    assert len(pairs) == 384
    assert cramers_v(wells["role"], wells["well"]) == pytest.approx(1)


def test_no_batch_effect_leaves_batches_inseparable_and_features_a_change_of_units() -> None:
    demo, screen = middle("no_batch_effect"), profiles("no_batch_effect")
    assert batch_probe(screen.X, screen.wells) < 0.3
    units = demo.tables()["features"]
    assert screen.planted is not None
    expected = screen.planted * units["scale"].to_numpy() + units["mean"].to_numpy()
    assert np.allclose(screen.X, expected, rtol=1e-5, atol=1e-4)
    truth = demo.tables()["plates"]
    assert not truth["outlier"].any()
    assert (truth["clusters"] == 1).all()
    assert (truth.filter(like="_shift") == 0).all(axis=None)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"scenario": "confonded"}, r"data.scenario=confonded.*balanced, null, phenotype_rich"),
        ({"size": "huge"}, r"data.size=huge.*tiny, small, medium, bray2017"),
        ({"n_controls": 2}, r"data.n_controls=2: expected 3 to 192"),
        ({"n_controls": 300}, r"data.n_controls=300: expected 3 to 192"),
        ({"n_batches": 0}, r"data.n_batches=0: expected a whole number, at least 1"),
        ({"n_features": 100.5}, r"data.n_features=100.5: expected a whole number"),
        ({"wells_per_plate": 380}, r"data.wells_per_plate=380: expected one of 96, 384, 1536"),
        ({"share_active": 1.5}, r"data.share_active=1.5: expected a number from 0 to 1"),
        ({"seed": -1}, r"data.seed=-1: expected a whole number"),
        ({"platemaps": "no/such/folder"}, r"no file no/such/folder/barcode_platemap.csv"),
        ({"platemaps": ".", "scenario": "fixed_layout"}, r"data.scenario=fixed_layout .* drop one of the two"),
        ({"platemaps": ".", "n_controls": 32}, r"data.n_controls .* drop one of the two"),
    ],
)
def test_bad_parameters_are_named_in_one_line(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        Demo(**parameters).features()
    assert "\n" not in str(raised.value)


def test_the_yaml_makes_the_default_screen_and_null_may_stand_unquoted() -> None:
    conf = OmegaConf.load(ROOT / "conf/data/demo.yaml")
    demo = instantiate(conf)
    assert demo.name == "demo balanced small"
    assert demo.key() == Demo().key()
    assert instantiate(conf, scenario=None).name == "demo null small"


def write_platemaps(folder: Path, well: str = "B02") -> Path:
    (folder / "platemap").mkdir()
    (folder / "barcode_platemap.csv").write_text(
        "Plate_Map_Name,Assay_Plate_Barcode\nm1,900\nm1,101\nm2,100\nm2,999\nm1,901\n"
    )
    head = "well_position\tbroad_sample\tmmoles_per_liter\n"
    (folder / "platemap/m1.txt").write_text(head + "P24\tX\t2.5\nA01\tY\t5\nA02\t\t\nA03\t\t\nA01\tZ\t5\n")
    (folder / "platemap/m2.txt").write_text(head + f"{well}\t\t\nC03\tW\t5\n")
    return folder


def test_plate_maps_are_taken_as_they_are(tmp_path: Path) -> None:
    demo = Demo(size="tiny", n_batches=3, platemaps=str(write_platemaps(tmp_path)))
    layout = demo._screen.layout
    assert layout.plates == ["100", "101", "900", "901", "999"]
    assert list(layout.batch) == [0, 0, 1, 1, 2]
    everywhere = np.ones(len(layout.compounds), dtype=bool)
    m1, m2 = layout.wells(1, everywhere), layout.wells(0, everywhere)
    assert list(zip(m1.row, m1.column, strict=True)) == [(1, 1), (1, 2), (1, 3), (16, 24)]
    assert [layout.compounds[i] if i >= 0 else "DMSO" for i in m1.compound] == ["Y", "DMSO", "DMSO", "X"]
    assert list(m1.dose) == [5, 0, 0, 2.5]
    assert list(m2.compound < 0) == [True, False]
    before = demo.key()
    (tmp_path / "platemap/m2.txt").write_text("well_position\tbroad_sample\tmmoles_per_liter\nB02\tV\t5\n")
    assert demo.key() != before


def test_bad_plate_maps_are_refused_with_the_file(tmp_path: Path) -> None:
    folder = write_platemaps(tmp_path, well="Q01")
    with pytest.raises(InputError, match=r"m2.txt: well_position 'Q01'"):
        Demo(platemaps=str(folder)).features()
    (folder / "platemap/m2.txt").unlink()
    with pytest.raises(InputError, match=r"no file .*m2.txt"):
        Demo(platemaps=str(folder)).features()
    (folder / "barcode_platemap.csv").write_text("Plate,Map\n1,2\n")
    with pytest.raises(InputError, match=r"no column \['Plate_Map_Name', 'Assay_Plate_Barcode'\]; found"):
        Demo(platemaps=str(folder)).features()


@pytest.mark.skipif(not PLATEMAPS.is_dir(), reason=f"no plate maps in {PLATEMAPS} (set HARNESS_SHARED_DATA)")
def test_the_layout_of_bray_2017() -> None:
    demo = Demo(size="tiny", n_batches=10, platemaps=str(PLATEMAPS))
    plates = demo.tables()["plates"]
    assert len(plates) == 405
    assert (plates["plate"].iloc[0], plates["plate"].iloc[-1]) == ("24277", "26795")
    assert plates["batch"].value_counts(sort=False).tolist() == [28, 11, 63, 30, 27, 5, 67, 62, 32, 80]
    assert len(demo.tables()["compounds"]) == 30616
    barcodes = pd.read_csv(PLATEMAPS / "barcode_platemap.csv", dtype=str).set_index("Assay_Plate_Barcode")
    for _, wells, _ in itertools.islice(demo.plates(), 3):
        name = barcodes.loc[wells["plate"].iloc[0], "Plate_Map_Name"]
        real = pd.read_csv(PLATEMAPS / "platemap" / f"{name}.txt", sep="\t", dtype=str).set_index("well_position")
        assert wells["compound"].tolist() == real.loc[wells["well"], "broad_sample"].fillna("DMSO").tolist()
        assert 55 <= negcon(wells).sum() <= 64


def test_bray_2017_without_maps_has_its_numbers() -> None:
    demo = Demo(size="bray2017", n_features=10, n_sites=1)
    layout = demo._screen.layout
    assert (len(layout.plates), layout.plates[0], int(layout.batch.max())) == (405, "24277", 9)
    _, wells, _ = next(demo.plates())
    assert wells["well"].nunique() > 360
    assert 55 <= negcon(wells).sum() <= 64
    assert Demo(size="bray2017")._chosen[1].n_features * 6 * 384 * 405 * 4 == pytest.approx(15.3e9, rel=0.01)
