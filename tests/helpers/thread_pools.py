"""Threads of the libraries of a process."""

from __future__ import annotations

from typing import Any


def pools_after_everything_was_imported() -> list[dict[str, Any]]:
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_info

    import harness.run.evaluation_run  # noqa: F401

    return [pool for pool in threadpool_info() if pool["user_api"] in ("blas", "openmp")]
