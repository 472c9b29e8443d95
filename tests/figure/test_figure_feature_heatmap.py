from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.figure.feature_heatmap import DESCRIBED, FeatureHeatmap


def both(tables):
    return tables["feature_heatmap_before"], tables["feature_heatmap_after"]


def centre_plates(p):
    return p.replace(X=np.concatenate([plate.X - plate.X[plate.negcon].mean(axis=0) for plate in p]))


def test_the_same_wells_and_features_stand_in_all_panels_plates_by_id(screen, context):
    p = screen(plates=6, wells=24)
    names = {f"p{i:03d}": f"P{i * 5 % 6}" for i in range(6)}
    p = p.replace(wells=p.wells.assign(plate=p.wells["plate"].map(names)))
    before, after = both(FeatureHeatmap(wells=3).tables(context(centre_plates(p), raw=p)))
    pd.testing.assert_frame_equal(before[DESCRIBED], after[DESCRIBED])
    assert list(before.columns) == list(after.columns)
    assert sorted(before.columns[len(DESCRIBED) :]) == sorted(p.features)
    for _, own in before.groupby("role"):
        assert list(own["plate"]) == list(np.repeat([f"P{i}" for i in range(6)], 3))
    assert before["role"].is_monotonic_increasing
    assert not before["heldout"].any()


def test_values_are_in_noise_of_controls_within_plates_about_their_median(screen, context):
    p = screen(plates=40, wells=24, features=12, shift=4.0)
    before, after = both(FeatureHeatmap().tables(context(centre_plates(p), raw=p)))
    for table, between in ((before, 4.0), (after, 0.0)):
        controls = table[table["role"] == "negcon"]
        Z = controls[list(p.features)].to_numpy()
        np.testing.assert_allclose(np.median(Z, axis=0), 0, atol=1e-4)
        noise = Z - controls.groupby("plate")[list(p.features)].transform("mean").to_numpy()
        assert np.median(noise.std(axis=0) * np.sqrt(5 / 4)) == pytest.approx(1, abs=0.15)  # 5 wells, mean taken
        shift = controls.groupby("batch")[list(p.features)].mean().std()
        assert shift.mean() == pytest.approx(between, abs=0.4 * between + 0.3)


def test_a_feature_in_other_units_gives_the_same_picture(screen, context):
    p = screen(plates=5)
    scaled = p.replace(X=(p.X * 2.0 ** np.arange(-10, 10)).astype(np.float32))
    found = [FeatureHeatmap().tables(context(q, raw=q))["feature_heatmap_before"] for q in (p, scaled)]
    pd.testing.assert_frame_equal(found[0], found[1][found[0].columns], rtol=1e-4, atol=1e-4)


def test_correlated_features_lie_together(screen, context):
    p = screen(plates=8, features=12, shift=0.0)
    X = p.X.copy()
    X[:, 6:] = 3 * X[:, :6] + 0.01 * np.random.default_rng(0).normal(size=X[:, :6].shape) * X[:, :6].std(axis=0)
    p = p.replace(X=X)
    before, _ = both(FeatureHeatmap().tables(context(p, raw=p)))
    place = {name: i for i, name in enumerate(before.columns[len(DESCRIBED) :])}
    assert all(abs(place[f"f{i}"] - place[f"f{i + 6}"]) == 1 for i in range(6))


def test_controls_held_out_from_the_normalizer_are_shown_where_all_plates_have_them(screen, context):
    p = screen(plates=6)
    run = context(p, heldout=p.replace(X=p.X + 7), raw=p)
    _, after = both(FeatureHeatmap(wells=2).tables(run))
    assert after["heldout"].all()
    held = set(map(tuple, p.wells.loc[p.wells["heldout_control"], ["plate", "well"]].to_numpy()))
    assert set(map(tuple, after.loc[after["role"] == "negcon", ["plate", "well"]].to_numpy())) <= held
    few = p.wells["heldout_control"] & (p.wells["plate"] != "p002")
    run = context(p, heldout=p.replace(wells=p.wells.assign(heldout_control=few)), raw=p)
    tables = FeatureHeatmap().tables(run)
    assert not tables["feature_heatmap_after"]["heldout"].any()
    title = FeatureHeatmap().draw(tables, run)["feature_heatmap"].get_suptitle()
    assert "controls as the normalizer used them" in title


def test_the_sample_depends_on_the_seed_alone(screen, context):
    p = screen(plates=6)
    chosen = [
        FeatureHeatmap(max_features=7).tables(context(q, raw=p, seed=seed))["feature_heatmap_before"]
        for q, seed in ((p, 1), (centre_plates(p), 1), (p, 2))
    ]
    pd.testing.assert_frame_equal(chosen[0], chosen[1])
    assert len(chosen[0].columns) == len(DESCRIBED) + 7
    assert list(chosen[0]["well"]) != list(chosen[2]["well"])


def test_where_it_has_no_meaning(screen, context):
    p = screen(plates=4)
    with pytest.raises(NotApplicable, match="not kept"):
        FeatureHeatmap().tables(context(p))
    treated = p.replace(wells=p.wells.assign(role="treated"))
    with pytest.raises(NotApplicable, match="no negcon wells"):
        FeatureHeatmap().tables(context(treated, raw=treated))
    flat = p.replace(X=np.ones_like(p.X))
    with pytest.raises(NotApplicable, match="no feature varies"):
        FeatureHeatmap().tables(context(flat, raw=p))


def test_one_plate_a_constant_feature_and_hostile_names(screen, context, hostile):
    p = screen(plates=1, batches=[hostile[1]], features=5)
    X = p.X.copy()
    X[:, 3] = 5.0
    p = type(p)(X, p.wells, features=hostile, name=hostile[0])
    tables = FeatureHeatmap().tables(context(p, raw=p))
    assert set(tables["feature_heatmap_before"].columns[len(DESCRIBED) :]) == {*hostile} - {hostile[3]}
    figure = FeatureHeatmap().draw(tables, context(p, raw=p, norm=hostile[1]))["feature_heatmap"]
    figure.savefig(io.BytesIO(), format="svg")


def test_four_panels_share_one_scale_and_labels_do_not_touch(screen, context):
    p = screen(plates=300, wells=10, features=90, batches=[f"batch {i:02d}" for i in range(30)])
    run = context(p, raw=p)
    figure = FeatureHeatmap().draw(FeatureHeatmap().tables(run), run)["feature_heatmap"]
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 4
    assert len({axes.images[0].get_clim() for axes in panels}) == 1
    for texts in (panels[2].get_xticklabels(), [t for t in panels[0].texts if t.get_rotation() == 0]):
        boxes = [text.get_window_extent() for text in texts]
        assert len(boxes) >= 10
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))
