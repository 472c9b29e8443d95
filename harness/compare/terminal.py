"""The comparison on a terminal."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.compare.table import BASELINE, HEADLINE, PROBE, REFERENCE

_NARROWEST = 160
_TITLES = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    f"auroc_minus_{REFERENCE}": f"AUROC - {REFERENCE}",
}


def show(table: pd.DataFrame, title: str, *, extra: list[str]) -> None:
    """Print the table; each interval stands under its value."""
    shown = Table(title=escape(title), box=box.SIMPLE_HEAD, show_lines=True, title_justify="left")
    shown.add_column("norm", no_wrap=True)
    shown.add_column("scope", no_wrap=True)
    keys = _score_keys(table)
    for key in keys:
        _, model, metric = key.split("/")
        shown.add_column(f"{escape(model)}\n{_TITLES[metric]}", justify="right", no_wrap=True)
    shown.add_column("best trivial\nbaseline AUROC", justify="right", no_wrap=True)
    shown.add_column("batch probe\n(its null)", justify="right", no_wrap=True)
    for key in extra:
        shown.add_column(escape(key.replace("/", "/\n")), justify="right")
    for _, row in table.iterrows():
        probe = f"{number(row[PROBE])}\n({number(row[f'{PROBE}_null_mean'])})"
        baseline = f"{number(row[BASELINE])}\n({escape(row[f'{BASELINE}_is'])})"
        cells = [escape(row["norm"]), row["scope"], *(_cell(row, key) for key in keys), baseline, probe]
        shown.add_row(*cells, *(number(row[key]) for key in extra))
    width = max(shutil.get_terminal_size((_NARROWEST, 24)).columns, _NARROWEST)
    Console(width=width, highlight=False).print(shown)


def _score_keys(table: pd.DataFrame) -> list[str]:
    wanted = (*HEADLINE, f"auroc_minus_{REFERENCE}")
    pairs = dict.fromkeys(
        c.rsplit("/", 1)[0] for c in map(str, table) if c.endswith(f"/{HEADLINE[0]}") and c.count("/") == 2
    )
    return [f"{pair}/{metric}" for pair in pairs for metric in wanted if f"{pair}/{metric}" in table]


def _cell(row: Any, key: str) -> str:
    value, lower, upper = row[key], row[f"{key}_lower"], row[f"{key}_upper"]
    sign = "+" if key.endswith(REFERENCE) else ""
    span = "" if np.isnan(lower) else f"\n{number(lower, sign)} .. {number(upper, sign)}"
    return number(value, sign) + span


def number(value: float, sign: str = "") -> str:
    """Three decimals; a dash where undefined."""
    return "-" if np.isnan(value) else f"{value:{sign}.3f}"
