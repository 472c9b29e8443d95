"""The margins of the verdict: how large a difference must be to matter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Margins:
    """What an interval must exclude before something is claimed; see :class:`harness.audit.verdict.Verdict`."""

    leak: float = 0.05
    no_leak: float = 0.1
    batch: float = 0.15
    identity: float = 0.2
    effects: float = 0.2
    worst_effect: float = 0.5
    apart: float = 0.1
    contrast: float = 0.12
    signal: float = 0.02
    no_signal: float = 0.05
    retrieval: float = 0.02
    cost: float = 0.05
