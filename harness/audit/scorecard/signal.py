"""Questions 8 and 9 of the scorecard: is there anything to keep, and does the normalization help?"""

from __future__ import annotations

import numpy as np

from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, lower_bound, surely_above, surely_below, upper_bound
from harness.audit.scorecard.margins import Margins
from harness.core.finding import Finding

LABELS = "audit/real_labels"


def signal(evidence: Evidence, margins: Margins, position: Answer) -> Answer:
    """Answer from the scores of the real labels, the replicates and the strongest wells, in any view of the screen.

    ``yes``: the retrieval of replicates is surely better than chance by ``retrieval``, or AUROC is surely above
    0.5 + ``signal`` and position cannot explain it. ``no``: the upper bound of every piece of evidence is below its
    margin: ``no_signal`` for AUROC and the share of strong wells, ``retrieval`` for replicates. That no test rejects is
    not enough. Strong wells are no evidence of biology: treated wells may be noisier than controls.
    """
    scores = [f for name in ("auroc", "raw_auroc", "yardstick_auroc") for f in evidence.matching(f"{LABELS}/*/{name}")]
    strong = evidence.matching(f"{LABELS}/*/strong_wells")
    retrieved = evidence.get("audit/identity/above_chance")
    replicates = [retrieved] if retrieved is not None else []
    evidence_read = (*replicates, *scores, *strong)
    if not evidence_read:
        return answer(Question.SIGNAL, Reply.OPEN, code="off")
    if surely_above(retrieved, margins.retrieval) and retrieved is not None and retrieved.code != "same_position":
        return answer(Question.SIGNAL, Reply.YES, retrieved, limit=margins.retrieval, evidence=evidence_read)
    if position.reply is Reply.NO:
        above = [f for f in scores if surely_above(f, 0.5 + margins.signal)]
        if above:
            highest = max(above, key=lower_bound)
            return answer(Question.SIGNAL, Reply.YES, highest, limit=0.5 + margins.signal, evidence=evidence_read)
    limits = [(f, margins.retrieval) for f in replicates]
    limits += [(f, 0.5 + margins.no_signal) for f in scores] + [(f, margins.no_signal) for f in strong]
    widest = max((f for f, _ in limits), key=lambda f: np.nan_to_num(upper_bound(f), nan=np.inf))
    if all(surely_below(f, limit) for f, limit in limits):
        return answer(Question.SIGNAL, Reply.NO, widest, limit=0.5 + margins.no_signal, evidence=evidence_read)
    above = [f for f in scores if surely_above(f, 0.5 + margins.signal)]
    code = "position" if above and position.reply is not Reply.NO else "wide_interval"
    return answer(Question.SIGNAL, Reply.OPEN, widest, code=code, evidence=evidence_read)


def helps(evidence: Evidence, design_identity: bool) -> Answer:
    """Answer from the paired differences of AUROC to raw profiles; the model that gains most decides.

    ``yes``: some model surely gains; ``no``: none does, and some surely loses.
    """
    if design_identity:
        return answer(Question.HELPS, Reply.OPEN, code="identity")
    gains: list[Finding] = evidence.matching(f"{LABELS}/*/minus_raw")
    if not gains:
        return answer(Question.HELPS, Reply.OPEN, code=evidence.code("real_labels"))
    evidence_read = (*gains, *evidence.matching(f"{LABELS}/*/minus_yardstick"))
    best, worst = max(gains, key=lower_bound), min(gains, key=upper_bound)
    if best.lower > 0:
        return answer(Question.HELPS, Reply.YES, best, limit=0.0, evidence=evidence_read)
    if worst.upper < 0:
        return answer(Question.HELPS, Reply.NO, worst, limit=0.0, evidence=evidence_read)
    return answer(Question.HELPS, Reply.OPEN, best, limit=0.0, code="wide_interval", evidence=evidence_read)
