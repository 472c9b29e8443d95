from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from control_norms import SEEDS, standard_error
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.norm.engine.crossfit import fold_of
from harness.norm.engine.exchangeable import left_out_control
from harness.norm.engine.normalize import normalize
from harness.norm.quantile import PROBABILITIES, Quantile

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def mapped(x: float, source: Doubles, target: Doubles) -> float:
    """One value by the definition: np.interp between the knots, lines of the interquartile ratio beyond them."""
    slope = (target[3] - target[1]) / (source[3] - source[1])
    if x < source[0]:
        return float(target[0] + slope * (x - source[0]))
    if x > source[-1]:
        return float(target[-1] + slope * (x - source[-1]))
    return float(np.interp(x, source, target))


def expected_rows(plate: Plate, rows: Any, own: Any, pool: Doubles) -> Doubles:
    """Rows of the plate by quantiles of its rows ``own`` and of the rows ``pool``."""
    out = plate.X[rows].astype(np.float64)
    for g in range(out.shape[1]):
        source, target = (np.quantile(v[:, g], PROBABILITIES, method="hazen") for v in (plate.X[own], pool))
        if source[3] > source[1] and target[3] > target[1]:
            out[:, g] = [mapped(x, source, target) for x in out[:, g]]
    return out


def split_of(profiles: Profiles, batch: str) -> Split:
    test = (profiles.wells["batch"] == batch).to_numpy()
    return Split(batch, ~test, test)


def close(Z: Any, expected: Any) -> None:
    scale = np.abs(expected).max(axis=0)
    np.testing.assert_allclose(Z / scale, expected / scale, atol=1e-5, rtol=1e-5)


def test_textbook_maps_the_quantiles_of_each_plate_to_the_training_controls(screen: Any) -> None:
    profiles = screen(awkward=False)
    split = split_of(profiles, "b2")
    Z = normalize(profiles, Quantile(exchangeable=False), split, aggregate="none").X
    pool = profiles.X[split.train & (profiles.wells["role"] == "negcon").to_numpy()]
    for plate in profiles:
        close(Z[plate.rows], expected_rows(plate, slice(None), plate.negcon, pool))


def test_a_row_is_mapped_without_its_own_well_on_the_plate_and_without_its_fold_in_the_pool(screen: Any) -> None:
    profiles = screen(awkward=False, n_plates=4, n_batches=2)
    split = split_of(profiles, "b1")
    Z = normalize(profiles, Quantile(n_folds=3, seed=5), split, aggregate="none").X
    train = list(profiles.where(split.train))
    controls = {p.name: sorted(set(p.wells["well"][p.negcon])) for p in profiles}
    read = {p.name: controls[p.name] for p in train}
    folds = {p.name: fold_of(p, read.get(p.name, []), 3, 5) for p in profiles}
    for plate in profiles:
        own = np.array(controls[plate.name])
        gone = own[left_out_control(plate, list(own), 5)]
        well = plate.wells["well"].to_numpy()
        assert (gone[plate.negcon] == well[plate.negcon]).all()
        for w in own:
            fold = folds[plate.name][well == w][0]
            pool = np.concatenate([p.X[p.negcon & (folds[p.name] != fold)] for p in train])
            rows = gone == w
            close(Z[plate.rows][rows], expected_rows(plate, rows, plate.negcon & (well != w), pool))


def test_the_map_keeps_the_order_and_is_not_cut_off_beyond_the_controls(screen: Any) -> None:
    plate = screen(awkward=False, n_controls=12, sites=(1,))[0]
    ladder = np.linspace(-60, 60, len(plate.X))[:, None] * plate.X.std(axis=0) + plate.X.mean(axis=0)
    fitted = Quantile(exchangeable=False).fit([plate])
    adapted = fitted.adapt([Plate(plate.name, plate.rows, plate.X[plate.negcon] * 2 + 3, plate.wells[plate.negcon])])
    Z = adapted.transform(Plate(plate.name, plate.rows, ladder.astype(np.float32), plate.wells)).astype(np.float64)
    assert (np.diff(Z, axis=0) > 0).all()
    np.testing.assert_allclose(np.diff(Z, axis=0)[[0, -1]] / np.diff(ladder, axis=0)[[0, -1]], 0.5, rtol=1e-2)


def test_an_affine_change_of_an_unseen_plate_is_undone(screen: Any) -> None:
    profiles = screen(awkward=False)
    split = split_of(profiles, "b1")
    X = profiles.X.copy()
    moved = (profiles.wells["plate"] == "p6").to_numpy()
    X[moved] = 1.7 * X[moved] - 40 * profiles.X.std(axis=0)
    a, b = (normalize(p, Quantile(), split, aggregate="none").X for p in (profiles, profiles.replace(X=X)))
    assert np.abs((a - b) / a.std(axis=0)).max() < 1e-3


@pytest.mark.parametrize("on_constant", ["centre", "leave"])
def test_without_an_interquartile_range_a_feature_is_shifted_to_0_or_left_alone(screen: Any, on_constant: Any) -> None:
    profiles = screen()
    reports: list[Any] = []
    Z = normalize(profiles, Quantile(on_constant=on_constant), aggregate="none", report=reports.append).X
    level = np.float32([1e7 + 1, -37.3, 0.1]) if on_constant == "centre" else np.float32([0, 0, 0])
    np.testing.assert_array_equal(Z[:, :3], profiles.X[:, :3] - level)
    assert list(reports[0]["feature_number"]) == [0, 1, 2]
    assert (Z[:, 4:] != profiles.X[:, 4:]).all()


def test_a_feature_that_only_some_plates_leave_alone_is_reported_for_each_of_them_once(screen: Any) -> None:
    profiles = screen()
    X = profiles.X.copy()
    flat = (profiles.wells["plate"].isin(["p9", "p6"]) & (profiles.wells["role"] == "negcon")).to_numpy()
    X[flat, 7] = 4
    reports: list[Any] = []
    Z = normalize(profiles.replace(X=X), Quantile(), aggregate="none", report=reports.append).X
    told = pd.concat(reports)
    assert not told.duplicated().any()
    everywhere, some = told[told["plate"] == "training plates"], told[told["plate"] != "training plates"]
    assert 7 not in set(everywhere["feature_number"])
    mine = some[some["feature_number"] == 7]
    assert (mine[["plate", "fallback"]].to_numpy() == [["p9", "centred"], ["p6", "centred"]]).all()
    assert not set(everywhere["feature_number"]) & set(some["feature_number"])
    alone = profiles.wells["plate"].isin(["p9", "p6"]).to_numpy()
    centre = np.unique((Z[alone, 7] - (X[alone, 7] - 4))[flat[alone]])
    assert len(centre) == 1, "one level for all wells, whatever their fold"
    np.testing.assert_allclose(Z[alone, 7], X[alone, 7] - 4 + centre, rtol=1e-5)
    pool = np.median(X[(profiles.wells["role"] == "negcon").to_numpy(), 7])
    assert abs(centre[0] - pool) < 0.2 * X[~alone, 7].std(), "that of the pool"
    assert (Z[~alone, 7] != X[~alone, 7]).any()


def test_adapting_leaves_the_fitted_normalizer_as_it_is(screen: Any) -> None:
    plates = list(screen())
    fitted = Quantile().fit(plates)
    controls = [Plate(p.name, p.rows, p.X[p.negcon], p.wells[p.negcon].reset_index(drop=True)) for p in plates]
    assert fitted.adapt(controls[:2]).plate_controls_.keys() == {"p10", "p9"}
    assert fitted.plate_controls_ == {}


def test_what_lacks_controls_or_folds_is_refused(screen: Any) -> None:
    profiles = screen()
    names = profiles.wells["plate"]
    none = profiles.wells.assign(role=profiles.wells["role"].where(names != "p7", "treated"))
    with pytest.raises(InputError, match=r"Quantile: plate 'p7' has no negative control wells"):
        normalize(profiles.replace(wells=none), Quantile())
    with pytest.raises(InputError, match="0 negative control wells on the training plates"):
        normalize(profiles.replace(wells=profiles.wells.assign(role="treated")), Quantile())
    with pytest.raises(InputError, match=r"plate 'p10' has 2 negative"):
        normalize(screen(n_controls=2), Quantile())
    with pytest.raises(InputError, match="n_folds is 1"):
        Quantile(n_folds=1).fit(list(profiles))


def held_out_auroc(profiles: Profiles, normalizer: Quantile) -> tuple[float, float]:
    """AUROC of |z|^2, and of a logistic regression on z^2, on held-out batches."""
    y = (profiles.wells["role"] != "negcon").to_numpy()
    by_norm, by_model = [], []
    for batch in profiles.wells["batch"].unique()[:2]:
        split = split_of(profiles, batch)
        Z = ((normalize(profiles, normalizer, split).X - 30) / 5) ** 2
        model = LogisticRegression(C=0.01, class_weight="balanced").fit(Z[split.train], y[split.train])
        by_norm.append(roc_auc_score(y[split.test], Z[split.test].sum(axis=1)))
        by_model.append(roc_auc_score(y[split.test], model.decision_function(Z[split.test])))
    return float(np.mean(by_norm)), float(np.mean(by_model))


def test_held_out_controls_are_given_away_by_the_textbook_form_only(noise_screen: Any) -> None:
    """12 plates x 48 wells, 8 controls, half of them held out, 8 screens; 4 standard errors of the mean (0.065)."""
    screens = [noise_screen(seed=seed) for seed in SEEDS]
    tolerance = 4 * standard_error(6 * 8, 6 * 40, len(SEEDS))
    assert tolerance < 0.07
    textbook = np.mean([held_out_auroc(s, Quantile(exchangeable=False)) for s in screens[:3]], axis=0)
    assert (textbook > 0.8).all()
    exchangeable = np.mean([held_out_auroc(s, Quantile()) for s in screens], axis=0)
    assert (np.abs(exchangeable - 0.5) < tolerance).all()
