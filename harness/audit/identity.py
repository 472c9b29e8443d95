"""Identity: are replicates of a compound found among other compounds as well as before?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.crossed_resamples import Estimate
from harness.audit.replicate.identity import IdentityComparison, compare_identity
from harness.core.finding import Finding


class Identity(Check):
    """Retrieve the replicates of each compound among wells of other compounds, and compare with the yardstick.

    ``audit/identity/map``: mean average precision, by cosine in control-whitened space, centred at the mean of all
    controls, so that constants, scales and rotations of the features do not matter. Replicates stand in other batches
    at other positions if the design has such, else on other plates (codes ``same_batch``, ``same_position``: what they
    share makes them alike too). Average precision of each well is averaged to compounds; intervals resample compounds
    and plates. Further findings:

    * ``map_raw``: by raw profiles; ``map_yardstick``: by the better of raw profiles and of plates scaled by their
      controls; ``map_recentred``: by the run's profiles with each plate scaled by its controls once more;
    * ``chance``: by labels moved to nearby wells; ``above_chance``: what the best of these views gains over it;
    * ``minus_yardstick``: paired over the same wells and resamples; ``kept``: the gain over chance as a share of the
      yardstick's, 1 if identity is kept and 0 if it is lost; ``kept_recentred``: the same after recentring. A loss that
      recentring undoes is hidden, not lost;
    * ``recall_at_1`` and ``recall_at_1_yardstick``: how often the nearest well is a replicate.

    With the code ``nothing_retrieved`` the yardstick is not above chance, so that nothing could be kept or lost.
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
    """Return the estimates of the check by the last part of their keys."""
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
