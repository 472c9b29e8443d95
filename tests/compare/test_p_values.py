"""P-values of paired differences and their correction, against hand computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.p_values import add_corrected_p_values, holm_correction, two_sided_p_value
from harness.scoring.bootstrap import interval


def test_holm_by_hand() -> None:
    """0.01 x 4, 0.02 x 3, 0.03 x 2 and 0.04 x 1 in steps: no value may fall below the one before it."""
    p = np.array([0.03, 0.01, 0.04, 0.02])
    np.testing.assert_allclose(holm_correction(p), [0.06, 0.04, 0.06, 0.06])


def test_holm_leaves_undefined_out_of_the_count_and_stops_at_one() -> None:
    np.testing.assert_allclose(holm_correction(np.array([np.nan, 0.02, 0.7, 0.6])), [np.nan, 0.06, 1.0, 1.0])
    assert np.isnan(holm_correction(np.array([np.nan]))).all()
    assert holm_correction(np.array([])).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p: list[float], level: float) -> None:
    """Oracle: Holm's procedure as he wrote it: from the smallest on, compare with level / number left, and stop."""
    rejected = [False] * len(p)
    for left, i in zip(range(len(p), 0, -1), sorted(range(len(p)), key=lambda i: p[i]), strict=True):
        if p[i] * left > level:
            break
        rejected[i] = True
    assert (holm_correction(np.array(p)) <= level).tolist() == rejected


def test_two_sided_counts_the_smaller_side_twice() -> None:
    differences = np.r_[np.full(3, -0.1), np.full(57, 0.2)]
    assert two_sided_p_value(differences) == pytest.approx(2 * 3 / 60)
    assert two_sided_p_value(-differences) == pytest.approx(2 * 3 / 60)


def test_two_sided_is_never_below_what_the_resamples_can_show() -> None:
    assert two_sided_p_value(np.linspace(1, 2, 199)) == pytest.approx(1 / 200)
    assert two_sided_p_value(np.zeros(50)) == 1.0


def test_two_sided_agrees_with_the_interval() -> None:
    rng = np.random.default_rng(3)
    for shift in np.linspace(0, 0.6, 25):
        draws = rng.normal(shift, 0.2, 2001)
        level = two_sided_p_value(draws)
        low, high = interval(draws, level=1 - level * 1.02 - 1e-3)
        assert not low < 0 < high
        low, high = interval(draws, level=min(1 - level * 0.98 + 1e-3, 1.0))
        assert low < 0 < high


def test_two_sided_is_undefined_where_the_interval_is() -> None:
    mostly = np.r_[np.full(60, np.nan), np.ones(40)]
    assert np.isnan(two_sided_p_value(mostly))
    assert np.isnan(interval(mostly)[0])
    assert two_sided_p_value(np.r_[np.full(40, np.nan), np.ones(60)]) == pytest.approx(1 / 61)


def test_every_model_is_corrected_by_itself() -> None:
    table = pd.DataFrame({"norm": list("abc"), "x_p": [np.nan, 0.01, 0.5], "y_p": [0.02, 0.03, 0.9], "z": 1.0})
    corrected = add_corrected_p_values(table)
    assert list(corrected) == ["norm", "x_p", "x_p_holm", "y_p", "y_p_holm", "z"]
    np.testing.assert_allclose(corrected["x_p_holm"], [np.nan, 0.02, 0.5])
    np.testing.assert_allclose(corrected["y_p_holm"], [0.06, 0.06, 0.9])
