"""Does a normalization treat a phenotype the same, however common it is?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.aggregate import aggregate
from harness.audit.base import AuditContext, Check, Finding
from harness.audit.bench import COLUMNS, STATISTICS, Bench, student
from harness.audit.confounding import cramers_v
from harness.audit.spike import (
    COMMON,
    FEW,
    SPARSE,
    Design,
    by_batch,
    control_distance,
    control_sd,
    directions,
    estimated_prevalence,
    everywhere,
    half_of_plates,
)
from harness.bootstrap import interval
from harness.seeding import derive, generator
from harness.settings.types import Count, NotNegative, Positive
from harness.types import InputError, NotApplicable


class SpikeIn(Check):
    """Add a known effect to known wells before normalization and see what is left of it afterwards.

    Arms: ``sparse`` (5% of treated wells), ``common`` (90% on half of the plates), ``position_bound`` (20%, the same
    wells on every plate), ``batch_bound`` (5% to 90%, by batch) and ``matched``, which has this screen's own prevalence
    by plate (estimated from exchangeable control distances) and its own layout (the same positions everywhere where
    compound is tied to position). The verdict rests on ``matched``; the others show what would happen.

    Displacement: a well's profile normalized with the spike minus without, along the displacement that the same plate
    shows when only a few of its wells are spiked (1 for them by definition). From it:

    ``retention``: mean displacement of the spiked wells. ``spillover``: mean displacement of the other wells of plates
    with spikes, 0 where they stay. ``contrast``: slope of displacement on being spiked over all wells of the screen,
    i.e. how far spiked wells stand from unspiked ones, wherever these are: 1 where prevalence does not matter, 0 where
    the effect is gone. A shift that all wells of the screen share changes retention and spillover but no comparison
    of wells, so the verdict rests on the contrast. ``response``: length of the displacement of a few spiked wells
    relative to the spike, in control sd of the normalized profiles: about 1 for methods that keep the scale of
    features, 0 for one that ignores its input.

    Works on well profiles (sites aggregated first), so that a pass costs a fraction of the screen's.

    Parameters
    ----------
    n_directions : real effects to imitate in the ``matched`` arm; values are means over them, intervals Student's.
    n_others : the same in the other arms, at most ``n_directions``.
    amplitude : of the spike, in control sd (root mean square over features).
    tied_above : bias-corrected Cramer's V of compound x position from which on the layout counts as fixed.
    """

    needs = ("plates >= 2", "controls_per_plate >= 2")

    def __init__(
        self, *, n_directions: Count = 4, n_others: Count = 2, amplitude: Positive = 1.0, tied_above: NotNegative = 0.5
    ) -> None:
        self.n_directions = n_directions
        self.n_others = n_others
        self.amplitude = amplitude
        self.tied_above = tied_above

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        bench = self.bench(context)
        seed = derive(context.seed, "spike-in")
        yield from self._matched(bench, seed)
        n_others = min(self.n_others, self.n_directions)
        for arm in self.others(bench, seed):
            tables = [bench.moved(arm, i) for i in range(n_others)]
            yield from self._other(arm, pd.concat(tables).groupby("plate", as_index=False, sort=False).mean(), context)
        response = np.mean([bench.response(i) for i in range(self.n_directions)])
        yield Finding("audit/spike_in/response", float(response), n=len(bench.wells))

    def _matched(self, bench: Bench, seed: int) -> Iterator[Finding]:
        """Means over directions, each with prevalences estimated anew, with Student's interval over them."""
        arms = list(self.matched(bench, seed))
        moved = [bench.moved(arm, i) for i, arm in enumerate(arms)]
        share = float(np.mean([list(arm.prevalence.values()) for arm in arms]))
        yield Finding("audit/spike_in/matched/prevalence", share, n=len(arms[0].prevalence))
        for key, statistic in STATISTICS.items():
            values = np.array([statistic(*(table[c].to_numpy() for c in COLUMNS)) for table in moved])
            n = int(sum(table["n_spiked"].sum() for table in moved))
            yield Finding(f"audit/spike_in/matched/{key}", float(values.mean()), *student(values), n)

    def _other(self, arm: Design, moved: pd.DataFrame, context: AuditContext) -> Iterator[Finding]:
        """Statistics of displacements averaged over directions, with intervals from resampled plates.

        Then by level of prevalence, where an arm has several: ``retention_at_0.9`` is that of the plates on which 90%
        of the treated wells are spiked.
        """
        key = f"audit/spike_in/{arm.name}"
        yield Finding(f"{key}/prevalence", float(np.mean(list(arm.prevalence.values()))), n=len(arm.prevalence))
        draws = generator(context.seed, "plates", arm.name).integers(len(moved), size=(context.n_resamples, len(moved)))
        values = moved[list(COLUMNS)].to_numpy().T
        for name, statistic in STATISTICS.items():
            with np.errstate(invalid="ignore", divide="ignore"):  # a draw of plates without any spike
                drawn = np.array([statistic(*values[:, rows]) for rows in draws])
            n = int(moved["n_spiked"].sum())
            yield Finding(f"{key}/{name}", float(statistic(*values)), *interval(drawn), n)
        levels = moved["plate"].map(arm.prevalence).round(2)
        several = levels.unique()
        for level in np.sort(several[several > 0]) if len(several) > 1 else ():
            own = values[:, (levels == level).to_numpy()]
            for name in ("retention", "spillover"):
                yield Finding(f"{key}/{name}_at_{level:g}", STATISTICS[name](*own), n=int(own[0].sum()))

    def bench(self, context: AuditContext) -> Bench:
        """What all arms share. Raises NotApplicable where a plate has too few controls for a scale."""
        profiles = aggregate(context.profiles, "median")
        train = context.splits[0].train
        try:
            scale = control_sd(profiles.X, profiles.wells)
            found = directions(profiles, train, self.n_directions, derive(context.seed, "spike-in"))
            return Bench(profiles, context.normalize, scale, found, self.amplitude, context.seed)
        except InputError as reason:
            raise NotApplicable(str(reason)) from reason

    def matched(self, bench: Bench, seed: int) -> Iterator[Design]:
        """This screen's own design, its prevalence estimated anew from resampled wells for each direction.

        Raises NotApplicable where control distances cannot be had: one plate, or one with fewer than 3 controls.
        """
        wells = bench.wells
        treated = wells[wells["role"] == "treated"]
        known = treated.dropna(subset=["compound"]) if "compound" in treated else treated.iloc[:0]
        tied = cramers_v(known["compound"], known["well"])[1] if len(known) else np.nan
        try:
            distance = control_distance(bench.profiles, seed)
        except InputError as reason:
            raise NotApplicable(str(reason)) from reason
        for i in range(self.n_directions):
            prevalence = estimated_prevalence(distance, wells, generator(seed, "prevalence", i))
            floor = {plate: max(share, FEW) for plate, share in prevalence.items()}
            yield Design("matched", floor, same_positions=bool(tied > self.tied_above))

    def others(self, bench: Bench, seed: int) -> list[Design]:
        """Designs that this screen may not have: what would happen."""
        wells = bench.wells
        return [
            Design("sparse", everywhere(wells, SPARSE)),
            Design("common", half_of_plates(wells, COMMON, 0.0, seed)),
            Design("batch_bound", by_batch(wells, SPARSE, COMMON, seed)),
            Design("position_bound", everywhere(wells, 0.2), same_positions=True),
        ]
