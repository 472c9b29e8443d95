"""Sections of the report that are pictures; a picture that a run lacks is named in a note."""

from __future__ import annotations

from harness.compare import plots
from harness.compare.comparison_group import ComparisonGroup
from harness.compare.report_section import EmbeddedImage, Section
from harness.compare.table import CONTRAST, REFERENCE
from harness.tracking.stored_run import stored_file

MOST_IMAGES = 24
GALLERIES = {"umap": "UMAP", "plate_correlation": "Correlation of plates"}


def tradeoff(group: ComparisonGroup) -> Section | None:
    """Return the batch that was removed against the biology that was kept."""
    if not group.models:
        return None
    title = "Batch removed against biology kept"
    model = group.models[0]
    plotted = [
        plots.tradeoff_plot(group, CONTRAST, "contrast of the matched spike-in", nothing=0.0),
        plots.tradeoff_plot(group, f"{model}/auroc", f"AUROC, {model}", nothing=0.5),
    ]
    drawings = [drawing for drawing in plotted if drawing is not None]
    values = {
        "charts": [EmbeddedImage.from_figure(figure, alt=title) for figure, _ in drawings],
        "unnamed": list(dict.fromkeys(name for _, names in drawings for name in names)),
    }
    return Section("tradeoff", title, values)


def differences(group: ComparisonGroup) -> Section | None:
    """Return differences of AUROC to the reference, paired by resample."""
    if group.table.empty:
        return None
    title = f"Paired differences to {REFERENCE}"
    figure = plots.difference_plot(group, order=group.ranked()["norm"].tolist())
    caption = "Means over held-out folds with 95% intervals of the difference, not corrected for their number."
    if len(group.table) > plots.MOST_ROWS:
        caption += f" The first {plots.MOST_ROWS} of {len(group.table)} of the leaderboard, which has all."
    chart = None if figure is None else EmbeddedImage.from_figure(figure, caption=caption, alt=title)
    return Section("differences", title, {"chart": chart, "reference": REFERENCE})


def images(group: ComparisonGroup) -> Section | None:
    """Return the same picture of all runs next to each other; their scales are the same."""
    if group.table.empty:
        return None
    labels = group.ranked()["norm"].tolist()
    galleries = [_gallery(group, labels[:MOST_IMAGES], name, title) for name, title in GALLERIES.items()]
    values = {"galleries": galleries, "n_runs": len(labels), "most_images": MOST_IMAGES}
    return Section("images", "Embeddings and plates", values)


def _gallery(group: ComparisonGroup, labels: list[str], name: str, title: str) -> dict[str, object]:
    contents = {label: stored_file(group.runs[label], f"figures/{name}.png") for label in labels}
    pictures = [
        EmbeddedImage(png, "image/png", label, f"{title}, {label}")
        for label, png in contents.items()
        if png is not None
    ]
    return {"title": title, "pictures": pictures, "absent": [label for label, png in contents.items() if png is None]}
