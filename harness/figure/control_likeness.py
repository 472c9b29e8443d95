"""How much each well looks like a control: density on the map, distance in feature space, and the wells at the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from scipy.stats import spearmanr

from harness.figure.sampling import sample
from harness.figure.style import MEDIUM, SMALL, batch_colours, headline, legend_below, new_figure
from harness.figure.umap import Umap
from harness.likeness.enrichment import enrichment
from harness.likeness.gaussian import Gaussian
from harness.likeness.scores import Likeness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext

RINGS = (1, 2, 3)  # sd; of a Gaussian in two dimensions they hold 39, 86 and 99%
USUAL = 0.95  # share of controls that call a distance usual
CONTROL, TREATED = "#D55E00", "#0072B2"


class ControlLikeness:
    """Every treated well scored by what the control wells look like, twice, and compounds at the far end.

    ``log_density``: natural logarithm of the density, per squared unit of the map, of a Gaussian fitted robustly to the
    controls on the UMAP. Not a posterior: with one component that is 100% for every well, however far away.
    ``mahalanobis``: distance from the controls in their own principal components (:mod:`harness.likeness.mahalanobis`).
    No well is scored by a fit that read it: controls are scored by fits to the controls of other folds.

    On simulated screens the distance ranks wells by planted strength far better than the density on the map, which
    only part of a large screen has: it decides the order unless ``rank_by=log_density``.

    Parameters
    ----------
    per, rank_by, n_wells, n_components : see :class:`harness.likeness.scores.Likeness`.
    max_points, n_neighbors, min_dist : of the map (:class:`harness.figure.umap.Umap`).
    """

    def __init__(
        self,
        *,
        per: str = "all",
        rank_by: str = "mahalanobis",
        n_wells: int = 100,
        n_components: int = 20,
        max_points: int = 2500,
        n_neighbors: int = 15,
        min_dist: float = 0.1,
    ) -> None:
        self.likeness = Likeness(per=per, rank_by=rank_by, n_wells=n_wells, n_components=n_components)
        self.map = Umap(max_points=max_points, n_neighbors=n_neighbors, min_dist=min_dist)

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """``control_likeness``: every control and treated well with its place and both scores;
        ``control_likeness_fit``: group, mean_1, mean_2, cov_11, cov_12, cov_22 of the Gaussians on the map;
        ``control_likeness_spearman``: value and n of the rank correlation of both scores over treated wells;
        ``wells_least_control_like``, ``wells_most_control_like``: rank, plate, well, batch, compound, both scores;
        ``compounds_least_control_like`` (if compounds are known): compound, n_wells, n_chosen (among the least),
        expected, p, q (:func:`harness.likeness.enrichment.enrichment`).

        Raises NotApplicable where there is no map, or too few control wells.
        """
        wells = run.normalized.wells
        shown = sample(wells, max_points=self.map.max_points, seed=run.seed)
        at = np.full((len(wells), 2), np.nan)
        at[shown] = self.map.tables(run)["umap"][["umap_1", "umap_2"]].to_numpy()
        scored, fits = self.likeness.scored(run.normalized, at, seed=run.seed)
        least, most = self.likeness.extremes(scored)
        tables = {
            "control_likeness": scored.reset_index(drop=True),
            "control_likeness_fit": pd.DataFrame([_row(name, fit) for name, fit in fits.items()], columns=FIT),
            "control_likeness_spearman": _correlated(scored),
            "wells_least_control_like": least.reset_index(drop=True),
            "wells_most_control_like": most.reset_index(drop=True),
        }
        if "compound" in scored:
            drawn = scored[(scored["role"] == "treated") & scored[self.likeness.rank_by].notna()]
            chosen = drawn.index.isin(least.index)
            tables["compounds_least_control_like"] = enrichment(drawn, chosen, drawn["group"])
        return tables

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Three panels: the map, the distances of controls and treated wells, one score against the other."""
        table = tables["control_likeness"]
        figure, (on_map, distances, both) = new_figure(3.3, 3.3, panels=3, gap=0.65)
        _draw_map(on_map, table, tables["control_likeness_fit"])
        _draw_distances(distances, table)
        _draw_both(both, table, tables["control_likeness_spearman"])
        treated = table[table["role"] == "treated"]
        counts = f"n = {len(treated):,} treated and {len(table) - len(treated):,} control wells"
        counts += f", {table['umap_1'].notna().sum():,} of them on the map"
        if unscored := int(table["mahalanobis"].isna().sum()):
            counts += f" · {unscored:,} in batches with too few controls to be scored"
        headline(figure, "Likeness to controls", run, counts)
        return {"control_likeness": figure}


FIT = ["group", "mean_1", "mean_2", "cov_11", "cov_12", "cov_22"]


def _row(name: str, fit: Gaussian) -> list[object]:
    return [name, *fit.mean, fit.covariance[0, 0], fit.covariance[0, 1], fit.covariance[1, 1]]


def _correlated(scored: pd.DataFrame) -> pd.DataFrame:
    both = scored[scored["role"] == "treated"].dropna(subset=["log_density", "mahalanobis"])
    value = spearmanr(both["log_density"], both["mahalanobis"])[0] if len(both) > 2 else np.nan
    return pd.DataFrame({"value": [float(value)], "n": [len(both)]})


def _draw_map(axes: Axes, table: pd.DataFrame, fits: pd.DataFrame) -> None:
    table = table.dropna(subset=["log_density"])
    density = table["log_density"]
    scale = Normalize(*np.percentile(density, [5, 100])) if len(table) else Normalize(0, 1)
    handles, labels = [], []
    for role, marker, size, name in (("treated", "o", 7, "treated"), ("negcon", "^", 9, "negative control")):
        own = table[table["role"] == role]
        dots = axes.scatter(
            own["umap_1"], own["umap_2"], c=own["log_density"], norm=scale, s=size, marker=marker, linewidths=0
        )
        handles.append(Line2D([], [], linestyle="", marker=marker, color="0.4", markersize=4.5))
        labels.append(f"{name} ({len(own):,})")
    colours = batch_colours(list(fits["group"])) if len(fits) > 1 else dict.fromkeys(fits["group"], CONTROL)
    limits = axes.get_xlim(), axes.get_ylim()
    for group, *values in fits[FIT].itertuples(index=False):
        m1, m2, c11, c12, c22 = values
        fit = Gaussian(np.array([m1, m2]), np.array([[c11, c12], [c12, c22]]))
        for sd in RINGS:
            axes.plot(*fit.ellipse(sd).T, color=colours[group], linewidth=1.6 / sd**0.5)
    axes.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[])
    if len(fits) == 1:
        handles.append(Line2D([], [], color=CONTROL))
        labels.append("Gaussian of controls: 1, 2, 3 sd")
    axes.set_xlabel("UMAP 1", fontsize=SMALL)
    axes.set_ylabel("UMAP 2", fontsize=SMALL)
    axes.set_title("density of controls on the map", fontsize=MEDIUM)
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(dots, cax=axes.inset_axes((0.15, -0.14, 0.7, 0.035)), orientation="horizontal", extend="min")
    bar.set_label("log density", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    legend_below(axes, handles, labels, drop=0.95)


def _draw_distances(axes: Axes, table: pd.DataFrame) -> None:
    table = table.dropna(subset=["mahalanobis"])
    controls = table.loc[table["role"] == "negcon", "mahalanobis"]
    usual = float(controls.quantile(USUAL))
    handles, labels = [], []
    for role, colour, name in (
        ("negcon", CONTROL, "negative control, by fits without it"),
        ("treated", TREATED, "treated"),
    ):
        values = np.sort(table.loc[table["role"] == role, "mahalanobis"])
        axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", color=colour, linewidth=1.5)
        handles.append(Line2D([], [], color=colour))
        labels.append(f"{name} ({len(values):,})")
    treated = table.loc[table["role"] == "treated", "mahalanobis"]
    axes.axvline(usual, color="0.5", linestyle=":", linewidth=1)
    beyond = f" {(treated > usual).mean():.0%} of treated wells\n beyond {USUAL:.0%} of controls"
    axes.text(usual, 0.03, beyond, fontsize=SMALL, color="0.3", va="bottom")
    axes.set(xscale="log", ylim=(0, 1))
    axes.set_xlabel("Mahalanobis distance from controls", fontsize=SMALL)
    axes.set_ylabel("share of wells below", fontsize=SMALL)
    axes.set_title("distance in feature space", fontsize=MEDIUM)
    _plain(axes)
    legend_below(axes, handles, labels, drop=0.5)


def _draw_both(axes: Axes, table: pd.DataFrame, correlated: pd.DataFrame) -> None:
    table = table.dropna(subset=["log_density", "mahalanobis"])
    for role, colour in (("treated", TREATED), ("negcon", CONTROL)):
        own = table[table["role"] == role]
        axes.scatter(own["mahalanobis"], own["log_density"], s=4, color=colour, alpha=0.5, linewidths=0)
    axes.set_xscale("log")
    axes.set_xlabel("Mahalanobis distance from controls", fontsize=SMALL)
    axes.set_ylabel("log density on the map", fontsize=SMALL)
    value, n = correlated["value"].iloc[0], correlated["n"].iloc[0]
    axes.set_title(f"both scores: Spearman {value:.2f} (n = {n:,} treated)", fontsize=MEDIUM)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
