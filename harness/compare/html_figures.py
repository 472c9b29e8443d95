"""The parts of the page that are pictures; a piece that a run lacks is named in a note."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.compare import plots, spikes
from harness.compare.comparison_group import Group
from harness.compare.html import Html, image, note, table, tag
from harness.compare.report_section import Section
from harness.compare.spikes import Audits
from harness.compare.table import CONTRAST, REFERENCE
from harness.core import table_names
from harness.tracking.stored_run import stored_file, stored_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_IMAGES = 24
EFFECTS = {
    "ratio": "size of small effects",
    "worst_ratio": "worst direction",
    "strength_ratio": "step on a strong effect",
    "auroc": "AUROC against unspiked wells",
    "told_apart": "AUROC of one effect against another",
}
PICTURES = {"umap": "UMAP", "plate_correlation": "Correlation of plates"}


def tradeoff(group: Group) -> Section | None:
    if not group.models:
        return None
    title = "Batch removed against biology kept"
    model = group.models[0]
    drawn = [
        plots.tradeoff(group, CONTRAST, "contrast of the matched spike-in", nothing=0.0),
        plots.tradeoff(group, f"{model}/auroc", f"AUROC, {model}", nothing=0.5),
    ]
    found = [one for one in drawn if one is not None]
    if not found:
        return Section("tradeoff", title, [note("No run has both a score and a batch probe with its null.")])
    charts = [image(plots.svg(figure), "svg+xml", "", alt=title) for figure, _ in found]
    content = [tag("div", *charts, class_="charts")]
    content.append(
        note(
            "Each normalization with its 95% interval; hollow: anchors (noise, oracle). Right is less batch: "
            "(1 - probe) / (1 - mean of its null), which has no interval. Up is more biology: how much of a known "
            "effect is kept, and how well treated wells are told from controls in batches that the model has not seen; "
            "the second can rise while the first falls. Colour and shape: the verdict."
        )
    )
    unnamed = list(dict.fromkeys(name for _, names in found for name in names))
    if unnamed:
        content.append(note(f"Without room for a name: {', '.join(unnamed)}."))
    return Section("tradeoff", title, content)


def differences(group: Group) -> Section | None:
    if group.table.empty:
        return None
    title = f"Paired differences to {REFERENCE}"
    figure = plots.forest(group, order=group.ranked()["norm"].tolist())
    if figure is None:
        return Section("differences", title, [note(f"None: no finished run of {REFERENCE} on the same resamples.")])
    caption = "Means over held-out folds with 95% intervals of the difference, not corrected for their number."
    if len(group.table) > plots.MOST_ROWS:
        caption += f" The first {plots.MOST_ROWS} of {len(group.table)} of the leaderboard, which has all."
    return Section("differences", title, [_plot(figure, caption, title)])


def _plot(figure: Figure, caption: str, title: str) -> Html:
    return tag("div", image(plots.svg(figure), "svg+xml", caption, alt=title), class_="plot")


def audits(group: Group) -> Audits:
    """Return findings of the runs that have spike-ins, by norm, in the order of the leaderboard."""
    found: dict[str, spikes.Found] = {}
    for label in group.ranked()["norm"]:
        run = group.runs[label]
        if any(key.startswith(("audit/spike_in/", "audit/effects_kept/")) for key in run.metrics):
            table = stored_table(run, table_names.AUDIT)
            if table is not None:
                rows: Any = table.to_dict("records")
                found[label] = {str(row["key"]): row for row in rows}
    return found


def spike_in(group: Group) -> Section | None:
    """Return what became of known effects in known wells."""
    if group.table.empty:
        return None
    found = audits(group)
    if not found:
        return Section("spikes", "Spike-in", [note("No run has spike-ins. A run makes them with audit=[..,spike_in].")])
    content: list[Html] = []
    if known := spikes.arms(found, "spike_in", "contrast"):
        drawn = [spikes.spike_chart(found, arm) for arm in known]
        content.append(tag("div", *(image(plots.svg(f), "svg+xml", c) for f, c in drawn), class_="charts"))
        content.append(
            note(
                "Contrast: how far spiked wells stand from unspiked ones, in sd of the noise, relative to scaling each "
                "plate by its controls; retention: how far spiked wells moved themselves. Bars: 95% intervals over "
                "plates and directions of the effect."
            )
        )
        if len(found) > plots.MOST_ROWS:
            content.append(note(f"The first {plots.MOST_ROWS} of {len(found)} normalizations are shown."))
    if rows := spikes.summary_rows(found, [f"audit/effects_kept/{name}" for name in EFFECTS]):
        content.append(tag("h3", "Many small effects"))
        content.append(table([[("normalization", 1), *((heading, 1) for heading in EFFECTS.values())]], rows))
        content.append(note("Size and step are relative to scaling each plate by its controls (1: all is kept)."))
    for check in ("spike_in", "effects_kept"):
        lost = {norm: t[key]["reason"] for norm, t in found.items() if (key := f"audit/{check}") in t}
        content += [note(f"{norm} has no {check}: {reason}.") for norm, reason in lost.items()]
    if without := [label for label in group.table["norm"] if label not in found]:
        content.append(note(f"Without spike-ins: {', '.join(without)}."))
    return Section("spikes", "Spike-in", content)


def images(group: Group) -> Section | None:
    """Return the same picture of all runs side by side; their scales are the same."""
    if group.table.empty:
        return None
    labels = group.ranked()["norm"].tolist()
    content: list[Html] = []
    for name, title in PICTURES.items():
        found = {label: stored_file(group.runs[label], f"figures/{name}.png") for label in labels[:MOST_IMAGES]}
        pictures = [
            image(png, "png", label, alt=f"{title}, {label}") for label, png in found.items() if png is not None
        ]
        content += [tag("h3", title), tag("div", *pictures, class_="grid")] if pictures else []
        if absent := [label for label, png in found.items() if png is None]:
            content.append(note(f"{title}: no picture of {', '.join(absent)}."))
    if len(labels) > MOST_IMAGES:
        content.append(note(f"Pictures of the first {MOST_IMAGES} of {len(labels)} runs; the others are in MLflow."))
    return Section("images", "Embeddings and plates", content)
