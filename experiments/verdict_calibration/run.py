"""How often is the verdict right? Simulated screens with planted truth, many seeds, one verdict each.

Run again after an interruption: finished cells are kept in out/verdicts.jsonl and skipped.
"""

from __future__ import annotations

import argparse
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.audit.batch_probe import BatchProbe
from harness.audit.controls_vs_controls import ControlsVsControls
from harness.audit.effects_kept import EffectsKept
from harness.audit.pseudo_control import PseudoControl
from harness.audit.real_labels import RealLabels
from harness.audit.spike_in import SpikeIn
from harness.audit.verdict import Call, Decision, Verdict
from harness.data.demo import Demo
from harness.metric.auroc import Auroc
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean
from harness.norm.raw import Raw
from harness.norm.well_mean import WellMean
from harness.plan import Plan
from harness.run import Run
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated

OUT = Path(__file__).resolve().parent / "out"
PICTURE = OUT.parent / "verdicts.png"
SCREEN = {"n_sites": 1, "n_features": 100}  # 5 batches x 4 plates x 384 wells, 64 controls
MILD = {**SCREEN, "share_active": 0.05}
FEW = {"n_sites": 1, "n_features": 300, "n_controls": 16}
NORMS: dict[str, Normalizer] = {
    "raw": Raw(),
    "dmso_within": DmsoWithin(),
    "dmso_within_textbook": DmsoWithin(exchangeable=False),
    "all_within": AllWithin(),
    "mean": Mean(),
    "well_mean": WellMean(),
}
CELLS = [
    ("balanced", "raw", SCREEN),
    ("balanced", "dmso_within", SCREEN),
    ("balanced", "dmso_within_textbook", SCREEN),
    ("balanced", "all_within", SCREEN),
    ("phenotype_rich", "dmso_within", SCREEN),
    ("phenotype_rich", "all_within", SCREEN),
    ("confounded", "dmso_within", SCREEN),
    ("confounded", "mean", SCREEN),
    ("confounded", "mean", MILD),
    ("fixed_layout", "dmso_within", SCREEN),
    ("fixed_layout", "well_mean", SCREEN),
    ("no_batch_effect", "raw", SCREEN),
    ("null", "raw", FEW),
    ("null", "dmso_within", FEW),
    ("null", "dmso_within_textbook", FEW),
    ("null", "all_within", FEW),
    ("null", "mean", FEW),
]


def label(scenario: str, numbers: dict[str, float]) -> str:
    """The scenario, and what is unusual about it."""
    share = numbers.get("share_active")
    return scenario if share is None else f"{scenario}, {share:.0%} active"


class Keep:
    """A recorder that keeps the decision only."""

    decision: Decision

    def verdict(self, decision: Decision) -> None:
        self.decision = decision

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def one(cell: tuple[str, str, dict[str, float], int]) -> dict[str, Any]:
    """The verdict of one normalization on one simulated screen."""
    scenario, norm, numbers, seed = cell
    warnings.simplefilter("ignore")
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000, random_state=0)
    )
    plan = Plan(
        name=norm,
        normalizer=NORMS[norm],
        splitter=LeaveBatchOut(),
        tasks={"dmso_vs_treated": DmsoVsTreated()},
        models={"logistic": model},
        metrics=[Auroc()],
        checks={
            "controls_vs_controls": ControlsVsControls(n_repeats=3),
            "pseudo_control": PseudoControl(n_repeats=2),
            "batch_probe": BatchProbe(),
            "real_labels": RealLabels(),
            "effects_kept": EffectsKept(),
            "spike_in": SpikeIn(n_others=1),
        },
        verdict=Verdict(),
        seed=seed,
    )
    kept = Keep()
    Run(plan, Demo(scenario=scenario, seed=seed, **numbers).profiles(), kept).execute()
    said = kept.decision
    contrast = next((e.value for e in said.evidence if e.key.endswith("/contrast")), None)
    return {
        "scenario": label(scenario, numbers),
        "norm": norm,
        "seed": seed,
        "verdict": said.call.value,
        "contrast": contrast,
    }


def frequencies(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Scenario x normalization by share of each verdict, with the number of seeds."""
    table = pd.DataFrame(rows)
    keys = [table["scenario"], table["norm"]]
    shares = pd.crosstab(keys, table["verdict"], normalize="index")
    grouped = table.groupby(["scenario", "norm"])
    shares = shares.reindex(columns=[call.value for call in Call], fill_value=0.0)
    return shares.assign(seeds=grouped.size(), contrast=grouped["contrast"].mean())


def markdown(table: pd.DataFrame) -> str:
    """A table of numbers with two decimals."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[f"{x:.2f}" if isinstance(x, float) else str(x) for x in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(table: pd.DataFrame) -> Figure:
    """The table as a picture: a row per scenario and normalization, a column per verdict, shares in the cells."""
    calls = [call.value for call in Call]
    shares = table[calls].to_numpy()
    figure = Figure(figsize=(7.6, 0.34 * len(table) + 1.5), dpi=200, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        if share:
            axes.text(
                j, i, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=8
            )
    axes.set_xticks(range(len(calls)), calls, fontsize=8)
    axes.set_yticks(
        range(len(table)), [f"{s}: {n}" for s, n in zip(table["scenario"], table["norm"], strict=True)], fontsize=8
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(-0.5, len(calls)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(table)), minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.set_title(f"share of {int(table['seeds'].min())} simulated screens that got each verdict", fontsize=9)
    return figure


def main() -> None:
    """Run what is missing, print the table, draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="screens for each cell (default: %(default)s)")
    parser.add_argument("--first", type=int, default=100, help="first seed; 0 to 9 were used to choose margins")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    path = OUT / "verdicts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["scenario"], row["norm"], row["seed"]) for row in rows}
    seeds = range(options.first, options.first + options.seeds)
    missing = [
        (*cell, seed) for seed in seeds for cell in CELLS if (label(cell[0], cell[2]), cell[1], seed) not in done
    ]
    with ProcessPoolExecutor(options.workers) as pool, path.open("a") as file:
        for row in pool.map(one, missing):
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
    table = frequencies([r for r in rows if r["seed"] in seeds]).reset_index()
    print(markdown(table))
    draw(table).savefig(PICTURE)


if __name__ == "__main__":
    main()
