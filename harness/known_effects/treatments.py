"""One row per treatment of known score: how strong its profiles are, before and after normalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.core.evaluation import Evaluation
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import aggregate
from harness.known_effects.scores import KnownEffectTable
from harness.known_effects.spearman import Correlation, spearman, within_compounds
from harness.known_effects.strength import strength

RAW, NORMALIZED, CELLS = "raw_distance", "distance", "cell_count"
MINUS_RAW = "distance_minus_raw"
CELLS_DISTANCE = "cell_count_distance"
SPEARMAN, WITHIN = "spearman", "within_compound"
HOW = {SPEARMAN: spearman, WITHIN: within_compounds}

Evaluations = Mapping[tuple[str, str], Sequence[Evaluation]]


def well_strength(profiles: Profiles) -> pd.Series[float]:
    """Return distance from the plate's controls by (plate, well), of the medians of sites."""

    def make() -> pd.Series[float]:
        wells = aggregate(profiles.replace(planted=None), "median")  # not kept: of a large screen it takes gigabytes
        return pd.Series(strength(wells), pd.MultiIndex.from_frame(wells.wells[["plate", "well"]]))

    return profiles.cached("well strength", make)


def relative_cell_count(wells: pd.DataFrame) -> pd.Series[float]:
    """Return cell count of each well over the median of its plate's control wells, NaN where there is none or it is 0.

    Raises
    ------
    NotApplicable : no cell count is known.
    """
    if "cell_count" not in wells or wells["cell_count"].isna().all():
        raise NotApplicable("no cell count is known (column cell_count)")
    count = wells["cell_count"].astype(np.float64)
    usual = count[wells["role"] == "negcon"].groupby(wells["plate"]).median()
    usual = wells["plate"].map(usual).astype(np.float64)
    return count / usual.where(usual > 0)


def probability(evaluations: Sequence[Evaluation]) -> pd.Series[float]:
    """Return held-out probability by (plate, well): the mean over folds and sites."""
    keys = ["plate", "well"]
    table = pd.concat([e.wells[keys].assign(score=e.score) for e in evaluations], ignore_index=True)
    return table.groupby(keys)["score"].mean()


@dataclass(frozen=True)
class Points:
    """Treatments with a known score.

    Attributes
    ----------
    table : one row per treatment, sorted: compound (and dose), known_score, n_wells, and the medians over its wells of
        ``raw_distance``, ``distance``, ``cell_count`` (relative to the plate's controls, where known) and of each
        ``<task>_<model>``, the held-out probability.
    measures : the columns of the table that are set against the score.
    absent : why a measure is not there.
    """

    table: pd.DataFrame
    measures: list[str]
    absent: Mapping[str, NotApplicable]

    def correlations(self, *, n_resamples: int, seed: int) -> dict[str, Correlation | NotApplicable]:
        """Return ``<measure>/spearman`` with the score; where compounds have several treatments also
        ``<measure>/within_compound``; the same of ``distance_minus_raw``, paired; and
        ``cell_count_distance/spearman``: how much of the distance goes with fewer cells."""
        compound = self.table["compound"].to_numpy(dtype=object)

        def of(a: str, b: str, how: str) -> Correlation | NotApplicable:
            x, y = (self.table[name].to_numpy(dtype=np.float64) for name in (a, b))
            try:
                return HOW[how](x, y, compound, n_resamples=n_resamples, seed=seed)
            except NotApplicable as undefined:
                return undefined

        found: dict[str, Correlation | NotApplicable] = {}
        for how in HOW if self.several else [SPEARMAN]:
            found |= {f"{measure}/{how}": of(measure, "known_score", how) for measure in self.measures}
            found |= {f"{measure}/{how}": reason for measure, reason in self.absent.items()}
            after, before = found[f"{NORMALIZED}/{how}"], found[f"{RAW}/{how}"]
            if isinstance(after, Correlation) and isinstance(before, Correlation):
                different = NotApplicable(f"before rests on {before.n} of them, after on {after.n}: not paired")
                found[f"{MINUS_RAW}/{how}"] = after.minus(before) if after.n == before.n else different
        if CELLS in self.measures:
            found[f"{CELLS_DISTANCE}/{SPEARMAN}"] = of(CELLS, NORMALIZED, SPEARMAN)
        return found

    @property
    def several(self) -> bool:
        """Whether some compound has several treatments."""
        return bool(self.table["compound"].duplicated().any())


def points(
    known: KnownEffectTable, wells: pd.DataFrame, *, raw: Profiles, normalized: Profiles, evaluations: Evaluations
) -> Points:
    """Return strength of every treatment whose score is known.

    Parameters
    ----------
    known : of ``wells``, the wells table of the screen, one row per well.
    raw, normalized : the same screen before and after normalization.
    evaluations : held-out predictions by (task, model); those of one assay among several are left out.
    """
    columns = {RAW: well_strength(raw), NORMALIZED: well_strength(normalized)}
    for (task, model), folds in evaluations.items():
        if all(e.group == "" for e in folds):
            columns[f"{task}_{model}"] = probability(folds)
    absent = {}
    try:
        columns[CELLS] = relative_cell_count(wells).set_axis(pd.MultiIndex.from_frame(wells[["plate", "well"]]))
    except NotApplicable as unknown:
        absent[CELLS] = unknown
    held = known.wells[known.wells["known_score"].notna()]
    keys = pd.MultiIndex.from_frame(held[["plate", "well"]])
    held = held.assign(**{name: values.reindex(keys).to_numpy() for name, values in columns.items()})
    wanted = [name for name in ("known_score", *columns) if name not in known.by]
    grouped = held.groupby(known.by, sort=True)
    table = grouped[wanted].median().assign(n_wells=grouped.size()).reset_index()
    first = [*dict.fromkeys([*known.by, "known_score", "n_wells"])]
    return Points(table[[*first, *columns]], list(columns), absent)
