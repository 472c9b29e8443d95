"""Does a normalization treat a phenotype the same, however common it is?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import t

from harness.aggregate import aggregate
from harness.audit.base import AuditContext, BySplit, Check, Finding
from harness.audit.confounding import cramers_v
from harness.audit.spike import (
    COMMON,
    FEW,
    SPARSE,
    Design,
    add,
    by_batch,
    control_distance,
    control_sd,
    directions,
    estimated_prevalence,
    everywhere,
    half_of_plates,
)
from harness.bootstrap import LEVEL, interval
from harness.seeding import derive, generator
from harness.types import Doubles, InputError, Mask, NotApplicable, Profiles


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

    def __init__(
        self, *, n_directions: int = 4, n_others: int = 2, amplitude: float = 1.0, tied_above: float = 0.5
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


@dataclass(frozen=True)
class Bench:
    """Well profiles, the normalization under test, and the spikes' directions: what the arms share.

    Displacements are in units of the control sd of the normalized, unspiked profiles, pooled within plates.
    """

    profiles: Profiles
    normalize: Callable[[Profiles], BySplit]
    scale: Doubles
    directions: Sequence[Doubles]
    amplitude: float
    seed: int

    @property
    def wells(self) -> pd.DataFrame:
        return self.profiles.wells

    @cached_property
    def plain(self) -> Profiles:
        return self.normalize(self.profiles)(None)

    @cached_property
    def unit(self) -> Doubles:
        """Pooled within-plate control sd of the normalized profiles, (n_features,); features without any count 0."""
        controls = (self.wells["role"] == "negcon").to_numpy()
        variance = np.square(control_sd(self.plain.X, self.wells)[controls]).mean(axis=0)
        return np.asarray(np.sqrt(variance))

    @cached_property
    def references(self) -> list[tuple[Doubles, Doubles]]:
        """For each direction the mean displacement of a few spiked wells of each plate, twice, with other wells.

        Both (n_plates, n_features). The scales of few wells are noisy where each has its own reference of few controls,
        and the squared length of one displacement would count that noise; the product of two does not.
        """
        names = ("reference", "other reference")
        return [(self._reference(i, names[0]), self._reference(i, names[1])) for i in range(len(self.directions))]

    def _reference(self, i: int, name: str) -> Doubles:
        """Mean displacement of a few spiked wells by plate; one without treated wells takes the mean of the others."""
        few = Design("few", everywhere(self.wells, FEW))
        spiked = few.pick(self.wells, derive(self.seed, name, i))
        mean, count = self._by_plate(self.displacement(spiked, i), spiked)
        mean[count == 0] = mean[count > 0].mean(axis=0)
        return mean

    def displacement(self, spiked: Mask, i: int) -> Doubles:
        """Normalized with the spike minus without, in control sd: (n_wells, n_features)."""
        moved = self.normalize(add(self.profiles, spiked, self.directions[i], self.amplitude, self.scale))(None)
        unit = np.where(self.unit > 0, self.unit, np.inf)
        return (moved.X.astype(np.float64) - self.plain.X) / unit

    def _by_plate(self, moved: Doubles, rows: Mask) -> tuple[Doubles, Doubles]:
        """Mean over the marked rows of each plate, (n_plates, n_features), and their number, (n_plates,)."""
        codes, plates = pd.factorize(self.wells["plate"])
        count = np.bincount(codes[rows], minlength=len(plates)).astype(float)
        total = np.zeros((len(plates), moved.shape[1]))
        np.add.at(total, codes[rows], moved[rows])
        return total / np.maximum(count, 1)[:, None], count

    def moved(self, arm: Design, i: int) -> pd.DataFrame:
        """Mean displacement of the spiked and of the other wells by plate: ``plate`` and :data:`COLUMNS`.

        Raises
        ------
        NotApplicable : a few spiked wells do not move at all, or in all directions.
        """
        reference, other = self.references[i]
        length = np.einsum("pf,pf->p", reference, other)
        if not (reference.any(axis=1) & other.any(axis=1)).all():
            raise NotApplicable("the normalized profile of a well does not depend on the well: a spike leaves no trace")
        if not (length > 0).all():
            raise NotApplicable("on some plate, two sets of few spiked wells move in opposite directions: too noisy")
        spiked = arm.pick(self.wells, derive(self.seed, arm.name, i))
        moved = self.displacement(spiked, i)
        table = {"plate": pd.unique(self.wells["plate"])}
        for name, rows in (("spiked", spiked), ("other", ~spiked)):
            mean, table[f"n_{name}"] = self._by_plate(moved, rows)
            table[name] = np.einsum("pf,pf->p", mean, reference) / length
        return pd.DataFrame(table)

    def response(self, i: int) -> float:
        """Root mean square displacement of a few spiked wells, relative to the spike's."""
        return float(np.sqrt(np.square(self.references[i][0]).mean()) / self.amplitude)


def retention(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:  # noqa: ARG001
    """Mean displacement of spiked wells."""
    return float((n1 * d1).sum() / n1.sum())


def spillover(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:  # noqa: ARG001
    """Mean displacement of the other wells of plates with spikes."""
    touched = n0 * (n1 > 0)
    return float((touched * d0).sum() / touched.sum())


def contrast(n1: Doubles, d1: Doubles, n0: Doubles, d0: Doubles) -> float:
    """Least-squares slope of displacement on the indicator of being spiked, over all wells."""
    n, spiked, moved, both = (n1 + n0).sum(), n1.sum(), (n1 * d1 + n0 * d0).sum(), (n1 * d1).sum()
    return float((both * n - spiked * moved) / (spiked * n - spiked**2))


COLUMNS = ("n_spiked", "spiked", "n_other", "other")
STATISTICS: dict[str, Callable[[Doubles, Doubles, Doubles, Doubles], float]] = {
    "retention": retention,
    "spillover": spillover,
    "contrast": contrast,
}


def student(values: Doubles, *, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a mean over few repeats; NaN, NaN for a single one."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
