"""Helping processes compute on one thread, whatever they import later: rounding must not depend on the process."""

from __future__ import annotations

import pytest
from thread_pools import pools_after_everything_was_imported

from harness.utils.worker_pool import worker_pool

pytestmark = pytest.mark.slow


def test_every_pool_of_a_helper_has_one_thread() -> None:
    helper = worker_pool(1, "test of threads")
    try:
        pools = helper.submit(pools_after_everything_was_imported).result(60)
    finally:
        helper.shutdown()
        worker_pool.cache_clear()
    assert {pool["internal_api"] for pool in pools} >= {"openblas", "openmp"}
    assert {pool["num_threads"] for pool in pools} == {1}
