"""Evidence of the scorecard: findings by key, and the claims that their intervals allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from scipy.stats import norm

from harness.audit.shared.bounded_interval import freedom_of
from harness.core.finding import Finding

ONE_SIDED = float(norm.ppf(0.95) / norm.ppf(0.975))  # a bound of 95% from the half width of a 95% interval


@dataclass(frozen=True)
class ScreenDesign:
    """Size of the audited screen, on which a verdict rests.

    Attributes
    ----------
    n_batches, n_plates, n_wells : of the wells that were audited.
    identity : whether the normalization returns profiles unchanged: ``raw``.
    freedom : degrees of freedom behind intervals over batches, or over plates if batches are few.
    """

    n_batches: int
    n_plates: int
    n_wells: int = 0
    identity: bool = False

    @property
    def freedom(self) -> int:
        """Degrees of freedom behind intervals over batches, or over plates if batches are few."""
        return freedom_of(self.n_batches, self.n_plates)


class Evidence:
    """The findings of an audit, by key."""

    def __init__(self, findings: Sequence[Finding], design: ScreenDesign) -> None:
        self._findings = {finding.key: finding for finding in findings}
        self.design = design

    def get(self, key: str) -> Finding | None:
        """Return the finding of ``key`` if it has a value, else None."""
        finding = self._findings.get(key)
        return None if finding is None or np.isnan(finding.value) else finding

    def matching(self, pattern: str) -> list[Finding]:
        """Return the findings with a value whose keys match ``pattern``; ``*`` stands for one or more parts."""
        return [f for key, f in self._findings.items() if fnmatchcase(key, pattern) and not np.isnan(f.value)]

    def code(self, *checks: str) -> str:
        """Return the code of the first of ``checks`` that does not apply; ``off`` if none of them was made."""
        for check in checks:
            finding = self._findings.get(f"audit/{check}")
            if finding is not None:
                return finding.code or "not_applicable"
        return "off"

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._findings.values())


def lower_bound(finding: Finding) -> float:
    """Return the one-sided 95% lower bound of a finding with a two-sided 95% interval; NaN without one."""
    return finding.value - (finding.value - finding.lower) * ONE_SIDED


def upper_bound(finding: Finding) -> float:
    """Return the one-sided 95% upper bound."""
    return finding.value + (finding.upper - finding.value) * ONE_SIDED


def surely_above(finding: Finding | None, limit: float) -> bool:
    """Return whether the value exceeds ``limit`` at one-sided 95%; an unknown interval shows nothing."""
    return finding is not None and lower_bound(finding) > limit


def surely_below(finding: Finding | None, limit: float) -> bool:
    """Return whether the value is below ``limit`` at one-sided 95%."""
    return finding is not None and upper_bound(finding) < limit
