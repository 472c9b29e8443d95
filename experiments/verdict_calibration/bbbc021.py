"""Verdicts on BBBC021 as the command line gives them, next to retrieval of mechanisms of action without the audit.

First: python experiments/bbbc021/prepare.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.bbbc021.prepare import PREFIX, SHARED, prepare
from experiments.verdict_calibration.cells import Rule
from experiments.verdict_calibration.methods import PROJECT
from experiments.verdict_calibration.real_background import measured
from experiments.verdict_calibration.report import markdown
from harness.core.arrays import Doubles
from harness.core.profiles import Profiles
from harness.norm.engine.normalize import normalize

EXPERIMENT = "verdict_bbbc021"
RULES = {
    "raw": Rule("under-normalizes", at_least=1.0),
    "dmso_within": Rule(""),
    "dmso_within_textbook": Rule("leaks", at_least=1.0),
    "all_within": Rule("sound", at_most=0.0),
    "dmso_across": Rule("sound", at_most=0.0),
}


def profiles() -> Profiles:
    """Return the 632 wells with plate, week, role, compound, dose and mechanism."""
    table = prepare(SHARED / "bbbc021").sort_values([f"{PREFIX}Plate", f"{PREFIX}Well"])
    wells = pd.DataFrame(
        {
            "plate": table[f"{PREFIX}Plate"],
            "well": table[f"{PREFIX}Well"],
            "batch": table[f"{PREFIX}Plate"].str.split("_").str[0],
            "role": np.where(table["moa"] == "DMSO", "negcon", "treated"),
            "compound": table[f"{PREFIX}Compound"],
            "dose": table[f"{PREFIX}Concentration"],
            "moa": table["moa"],
        }
    )
    X = table[measured(table)].to_numpy(dtype=np.float32)
    return Profiles(X[:, X.std(axis=0) > 0], wells, name="bbbc021")


def mechanisms(normalized: Profiles) -> tuple[float, float]:
    """Return how often a treatment's nearest neighbour by cosine has its mechanism: NSC and NSCB.

    NSC counts neighbours of other compounds, NSCB neighbours of other compounds in other weeks; NSCB is over treatments
    with such a neighbour in their mechanism. A treatment is a compound at a dose, its profile the mean of its wells;
    features are centred at controls and scaled by their sd. Ljosa et al. 2013, J. Biomol. Screen. 18; NSCB: Ando et al.
    2017, bioRxiv 161422.
    """
    wells = normalized.wells
    rows = (wells["role"] == "treated").to_numpy()
    X = normalized.X / np.maximum(normalized.X.std(axis=0), 1e-12)
    X -= np.median(X[~rows], axis=0)
    names = ("compound", "dose", "moa", "batch")
    treatments = pd.DataFrame(X[rows]).groupby([wells.loc[rows, c].to_numpy() for c in names]).mean()
    compound, _, moa, batch = (treatments.index.get_level_values(i).to_numpy() for i in range(4))
    Z: Doubles = treatments.to_numpy(dtype=np.float64)
    Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    similarity, shares = Z @ Z.T, []
    for hidden in (compound[:, None] == compound, (compound[:, None] == compound) | (batch[:, None] == batch)):
        same = moa == moa[np.where(hidden, -np.inf, similarity).argmax(axis=1)]
        possible = ((moa[:, None] == moa) & ~hidden).any(axis=1)
        shares.append(float(same[possible].mean()))
    return shares[0], shares[1]


def verdicts(folder: Path, *, sweep: bool) -> dict[str, str]:
    """Return the verdict of each normalization, from the command line; ``sweep``: evaluate them first."""
    python = [sys.executable, "-m"]
    if sweep:
        command = [*python, "harness", "+experiment=bbbc021", f"tracking.experiment={EXPERIMENT}"]
        subprocess.run(command, check=True)
    path = folder / "verdicts.csv"
    subprocess.run([*python, "harness.compare", EXPERIMENT, "--csv", str(path)], check=True)
    table = pd.read_csv(path)
    return dict(zip(table["norm"], table["verdict"], strict=True))


def main() -> None:
    """Print one row per normalization: verdict, what is required, and whether mechanisms are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", action="store_true", help="only read the runs of an earlier sweep")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        words = verdicts(Path(folder), sweep=not options.recorded)
    screen, rows = profiles(), []
    for name, rule in RULES.items():
        word = words.get(name, "not run")
        nsc, nscb = mechanisms(normalize(screen, PROJECT[name]()))
        holds = {True: "yes", False: "no"}[rule.holds({word: 1.0})] if str(rule) else ""
        row = {"norm": name, "verdict": word, "required": str(rule), "holds": holds}
        rows.append({**row, "NSC": f"{nsc:.3f}", "NSCB": f"{nscb:.3f}"})
    print(markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
