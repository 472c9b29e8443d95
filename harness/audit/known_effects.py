"""Known effects: are compounds that are known to be strong also strong in the profiles, before and after?

A known score of compounds is correlated with their distance from controls and with what models predict for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.known_effects.scores import KnownEffectSource
from harness.known_effects.spearman import Correlation
from harness.known_effects.treatments import treatment_table


class KnownEffects(KnownEffectSource, Check):
    """Correlate a known score of compounds with how strong the profiles say they are.

    ``audit/known_effects/<measure>/spearman`` is Spearman's rank correlation over treatments of the score with a
    measure, the median over the wells of each treatment:

    * ``raw_distance`` and ``distance``: from the controls of the plate, before and after normalization
      (:func:`harness.known_effects.strength.strength`); ``distance_minus_raw``: the paired difference of the two;
    * ``<task>_<model>``: the held-out probability of each model and trivial baseline. Its value before normalization is
      in the run of ``raw``;
    * ``cell_count``: relative to the plate's controls, negative if stronger compounds leave fewer cells.

    ``cell_count_distance/spearman`` is the correlation of cell count with distance: near -1 the effect may be plain
    toxicity. If the score differs between treatments of a compound (doses), ``<measure>/within_compound`` is the mean
    over compounds of the correlation over the treatments of one: between compounds potency decides more than dose.

    The sign depends on the direction of the score: an IC50 falls with potency. Intervals resample compounds. The
    verdict does not read these numbers. For parameters see :class:`harness.known_effects.scores.KnownEffectSource`.
    """

    needs_full_screen = True
    reads_evaluations = True
    needs = ("compounds >= 1", "known_scores >= 1")

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        known_effects = self.match_wells(context.wells)
        treatments = treatment_table(
            known_effects,
            context.wells,
            raw=context.profiles,
            normalized=context.normalized(None),
            evaluations=context.evaluations,
        )
        compounds = treatments.table["compound"].nunique()
        yield Finding(
            "audit/known_effects/compounds", float(compounds), n=len(treatments.table), reason=known_effects.report
        )
        correlations = treatments.correlations(n_resamples=context.n_resamples, seed=context.seed)
        for measure, correlation in correlations.items():
            yield finding(f"audit/known_effects/{measure}", correlation)


def finding(key: str, correlation: Correlation | NotApplicable) -> Finding:
    """Return a correlation as a finding, an undefined one with its reason."""
    if isinstance(correlation, NotApplicable):
        return Finding(key, float("nan"), reason=correlation.reason)
    return Finding(key, correlation.value, correlation.lower, correlation.upper, correlation.n)
