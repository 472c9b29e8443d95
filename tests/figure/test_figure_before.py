from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.figure.shared.outlier_plates import outlier_plates
from harness.figure.shared.position_effect import position_effect
from harness.figure.shared.raw_profiles import align_raw_profiles
from harness.plotting.axis_order import order_by_correlation, order_by_plate
from harness.plotting.batch_bar import stretches_of_equal, thin_labels
from harness.plotting.control_units import control_spread


def test_before_is_the_median_of_a_wells_sites_in_the_order_of_the_wells(screen, context):
    wells = screen(plates=3, wells=8)
    X = np.concatenate([wells.X, wells.X + 1, wells.X + 9])
    sites = pd.concat([wells.wells] * 3, ignore_index=True).assign(site=np.repeat([1, 2, 3], len(wells.X)))
    order = np.random.default_rng(0).permutation(len(X))
    order = order[np.argsort(sites["plate"].to_numpy()[order], kind="stable")]
    raw = Profiles(X[order], sites.iloc[order])
    table = raw.wells.drop_duplicates(["plate", "well"]).reset_index(drop=True)
    run = context(Profiles(np.zeros((len(table), 20), dtype=np.float32), table), raw=raw)
    chosen = np.random.default_rng(1).random(len(table)) < 0.4
    expected = pd.DataFrame(raw.X).groupby([raw.wells["plate"], raw.wells["well"]]).median()
    keys = pd.MultiIndex.from_frame(table.loc[chosen, ["plate", "well"]])
    np.testing.assert_allclose(align_raw_profiles(run, chosen), expected.loc[keys].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(
        align_raw_profiles(run, chosen, columns=[4, 2]), align_raw_profiles(run, chosen)[:, [4, 2]]
    )


def test_before_refuses_other_wells_and_needs_raw_profiles(screen, context):
    p = screen(plates=3)
    with pytest.raises(NotApplicable, match="not kept"):
        align_raw_profiles(context(p), np.ones(len(p.wells), dtype=bool))
    with pytest.raises(InputError, match="72 wells before normalization and 48 after"):
        align_raw_profiles(context(p.take((p.wells["plate"] != "p001").to_numpy()), raw=p), np.ones(48, dtype=bool))


def test_clusters_lie_together_and_undefined_rows_last():
    group = np.array([0, 1, 0, 1, 0, 1, 0])
    correlation = np.where(group[:, None] == group[None], 0.8, -0.5) + 0.2 * np.eye(7)
    correlation[3] = correlation[:, 3] = np.nan
    order = order_by_correlation(correlation)
    assert sorted(order) == list(range(7))
    assert order[-1] == 3
    assert len(stretches_of_equal([str(g) for g in group[order[:-1]]])) == 2


def test_plates_by_id_count_their_numbers():
    wells = pd.DataFrame({"plate": ["Week10_1", "Week2_7", "Week2_11", "Week1_3"]})
    assert wells["plate"].iloc[order_by_plate(wells)].tolist() == ["Week1_3", "Week2_7", "Week2_11", "Week10_1"]


def test_wanted_labels_come_first_and_none_touch():
    assert thin_labels(10, [3, 4], 2.0) == [0, 3, 5, 7, 9]
    assert thin_labels(4, [], 0.5) == [0, 1, 2, 3]
    chosen = thin_labels(2000, [999, 1500], 44.0)
    assert {999, 1500} <= set(chosen)
    assert np.diff(chosen).min() >= 44


def test_spread_is_the_noise_within_plates_whatever_the_plates_level():
    rng = np.random.default_rng(0)
    plate = pd.Series(np.repeat([f"p{i}" for i in range(300)], 5))
    noise = rng.normal(size=(1500, 3)) * [2.0, 0.1, 0.0]
    level = np.repeat(rng.normal(0, 50, (300, 3)), 5, axis=0) * [1, 1, 0] + [1000, 5, 7]
    found = control_spread((noise + level).astype(np.float32), plate)
    np.testing.assert_allclose(found[:2], [2.0, 0.1], rtol=0.06)
    assert np.isnan(found[2])
    assert np.isnan(control_spread(np.ones((2, 1), dtype=np.float32), pd.Series(["a", "b"]))).all()


def layout(rows, columns, plates=1):
    grid = pd.DataFrame([(r, c) for r in range(1, rows + 1) for c in range(1, columns + 1)], columns=["row", "column"])
    return pd.concat([grid.assign(plate=f"p{i}") for i in range(plates)], ignore_index=True)


def test_position_effect_is_the_adjusted_r_squared_of_a_two_way_model():
    wells = layout(8, 12)
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, len(wells))  # nothing to clip
    y = 0.3 * np.sin(wells["row"]) + 0.1 * wells["column"] + noise
    design = np.column_stack([np.ones(len(y)), *(pd.get_dummies(wells[c], drop_first=True) for c in ("row", "column"))])
    fitted = design.astype(float) @ np.linalg.lstsq(design.astype(float), y.to_numpy(), rcond=None)[0]
    share = 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    expected = 1 - (1 - share) * 95 / (95 - 18)
    X = np.column_stack([100 + 7 * y, noise, np.full(len(y), 3.0)])
    found = position_effect(X, wells)
    assert found[0] == pytest.approx(expected, abs=1e-9)
    assert abs(found[1]) < 0.15
    assert np.isnan(found[2])


def test_position_effect_ignores_plate_levels_and_is_undefined_for_few_wells():
    wells = layout(6, 6, plates=3)
    rng = np.random.default_rng(1)
    y = 2.0 * (wells["row"] == 1) + rng.normal(0, 0.2, len(wells))
    shifted = y + 1000 * wells["plate"].map({"p0": 0, "p1": 1, "p2": -5})
    both = position_effect(np.column_stack([y, shifted]), wells)
    assert both[0] == pytest.approx(both[1], abs=1e-9)
    assert both[0] > 0.7
    few = wells.head(9)
    assert np.isnan(position_effect(y.to_numpy()[:9, None], few)).all()


def test_the_planted_outlier_is_found_also_where_batches_hold_a_plate(screen, context):
    p = screen(plates=12, wells=40, features=30, batches=["a", "b", "c"])
    X = p.X.copy()
    odd = (p.wells["plate"] == "p006").to_numpy()
    X[odd] += 30 * p.X.std(axis=0)
    found = outlier_plates(context(p, raw=p.replace(X=X)))
    assert found.loc[found["outlier"], "plate"].tolist() == ["p006"]
    alone = p.replace(X=X, wells=p.wells.assign(batch=p.wells["plate"]))
    found = outlier_plates(context(alone, raw=alone))
    assert found["distance"].isna().all()
    assert found.loc[found["outlier"], "plate"].tolist() == ["p006"]


def test_outliers_need_plates_that_differ(screen, context):
    few = screen(plates=3)
    with pytest.raises(NotApplicable, match="3 plates"):
        outlier_plates(context(few, raw=few))
    p = screen(plates=6)
    with pytest.raises(NotApplicable, match="same on most"):
        outlier_plates(context(p, raw=p.replace(X=np.ones_like(p.X))))
