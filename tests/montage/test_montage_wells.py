"""Which run's wells are shown where none was named."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.montage.wells import select_run


@dataclass
class Run:
    """A stored run in memory."""

    kept: tuple[str, ...] = ()
    status: str = "FINISHED"
    name: str = "raw"
    tags: dict[str, str] = field(default_factory=lambda: {"data_fingerprint": "d"})
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        if name not in self.kept:
            raise InputError(f"lacks {name}")
        return pd.DataFrame()

    def file(self, path: str) -> bytes:
        raise InputError(path)


def test_the_newest_finished_run_that_kept_all_tables_is_taken() -> None:
    runs = {"a1": Run(("x",)), "b2": Run(("x", "y"), status="FAILED"), "c3": Run(("x", "y")), "d4": Run(("x", "y"))}
    assert select_run(runs, None, ["x", "y"])[0] == "c3"
    assert select_run(runs, None, ["x"])[0] == "a1"
    assert select_run(runs, None, ["nowhere"])[0] == "a1"
    assert select_run(runs, "d", ["x"])[0] == "d4"
    with pytest.raises(InputError, match="no finished run; record one with figure="):
        select_run({"b2": runs["b2"]}, None, ["x"])
