"""Table of the treatments with a known score: how strong their profiles are before and after normalization."""

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
    """Return the distance of each well from its plate's controls, by (plate, well), from medians over sites."""

    def make() -> pd.Series[float]:
        wells = aggregate(
            profiles.replace(planted=None), "median"
        )  # not remembered: for a large screen it takes gigabytes
        return pd.Series(strength(wells), pd.MultiIndex.from_frame(wells.wells[["plate", "well"]]))

    return profiles.cached("well strength", make)


def relative_cell_count(wells: pd.DataFrame) -> pd.Series[float]:
    """Return the cell count of each well over the median of its plate's controls; NaN if that is missing or 0.

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
    """Return the held-out probability of each well, by (plate, well): the mean over folds and sites."""
    keys = ["plate", "well"]
    table = pd.concat([e.wells[keys].assign(score=e.score) for e in evaluations], ignore_index=True)
    return table.groupby(keys)["score"].mean()


@dataclass(frozen=True)
class TreatmentTable:
    """Treatments with a known score, and how strong each is by several measures.

    Attributes
    ----------
    table : one row per treatment, sorted: compound (and dose), known_score, n_wells, and the medians over its wells of
        ``raw_distance``, ``distance``, ``cell_count`` (relative to the plate's controls, where known) and of each
        ``<task>_<model>``, the held-out probability.
    measures : the columns of the table that are set against the score.
    absent : why a measure is missing, by its name.
    """

    table: pd.DataFrame
    measures: list[str]
    absent: Mapping[str, NotApplicable]

    def correlations(self, *, n_resamples: int, seed: int) -> dict[str, Correlation | NotApplicable]:
        """Return the rank correlations of the measures with the known score, by key; an undefined one as its reason.

        Keys are ``<measure>/spearman``; if compounds have several treatments also ``<measure>/within_compound``; the
        paired difference ``distance_minus_raw``; and ``cell_count_distance/spearman``, which tells how much of the
        distance goes with fewer cells.
        """
        compound = self.table["compound"].to_numpy(dtype=object)

        def correlate(a: str, b: str, how: str) -> Correlation | NotApplicable:
            """Return the correlation of two columns, or why it is undefined."""
            x, y = (self.table[name].to_numpy(dtype=np.float64) for name in (a, b))
            try:
                return HOW[how](x, y, compound, n_resamples=n_resamples, seed=seed)
            except NotApplicable as undefined:
                return undefined

        correlations: dict[str, Correlation | NotApplicable] = {}
        for how in HOW if self.several else [SPEARMAN]:
            correlations |= {f"{measure}/{how}": correlate(measure, "known_score", how) for measure in self.measures}
            correlations |= {f"{measure}/{how}": reason for measure, reason in self.absent.items()}
            after, before = correlations[f"{NORMALIZED}/{how}"], correlations[f"{RAW}/{how}"]
            if isinstance(after, Correlation) and isinstance(before, Correlation):
                different = NotApplicable(f"before rests on {before.n} of them, after on {after.n}: not paired")
                correlations[f"{MINUS_RAW}/{how}"] = after.minus(before) if after.n == before.n else different
        if CELLS in self.measures:
            correlations[f"{CELLS_DISTANCE}/{SPEARMAN}"] = correlate(CELLS, NORMALIZED, SPEARMAN)
        return correlations

    @property
    def several(self) -> bool:
        """Whether some compound has several treatments."""
        return bool(self.table["compound"].duplicated().any())


def treatment_table(
    known_effects: KnownEffectTable,
    wells: pd.DataFrame,
    *,
    raw: Profiles,
    normalized: Profiles,
    evaluations: Evaluations,
) -> TreatmentTable:
    """Return how strong every treatment with a known score is by each measure.

    Parameters
    ----------
    known_effects : the known scores of ``wells``, the wells table of the screen, one row per well.
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
    scored_wells = known_effects.wells[known_effects.wells["known_score"].notna()]
    keys = pd.MultiIndex.from_frame(scored_wells[["plate", "well"]])
    scored_wells = scored_wells.assign(**{name: values.reindex(keys).to_numpy() for name, values in columns.items()})
    measured = [name for name in ("known_score", *columns) if name not in known_effects.by]
    grouped = scored_wells.groupby(known_effects.by, sort=True)
    table = grouped[measured].median().assign(n_wells=grouped.size()).reset_index()
    first = [*dict.fromkeys([*known_effects.by, "known_score", "n_wells"])]
    return TreatmentTable(table[[*first, *columns]], list(columns), absent)
