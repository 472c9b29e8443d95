"""The comparison on a terminal: one table per task and model, one of the numbers next to the models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.compare.comparison_group import ComparisonGroup
from harness.compare.formatting import format_interval, format_number
from harness.compare.table import CONTRAST, PROBE, REFERENCE, baseline_columns
from harness.compare.verdicts import scorecard_marks
from harness.tracking.stored_run import HEADLINE

_NARROWEST = 128
_TITLES = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    f"auroc_minus_{REFERENCE}": f"AUROC - {REFERENCE}",
}


def print_scorecards(group: ComparisonGroup) -> None:
    """Print the verdict of each run and its answers as marks; nothing if no run has a scorecard."""
    answers = scorecard_marks(group)
    if answers is not None:
        console = Console(width=max(shutil.get_terminal_size((80, 24)).columns, 80), highlight=False)
        table, legend = answers
        console.print(table)
        console.print(legend, style="dim")


def print_comparison(table: pd.DataFrame, title: str, *, extra: Sequence[str]) -> None:
    """Print the table of :func:`harness.compare.table.comparison_table`; ``extra`` are further metric keys in it."""
    width = max(shutil.get_terminal_size((_NARROWEST, 24)).columns, _NARROWEST)
    console = Console(width=width, highlight=False)
    for pair in _models(table):
        keys = [f"{pair}/{metric}" for metric in _TITLES if f"{pair}/{metric}" in table]
        columns = {_TITLES[key.rsplit("/", 1)[1]]: [_cell(row, key) for _, row in table.iterrows()] for key in keys}
        console.print(_table(f"{title}: {pair}", table, columns))
    rows = [row for _, row in table.iterrows()]
    columns = {
        **{
            name: [f"{format_number(row[key])} ({row[f'{key}_is']})" for row in rows]
            for name, key in baseline_columns(table).items()
        },
        "batch probe (its null)": [
            f"{format_number(row[PROBE])} ({format_number(row[f'{PROBE}_null_mean'])})" for row in rows
        ],
        "spike-in contrast": [_cell(row, CONTRAST) for row in rows],
    }
    console.print(_table(f"{title}: checks and baselines", table, columns))
    if extra:
        shared = os.path.commonpath(extra) if len(extra) > 1 else os.path.dirname(extra[0])
        columns = {key.removeprefix(shared).lstrip("/"): [_cell(row, key) for row in rows] for key in extra}
        console.print(_table(f"{title}: {shared}", table, columns))


def _table(title: str, table: pd.DataFrame, columns: dict[str, list[str]]) -> Table:
    printed = Table(title=escape(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    printed.add_column("norm", no_wrap=True)
    printed.add_column("scope", no_wrap=True)
    printed.add_column("verdict", no_wrap=True)
    for name in columns:
        printed.add_column(escape(name), justify="right")
    for i, names in enumerate(zip(table["norm"], table["scope"], table["verdict"], strict=True)):
        printed.add_row(*map(escape, names), *(escape(cells[i]) for cells in columns.values()))
    return printed


def _models(table: pd.DataFrame) -> list[str]:
    """Return ``<task>/<model>`` of every model with scores."""
    names = [str(column) for column in table]
    with_interval = [name for name in names if name.endswith(f"/{HEADLINE[0]}") and f"{name}_lower" in names]
    return list(dict.fromkeys(name.rsplit("/", 1)[0] for name in with_interval if name.count("/") == 2))


def _cell(row: Any, key: str) -> str:
    """Return a value and its interval, if it has one."""
    sign = "+" if key.endswith(REFERENCE) else ""
    interval = format_interval(row.get(f"{key}_lower", np.nan), row.get(f"{key}_upper", np.nan), sign)
    return " ".join(filter(None, [format_number(row[key], sign), interval]))
