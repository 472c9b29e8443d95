from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.figure.medians import correlate, plate_medians, within_minus_between
from harness.figure.plate_correlation import PlateCorrelation
from harness.types import NotApplicable


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
    assert kind in PlateCorrelation().draw(tables, context(p))["plate_correlation"].get_suptitle()


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
