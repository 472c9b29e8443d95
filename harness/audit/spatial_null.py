"""Could position do it? Treated wells that stand like the controls, a few columns away, called controls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.confounding import cramers_v
from harness.audit.shared.even_sample import sorted_by_name
from harness.audit.shared.exchange_metadata import with_metadata
from harness.audit.shared.moved_pattern import Copy, copies
from harness.audit.shared.positions import held_out, positioned
from harness.audit.shared.relabelled import Relabelled, mean_interval, models_of, score
from harness.audit.shared.views import raw_wells
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.settings.annotated_types import Count
from harness.settings.limits import Within

TIED_COMPOUNDS = 0.5


class SpatialNull(Check):
    """Score copies of the control pattern that were moved or mirrored to other columns, in wells that hold no control.

    If controls stand at places of their own, control against treated cannot be told from an effect of these places. A
    copy of the pattern among treated wells, normalized as the controls and scored on held-out batches, says what place
    alone can score after this normalization; the nearest copy says most. Real controls are left out, of the
    normalization as of the scoring: as treated wells they would stand farther out than the copy, which hides what the
    edge does, and be told by lacking the phenotypes of treated wells. Copies take their metadata.

    Findings: the largest AUROC over copies for each model, ``audit/spatial_null/MODEL/auroc``, and each copy's,
    ``audit/spatial_null/COPY/MODEL/auroc``; names of copies are those of
    :func:`harness.audit.shared.moved_pattern.copies`. The code ``compounds_tied_to_position`` says that compounds have
    wells of their own, so that a copy can be told by what it holds: the score is an upper limit of what place can do.

    Parameters
    ----------
    most_copies : copies, the nearest ones. tied : AUROC of position alone below which roles share positions and the
        check does not apply: position then cannot do it.
    tested : treated wells that are tested, per control of the copy.
    """

    name: ClassVar[str] = "spatial_null"

    def __init__(
        self, *, most_copies: Count = 3, tied: Annotated[float, Within(0, 1)] = 0.6, tested: Count = 2
    ) -> None:
        self.most_copies = most_copies
        self.tied = tied
        self.tested = tested

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles = raw_wells(context)
        self._check(context, profiles.wells)
        patterns = copies(profiles.wells, self.most_copies)
        if not patterns:
            raise NotApplicable(
                "no copy of the control pattern stands in treated wells: controls fill too much of the plate; controls "
                "at random positions would settle what position does",
                code="no_copies",
            )
        treated = profiles.wells[profiles.wells["role"] == "treated"]
        tied = "compound" in treated and cramers_v(treated["compound"], treated["well"])[1] > TIED_COMPOUNDS
        reason = "compounds have wells of their own: a copy can be told by what it holds" if tied else ""
        code = "compounds_tied_to_position" if tied else ""
        largest: dict[str, Finding] = {}
        for pattern in patterns:
            relabelled = _relabel(profiles, pattern, self.tested, context.seed)
            for model, scored in score(context, relabelled, models_of(context), axis=pattern.name).items():
                key = f"audit/{self.name}/{{}}{model}/auroc"
                finding = Finding(
                    key.format(f"{pattern.name}/"),
                    *mean_interval([scored]),
                    n=len(scored.wells),
                    reason=reason,
                    code=code,
                )
                yield finding
                if model not in largest or finding.value > largest[model].value:
                    largest[model] = replace(finding, key=key.format(""))
        yield from largest.values()

    def _check(self, context: AuditContext, wells: pd.DataFrame) -> None:
        if not positioned(wells):
            raise NotApplicable(
                "no complete columns `row` and `column`: name wells like B07, or map them by data.columns",
                code="no_positions",
            )
        splits = list(context.splitter.split(wells))
        auroc = held_out(wells, splits, seed=context.seed, n_resamples=2).value
        if auroc < self.tied:
            raise NotApplicable(
                f"controls and treated wells share positions (position alone scores {auroc:.2f}): no effect of "
                "position tells them apart",
                code="roles_share_positions",
            )


def _relabel(profiles: Profiles, pattern: Copy, tested: int, seed: int) -> Relabelled:
    """Call the wells of a copy controls; leave the real ones out."""
    wells = profiles.wells
    plate, control = wells["plate"].to_numpy(), (wells["role"] == "negcon").to_numpy()
    in_copy = np.zeros(len(wells), dtype=bool)
    in_copy[pattern.rows] = True
    mask = in_copy.copy()
    donors = np.empty(len(pattern.rows), dtype=np.intp)
    for name in pd.unique(plate[pattern.rows]):
        here = plate == name
        real, places = np.flatnonzero(here & control), plate[pattern.rows] == name
        donors[places] = np.resize(generator(seed, "metadata", pattern.name, name).permutation(real), places.sum())
        others = np.flatnonzero(here & ~in_copy & (wells["role"] == "treated").to_numpy())
        order = generator(seed, "tested", pattern.name, name).permutation(sorted_by_name(others, wells))
        mask[order[: tested * int(places.sum())]] = True
    relabelled = profiles.replace(wells=with_metadata(wells, pattern.rows.tolist(), donors.tolist()))
    return Relabelled(relabelled.take(~control), mask[~control])
