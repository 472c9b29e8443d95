"""Views of the screen that several checks read: its wells before and after normalization, and by the yardstick.

Each is computed once in a process and remembered as long as the profiles of the run live. Checks that normalize a
screen many times work on wells: the sites of a well are aggregated first, as in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from harness.audit.base import AuditContext
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import aggregate
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.tuning.base import params_signature

Cached = TypeVar("Cached")


def raw_wells(context: AuditContext) -> Profiles:
    """Return the screen before normalization, one row per well.

    With ``aggregate=none`` sites are aggregated by their median: replicates, spikes and probes are about wells.
    """
    method = "median" if context.aggregate == "none" else context.aggregate
    return cached_per_run(context, "raw wells", lambda: aggregate(context.profiles, method))


def normalized_wells(context: AuditContext) -> Profiles:
    """Return the wells normalized by the run's method in the descriptive view, fitted on every row."""
    profiles = raw_wells(context)
    return cached_per_run(context, "normalized wells", lambda: context.normalize(profiles)(None))


def yardstick_wells(context: AuditContext) -> dict[str, Profiles]:
    """Return two views that carry no risk: ``raw`` and ``dmso_within``, each plate scaled by its controls.

    Both are invertible on every plate, so neither can lose what lies within one. ``dmso_within`` is exchangeable (it
    treats controls as it does treated wells), and is left out if a plate has too few controls for it.
    """

    def make() -> dict[str, Profiles]:
        profiles = raw_wells(context)
        views = {"raw": profiles}
        try:
            views["dmso_within"] = normalize(profiles, DmsoWithin())
        except InputError:
            return views
        return views

    return cached_per_run(context, "yardstick", make)


def cached_per_run(context: AuditContext, key: Hashable, make: Callable[[], Cached]) -> Cached:
    """Return ``make()``, computed once for a run's profiles, method and seed and remembered with the profiles."""
    return context.profiles.cached(
        (key, context.seed, context.aggregate, repr(params_signature(context.normalizer))), make
    )
