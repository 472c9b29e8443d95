"""Question 1 of the scorecard: does the normalization manufacture signal?"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, lower_bound
from harness.audit.scorecard.margins import Margins
from harness.audit.shared.bounded_interval import at_level
from harness.core.finding import Finding

NULLS = ("pseudo_control", "controls_vs_controls", "shuffled_wells")
LEVEL = 0.05


def manufactures_signal(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from the null tests; only AUROC above 0.5 counts, and the strongest model decides.

    ``yes``: some AUROC exceeds 0.5 + ``leak``, and its lower bound over plates and batches (Bonferroni over tests and
    models) exceeds 0.5 + ``signal``. Or it exceeds 0.5 + ``no_leak`` by more than chance allows if labels are dealt to
    independent wells, so that few plates do not hide a strong leak; wells of a plate that share a reference are not
    independent, hence the larger distance. ``no``: it is surely below 0.5 + ``no_leak`` for every test and model.
    """
    nulls = tuple(f for name in NULLS for f in evidence.matching(f"audit/{name}/*/auroc"))
    if evidence.design.identity:
        bias = max(nulls, key=lambda f: f.value, default=None)
        return answer(Question.MANUFACTURES, Reply.NO, bias, code="identity", evidence=nulls)
    if not nulls:
        return answer(Question.MANUFACTURES, Reply.OPEN, code=evidence.code(*NULLS))
    freedom = evidence.design.freedom
    leaks = [f for f in nulls if _is_leak(f, LEVEL / len(nulls), freedom, margins)]
    if leaks:
        worst = max(leaks, key=lambda f: f.value)
        return answer(Question.MANUFACTURES, Reply.YES, worst, limit=0.5 + margins.leak, evidence=nulls)
    worst = max(nulls, key=lambda f: _highest(f, freedom))
    if not _highest(worst, freedom) < 0.5 + margins.no_leak:
        code = "row_norm_rises" if _row_norm_rises(evidence, margins) else "wide_interval"
        return answer(Question.MANUFACTURES, Reply.OPEN, worst, limit=0.5 + margins.no_leak, code=code, evidence=nulls)
    return answer(Question.MANUFACTURES, Reply.NO, worst, limit=0.5 + margins.no_leak, evidence=nulls)


def _is_leak(f: Finding, error: float, freedom: int, margins: Margins) -> bool:
    """Return whether an AUROC shows a leak at the level ``error``."""
    lower, _ = at_level(f.value, f.lower, f.upper, freedom=freedom, level=1 - 2 * error)
    clearly = f.value > 0.5 + margins.leak and lower > 0.5 + margins.signal
    return clearly or f.value - norm.ppf(1 - error) * coin_sd(f) > 0.5 + margins.no_leak


def _highest(f: Finding, freedom: int) -> float:
    """Return the one-sided 95% upper bound of an AUROC; infinite without an interval."""
    upper = at_level(f.value, f.lower, f.upper, freedom=freedom, level=0.9)[1]
    return float("inf") if np.isnan(upper) else upper


def coin_sd(finding: Finding) -> float:
    """Return the standard error of an AUROC of 0.5 over ``n`` wells, two fifths of one class (Mann & Whitney 1947)."""
    return float(1 / np.sqrt(12 * 0.24 * finding.n)) if finding.n else float("inf")


def _row_norm_rises(evidence: Evidence, margins: Margins) -> bool:
    """Return whether the length of the profile surely tells controls from treated wells better than the yardstick's."""
    rise = evidence.get("audit/trivial_rise/row_norm/rise_over_yardstick")
    return rise is not None and lower_bound(rise) > margins.leak
