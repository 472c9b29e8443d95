"""Questions 3 and 4 of the scorecard: is the batch gone, and what does a new batch cost?"""

from __future__ import annotations

from dataclasses import replace

from harness.audit.scorecard.answer import Answer, Question, Reply, answer
from harness.audit.scorecard.evidence import Evidence, surely_above, surely_below
from harness.audit.scorecard.margins import Margins
from harness.core.finding import Finding

SETS = ("controls", "treated")
UNFIT = {  # codes of sets of wells that cannot show that the batch is gone (yes), or that it is not (no)
    "controls_were_read": (Reply.YES,),
    "label_fingerprint": (Reply.YES,),
    "treated_alone": (Reply.NO,),
    "few_partitions": (Reply.YES, Reply.NO),
}


def batch_gone(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from probes that predict the batch of wells that the normalization did not read.

    The number is the largest excess of a probe's accuracy over its own null, 0 at chance and 1 for a perfect probe.
    ``no``: on some set of wells it is surely above ``batch``, beyond what permuted batches reach, and surely above
    chance (a null can lie below chance: permuted batches that a method has aligned are harder to predict than by
    guessing). ``yes``: on every set of wells it is surely below ``batch``; if there are few controls, treated wells
    alone may show it as long as the controls do not contradict. If plates can be dealt into batches in too few ways,
    only plates that cannot be told apart show that the batch is gone.
    """
    sets = {name: f for name in SETS if (f := evidence.get(f"audit/batch_probe/{name}/excess")) is not None}
    if not sets:
        return answer(Question.BATCH, Reply.OPEN, code=evidence.code("batch_probe"))
    evidence_read = tuple(sets.values())
    with_batch = {name: f for name, f in sets.items() if _has_batch(evidence, name, f, margins.batch)}
    if with_batch:
        worst = max(with_batch.values(), key=lambda f: f.value)
        code = _probe(evidence, worst)
        return answer(Question.BATCH, Reply.NO, worst, limit=margins.batch, code=code, evidence=evidence_read)
    plates = evidence.get("audit/batch_probe/controls/plates")
    if plates is not None and surely_below(plates, margins.batch):
        return answer(Question.BATCH, Reply.YES, plates, limit=margins.batch, evidence=(plates, *evidence_read))
    without_batch = [name for name, f in sets.items() if surely_below(f, margins.batch) and _may_show(f, Reply.YES)]
    undecided = [f for name, f in sets.items() if name not in without_batch]
    if not undecided or (
        "treated" in without_batch and all(_does_not_contradict(evidence, f, margins.batch) for f in undecided)
    ):
        weakest = max(evidence_read, key=lambda f: f.value)
        return answer(Question.BATCH, Reply.YES, weakest, limit=margins.batch, evidence=evidence_read)
    worst = max(undecided, key=lambda f: f.value)
    return answer(
        Question.BATCH,
        Reply.OPEN,
        worst,
        limit=margins.batch,
        code=worst.code or "wide_interval",
        evidence=evidence_read,
    )


def _probe(evidence: Evidence, excess: Finding) -> str:
    """Return the name of the probe with this excess; empty if it is not known."""
    by_probe = evidence.matching(f"{excess.key}_*")
    return next((f.key.rsplit("excess_", 1)[1] for f in by_probe if f.value == excess.value), "")


def _may_show(f: Finding, reply: Reply) -> bool:
    """Return whether a set of wells with the code of ``f`` can support ``reply``."""
    return reply not in UNFIT.get(f.code, ())


def _has_batch(evidence: Evidence, name: str, f: Finding, margin: float) -> bool:
    """Return whether a set of wells shows that the batch is not gone."""
    null = evidence.get(f"audit/batch_probe/{name}/null_upper")
    above_chance = evidence.get(f"audit/batch_probe/{name}/above_chance") or f
    beyond = null is not None and f.value > null.value
    return beyond and surely_above(f, margin) and surely_above(above_chance, margin) and _may_show(f, Reply.NO)


def _does_not_contradict(evidence: Evidence, f: Finding, margin: float) -> bool:
    """Return whether a set that is too small to show anything lies at least within its null and below the margin."""
    null = evidence.get(f.key.replace("/excess", "/null_upper"))
    return null is not None and f.value <= null.value and f.value < margin and _may_show(f, Reply.YES)


def batch_cost(evidence: Evidence, margins: Margins) -> Answer:
    """Answer from scores on held-out batches against scores on held-out plates of known batches.

    ``yes``: a new batch surely costs more than ``cost`` of AUROC; ``no``: it surely costs less.
    """
    gain = evidence.get("audit/batch_cost/auroc_difference")
    if gain is None:
        return answer(Question.COST, Reply.OPEN, code=evidence.code("batch_cost"))
    cost = replace(gain, value=-gain.value, lower=-gain.upper, upper=-gain.lower)
    if surely_above(cost, margins.cost):
        return answer(Question.COST, Reply.YES, cost, limit=margins.cost)
    reply = Reply.NO if surely_below(cost, margins.cost) else Reply.OPEN
    code = "" if reply is Reply.NO else cost.code or "wide_interval"
    return answer(Question.COST, reply, cost, limit=margins.cost, code=code)
