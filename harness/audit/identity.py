"""Is the identity of compounds kept: are replicates found among other compounds as well as before?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.crossed_resamples import Estimate
from harness.audit.replicate.identity import IdentityComparison, compare_identity
from harness.core.finding import Finding


class Identity(Check):
    """``audit/identity/map``: mean average precision of replicates among the wells of other compounds on their plates.

    Replicates stand in other batches at other positions, if the design has such, else on other plates (codes
    ``same_batch``, ``same_position``). Cosine in control-whitened space, centred at the mean of all controls, so that
    constants, scales and rotations of the features do not matter. Average precision of each well, averaged to
    compounds; intervals resample compounds and plates. Beside it

    * ``map_yardstick``: of the better of raw profiles and of plates scaled by their controls, ``map_raw`` of raw ones;
      ``map_recentred``: of the run's profiles, each plate scaled by its controls once more;
    * ``chance``, of labels that were moved to wells near by, ``above_chance``, of the best of all these views;
    * ``minus_yardstick``, paired over the same wells and resamples, and ``kept``, what lies above chance as a share of
      what does under the yardstick; ``kept_recentred``: a loss that this undoes is hidden, not lost;
    * ``recall_at_1`` and ``recall_at_1_yardstick``: the nearest well is a replicate.

    Code ``nothing_retrieved``: the yardstick is not above chance, so that nothing could be kept.
    """

    needs = ("replicated_treatments >= 1",)

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        compared = compare_identity(context)
        for key, score in _scores(compared).items():
            yield Finding(
                f"audit/identity/{key}",
                score.value,
                score.lower,
                score.upper,
                compared.n_compounds,
                score.reason or compared.reason,
                score.code or compared.code,
            )


def _scores(compared: IdentityComparison) -> dict[str, Estimate]:
    run, yardstick, recentred = compared.run, compared.yardstick, compared.recentred
    return {
        "map": run.mean("average_precision"),
        "map_yardstick": yardstick.mean("average_precision"),
        "map_raw": compared.raw.mean("average_precision"),
        "map_recentred": recentred.mean("average_precision"),
        "chance": run.mean("chance"),
        "above_chance": compared.above_chance(),
        "minus_yardstick": run.minus(yardstick),
        "kept": run.ratio(yardstick),
        "kept_recentred": recentred.ratio(yardstick),
        "recall_at_1": run.mean("recall"),
        "recall_at_1_yardstick": yardstick.mean("recall"),
    }
