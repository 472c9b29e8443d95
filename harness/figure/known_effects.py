"""Known scores of compounds against the strength of their profiles, before and after normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from harness.core.exceptions import NotApplicable
from harness.data.wells.aggregation import well_table
from harness.figure.base import FigureContext, FigureMember
from harness.figure.umap import Umap
from harness.known_effects.scores import KnownEffectSource
from harness.known_effects.spearman import Correlation
from harness.known_effects.treatments import CELLS, NORMALIZED, RAW, SPEARMAN, WITHIN, treatment_table, well_strength
from harness.plotting.forest import HEIGHT, draw_intervals
from harness.plotting.style import MEDIUM, OKABE_ITO, SMALL, add_headline, faint_grid, label, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.core.arrays import Doubles
    from harness.core.profiles import Profiles

MISSING_COLOUR = "0.85"
LOG_SCALE_RATIO = 50.0  # largest over smallest from which an axis is logarithmic


class KnownEffects(KnownEffectSource, FigureMember):
    """Three pictures: scatter before and after, all rank correlations, and the UMAP coloured by score.

    The parameters are those of the check of the same name (by default its settings). The points of the UMAP are those
    of the figure ``umap`` at its defaults, embedded once for both.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return strengths and scores by treatment, their rank correlations, and the coloured UMAP.

        ``known_effects``: one row per treatment, see :class:`harness.known_effects.treatments.Points`;
        ``known_effects_spearman``: measure, how (spearman, within_compound), kind (distance, model, baseline, cell
        count), value, lower, upper, n, controls (median of control wells), reason; ``known_effects_umap``: the table
        ``umap`` with ``known_score``, NaN for control wells and if it is not known; ``known_effects_join``: score,
        what matched.

        Raises NotApplicable as the check does, or without raw profiles.
        """
        if run.raw is None:
            raise NotApplicable("profiles before normalization were not kept")
        wells = well_table(run.normalized.wells)
        known_scores = self.match_wells(wells)
        evaluations = {**run.evaluations, **run.baselines}
        effects = treatment_table(known_scores, wells, raw=run.raw, normalized=run.normalized, evaluations=evaluations)
        kinds = dict.fromkeys((RAW, NORMALIZED), "distance") | {CELLS: "cell count"}
        kinds |= {f"{task}_{model}": "model" for task, model in run.evaluations}
        answers = effects.correlations(n_resamples=run.n_resamples, seed=run.seed)
        rows = [
            {
                "measure": measure,
                "how": how,
                "kind": kinds.get(measure, "baseline"),
                **_correlation_row(answers[f"{measure}/{how}"]),
            }
            for how in (SPEARMAN, WITHIN)
            for measure in effects.measures
            if f"{measure}/{how}" in answers
        ]
        controls = {RAW: _control_median(run.raw), NORMALIZED: _control_median(run.normalized)}
        table = pd.DataFrame(rows)
        points_shown = Umap().tables(run)["umap"]
        score = known_scores.wells[["plate", "well", "known_score"]]
        return {
            "known_effects": effects.table,
            "known_effects_spearman": table.assign(controls=table["measure"].map(controls).astype(np.float64)),
            "known_effects_umap": points_shown.merge(score, on=["plate", "well"], how="left", validate="m:1"),
            "known_effects_join": pd.DataFrame({"score": [known_scores.name], "matched": [known_scores.report]}),
        }

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``known_effects``, ``known_effects_spearman``, ``known_effects_umap``."""
        name = tables["known_effects_join"]["score"].iloc[0]
        return {
            "known_effects": _draw_scatter(tables["known_effects"], tables["known_effects_spearman"], name, run),
            "known_effects_spearman": _draw_correlations(tables["known_effects_spearman"], name, run),
            "known_effects_umap": _draw_umap(tables["known_effects_umap"], name, run),
        }


def _correlation_row(answer: Correlation | NotApplicable) -> dict[str, object]:
    if isinstance(answer, NotApplicable):
        return {"value": np.nan, "lower": np.nan, "upper": np.nan, "n": 0, "reason": answer.reason}
    return {"value": answer.value, "lower": answer.lower, "upper": answer.upper, "n": answer.n, "reason": ""}


def _control_median(profiles: Profiles) -> float:
    distance = well_strength(profiles)
    controls = profiles.wells.loc[profiles.wells["role"] == "negcon", ["plate", "well"]].drop_duplicates()
    return float(distance.reindex(pd.MultiIndex.from_frame(controls)).median())


def _draw_scatter(table: pd.DataFrame, correlations: pd.DataFrame, name: str, run: FigureContext) -> Figure:
    figure, panels = new_figure(3.3, 3.1, panels=2, gap=0.25)
    score = table["known_score"].to_numpy()
    both = table[[RAW, NORMALIZED]].to_numpy()
    lowest, highest = np.nanmin(both), np.nanmax(both)
    several = bool(table["compound"].duplicated().any())
    for axes, measure in zip(panels, (RAW, NORMALIZED), strict=True):
        rows = correlations[correlations["measure"] == measure]
        size = float(np.clip(6000 / len(table), 5, 18))
        axes.scatter(score, table[measure], s=size, color=OKABE_ITO[0], alpha=0.55, linewidths=0)
        for _, doses in table.groupby("compound") if several else []:
            doses = doses.sort_values("known_score")
            axes.plot(doses["known_score"], doses[measure], color=OKABE_ITO[0], alpha=0.3, linewidth=0.6)
        axes.axhline(float(rows["controls"].iloc[0]), color=OKABE_ITO[3], linestyle="--", linewidth=1)
        title = "before: raw" if measure == RAW else f"after: {label(run.norm, 20)}"
        for how, *numbers in rows[["how", "value", "lower", "upper"]].to_numpy().tolist():
            title += f"\n{'Spearman' if how == SPEARMAN else 'within compounds'} {_format_estimate(*numbers)}"
        axes.set_title(title, fontsize=MEDIUM)
        axes.set_xlabel(label(name), fontsize=SMALL)
        axes.tick_params(labelsize=SMALL)
        axes.set_ylim(0.93 * lowest, 1.07 * highest)
        axes.set_yscale("log") if highest > 5 * lowest else None
        axes.set_xscale("log") if _is_wide(score) else None
        faint_grid(axes)
    panels[0].set_ylabel("distance from the plate's controls (control sd)", fontsize=SMALL)
    panels[1].tick_params(labelleft=False, which="both")
    compounds = table["compound"].nunique()
    treatments = f"{len(table):,} treatments with " if several else ""
    lines = "; lines: compounds" if several else ""
    counts = f"n = {treatments}{compounds:,} compounds · dashed: median control well{lines}"
    add_headline(figure, f"Strength of the profile against {label(name)}", run, counts)
    return figure


def _format_estimate(value: float, lower: float, upper: float) -> str:
    return f"{value:.2f} [{lower:.2f}, {upper:.2f}]" if np.isfinite(value) else "undefined"


def _draw_correlations(correlations: pd.DataFrame, name: str, run: FigureContext) -> Figure:
    """Draw rank correlations over all treatments and, if there are any, those within compounds at the right."""
    colour = {"distance": OKABE_ITO[0], "model": OKABE_ITO[2], "baseline": "0.55", "cell count": OKABE_ITO[3]}
    measure_names = {RAW: "distance, raw", NORMALIZED: "distance, normalized", CELLS: "cell count"}
    titles = {SPEARMAN: "all treatments", WITHIN: "within compounds, mean"}
    hows = list(dict.fromkeys(correlations["how"]))
    n_rows = int((correlations["how"] == SPEARMAN).sum())
    figure, panels = new_figure(3.2, HEIGHT * n_rows + 0.1, panels=len(hows), gap=1.3)
    for axes, how in zip(panels, hows, strict=True):
        part = correlations[correlations["how"] == how]
        names = [measure_names.get(measure, measure) for measure in part["measure"]]
        what = f"Spearman correlation with {label(name)}"
        draw_intervals(axes, part, names, [colour[k] for k in part["kind"]], what=what, nothing=0.0)
        if len(hows) > 1:
            axes.set_title(f"{titles[how]} (n = {part['n'].max():,})", fontsize=MEDIUM)
        if axes is not panels[0]:
            axes.set_yticklabels([])
    counts = f"n = {correlations['n'].max():,} treatments; bars: 95%, compounds resampled"
    add_headline(figure, f"Rank correlations with {label(name)}", run, counts)
    return figure


def _draw_umap(table: pd.DataFrame, name: str, run: FigureContext) -> Figure:
    figure, (axes,) = new_figure(4.2, 4.2)
    scored = table["known_score"].notna().to_numpy()
    axes.scatter(table["umap_1"][~scored], table["umap_2"][~scored], s=4, color=MISSING_COLOUR, linewidths=0)
    if not scored.any():
        raise NotApplicable("no well with a known score is among the points of the UMAP")
    score = table["known_score"].to_numpy()[scored]
    log = _is_wide(score)
    low, high = np.quantile(score, [0.02, 0.98])
    scale = Normalize(*(np.log10([low, high]) if log else (low, high)))
    order = np.random.default_rng(run.seed).permutation(len(score))
    values = (np.log10(score) if log else score)[order]
    at = table.loc[scored, ["umap_1", "umap_2"]].to_numpy()[order]
    axes.scatter(at[:, 0], at[:, 1], s=6, c=values, cmap="viridis_r", norm=scale, linewidths=0)
    beyond = ("neither", "min", "max", "both")[int(score.min() < low) + 2 * int(score.max() > high)]
    place = axes.inset_axes((1.03, 0.1, 0.04, 0.8))
    bar = figure.colorbar(ScalarMappable(scale, "viridis_r"), cax=place, extend=beyond)
    bar.set_label(f"{'log10 ' if log else ''}{label(name)}", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("UMAP 1", fontsize=SMALL)
    axes.set_ylabel("UMAP 2", fontsize=SMALL)
    counts = (
        f"n = {scored.sum():,} wells with a known score; grey: {(~scored).sum():,} controls and wells without a score"
    )
    add_headline(figure, f"UMAP of normalized wells by {label(name)}", run, counts)
    return figure


def _is_wide(values: Doubles) -> bool:
    """Return whether positive values spread so far that an axis should be logarithmic."""
    return bool(len(values) and values.min() > 0 and values.max() >= LOG_SCALE_RATIO * values.min())
