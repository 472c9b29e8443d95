"""Questions 5 to 7 of the scorecard: are the identity of compounds, effects of many kinds, and common effects kept?"""

from __future__ import annotations

import numpy as np

from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, surely_above, surely_below
from harness.audit.scorecard.margins import Margins

SPIKE = "audit/spike_in"
EFFECTS = "audit/effects_kept"


def identity_kept(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from the retrieval of replicates, as a share of what the yardstick retrieves above chance.

    ``no``: surely less than 1 - ``identity``, and scaling each plate by its controls once more does not bring it back
    (what that brings back was hidden, e.g. by a batch effect, and is not lost). ``yes``: surely more.
    """
    share_kept = evidence.get("audit/identity/kept")
    if share_kept is None:
        return answer(Question.IDENTITY, Reply.OPEN, code=evidence.code("identity", "identity/kept"))
    limit = 1 - margins.identity
    share_recentred = evidence.get("audit/identity/kept_recentred")
    evidence_read = tuple(f for f in (share_kept, share_recentred) if f is not None)
    if surely_above(share_kept, limit):
        if share_kept.code == "same_position":
            return answer(
                Question.IDENTITY, Reply.OPEN, share_kept, limit=limit, code=share_kept.code, evidence=evidence_read
            )
        return answer(Question.IDENTITY, Reply.YES, share_kept, limit=limit, evidence=evidence_read)
    if surely_below(share_kept, limit):
        if share_recentred is None or surely_below(share_recentred, limit):
            return answer(Question.IDENTITY, Reply.NO, share_kept, limit=limit, evidence=evidence_read)
        return answer(Question.IDENTITY, Reply.OPEN, share_kept, limit=limit, code="hidden", evidence=evidence_read)
    return answer(
        Question.IDENTITY,
        Reply.OPEN,
        share_kept,
        limit=limit,
        code=share_kept.code or "wide_interval",
        evidence=evidence_read,
    )


def effects_kept(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from effects of many kinds that were added to known wells: their size, and whether they are detected.

    ``no``: on average surely smaller than 1 - ``effects`` of what the yardstick keeps, or detected or told apart surely
    worse by more than ``apart`` of AUROC or accuracy. ``yes``: the mean and the worst effect are surely larger than
    their limits, and detected and told apart surely no worse than that. If there are so few controls that raw profiles
    are the yardstick, a loss may be nothing but the noise of a scale from few controls, which keeps what lies within a
    plate: the answer is then not ``no``.
    """
    ratio = evidence.get(f"{EFFECTS}/ratio")
    if ratio is None:
        return answer(Question.EFFECTS, Reply.OPEN, code=evidence.code("effects_kept"))
    limit = 1 - margins.effects
    worst = evidence.get(f"{EFFECTS}/worst_ratio")
    detection = [
        f
        for name in ("auroc_minus_yardstick", "told_apart_minus_yardstick")
        if (f := evidence.get(f"{EFFECTS}/{name}"))
    ]
    evidence_read = (ratio, *([worst] if worst else []), *detection)
    lost = [f for f in detection if surely_below(f, -margins.apart)]
    if _is_noisy(evidence) and (lost or surely_below(ratio, limit)):
        return answer(Question.EFFECTS, Reply.OPEN, ratio, limit=limit, code="noisy_scale", evidence=evidence_read)
    if surely_below(ratio, limit):
        return answer(Question.EFFECTS, Reply.NO, ratio, limit=limit, evidence=evidence_read)
    if lost:
        return answer(Question.EFFECTS, Reply.NO, lost[0], limit=-margins.apart, evidence=evidence_read)
    strong = worst is None or surely_above(worst, margins.worst_effect)
    if surely_above(ratio, limit) and strong and all(surely_above(f, -margins.apart) for f in detection):
        code = "inflated" if surely_above(ratio, 1 + margins.effects) else ""
        return answer(Question.EFFECTS, Reply.YES, ratio, limit=limit, code=code, evidence=evidence_read)
    return answer(Question.EFFECTS, Reply.OPEN, ratio, limit=limit, code="wide_interval", evidence=evidence_read)


def common_effects_kept(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from an effect as common as this screen's own, at such positions: the matched arm of the spike-in.

    The share of active wells comes from the agreement of replicates, and the answer must hold over its interval:
    ``yes``: the contrast is surely above 1 - ``contrast``, also at the upper end; ``no``: it is surely below, also at
    the lower end. Without replicates the interval goes from rare effects to 90%, and the share at which the answer
    turns is shown. The contrast is compared with that of rare effects: what these lose is the matter of
    :func:`effects_kept`.
    """
    rare = evidence.get(f"{SPIKE}/sparse/contrast")
    limit = (1 - margins.contrast) * (1.0 if rare is None else float(np.clip(rare.value, 0.0, 1.0)))
    turns = evidence.get(f"{SPIKE}/turns_at")
    matched = evidence.get(f"{SPIKE}/matched/contrast")
    ends = [evidence.get(f"{SPIKE}/matched/contrast_at_{end}") or matched for end in ("lower", "upper")]
    measured = [f for f in (matched, *ends) if f is not None]
    if not measured:
        return answer(Question.COMMON, Reply.OPEN, code=evidence.code("spike_in"))
    evidence_read = (*measured, *([turns] if turns else []))
    if rare is not None and rare.value < 1 - margins.effects and _is_noisy(evidence):
        return answer(Question.COMMON, Reply.OPEN, rare, limit=limit, code="noisy_scale", evidence=evidence_read)
    central = measured[0] if matched is not None else measured[-1]
    if all(surely_above(f, limit) for f in measured):
        return answer(Question.COMMON, Reply.YES, central, limit=limit, evidence=evidence_read)
    if surely_below(ends[0], limit) and surely_below(central, limit):
        return answer(Question.COMMON, Reply.NO, central, limit=limit, evidence=evidence_read)
    if matched is None:
        return answer(
            Question.COMMON, Reply.OPEN, turns, limit=limit, code="prevalence_unknown", evidence=evidence_read
        )
    turns_inside = surely_above(ends[0], limit) and surely_below(ends[1], limit)
    clear = surely_above(matched, limit) or surely_below(matched, limit)
    code = "turns_within_prevalence" if turns_inside or clear else "wide_interval"
    return answer(Question.COMMON, Reply.OPEN, matched, limit=limit, code=code, evidence=evidence_read)


def _is_noisy(evidence: Evidence) -> bool:
    """Return whether there are so few controls that raw profiles are the yardstick: scaling by them only adds noise."""
    ratio = evidence.get(f"{EFFECTS}/ratio")
    return ratio is not None and ratio.code == "raw_yardstick"
