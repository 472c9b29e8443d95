"""Helping processes compute on one thread, whatever they import later: rounding must not depend on the process."""

from __future__ import annotations

from typing import Any

import pytest

from harness.utils.worker_pool import worker_pool

pytestmark = pytest.mark.slow


def pools_after_everything_was_imported() -> list[dict[str, Any]]:
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_info

    import harness.run.evaluation_run  # noqa: F401

    return [pool for pool in threadpool_info() if pool["user_api"] in ("blas", "openmp")]


def test_every_pool_of_a_helper_has_one_thread() -> None:
    helper = worker_pool(1, "test of threads")
    try:
        pools = helper.submit(pools_after_everything_was_imported).result(60)
    finally:
        helper.shutdown()
        worker_pool.cache_clear()
    assert {pool["internal_api"] for pool in pools} >= {"openblas", "openmp"}
    assert {pool["num_threads"] for pool in pools} == {1}
