from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness.audit.base import Finding
from harness.figure.spike_in import SpikeIn
from harness.types import NotApplicable

CURVES = [
    Finding(f"audit/detection/{arm}/{raw}auroc_at_{a:g}", value + 0.1 * a, value - 0.02, value + 0.03)
    for arm, value in (("matched", 0.6), ("batch_bound", 0.7))
    for raw in ("", "raw_")
    for a in (0.8, 0.1, 0.4)
]
DISPLACED = [
    Finding("audit/spike_in/sparse/prevalence", 0.05),
    Finding("audit/spike_in/sparse/retention", 0.95, 0.9, 1.0),
    Finding("audit/spike_in/sparse/spillover", -0.01, -0.02, 0.0),
    Finding("audit/spike_in/sparse/contrast", 0.96, 0.9, 1.0),
    Finding("audit/spike_in/batch_bound/prevalence", 0.475),
    Finding("audit/spike_in/batch_bound/retention", 0.4, 0.3, 0.5),
    Finding("audit/spike_in/batch_bound/retention_at_0.05", 0.93),
    Finding("audit/spike_in/batch_bound/retention_at_0.9", 0.2),
    Finding("audit/spike_in/batch_bound/spillover_at_0.9", -0.6),
]


def test_tables_hold_curves_by_arm_and_displacement_by_prevalence(screen, context):
    tables = SpikeIn().tables(context(screen(), findings=[*CURVES, Finding("audit/other", 1.0), *DISPLACED]))
    curves, displaced = tables["spike_in_detection"], tables["spike_in_prevalence"]
    assert len(curves) == 12
    own = curves[(curves["arm"] == "matched") & (curves["which"] == "own") & (curves["amplitude"] == 0.8)].iloc[0]
    assert (own["value"], own["lower"], own["upper"]) == pytest.approx((0.68, 0.58, 0.63))
    rows = set(displaced[["arm", "what", "prevalence", "value"]].itertuples(index=False, name=None))
    assert rows == {
        ("sparse", "retention", 0.05, 0.95),
        ("sparse", "spillover", 0.05, -0.01),
        ("batch_bound", "retention", 0.05, 0.93),  # levels in place of the arm's mean
        ("batch_bound", "retention", 0.9, 0.2),
        ("batch_bound", "spillover", 0.9, -0.6),
    }


@pytest.mark.parametrize(("findings", "panels"), [(CURVES, 3), (DISPLACED, 1), ([*CURVES, *DISPLACED], 3)])
def test_a_panel_per_arm_with_raw_beside_it_and_one_of_displacements(screen, context, findings, panels):
    run = context(screen(), findings=findings)
    figure = SpikeIn().draw(SpikeIn().tables(run), run)["spike_in"]
    figure.canvas.draw()
    assert len(figure.axes) == panels
    if findings is not DISPLACED:
        lines = {line.get_linestyle(): line for line in figure.axes[0].lines[:2]}
        assert set(lines) == {"-", "--"}
        np.testing.assert_allclose(lines["-"].get_xdata(), [0.1, 0.4, 0.8])
        np.testing.assert_allclose(lines["-"].get_ydata(), [0.61, 0.64, 0.68])
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for left, right in pairwise(boxes):
        assert left.x1 <= right.x0


def test_without_a_spike_in_there_is_nothing_to_draw(screen, context):
    with pytest.raises(NotApplicable, match="no spike-in"):
        SpikeIn().tables(context(screen(), findings=[Finding("audit/spike_in", np.nan, reason="one plate")]))
