from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from harness.audit.base import AuditContext
from harness.core.evaluation import Split
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.norm.base import Normalizer
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated


def make_context(
    profiles: Profiles | None = None,
    normalizer: Normalizer | None = None,
    *,
    wells: pd.DataFrame | None = None,
    **changes: Any,
) -> AuditContext:
    """Return the context that a run hands to its checks."""

    def by_split(given: Any) -> Callable[[Split | None], Profiles]:
        return lambda split: normalize(given, normalizer or Raw(), split)

    context: dict[str, Any] = {
        "profiles": profiles,
        "wells": well_table(profiles.wells) if wells is None and profiles is not None else wells,
        "normalize": by_split,
        "normalized": by_split(profiles),
        "splits": [],
        "splitter": LeaveBatchOut(),
        "tasks": {"dmso_vs_treated": DmsoVsTreated()},
        "models": {},
        "evaluations": {},
        "n_resamples": 100,
        "seed": 0,
        "normalizer": normalizer or Raw(),
    }
    return AuditContext(**{**context, **changes})


@pytest.fixture(scope="session", name="audited")
def context_factory() -> Callable[..., AuditContext]:
    return make_context
