"""The command line in this process: importing MLflow costs seconds in a new one."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from harness.cli.app import cli
from harness.compare.__main__ import main as compare_main

SMALL = ("data.size=tiny", "model=[logistic]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=20")
TABLES = ("data=tables", "model=[logistic]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=20")


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr, but for the table of what was read, which each command prints."""
        lines = [line for line in self.err.splitlines() if not line.startswith("harness:   ")]
        assert len(lines) == 1, f"expected one line on stderr, got {self.err!r}"
        return lines[0]


Command = Callable[..., Outcome]


@contextlib.contextmanager
def _as_process(folder: Path, argv: list[str]) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    root, before = logging.getLogger(), (Path.cwd(), sys.argv)
    handlers, level = root.handlers[:], root.level
    out, err = io.StringIO(), io.StringIO()
    os.chdir(folder)
    sys.argv = argv
    root.handlers = []
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            warnings.simplefilter("ignore", DeprecationWarning)  # as Python does; pytest shows them
            yield out, err
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
        root.handlers = handlers
        root.setLevel(level)


def run_command(folder: Path, *arguments: str) -> Outcome:
    """``python -m harness ARGUMENTS`` in ``folder``."""
    with _as_process(folder, ["harness", *arguments]) as (out, err):
        try:
            status = cli()
        except SystemExit as end:
            status = int(end.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def run_compare(folder: Path, *arguments: str) -> Outcome:
    """``python -m harness.compare ARGUMENTS`` in ``folder``."""
    with _as_process(folder, ["harness.compare", *arguments]) as (out, err):
        status = compare_main(arguments)
    return Outcome(status, out.getvalue(), err.getvalue())


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlruns/mlflow.db")


def runs_of(folder: Path, experiment: str = "demo") -> dict[str, Run]:
    """Newest run of each name; empty where nothing was ever recorded."""
    if not (folder / "mlruns/mlflow.db").exists():
        return {}
    client = client_of(folder)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id]) if found else []
    return {str(run.info.run_name): run for run in reversed(runs)}


def table_of(folder: Path, run: Run, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "mlruns/artifacts" / run.info.run_id / "artifacts/tables" / f"{name}.parquet")


def wide(*, n_controls: int = 8, n_plates: int = 4, n_batches: int = 2) -> pd.DataFrame:
    """A small screen as users have it: 4 plates of 24 wells in 2 batches, 5 features far from 0."""
    rng = np.random.default_rng(7)
    rows = []
    for p in range(n_plates):
        for w in range(24):
            rows.append(
                {
                    "Plate": f"P{p + 1}",
                    "Well": f"{'ABCD'[w // 6]}{w % 6 + 1:02d}",
                    "Batch": f"week{p * n_batches // n_plates + 1}",
                    "Compound": "DMSO" if (w + p) % 24 < n_controls else f"c{w % 5}",
                }
            )
    meta = pd.DataFrame(rows)
    shift = (meta["Compound"] != "DMSO").to_numpy()[:, None] * np.array([4.0, 0, -9, 0, 2])
    X = np.array([50.0, -3, 700, 0.2, 12]) + rng.normal(0, [3.0, 1, 40, 0.01, 5], (len(meta), 5)) + shift
    return meta.join(pd.DataFrame(X, columns=[f"Cells_{name}" for name in ("Area", "Edge", "Mean", "Zern", "Text")]))


MAPPING = (
    "data.columns.plate=Plate",
    "data.columns.well=Well",
    "data.columns.batch=Batch",
    "data.columns.compound=Compound",
    "data.controls.column=Compound",
    "data.controls.values=[DMSO]",
)
