"""Sorting networks against np.sort: ties, infinities, every length up to 40."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from harness.numerics.sorting_network import merge_exchange, merge_lowest, sort


@pytest.mark.parametrize("n", range(1, 41))
def test_lists_are_sorted_as_numpy_sorts_them(n: int) -> None:
    rng = np.random.default_rng(n)
    lists = rng.normal(1e3, 7, (n, 5, 60)).astype(np.float32)
    lists[:, 1] = rng.integers(0, 3, (n, 60))  # ties
    lists[: n // 2, 2], lists[n // 2 :, 2] = np.inf, -np.inf
    np.testing.assert_array_equal(np.stack(sort(lists.copy())), np.sort(lists, axis=0))


@pytest.mark.parametrize("n", range(1, 13))
def test_all_lists_of_zeros_and_ones_are_sorted(n: int) -> None:
    """Which proves it for any values: the 0-1 principle (Knuth, "Sorting and searching", theorem 5.3.4 Z)."""
    lists = np.array(list(product([0, 1], repeat=n))).T
    np.testing.assert_array_equal(np.stack(sort(lists.copy())), np.sort(lists, axis=0))
    assert all(0 <= i < j < n for i, j in merge_exchange(n))


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_the_lowest_of_two_lists_are_those_of_both_together(n: int) -> None:
    rng = np.random.default_rng(n)
    one, other = np.sort(rng.integers(0, 3 * n, (2, n, 200)), axis=1)
    expected = np.sort(np.concatenate([one, other]), axis=0)[:n]
    np.testing.assert_array_equal(np.stack(merge_lowest(one.copy(), other)), expected)
