"""Q1: does the normalization manufacture signal?"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from harness.audit.base import Finding
from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, lower_bound
from harness.audit.scorecard.margins import Margins

NULLS = ("pseudo_control", "controls_vs_controls", "shuffled_wells")
LEVEL = 0.05


def manufactures_signal(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from the tests on wells with nothing to tell; only AUROC above 0.5 counts, the strongest model counts.

    Labels of these tests are dealt by a coin within plates, so that the wells are the units, however few the plates.
    ``yes``: some AUROC exceeds 0.5 + ``leak`` and a coin's reach (Bonferroni over tests and models). ``no``: for every
    test and model it is surely below 0.5 + ``no_leak``.
    """
    nulls = tuple(f for name in NULLS for f in evidence.matching(f"audit/{name}/*/auroc"))
    if evidence.design.identity:
        bias = max(nulls, key=lambda f: f.value, default=None)
        return answer(Question.MANUFACTURES, Reply.NO, bias, code="identity", evidence=nulls)
    if not nulls:
        return answer(Question.MANUFACTURES, Reply.OPEN, code=evidence.code(*NULLS))
    limit = norm.ppf(1 - LEVEL / len(nulls))
    leaks = [f for f in nulls if f.value > 0.5 + margins.leak and f.value - limit * coin_sd(f) > 0.5]
    if leaks:
        worst = max(leaks, key=lambda f: f.value)
        return answer(Question.MANUFACTURES, Reply.YES, worst, limit=0.5 + margins.leak, evidence=nulls)
    worst = max(nulls, key=_highest)
    if _highest(worst) >= 0.5 + margins.no_leak:
        code = "row_norm_rises" if _row_norm_rises(evidence, margins) else "wide_interval"
        return answer(Question.MANUFACTURES, Reply.OPEN, worst, limit=0.5 + margins.no_leak, code=code, evidence=nulls)
    return answer(Question.MANUFACTURES, Reply.NO, worst, limit=0.5 + margins.no_leak, evidence=nulls)


def _highest(finding: Finding) -> float:
    """Return the one-sided 95% upper bound of an AUROC of labels that a coin dealt."""
    return float(finding.value + norm.ppf(0.95) * coin_sd(finding))


def coin_sd(finding: Finding) -> float:
    """Return the standard error of an AUROC of 0.5 over ``n`` wells, two fifths of one class (Mann & Whitney 1947)."""
    return float(1 / np.sqrt(12 * 0.24 * finding.n)) if finding.n else float("inf")


def _row_norm_rises(evidence: Evidence, margins: Margins) -> bool:
    """Whether the length of the profile tells controls from treated wells surely better than the yardstick's does."""
    rise = evidence.get("audit/trivial_rise/row_norm/rise_over_yardstick")
    return rise is not None and lower_bound(rise) > margins.leak
