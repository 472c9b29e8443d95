"""Share of treated wells that are active, from how well replicates on other plates agree, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.components import once
from harness.audit.replicate.agreement import Agreement, agreement
from harness.audit.replicate.selection import PairRule, ReplicateWells, replicate_wells
from harness.audit.replicate.shrinkage import shrunk
from harness.audit.shared.views import raw_wells, yardstick_wells
from harness.audit.shared.whitening import whitening
from harness.bootstrap import interval
from harness.seeding import generator
from harness.types import Doubles, NotApplicable

ALPHA = 0.05
N_DRAWS = 200
OTHER_PLACES = PairRule(batch=False, position=True)


@dataclass(frozen=True)
class Prevalence:
    """Share of treated wells that are active.

    Attributes
    ----------
    by_plate : share, lower and upper bound (95%) among the treated wells of each plate of the screen, by its name.
    overall, lower, upper : over all treated wells.
    code : one word if the numbers need a caveat; empty if they do not.
    reason : what they rest on, for people.
    n : treatments they rest on.
    """

    by_plate: Mapping[str, tuple[float, float, float]]
    overall: float
    lower: float
    upper: float
    code: str = ""
    reason: str = ""
    n: int = 0


def prevalence_by_plate(context: AuditContext) -> Prevalence:
    """Estimate which share of treated wells is active, on the yardstick's profiles, once in a process.

    A treatment is active if its wells on other plates at other positions agree more than wells of different compounds
    of the same plates do (p < 0.05). Effects too weak or too seldom to be repeated are not seen: the number is a floor.

    Raises
    ------
    NotApplicable : ``no_compounds``, ``no_replicates``, ``same_position`` (every compound stands in one well of all its
        plates), ``few_compounds``, ``few_controls``, ``nothing_varies``.
    """
    return once(context.profiles, ("prevalence", context.seed), lambda: _prevalence(context))


def _prevalence(context: AuditContext) -> Prevalence:
    views = yardstick_wells(context)
    profiles = views.get("dmso_within", views["raw"])
    wells = raw_wells(context).wells
    selected = replicate_wells(wells, context.seed)
    if not selected.rule().position:
        raise NotApplicable(
            "every compound stands in the same well on all its plates: replicates would agree by their position too; "
            "replicates at other positions would settle it",
            code="same_position",
        )
    white = whitening(profiles.X, wells, (wells["role"] == "negcon").to_numpy(dtype=bool))
    agreed = agreement(white(profiles.X[selected.rows]), selected, OTHER_PLACES, context.seed)
    names = wells["plate"].iloc[selected.rows].astype(str).to_numpy(dtype=str)
    batch_of = wells.drop_duplicates("plate").assign(plate=lambda t: t["plate"].astype(str)).set_index("plate")["batch"]
    return _shares(agreed, selected, names, batch_of, context.seed)


def _shares(
    agreed: Agreement, selected: ReplicateWells, names: NDArray[np.str_], batch_of: pd.Series[str], seed: int
) -> Prevalence:
    """Shares of active wells over the screen and by plate, with intervals from resampled treatments."""
    active = agreed.p < ALPHA
    defined = ~np.isnan(agreed.p[selected.treatment])
    plates, plate = np.unique(names[defined], return_inverse=True)
    treatment = selected.treatment[defined]
    n = len(agreed.p)
    weights = np.vstack([np.ones(n), generator(seed, "prevalence", n).multinomial(n, np.full(n, 1 / n), N_DRAWS)])
    wells_of = np.zeros((n, len(plates)))
    np.add.at(wells_of, (treatment, plate), 1.0)
    count, positive = weights @ wells_of, (weights * active) @ wells_of
    overall = corrected(positive.sum(axis=1) / count.sum(axis=1))
    share = np.divide(positive, count, out=np.full_like(count, np.nan), where=count > 0)
    batch = batch_of.loc[list(plates)].to_numpy()
    smooth = (positive + 0.5) / (count + 1)
    noise = smooth * (1 - smooth) / (count + 1)
    drawn = np.array([shrunk(corrected(s), v, batch) for s, v in zip(share, noise, strict=True)])
    value, draws = np.clip(drawn[0], 0, 1), np.clip(drawn[1:], 0, 1)
    bounds = [interval(draws[:, i]) for i in range(len(plates))]
    everywhere = float(np.clip(overall[0], 0, 1))
    lower, upper = interval(np.clip(overall[1:], 0, 1))
    by_plate = {str(p): (everywhere, lower, upper) for p in batch_of.index}
    by_plate |= {str(p): (float(v), *b) for p, v, b in zip(plates, value, bounds, strict=True)}
    return Prevalence(by_plate, everywhere, lower, upper, "", selected.caveat, int((~np.isnan(agreed.p)).sum()))


def corrected(share: Doubles) -> Doubles:
    """Take off the 5% of inactive treatments that pass by chance."""
    return (share - ALPHA) / (1 - ALPHA)
