from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.figure.spike_in import SpikeIn

ARMS = [
    Finding("audit/spike_in/sparse/prevalence", 0.05),
    Finding("audit/spike_in/sparse/retention", 0.95, 0.9, 1.0),
    Finding("audit/spike_in/sparse/spillover", -0.01, -0.02, 0.0),
    Finding("audit/spike_in/sparse/contrast", 0.96, 0.9, 1.0),
    Finding("audit/spike_in/common/prevalence", 0.45),
    Finding("audit/spike_in/common/contrast", 0.4, 0.3, 0.5),
    Finding("audit/spike_in/matched/prevalence", np.nan, 0.0, 1.0, code="prevalence_unknown"),
    Finding("audit/spike_in/matched/contrast", np.nan, code="prevalence_unknown"),
]


def test_the_table_holds_what_is_left_by_prevalence(screen, context):
    table = SpikeIn().tables(context(screen(), findings=[Finding("audit/other", 1.0), *ARMS]))["spike_in_prevalence"]
    rows = set(table[["arm", "what", "prevalence", "value"]].itertuples(index=False, name=None))
    assert rows == {
        ("sparse", "retention", 0.05, 0.95),
        ("sparse", "spillover", 0.05, -0.01),
        ("sparse", "contrast", 0.05, 0.96),
        ("common", "contrast", 0.45, 0.4),
    }


def test_contrasts_and_displacements_have_a_panel_each(screen, context):
    run = context(screen(), findings=ARMS)
    figure = SpikeIn().draw(SpikeIn().tables(run), run)["spike_in"]
    figure.canvas.draw()
    contrasts, displacements = figure.axes
    assert sorted(line.get_ydata()[0] for line in contrasts.lines if line.get_marker() == "o") == [0.4, 0.96]
    assert sorted(line.get_ydata()[0] for line in displacements.lines if line.get_marker() == "o") == [-0.01, 0.95]
    for left, right in pairwise(axes.get_tightbbox() for axes in figure.axes):
        assert left.x1 <= right.x0


def test_without_a_spike_in_there_is_nothing_to_draw(screen, context):
    with pytest.raises(NotApplicable, match="no spike-in"):
        SpikeIn().tables(context(screen(), findings=[Finding("audit/spike_in", np.nan, reason="one plate")]))
