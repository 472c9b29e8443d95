"""Spatial null: what position alone can score, on copies of the controls' pattern among treated wells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.confounding import cramers_v
from harness.audit.shared.auroc_bootstrap import mean_auroc_interval
from harness.audit.shared.pattern_copies import PatternCopy, pattern_copies
from harness.audit.shared.positions import has_positions, score_position_alone
from harness.audit.shared.relabelled import Relabelled, models_of, score_relabelled
from harness.audit.shared.views import raw_wells
from harness.audit.shared.well_choice import sorted_by_name
from harness.audit.shared.well_metadata import with_metadata
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.settings.annotated_types import Count
from harness.settings.limits import Within

TIED_COMPOUNDS = 0.5


class SpatialNull(Check):
    """Move the pattern of the controls to treated wells, call these controls, and score them as the run does.

    If controls stand at positions of their own, a difference between controls and treated wells cannot be told from an
    effect of position. A copy of the pattern, a few columns away or mirrored, stands among treated wells; normalized as
    if it were the controls and scored on held-out batches, it shows what position alone can score after this
    normalization. The nearest copy shows most. Real controls are left out of the normalization and of the scoring: as
    treated wells they would stand farther out than the copy, which hides an effect of the edge, and could be told by
    lacking phenotypes. The copies take their metadata.

    ``audit/spatial_null/COPY/MODEL/auroc`` is the AUROC of each copy and model, and ``audit/spatial_null/MODEL/auroc``
    the largest over copies; 0.5 if position does nothing. Names of copies are those of
    :func:`harness.audit.shared.pattern_copies.pattern_copies`. With the code ``compounds_tied_to_position`` compounds
    have wells of their own, so that a copy can be told by the compounds it holds: the score is an upper limit. An
    effect of the outermost column alone has no copy and is not seen.

    Parameters
    ----------
    most_copies : copies at most, the nearest ones.
    tied : AUROC of position alone below which roles count as sharing positions, so that the check does not apply.
    tested : treated wells that are scored, per control of the copy.
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
        patterns = pattern_copies(profiles.wells, self.most_copies)
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
            for model, scored in score_relabelled(context, relabelled, models_of(context), axis=pattern.name).items():
                key = f"audit/{self.name}/{{}}{model}/auroc"
                finding = Finding(
                    key.format(f"{pattern.name}/"),
                    *mean_auroc_interval([scored]),
                    n=len(scored.wells),
                    reason=reason,
                    code=code,
                )
                yield finding
                if model not in largest or finding.value > largest[model].value:
                    largest[model] = replace(finding, key=key.format(""))
        yield from largest.values()

    def _check(self, context: AuditContext, wells: pd.DataFrame) -> None:
        """Raise NotApplicable if positions are unknown, or if controls and treated wells share them."""
        if not has_positions(wells):
            raise NotApplicable(
                "no complete columns `row` and `column`: name wells like B07, or map them by data.columns",
                code="no_positions",
            )
        splits = list(context.splitter.split(wells))
        auroc = score_position_alone(wells, splits, seed=context.seed, n_resamples=2).value
        if auroc < self.tied:
            raise NotApplicable(
                f"controls and treated wells share positions (position alone scores {auroc:.2f}): no effect of "
                "position tells them apart",
                code="roles_share_positions",
            )


def _relabel(profiles: Profiles, pattern: PatternCopy, n_per_control: int, seed: int) -> Relabelled:
    """Call the wells of a copy controls; leave the real ones out."""
    wells = profiles.wells
    plate, control = wells["plate"].to_numpy(), (wells["role"] == "negcon").to_numpy()
    in_copy = np.zeros(len(wells), dtype=bool)
    in_copy[pattern.rows] = True
    tested_rows = in_copy.copy()
    donors = np.empty(len(pattern.rows), dtype=np.intp)
    for name in pd.unique(plate[pattern.rows]):
        on_plate = plate == name
        controls, in_plate = np.flatnonzero(on_plate & control), plate[pattern.rows] == name
        donors[in_plate] = np.resize(
            generator(seed, "metadata", pattern.name, name).permutation(controls), in_plate.sum()
        )
        others = np.flatnonzero(on_plate & ~in_copy & (wells["role"] == "treated").to_numpy())
        order = generator(seed, "tested", pattern.name, name).permutation(sorted_by_name(others, wells))
        tested_rows[order[: n_per_control * int(in_plate.sum())]] = True
    relabelled = profiles.replace(wells=with_metadata(wells, pattern.rows.tolist(), donors.tolist()))
    return Relabelled(relabelled.take(~control), tested_rows[~control])
