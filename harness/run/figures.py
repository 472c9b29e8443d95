"""The figures of a run: their tables and pictures, to the recorder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.core.recorder import Recorder
from harness.figure.base import FigureContext, FigureMember
from harness.utils.progress import Step


def record_figures(
    figures: Mapping[str, FigureMember],
    context: FigureContext,
    recorder: Recorder,
    *,
    timed: Callable[[str], AbstractContextManager[None]],
    step: Step,
) -> None:
    """Make and record each figure; one that has no meaning here is listed in ``figures_not_drawn`` with its reason.

    Parameters
    ----------
    timed : measures a block under the name of a step.
    step : is told of each figure.
    """
    declined = []
    for name, figure in figures.items():
        step(name)
        try:
            with timed(f"figure_{name}"):
                tables = figure.tables(context)
                pictures = figure.draw(tables, context)
                pages = figure.pages(tables, context)
        except NotApplicable as undefined:
            declined.append({"figure": name, "reason": undefined.reason})
            continue
        with timed("record"):
            for key, table in tables.items():
                recorder.table(key, table)
            for key, picture in pictures.items():
                recorder.figure(key, picture)
            for key, html in pages.items():
                recorder.text(f"{key}.html", html)
    if declined:
        recorder.table("figures_not_drawn", pd.DataFrame(declined))
