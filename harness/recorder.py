"""Where a run's results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from harness.audit.base import Finding
from harness.audit.scorecard.decision import Decision

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Recorder(Protocol):
    """MLflow (:mod:`harness.track`), or a list in a test."""

    def scores(self, table: pd.DataFrame) -> None: ...
    def findings(self, findings: Sequence[Finding]) -> None: ...
    def verdict(self, decision: Decision) -> None: ...
    def metrics(self, values: Mapping[str, float]) -> None: ...
    def table(self, name: str, table: pd.DataFrame) -> None: ...
    def text(self, name: str, text: str) -> None: ...
    def figure(self, name: str, figure: Figure) -> None: ...
    def trials(self, table: pd.DataFrame) -> None: ...


class Nowhere:
    """A recorder of nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None
