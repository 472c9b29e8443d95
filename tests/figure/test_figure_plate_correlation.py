from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError, NotApplicable
from harness.data.wells.plate_medians import correlate, plate_medians, within_minus_between
from harness.figure.plate_correlation import PlateCorrelation

pytestmark = pytest.mark.slow


def square(table):
    n = table["plate_a"].nunique()
    return table["correlation"].to_numpy().reshape(n, n)


def test_equals_corrcoef_of_medians_standardized_over_plates(screen, context):
    p = screen()
    table = PlateCorrelation().tables(context(p, heldout=p))["plate_correlation"]
    chosen = p.wells["heldout_control"].to_numpy()
    medians = pd.DataFrame(p.X[chosen].astype(float)).groupby(p.wells["plate"][chosen].to_numpy(), sort=False).median()
    z = (medians - medians.mean()) / medians.std()
    np.testing.assert_allclose(square(table), np.corrcoef(z.to_numpy()), atol=1e-10)
    assert table["plate_a"].iloc[0] == "p000"
    assert list(table["plate_b"].iloc[:12]) == list(p.wells["plate"].unique())
    # features of unequal level, not standardized over plates, would hide everything
    assert np.corrcoef(medians.to_numpy()).min() > 0.99


def test_planted_batches_stand_out_and_none_do_not(screen, context):
    def contrast(shift):
        p = screen(shift=shift, plates=18, features=60)
        return within_minus_between(PlateCorrelation().tables(context(p, heldout=p))["plate_correlation"])

    assert contrast(2.0) > 0.8
    assert abs(contrast(0.0)) < 0.1


def test_within_minus_between_by_hand():
    rows = [
        ("a", "b", "x", "x", 0.9),
        ("a", "c", "x", "y", 0.1),
        ("b", "c", "x", "y", -0.3),
        ("c", "d", "y", "y", np.nan),
    ]
    pairs = pd.DataFrame(rows, columns=["plate_a", "plate_b", "batch_a", "batch_b", "correlation"])
    itself = pairs.assign(plate_b=pairs["plate_a"], batch_b=pairs["batch_a"], correlation=1.0)
    assert within_minus_between(pd.concat([pairs, itself])) == pytest.approx(0.9 + 0.1)


@pytest.mark.parametrize(("batches", "kind"), [(["x"] * 3, "between two batches"), (["x", "y", "z"], "within a batch")])
def test_within_minus_between_needs_both_kinds_of_pairs(screen, context, batches, kind):
    p = screen(plates=3, batches=batches)
    tables = PlateCorrelation().tables(context(p, heldout=p))
    with pytest.raises(NotApplicable, match=kind):
        within_minus_between(tables["plate_correlation"])
    assert kind in PlateCorrelation().draw(tables, context(p))["plate_correlation"].axes[0].get_title()


def test_reads_only_the_held_out_controls(screen, context):
    p = screen()
    other = ~p.wells["heldout_control"].to_numpy()
    disturbed = p.X.copy()
    disturbed[other] += 1e6
    figure = PlateCorrelation()
    expected = figure.tables(context(p, heldout=p))["plate_correlation"]
    found = figure.tables(context(p, heldout=p.replace(X=disturbed)))["plate_correlation"]
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("heldout", [False, True])
def test_treated_medians_where_held_out_controls_are_missing_and_the_title_says_so(screen, context, heldout):
    p = screen()
    few = p.wells["heldout_control"] & ~((p.wells["plate"] == "p004") & (p.wells["well"] != "A01"))
    run = context(p, heldout=p.replace(wells=p.wells.assign(heldout_control=few)) if heldout else None)
    tables = PlateCorrelation().tables(run)
    treated = (p.wells["role"] == "treated").groupby(p.wells["plate"], sort=False).sum()
    assert list(tables["plate_correlation_plates"]["n_wells"]) == list(treated)
    title = PlateCorrelation().draw(tables, run)["plate_correlation"].get_suptitle()
    assert "treated" in title
    kept = PlateCorrelation().draw(PlateCorrelation().tables(context(p, heldout=p)), run)
    assert "held-out control wells" in kept["plate_correlation"].get_suptitle()


def test_constant_features_are_left_out_and_an_undefined_plate_stays_nan(screen):
    medians, _ = plate_medians(screen(), heldout=True)
    with_constant = np.hstack([medians, np.full((len(medians), 3), 1234.567)])
    np.testing.assert_allclose(correlate(with_constant), correlate(medians), atol=1e-12)
    medians[5] = np.nan
    found = correlate(medians)
    assert np.isnan(found[5]).all()
    assert np.isnan(found[:, 5]).all()
    assert np.isfinite(np.delete(np.delete(found, 5, 0), 5, 1)).all()


def test_too_little_to_correlate(screen, context):
    two = screen(plates=2, batches=["x", "y"])
    with pytest.raises(NotApplicable, match="2 plates"):
        PlateCorrelation().tables(context(two, heldout=two))
    with pytest.raises(NotApplicable, match="vary in 1 features"):
        correlate(np.column_stack([np.arange(4.0), np.full(4, 0.1)]))


@pytest.mark.parametrize("plates", [3, 400])
def test_draws_few_and_many_plates_with_thinned_labels(screen, context, plates):
    p = screen(plates=plates, wells=8, features=6)
    run = context(p, heldout=p)
    figure = PlateCorrelation().draw(PlateCorrelation().tables(run), run)["plate_correlation"]
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.images[0].get_clim() == (-1, 1)
    assert axes.images[0].get_array().shape == (plates, plates)
    assert 3 <= len(axes.get_xticks()) <= 44
    assert len(axes.lines) == 2 * 2  # two boundaries between three batches, both ways
    assert [t.get_text() for t in axes.texts] == ["b1", "b2", "b3"]


def test_before_describes_the_same_wells_and_after_is_unchanged_by_it(screen, context):
    p = screen(plates=12, features=40)
    level = p.X[(p.wells["role"] == "negcon").to_numpy()].mean(axis=0)
    normalized = p.replace(X=np.concatenate([plate.X - plate.X.mean(axis=0) for plate in p]) + level)
    run = context(normalized, heldout=normalized, raw=p)
    table = PlateCorrelation().tables(run)["plate_correlation"]
    alone = PlateCorrelation().tables(context(p, heldout=p))["plate_correlation"]
    np.testing.assert_allclose(table["correlation_before"], alone["correlation"], atol=1e-6)
    without = PlateCorrelation().tables(context(normalized, heldout=normalized))["plate_correlation"]
    np.testing.assert_allclose(table["correlation"], without["correlation"], atol=1e-12)
    assert within_minus_between(table.assign(correlation=table["correlation_before"])) > 0.8
    assert within_minus_between(table) < 0.3


def test_plates_by_id_or_by_cluster_and_all_tables_in_the_order_drawn(screen, context):
    p = screen(plates=12, features=40)
    names = {f"p{i:03d}": f"P{i * 5 % 12}" for i in range(12)}  # ids unlike the order of appearance
    p = p.replace(wells=p.wells.assign(plate=p.wells["plate"].map(names)))
    found = {
        order: PlateCorrelation(order=order).tables(context(p, heldout=p, raw=p)) for order in ("plate", "cluster")
    }
    assert list(found["plate"]["plate_correlation_plates"]["plate"]) == [f"P{i}" for i in range(12)]
    batch = found["cluster"]["plate_correlation_plates"]["batch"]
    assert (batch != batch.shift()).sum() == 3
    keyed = [
        t["plate_correlation"].set_index(["plate_a", "plate_b"])["correlation"].sort_index() for t in found.values()
    ]
    pd.testing.assert_series_equal(*(k.set_axis(k.index.map(str)).sort_index() for k in keyed))
    for tables in found.values():
        plates = tables["plate_correlation_plates"]["plate"]
        assert list(tables["plate_correlation"]["plate_b"][:12]) == list(plates)
        assert np.allclose(np.diag(square(tables["plate_correlation"])), 1)
    with pytest.raises(InputError, match="order='time' is unknown"):
        PlateCorrelation(order="time")


def test_outlier_plates_are_listed_and_marked(screen, context):
    p = screen(plates=12, wells=40, features=30)
    X = p.X + 30 * p.X.std(axis=0) * (p.wells["plate"] == "p006").to_numpy()[:, None]
    run = context(p, heldout=p, raw=p.replace(X=X.astype(np.float32)))
    tables = PlateCorrelation().tables(run)
    plates = tables["plate_correlation_plates"].set_index("plate")
    assert plates.index[plates["outlier"]].tolist() == ["p006"]
    assert plates["distance"].idxmax() == "p006"
    figure = PlateCorrelation().draw(tables, run)["plate_correlation"]
    assert "1 outlier plate, controls far from their batch: p006" in figure.get_suptitle()
    assert [line.get_ydata().tolist() for line in figure.axes[1].lines if line.get_marker() == "<"] == [[6]]


def test_controls_missing_on_a_plate_and_hostile_names(screen, context, hostile):
    p = screen(plates=10, batches=hostile)
    names = dict(zip(p.wells["plate"].unique(), [*hostile, *(f"{i}{h}" for i, h in enumerate(hostile))], strict=True))
    bare = (p.wells["plate"] == "p003").to_numpy()
    wells = p.wells.assign(plate=p.wells["plate"].map(names))
    wells.loc[bare, "role"] = "treated"
    wells.loc[bare, "heldout_control"] = False
    p = p.replace(wells=wells)
    run = context(p, heldout=p, raw=p, norm=hostile[1])
    tables = PlateCorrelation().tables(run)
    plates = tables["plate_correlation_plates"].set_index("plate")
    assert np.isnan(plates.loc[names["p003"], "distance"])
    assert plates["distance"].notna().sum() == 8  # its batch holds one other plate, which is compared with none
    assert not plates.loc[names["p003"], "outlier"]
    figure = PlateCorrelation().draw(tables, run)["plate_correlation"]
    figure.savefig(io.BytesIO(), format="svg")


def test_undefined_correlations_are_drawn_as_such(screen, context):
    p = screen(plates=6)
    flat = p.X.copy()
    treated = ((p.wells["role"] == "treated") & (p.wells["plate"] == "p002")).to_numpy()
    flat[treated] = np.nan
    run = context(p.replace(X=flat), raw=p)
    tables = PlateCorrelation(order="cluster").tables(run)
    assert tables["plate_correlation"]["correlation"].isna().sum() == 11
    assert tables["plate_correlation"]["correlation_before"].notna().all()
    figure = PlateCorrelation().draw(tables, run)["plate_correlation"]
    assert figure.axes[1].get_legend().get_texts()[0].get_text() == "undefined"


def test_a_thousand_plates_have_labels_apart(screen, context):
    p = screen(plates=1000, wells=8, features=6, batches=[f"batch {i:02d}" for i in range(30)])
    run = context(p, heldout=p, raw=p)
    figure = PlateCorrelation().draw(PlateCorrelation().tables(run), run)["plate_correlation"]
    figure.canvas.draw()
    for texts in (figure.axes[0].get_xticklabels(), figure.axes[0].texts):
        boxes = [text.get_window_extent() for text in texts]
        assert 10 <= len(boxes) <= 50
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))
