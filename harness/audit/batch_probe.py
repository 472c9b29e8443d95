"""Batch probe: is the batch gone?

Probes predict the batch from wells that the normalization did not read.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.audit.probes.mixing import mixing_findings
from harness.audit.probes.panel import screens_agree
from harness.audit.probes.partitions import distinct_partitions, n_partitions
from harness.audit.probes.plate_accuracy import plate_accuracy
from harness.audit.probes.renormalizer import NormalizeInBatches, Renormalizer
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
READ = "the normalization read these controls: they cannot show that the batch is gone from other wells"
ALONE = "treated wells tell the batch, hidden controls do not: compounds may act differently in each batch"
FEW = "{} other ways to deal these plates into batches are too few for a null; more plates or batches would settle it"


class BatchProbe(Check):
    """Predict the batch of wells on held-out plates by four probes, and compare with batches permuted over plates.

    ``audit/batch_probe/<controls or treated>/excess``: how much better the best probe does than under permuted batches,
    on a scale from 0 (no better) to 1 (certainty); see :func:`harness.audit.probes.excess.excess`.

    The wells are controls that the normalization did not read (each part of a plate's controls is hidden once), and
    treated wells minus the mean of their compound, if compounds are in several batches. The probes are a linear
    discriminant, a quadratic one that sees how wells vary, 15 nearest neighbours, and trees. Whole plates are held out,
    and each fold trains on plates of every batch. Permutations are distinct and never the true batches; a method whose
    result depends on the batches is run again for each of them.

    What it cannot tell: a batch effect that no probe of this strength finds. With few ways to deal the plates into
    batches there is no null, and only plates that cannot be told apart show that the batch is gone. Treated wells alone
    may differ between batches because compounds act differently in each.

    Parameters
    ----------
    n_folds : groups of whole plates, each held out once; the plates of a batch are dealt over the groups.
    n_permutations : permutations at most.
    n_first : permutations before the first look at the result; then as many more, and so on.
    clear : no more permutations are made once the interval of the excess lies on one side of this number, or never
        will.
    n_wells : wells of each set, at most about, evenly over plates.
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
        normalize, hidden = _choose_normalization(context)
        screens = normalize(context, None)
        wells = probed_controls(screens, plates, self.n_wells, context.seed)
        pooled = screens_agree(screens)
        trials = {"controls": ProbeTrial(wells, screens, pooled=pooled, n_folds=self.n_folds, seed=context.seed)}
        code, reason = ("", "") if hidden else ("controls_were_read", READ)
        if single_plate_batches:
            reason = f"{reason}; batches with one plate left out: {single_plate_batches}".removeprefix("; ")
        treated_undefined: NotApplicable | None = None
        try:
            compounds = probed_treated(screens[0], plates, self.n_wells, context.seed)
            trials["treated"] = ProbeTrial(compounds, screens, pooled=True, n_folds=self.n_folds, seed=context.seed)
        except NotApplicable as undefined:
            treated_undefined = undefined
        n_other_partitions = n_partitions(wells.batch)
        self._permute(context, trials, Renormalizer(context, normalize, plates, wells.batch))
        if n_other_partitions < FEWEST_PARTITIONS:
            code, reason = "few_partitions", f"{FEW.format(n_other_partitions)}; {reason}".removesuffix("; ")
        yield from control_findings(trials["controls"], reason)
        yield from trial_findings("controls", trials["controls"], code, reason)
        if n_other_partitions < FEWEST_PARTITIONS:
            yield plate_accuracy(wells, wells.profiles(screens), context.seed)
        yield from mixing_findings(context, trials["controls"].panel)
        yield from self._treated(trials, treated_undefined, reason if n_other_partitions < FEWEST_PARTITIONS else "")

    def _permute(self, context: AuditContext, trials: dict[str, ProbeTrial], renormalize: Renormalizer) -> None:
        """Add permutations of the batches to the trials until each trial is settled."""
        batch = trials["controls"].wells.batch
        rng = generator(context.seed, "batch probe", *renormalize.plates)
        open_trials = list(trials.values())
        for i, partition in enumerate(distinct_partitions(batch, self.n_permutations, rng)):
            if i and i % self.n_first == 0:
                open_trials = [trial for trial in open_trials if not trial.is_settled(self.clear)]
            if not open_trials:
                return
            screens = renormalize(partition)
            for trial in open_trials:
                trial.permute(partition, screens)

    def _treated(
        self, trials: dict[str, ProbeTrial], undefined: NotApplicable | None, few_partitions: str
    ) -> Iterator[Finding]:
        """Yield the findings of treated wells; ``few`` is the reason if there are too few partitions."""
        if undefined is not None:
            yield Finding(
                "audit/batch_probe/treated/excess", float("nan"), reason=undefined.reason, code=undefined.code
            )
            return
        controls, treated = (trials[name].excess() for name in ("controls", "treated"))
        only_treated_tell = treated.lower > self.clear > controls.upper
        code, reason = (
            ("few_partitions", few_partitions)
            if few_partitions
            else ("treated_alone", ALONE)
            if only_treated_tell
            else ("", "")
        )
        yield from trial_findings("treated", trials["treated"], code, reason)


def _choose_normalization(context: AuditContext) -> tuple[NormalizeInBatches, bool]:
    """Return the function that normalizes the screen in given batches, and whether it hides controls."""
    try:
        n_hidden_parts(raw_wells(context).wells)
        screens_with_hidden_controls(context)
    except NotApplicable as undefined:
        if undefined.code != "few_controls":
            raise
        return screen_with_all_controls, False
    return screens_with_hidden_controls, True
