from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from harness.plotting.curve import mean_curve, precision_recall_steps, thin_curve


def test_thin_keeps_corners_and_drops_what_lies_on_a_line():
    x = np.r_[np.linspace(0, 0.3, 50), np.linspace(0.3, 1, 50)]
    y = np.r_[np.linspace(0, 0.9, 50), np.linspace(0.9, 1, 50)]
    kept = thin_curve(x, y)
    np.testing.assert_allclose(np.column_stack([x, y])[kept], [[0, 0], [0.3, 0.9], [1, 1]])


def test_thin_stays_within_its_tolerance_or_its_limit():
    x = np.linspace(0, 1, 3000)
    y = np.sin(7 * x) ** 2
    kept = thin_curve(x, y, limit=3000, tolerance=1e-3)
    assert len(kept) < 150
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() < 0.01
    limited = thin_curve(x, y, limit=20)
    assert len(limited) == 20
    assert (limited[0], limited[-1]) == (0, 2999)


def test_steps_enclose_the_average_precision_also_with_ties():
    rng = np.random.default_rng(2)
    y = (rng.random(300) < 0.15).astype(int)
    score = np.round(rng.normal(size=300) + y, 1)
    precision, recall, _ = precision_recall_curve(y, score)
    x, height = precision_recall_steps(precision, recall)
    width = np.diff(x)
    assert np.isclose((width * height[1:]).sum(), average_precision_score(y, score), rtol=1e-12)
    assert (width >= 0).all()
    assert (x[0], x[-1]) == (0, 1)
    assert np.isclose(height[-1], precision[np.flatnonzero(recall == 1)[-1]])


def test_mean_curve_by_hand():
    step = (np.array([0, 0.25, 0.25, 1]), np.array([0, 0, 1, 1.0]))
    line = (np.array([0, 1.0]), np.array([0, 1.0]))
    x, y = mean_curve([step, line], n=5)
    np.testing.assert_allclose(x, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(y, [0, (1 + 0.25) / 2, (1 + 0.5) / 2, (1 + 0.75) / 2, 1])
    jump = (np.array([0, 0, 1, 1.0]), np.array([0, 0.4, 0.4, 1.0]))
    np.testing.assert_allclose(mean_curve([jump], n=3)[1], [0.4, 0.4, 0.4])
