"""The leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.compare.comparison_group import ANCHORS, Group
from harness.compare.html import Html, join, note, table, tag
from harness.compare.report_section import Section, batches, chip, fold_scores, folds, resampled
from harness.compare.spikes import with_interval
from harness.compare.table import CONTRAST, PROBE, REFERENCE, baselines
from harness.compare.terminal import number
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.tracking.stored_run import HEADLINE


def _cell(row: Any, key: str, sign: str = "") -> Html:
    value, lower, upper = (row.get(k, np.nan) for k in (key, f"{key}_lower", f"{key}_upper"))
    span = "" if np.isnan(lower) else f"[{number(lower, sign)}, {number(upper, sign)}]"
    return join([number(value, sign), tag("small", span)]) if span else join([number(value, sign)])


def p_value(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def leaderboard(group: Group) -> Section | None:
    """Return all finished runs with every number that ranks them, ``noise`` and ``oracle`` last."""
    if group.table.empty:
        return None
    ranked, models = group.ranked(), group.models
    paired = [m for m in models if f"{m}/auroc_minus_{REFERENCE}" in ranked]
    top: list[tuple[object, int]] = [("", 1), ("", 2)]
    second: list[tuple[object, int]] = [("normalization", 1), ("scope", 1), ("verdict", 1)]
    for model in models:
        top.append((model, 4 if model in paired else 2))
        second += [("AUROC", 1), ("balanced accuracy", 1)]
        second += [(f"AUROC - {REFERENCE}", 1), ("p (Holm)", 1)] if model in paired else []
    trivial = baselines(group.table)
    top.append(("beside the models", 2 + len(trivial)))
    second += [("batch probe", 1), ("spike-in contrast", 1), *((name, 1) for name in trivial)]
    rows = []
    for row in ranked.to_dict("records"):
        cells: list[object] = [row["norm"], row["scope"], chip(str(row["verdict"]))]
        for model in models:
            cells += [_cell(row, f"{model}/{metric}") for metric in HEADLINE]
            if model in paired:
                key = f"{model}/auroc_minus_{REFERENCE}"
                cells += [_cell(row, key, "+"), p_value(row.get(f"{key}_p_holm", np.nan))]
        null = join([number(row[PROBE]), tag("small", f"null {number(row[f'{PROBE}_null_mean'])}")])
        best = [join([number(row[key]), tag("small", row[f"{key}_is"])]) for key in trivial.values()]
        rows.append([*cells, null, _cell(row, CONTRAST), *best])
    content = [table([top, second], rows, words=3), *_explained(group, paired), *_few(group)]
    return Section("leaderboard", "Leaderboard", content)


def _explained(group: Group, paired: Sequence[str]) -> Iterator[Html]:
    anchors = ", ".join(a for a in ANCHORS if any(run.name == a for run in group.finished.values()))
    last = f"; {anchors} (anchors, no candidates) last" if anchors else ""
    yield note(
        f"Sorted by verdict, then by the AUROC of {group.models[0] if group.models else 'the first model'}{last}. "
        f"Means over held-out folds; in brackets 95% intervals ({resampled(group)}). "
        "Batch probe: balanced accuracy of telling the batch from control wells, below it the mean of its null. "
        "Spike-in contrast: how far known effects, as common as this screen's own, still stand out; 1: as in raw. "
        "Best trivial baseline: the highest AUROC reached without a model of the features."
    )
    compared = [int(group.table[f"{m}/auroc_minus_{REFERENCE}_p_holm"].notna().sum()) for m in paired]
    if any(compared):
        number_compared = " and ".join(f"{n}" for n in dict.fromkeys(compared))
        yield note(
            f"AUROC - {REFERENCE}: on the same wells and the same resamples. p: two-sided, from the paired resamples, "
            f"Holm-corrected for {number_compared} normalizations compared per model (all rows but {REFERENCE}); no "
            "smaller than the resamples can show, times the correction."
        )
    else:
        yield note(f"No finished run of {REFERENCE} on the same resamples: no paired differences.")


def _few(group: Group) -> Iterator[Html]:
    """With fewer than four held-out batches: the value of each, because an interval over so few means little."""
    held, what = folds(group), batches(group)
    if not 0 < len(held) < FEWEST_BATCHES:
        return
    scores = fold_scores(group, HEADLINE[0])
    rows = [[name, model, *(_of_fold(own, fold) for fold in held)] for name, model, own in scores]
    singular = {"batches": "batch", "folds": "fold"}[what]
    head: list[tuple[object, int]] = [("normalization", 1), ("model", 1), *((fold, 1) for fold in held)]
    yield tag("h3", f"AUROC by held-out {singular} (intervals: plates only, {len(held)} {what})")
    yield table([head], rows, words=2)
    yield note(
        f"Only {len(held)} held-out {what if len(held) > 1 else singular}: all intervals resample plates only and "
        f"cannot show how much batches vary; read the single values."
    )


def _of_fold(by_fold: pd.DataFrame, fold: str) -> Html:
    if fold not in by_fold.index:
        return Html("-")
    row: Any = by_fold.loc[fold]
    return with_interval(row["lower"], row["upper"], number(row["value"]))
