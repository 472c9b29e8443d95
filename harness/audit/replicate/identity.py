"""Retrieval of replicates by a run's profiles and by the yardstick's, over the same wells and resamples.

A view is the screen as it was normalized in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.audit.base import AuditContext
from harness.audit.replicate.controls import sample_controls
from harness.audit.replicate.crossed_resamples import CrossedResamples, Estimate, resample_crossed
from harness.audit.replicate.retrieval import Retrieval, retrieve
from harness.audit.replicate.selection import PairRule, ReplicateWells, ordinal, replicate_wells
from harness.audit.shared.views import normalized_wells, raw_wells, yardstick_wells
from harness.audit.shared.whitening import fit_whitening
from harness.core.arrays import Floats
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize

WELLS_OF_NULL = 4_000  # over all draws of labels: the fewer wells, the more draws
DRAWS_OF_NULL = (2, 8)


@dataclass(frozen=True)
class RetrievalOfView:
    """Retrieval of replicates by one view of the screen, over the wells for which it is defined.

    ``resamples`` : of compounds and plates, the same for all views.
    """

    retrieval: Retrieval
    resamples: CrossedResamples

    def mean(self, score: str) -> Estimate:
        """Return the mean over compounds of the mean over their wells, of a field of the retrieval."""
        return self.resamples.mean(getattr(self.retrieval, score))

    def minus(self, other: RetrievalOfView) -> Estimate:
        """Return by how much mean average precision exceeds that of another view."""
        return self.resamples.mean(self.retrieval.average_precision - other.retrieval.average_precision)

    def excess(self) -> Estimate:
        """Return by how much mean average precision exceeds chance."""
        return self.resamples.mean(self.retrieval.average_precision - self.retrieval.chance)

    def ratio(self, other: RetrievalOfView) -> Estimate:
        """Return the gain over chance as a share of that of another view."""
        if not other.excess().lower > 0:
            reason = "replicates are not retrieved above chance by the yardstick: there is nothing that could be kept"
            return Estimate(float("nan"), code="nothing_retrieved", reason=reason)
        a, b = self.retrieval, other.retrieval
        return self.resamples.ratio(a.average_precision - a.chance, b.average_precision - b.chance)


@dataclass(frozen=True)
class IdentityComparison:
    """Retrieval of replicates by all views of a screen.

    Attributes
    ----------
    run : by the run's profiles. recentred : by the same with each plate scaled by its controls once more.
    yardsticks : by the views that carry no risk, by name; ``raw`` is always among them.
    code, reason : what limits the answer, e.g. ``same_position``. n_compounds : behind it.
    """

    run: RetrievalOfView
    recentred: RetrievalOfView
    yardsticks: Mapping[str, RetrievalOfView]
    code: str
    reason: str
    n_compounds: int

    @property
    def raw(self) -> RetrievalOfView:
        """The view of raw profiles."""
        return self.yardsticks["raw"]

    @cached_property
    def yardstick(self) -> RetrievalOfView:
        """The yardstick that retrieves more."""
        return max(self.yardsticks.values(), key=lambda view: view.mean("average_precision").value)

    def above_chance(self) -> Estimate:
        """Return the excess over chance of the view in which it is largest."""
        views = (self.run, self.recentred, *self.yardsticks.values())
        return max((view.excess() for view in views), key=lambda score: score.value)


def compare_identity(context: AuditContext) -> IdentityComparison:
    """Retrieve replicates by the run's profiles and by the yardsticks'.

    Raises
    ------
    NotApplicable : ``no_compounds``, ``no_replicates``, ``few_compounds`` (no wells of other compounds),
        ``few_controls``, ``nothing_varies``.
    """
    wells = raw_wells(context).wells
    selected = replicate_wells(wells, context.seed)
    rule = selected.rule()
    normalized = normalized_wells(context)
    views = {"run": normalized, "recentred": _recentred(normalized), **yardstick_wells(context)}
    distinct: dict[str, Profiles] = {}
    same_as = {}
    for name, profiles in views.items():
        same_as[name] = next((k for k, p in distinct.items() if np.array_equal(p.X, profiles.X)), name)
        distinct.setdefault(same_as[name], profiles)
    unit_profiles = [_unit(profiles, selected, context.seed) for profiles in distinct.values()]
    n_null = int(np.clip(WELLS_OF_NULL // len(selected.rows), *DRAWS_OF_NULL))
    retrievals = dict(zip(distinct, retrieve(unit_profiles, selected, rule, context.seed, n_null=n_null), strict=True))
    defined = ~np.isnan(retrievals["run"].average_precision)
    if not defined.any():
        raise NotApplicable(f"no well has replicates {rule} and wells of other compounds there", code="few_compounds")
    compound = ordinal(selected.compound[defined])
    resamples = resample_crossed(context, wells.iloc[selected.rows][defined], compound, kind="compounds")
    by_view = {name: RetrievalOfView(retrievals[same_as[name]].take(defined), resamples) for name in views}
    yardsticks = {name: by_view[name] for name in views if name not in ("run", "recentred")}
    n_compounds = int(compound.max()) + 1
    return IdentityComparison(
        by_view["run"], by_view["recentred"], yardsticks, _code(rule), _reason(rule, selected), n_compounds
    )


def _recentred(profiles: Profiles) -> Profiles:
    """Return the profiles with each plate scaled by its controls; unchanged if a plate has too few controls."""
    try:
        return normalize(profiles, DmsoWithin())
    except InputError:
        return profiles


def _unit(profiles: Profiles, selected: ReplicateWells, seed: int) -> Floats:
    """Return whitened profiles of the selected wells, of unit length; 0 for a well at the mean of the controls."""
    fitted_on = sample_controls(profiles.wells, seed)
    Z = fit_whitening(profiles.X, profiles.wells, fitted_on)(profiles.X[selected.rows])
    length = np.sqrt(np.einsum("ij,ij->i", Z, Z, dtype=np.float64))[:, None]
    return np.asarray(np.divide(Z, length, out=np.zeros_like(Z), where=length > 0))


def _code(rule: PairRule) -> str:
    """Return the code of what replicates share; empty if they share neither batch nor position."""
    return "same_position" if not rule.position else "" if rule.batch else "same_batch"


def _reason(rule: PairRule, selected: ReplicateWells) -> str:
    """Return what the answer rests on, for readers."""
    caveats = {
        "same_position": "replicates share their position, which makes them alike too",
        "same_batch": "replicates share their batch, which makes them alike too",
        "": "",
    }
    return "; ".join(filter(None, [f"replicates {rule}", caveats[_code(rule)], selected.caveat]))
