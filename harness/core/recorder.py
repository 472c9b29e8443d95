"""Recorders: where the results of a run go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from harness.core.finding import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Verdict(Protocol):
    """The parts of a verdict that are recorded."""

    @property
    def word(self) -> str: ...
    @property
    def headline(self) -> str: ...
    def page(self) -> str: ...
    def table(self) -> pd.DataFrame: ...
    def scorecard(self) -> pd.DataFrame: ...


class Recorder(Protocol):
    """A receiver of results: MLflow (:mod:`harness.tracking`), or a list in a test."""

    def scores(self, table: pd.DataFrame) -> None: ...
    def findings(self, findings: Sequence[Finding]) -> None: ...
    def verdict(self, verdict: Verdict) -> None: ...
    def metrics(self, values: Mapping[str, float]) -> None: ...
    def table(self, name: str, table: pd.DataFrame) -> None: ...
    def text(self, name: str, text: str) -> None: ...
    def figure(self, name: str, figure: Figure) -> None: ...
    def trials(self, table: pd.DataFrame) -> None: ...


class NullRecorder:
    """A recorder that discards everything."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None
