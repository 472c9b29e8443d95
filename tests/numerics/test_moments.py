from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.numerics.moments import Moments, leave_one_out, moments, moments_by_well, moments_of
from harness.numerics.standardize import location_scale, standardize, standardize_groups


def rows(n: int = 30, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.normal([1e6, -3, 0.01], [1, 50, 1e-4], (n, 3)).astype(np.float32)


def check(found: Moments, X: Any) -> None:
    x = X.astype(np.float64)
    assert float(np.ravel(found.n)[0]) == len(x)
    np.testing.assert_allclose(np.ravel(found.mean), x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.ravel(found.sd), x.std(axis=0), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(a=st.integers(1, 20), b=st.integers(1, 20), c=st.integers(1, 20))
def test_merging_in_any_grouping_equals_the_whole_sample(a: int, b: int, c: int) -> None:
    X = rows(a + b + c)
    one, two, three = (moments(part) for part in np.split(X, [a, a + b]))
    check(one.merge(two).merge(three), X)
    check(three.merge(one.merge(two)), X)


def test_an_empty_sample_is_neutral_on_either_side() -> None:
    X = rows()
    for pair in ((X, X[:0]), (X[:0], X)):
        check(moments(pair[0]).merge(moments(pair[1])), X)


def test_merging_changes_neither_operand() -> None:
    a, b = moments(rows(5)), moments(rows(7, seed=1))
    before = [np.copy(v) for m in (a, b) for v in (m.n, m.mean, m.M2)]
    a.merge(b)
    for was, now in zip(before, (v for m in (a, b) for v in (m.n, m.mean, m.M2)), strict=True):
        np.testing.assert_array_equal(was, now)


def test_more_rows_than_a_block_and_a_choice_of_rows() -> None:
    X = rows(40_000)
    chosen = np.random.default_rng(1).random(len(X)) < 0.4
    check(moments(X), X)
    check(moments(X, rows=chosen), X[chosen])


def test_moments_of_some_columns_are_zero_elsewhere() -> None:
    X = rows()
    columns = np.array([True, False, True])
    found = moments_of(X, columns)
    np.testing.assert_allclose(found.mean[columns], X.astype(np.float64).mean(axis=0)[columns], rtol=1e-12)
    np.testing.assert_array_equal([found.mean[1], found.M2[1]], 0)


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (3, 1, 4, 2)])
def test_leaving_one_well_out_equals_the_moments_of_the_others(counts: tuple[int, ...]) -> None:
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    X = rows(len(codes))
    by_well = moments_by_well(X, codes, len(counts))
    others = leave_one_out(by_well)
    for well in range(len(counts)):
        check(by_well[well], X[codes == well])
        check(others[well], X[codes != well])


def test_standard_deviation_is_exactly_zero_below_the_resolution_of_the_feature_and_not_above() -> None:
    step = np.spacing(np.float32(1000))  # half of one resolution unit times the magnitude
    X = np.full((100, 3), 1000, dtype=np.float32)
    X[0, 1] += step
    X[::2, 2] += 16 * step
    sd = moments(X).sd
    assert sd[0] == 0
    assert sd[1] == 0
    assert sd[2] == pytest.approx(8 * step)


def test_the_zero_variance_chain_falls_back_step_by_step() -> None:
    n = np.float64(4)
    reference = Moments(n, np.array([5.0, 5.0, 5.0]), np.array([16.0, 0.0, 0.0]))
    everything = Moments(n, np.array([7.0, 7.0, 7.0]), np.array([36.0, 36.0, 0.0]))
    mean, sd, fallback = location_scale(reference, everything)
    np.testing.assert_array_equal(mean, [5, 7, 0])
    np.testing.assert_array_equal(sd, [2, 3, 1])
    np.testing.assert_array_equal(fallback, [0, 1, 2])


def test_standardizing_by_groups_equals_standardizing_each_and_leaves_the_input() -> None:
    X, group = rows(12), np.array([2, 0, 1, 1, 2, 0, 0, 2, 1, 0, 2, 2])
    mean = X[:3].astype(np.float64) + 0.3
    sd = np.array([[1.0, 50, 1e-4], [2, 20, 3e-4], [3, 10, 2e-4]])
    before = X.copy()
    out = standardize_groups(X, group, mean, sd)
    np.testing.assert_allclose(out, (X.astype(np.float64) - mean[group]) / sd[group], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(X, before)
    one = np.empty_like(X)
    standardize(X, mean[1], sd[1], one)
    np.testing.assert_array_equal(one[group == 1], out[group == 1])
