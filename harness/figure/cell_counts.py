"""Cell counts: against the effect, of some compounds next to controls, and as the only model input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.core.score_schema import Over
from harness.core.seeding import generator
from harness.data.wells.aggregation import well_table
from harness.figure.base import FigureContext, FigureMember
from harness.known_effects.scores import ROLES
from harness.known_effects.spearman import spearman
from harness.known_effects.treatments import relative_cell_count, well_strength
from harness.plotting.forest import HEIGHT, draw_intervals
from harness.plotting.style import OKABE_ITO, SMALL, add_headline, faint_grid, label, new_figure
from harness.settings.annotated_types import Count, Name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CONTROLS = "controls"


class CellCounts(FigureMember):
    """Three pictures: cell count against effect, boxplots of compounds and controls, models and baselines.

    Counts are relative to the median of the plate's control wells. Compounds of the boxplots are drawn at random, the
    same for every normalization.

    Parameters
    ----------
    n_compounds : in the boxplots. metric : of the comparison with baselines; ``chance`` is its value by guessing.
    """

    def __init__(self, *, n_compounds: Count = 30, metric: Name = "auroc", chance: float = 0.5) -> None:
        self.n_compounds = n_compounds
        self.metric = metric
        self.chance = chance

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the tables of the three pictures.

        ``cell_counts``: plate, well, group (a compound, or "controls"), cell_count (relative), of the wells
        in the boxplots, groups by falling median; ``cell_count_effect``: compound, n_wells, medians of cell_count and
        distance; ``cell_count_spearman``: value, lower, upper, n, reason; ``cell_count_baseline``: task, model, kind,
        value, lower, upper of the metric, the mean over held-out folds.

        Raises NotApplicable without cell counts or without compounds.
        """
        wells = well_table(run.normalized.wells)
        wells["cell_count"] = relative_cell_count(wells)
        if "compound" not in wells:
            raise NotApplicable("no compounds: the wells table has no column compound")
        keys = pd.MultiIndex.from_frame(wells[["plate", "well"]])
        wells["distance"] = well_strength(run.normalized).reindex(keys).to_numpy()
        treated = wells[wells["role"].isin(ROLES) & wells["compound"].notna() & (wells["compound"] != "")]
        treated = treated[treated["cell_count"].notna()]
        if treated.empty:
            raise NotApplicable("no treated well has both a compound and a cell count")
        grouped = treated.groupby("compound", sort=True)
        effect = grouped[["cell_count", "distance"]].median().assign(n_wells=grouped.size()).reset_index()
        tables = [
            self._sample_boxplots(wells, treated),
            effect,
            self._rank_correlation(effect, run),
            self._baseline_comparison(run),
        ]
        names = ["cell_counts", "cell_count_effect", "cell_count_spearman", "cell_count_baseline"]
        return dict(zip(names, tables, strict=True))

    def _sample_boxplots(self, wells: pd.DataFrame, treated: pd.DataFrame) -> pd.DataFrame:
        names = np.sort(treated["compound"].unique())
        rng = generator("cell count boxplots", len(names))
        sampled = rng.choice(names, min(self.n_compounds, len(names)), replace=False)
        boxed = treated[treated["compound"].isin(sampled)].assign(group=lambda t: t["compound"])
        order = boxed.groupby("group")["cell_count"].median().sort_values(ascending=False, kind="stable").index
        controls = wells[(wells["role"] == "negcon") & wells["cell_count"].notna()].assign(group=CONTROLS)
        rank = {CONTROLS: 0} | {name: i + 1 for i, name in enumerate(order)}
        table = pd.concat([controls, boxed])
        table = table.iloc[np.argsort(table["group"].map(rank).to_numpy(), kind="stable")]
        return table[["plate", "well", "group", "cell_count"]].reset_index(drop=True)

    def _rank_correlation(self, effect: pd.DataFrame, run: FigureContext) -> pd.DataFrame:
        x, y = (effect[name].to_numpy(dtype=np.float64) for name in ("cell_count", "distance"))
        compound = effect["compound"].to_numpy(dtype=object)
        try:
            rho = spearman(x, y, compound, n_resamples=run.n_resamples, seed=run.seed)
        except NotApplicable as undefined:
            return pd.DataFrame(
                [{"value": np.nan, "lower": np.nan, "upper": np.nan, "n": 0, "reason": undefined.reason}]
            )
        return pd.DataFrame([{"value": rho.value, "lower": rho.lower, "upper": rho.upper, "n": rho.n, "reason": ""}])

    def _baseline_comparison(self, run: FigureContext) -> pd.DataFrame:
        columns = ["task", "model", "kind", "value", "lower", "upper"]
        parts = []
        for kind, scores in (("model", run.scores), ("baseline", run.baseline_scores)):
            if scores is not None and len(scores):
                mean = scores[(scores["metric"] == self.metric) & (scores["over"] == Over.MEAN)]
                if "group" in mean:
                    mean = mean[mean["group"].fillna("") == ""]
                parts.append(mean.assign(kind=kind)[columns])
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``cell_counts``, ``cell_count_effect``, and for each scored task ``cell_count_baseline_<task>``."""
        figures = {"cell_counts": _draw_boxplots(tables["cell_counts"], tables["cell_count_effect"], run)}
        figures["cell_count_effect"] = _draw_effect(
            tables["cell_count_effect"], tables["cell_count_spearman"].iloc[0], run
        )
        for task, table in tables["cell_count_baseline"].groupby("task", sort=False):
            figure, (axes,) = new_figure(3.6, HEIGHT * len(table) + 0.1)
            colours = [OKABE_ITO[2] if kind == "model" else "0.55" for kind in table["kind"]]
            what = f"{label(self.metric)}, mean over held-out folds"
            draw_intervals(axes, table, table["model"].tolist(), colours, what=what, nothing=self.chance)
            add_headline(figure, f"{label(task)}: models and trivial baselines", run, "bars: 95% intervals")
            figures[f"cell_count_baseline_{task}"] = figure
        return figures


def _draw_boxplots(table: pd.DataFrame, effect: pd.DataFrame, run: FigureContext) -> Figure:
    groups = list(dict.fromkeys(table["group"]))
    figure, (axes,) = new_figure(max(3.0, 0.24 * len(groups)), 2.9)
    values = [table.loc[table["group"] == group, "cell_count"].to_numpy() for group in groups]
    boxplot = axes.boxplot(
        values, widths=0.65, patch_artist=True, flierprops={"markersize": 2.5, "markeredgewidth": 0.5},
        medianprops={"color": "black"}, boxprops={"linewidth": 0.6}, whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
    )  # fmt: skip
    for i, box in enumerate(boxplot["boxes"]):
        box.set_facecolor(OKABE_ITO[3] if i == 0 else "#B9D8EA")
    names = [f"{label(group, 18)} ({len(v):,})" for group, v in zip(groups, values, strict=True)]
    axes.set_xticks(range(1, len(groups) + 1), names, rotation=90, fontsize=SMALL)
    axes.axhline(1.0, color="0.5", linestyle=":", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("cell count / median of the plate's controls", fontsize=SMALL)
    axes.tick_params(axis="y", labelsize=SMALL)
    counts = f"{len(groups) - 1:,} of {len(effect):,} compounds drawn at random, by median; in brackets: wells"
    add_headline(figure, "Cell counts of compounds next to controls", run, counts)
    return figure


def _draw_effect(table: pd.DataFrame, rho: pd.Series[float], run: FigureContext) -> Figure:
    figure, (axes,) = new_figure(3.6, 3.2)
    size = float(np.clip(6000 / len(table), 5, 18))
    axes.scatter(table["cell_count"], table["distance"], s=size, color=OKABE_ITO[0], alpha=0.55, linewidths=0)
    _style_axes(axes)
    axes.set_xlabel("cell count / median of the plate's controls", fontsize=SMALL)
    axes.set_ylabel("distance from the plate's controls (control sd)", fontsize=SMALL)
    if table["distance"].max() > 5 * table["distance"].min():
        axes.set_yscale("log")
    correlation = f"Spearman {rho['value']:.2f} [{rho['lower']:.2f}, {rho['upper']:.2f}]"
    counts = f"n = {len(table):,} compounds · {correlation if np.isfinite(rho['value']) else 'Spearman undefined'}"
    add_headline(figure, "Cell count against effect", run, counts)
    return figure


def _style_axes(axes: Axes) -> None:
    axes.axvline(1.0, color="0.5", linestyle=":", linewidth=1)
    axes.tick_params(labelsize=SMALL)
    faint_grid(axes)
