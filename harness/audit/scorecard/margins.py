"""The margins of the verdict: how large a difference must be to matter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Margins:
    """What an interval must exclude before something is claimed; see :class:`harness.audit.verdict.Verdict`."""

    leak: float
    no_leak: float
    batch: float
    identity: float
    effects: float
    worst_effect: float
    apart: float
    contrast: float
    signal: float
    no_signal: float
    retrieval: float
    cost: float
