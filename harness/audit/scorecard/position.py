"""Question 2 of the scorecard: could position on the plate explain the scores?"""

from __future__ import annotations

from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, lower_bound, upper_bound
from harness.audit.scorecard.margins import Margins

SEPARATE = 0.9  # AUROC of position alone
COPIES = "audit/spatial_null/*/auroc"


def position(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from what position alone can score, on copies of the controls' pattern among treated wells.

    ``no``: roles share positions, or they do so in part and the real labels score surely more than the copies for some
    model. ``yes``: the copies score above chance. If position alone tells the roles apart nearly always
    (:data:`SEPARATE`), an edge effect that no copy has could explain any score, so that the answer is never ``no``.
    """
    position_alone = evidence.get("audit/position/auroc")
    separate = position_alone is not None and position_alone.value > SEPARATE
    if evidence.code("spatial_null") == "roles_share_positions":
        return answer(Question.POSITION, Reply.NO, position_alone, code="roles_share_positions")
    by_model = {f.key.split("/")[2]: f for f in evidence.matching(COPIES) if f.key.count("/") == 3}
    if not by_model:
        return answer(Question.POSITION, Reply.OPEN, position_alone, code=evidence.code("spatial_null", "confounding"))
    evidence_read = tuple(by_model.values())
    highest = max(evidence_read, key=lambda f: f.value)
    for model, copy in by_model.items():
        for real in evidence.matching(f"audit/real_labels/*/{model}/auroc"):
            if not separate and lower_bound(real) > upper_bound(copy) + margins.signal:
                return answer(Question.POSITION, Reply.NO, copy, limit=real.value, evidence=(*evidence_read, real))
    if lower_bound(highest) > 0.5 + margins.signal:
        return answer(Question.POSITION, Reply.YES, highest, limit=0.5 + margins.signal, evidence=evidence_read)
    return answer(
        Question.POSITION,
        Reply.OPEN,
        highest,
        code="roles_apart" if separate else "wide_interval",
        evidence=evidence_read,
    )
