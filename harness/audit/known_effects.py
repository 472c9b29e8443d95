"""Known effects: are compounds that are known to be strong also strong in the profiles, before and after?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.known_effects.scores import KnownEffectSource
from harness.known_effects.spearman import Correlation
from harness.known_effects.treatments import points


class KnownEffects(KnownEffectSource, Check):
    """``audit/known_effects/<measure>/spearman``: rank correlation of a known score of compounds with a measure.

    Measures, each the median over the wells of a treatment: ``raw_distance`` and ``distance``, from the controls of
    the plate before and after normalization (:func:`harness.known_effects.strength.strength`); ``<task>_<model>``, the
    held-out probability of each model and trivial baseline; ``cell_count``, relative to the plate's control wells
    (negative where a stronger compound leaves fewer cells). Further ``distance_minus_raw/spearman``, the paired
    difference, and ``cell_count_distance/spearman``, cell count against distance: near -1 the effect may be
    plain toxicity. What a model's probability was before normalization is in the run of ``raw``.

    Where the score differs between treatments of a compound (doses), ``<measure>/within_compound`` is the mean
    correlation over the treatments of one compound: between compounds potency decides more than dose.

    The sign says in which direction the score runs: an IC50 falls with potency. Intervals resample compounds. Not
    part of the verdict. The parameters are those of :class:`harness.known_effects.scores.KnownEffectSource`.
    """

    whole = True
    reads_evaluations = True
    needs = ("compounds >= 1", "known_scores >= 1")

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        known = self.known(context.wells)
        found = points(
            known,
            context.wells,
            raw=context.profiles,
            normalized=context.normalized(None),
            evaluations=context.evaluations,
        )
        compounds = found.table["compound"].nunique()
        yield Finding("audit/known_effects/compounds", float(compounds), n=len(found.table), reason=known.report)
        answers = found.correlations(n_resamples=context.n_resamples, seed=context.seed)
        for measure, answer in answers.items():
            yield finding(f"audit/known_effects/{measure}", answer)


def finding(key: str, answer: Correlation | NotApplicable) -> Finding:
    """Return a correlation as a finding; one that is undefined with its reason."""
    if isinstance(answer, NotApplicable):
        return Finding(key, float("nan"), reason=answer.reason)
    return Finding(key, answer.value, answer.lower, answer.upper, answer.n)
