"""Is the batch gone, or can it be told from wells that the normalization did not read?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.audit.probes.mixing import mixing_findings
from harness.audit.probes.panel import screens_agree
from harness.audit.probes.partitions import distinct_partitions, n_partitions
from harness.audit.probes.plate_accuracy import plate_accuracy
from harness.audit.probes.renormalizer import Normalize, Renormalizer
from harness.audit.probes.report import control_findings, trial_findings
from harness.audit.probes.trial import ProbeTrial
from harness.audit.probes.wells import (
    probed_controls,
    probed_plates,
    probed_treated,
    screen_with_all_controls,
    screens_with_hidden_controls,
)
from harness.audit.shared.hidden_controls import n_hidden_parts
from harness.audit.shared.views import raw_wells
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.seeding import generator
from harness.settings.annotated_types import Count, Folds, Positive

FEWEST_PARTITIONS = 20
READ = "the normalization read these controls: it cannot be shown that the batch is gone from others"
ALONE = "treated wells tell the batch and hidden controls do not: compounds may act differently in each batch"
FEW = "{} other ways to deal these plates into batches: too few for a null; more plates or batches would settle it"


class BatchProbe(Check):
    """Tell the batch of wells on held-out plates by four probes, against the same with batches permuted over plates.

    The wells are controls that the normalization did not read (each part of a plate's controls is hidden once), and
    treated wells minus the mean of their compound, if compounds are in several batches. A linear discriminant, one of
    how wells vary, 15 nearest neighbours and trees predict the batch; whole plates are held out, and each fold trains
    on plates of every batch. Batches are permuted over plates, distinct partitions only and never the true one; a
    method whose result depends on the batches is normalized anew with them.

    ``audit/batch_probe/<controls or treated>/excess``: how much better than under permuted batches the best probe
    does, 1 = certainty (see :func:`harness.audit.probes.excess.excess`).

    Parameters
    ----------
    n_folds : groups of whole plates, each held out once; a batch's plates are dealt over the groups.
    n_permutations : of the null, at most. n_first : before the first look at the answer; then as many more, and so on.
    clear : no more permutations if the interval of the excess lies on one side of this number, or never will.
    n_wells : of each set, at most about, evenly over plates.
    """

    needs = ("batches_of_two_plates >= 2",)

    def __init__(
        self,
        *,
        n_folds: Folds = 5,
        n_permutations: Count = 20,
        n_first: Count = 6,
        clear: Positive = 0.15,
        n_wells: Count = 1000,
    ) -> None:
        self.n_folds, self.n_permutations, self.n_first = n_folds, n_permutations, n_first
        self.clear, self.n_wells = clear, n_wells

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        table = raw_wells(context).wells
        plates, single_plate_batches = probed_plates(table[table["role"] == "negcon"])
        normalize, hidden = _normalize(context)
        screens = normalize(context, None)
        wells = probed_controls(screens, plates, self.n_wells, context.seed)
        together = screens_agree(screens)
        trials = {"controls": ProbeTrial(wells, screens, together=together, n_folds=self.n_folds, seed=context.seed)}
        code, reason = ("", "") if hidden else ("controls_were_read", READ)
        if single_plate_batches:
            reason = f"{reason}; batches with one plate left out: {single_plate_batches}".removeprefix("; ")
        unfit: NotApplicable | None = None
        try:
            compounds = probed_treated(screens[0], plates, self.n_wells, context.seed)
            trials["treated"] = ProbeTrial(compounds, screens, together=True, n_folds=self.n_folds, seed=context.seed)
        except NotApplicable as undefined:
            unfit = undefined
        n_ways = n_partitions(wells.batch)
        self._permute(context, trials, Renormalizer(context, normalize, plates, wells.batch))
        if n_ways < FEWEST_PARTITIONS:
            code, reason = "few_partitions", f"{FEW.format(n_ways)}; {reason}".removesuffix("; ")
        yield from control_findings(trials["controls"], reason)
        yield from trial_findings("controls", trials["controls"], code, reason)
        if n_ways < FEWEST_PARTITIONS:
            yield plate_accuracy(wells, wells.profiles(screens), context.seed)
        yield from mixing_findings(context, trials["controls"].panel)
        yield from self._treated(trials, unfit, reason if n_ways < FEWEST_PARTITIONS else "")

    def _permute(self, context: AuditContext, trials: dict[str, ProbeTrial], anew: Renormalizer) -> None:
        """Add permutations to the trials until each is settled."""
        batch = trials["controls"].wells.batch
        rng = generator(context.seed, "batch probe", *anew.plates)
        open_trials = list(trials.values())
        for i, partition in enumerate(distinct_partitions(batch, self.n_permutations, rng)):
            if i and i % self.n_first == 0:
                open_trials = [trial for trial in open_trials if not trial.settled(self.clear)]
            if not open_trials:
                return
            screens = anew(partition)
            for trial in open_trials:
                trial.permute(partition, screens)

    def _treated(self, trials: dict[str, ProbeTrial], unfit: NotApplicable | None, few: str) -> Iterator[Finding]:
        """Yield findings of treated wells; ``few`` is the reason if there are too few partitions."""
        if unfit is not None:
            yield Finding("audit/batch_probe/treated/excess", float("nan"), reason=unfit.reason, code=unfit.code)
            return
        controls, treated = (trials[name].excess() for name in ("controls", "treated"))
        single_plate_batches = treated.lower > self.clear > controls.upper
        code, reason = (
            ("few_partitions", few) if few else ("treated_alone", ALONE) if single_plate_batches else ("", "")
        )
        yield from trial_findings("treated", trials["treated"], code, reason)


def _normalize(context: AuditContext) -> tuple[Normalize, bool]:
    """Return what normalizes the screen for other batches, and whether controls are hidden from it."""
    try:
        n_hidden_parts(raw_wells(context).wells)
        screens_with_hidden_controls(context)
    except NotApplicable as undefined:
        if undefined.code != "few_controls":
            raise
        return screen_with_all_controls, False
    return screens_with_hidden_controls, True
