"""Inference of batches from control wells: simulated screens with planted batches, then the weeks of BBBC021."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import adjusted_rand_score

from harness.batch.inference.assignment import BatchInference
from harness.batch.inferred import METHODS, Inferred
from harness.core.profiles import Profiles
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.demo import Demo
from harness.figure.base import FigureContext
from harness.figure.inferred_batches import InferredBatches

HERE = Path(__file__).resolve().parent
SCREENS = {
    "small, 5 x 4 plates": {},
    "5 x 8 plates": {"n_batches": 5, "plates_per_batch": 8},
    "medium, 10 x 8 plates": {"size": "medium"},
    "no batch effect, 20 plates": {"scenario": "no_batch_effect"},
    "no batch effect, 40 plates": {"scenario": "no_batch_effect", "n_batches": 5, "plates_per_batch": 8},
}


def controls(demo: Demo) -> Profiles:
    """Return the control wells of a simulated screen, made plate by plate."""
    parts = []
    for X, wells, _ in demo.plates():
        is_control = (wells["role"] == "negcon").to_numpy()
        parts.append((X[is_control], wells[is_control]))
    X, wells = (pd.concat([pd.DataFrame(part[i]) for part in parts], ignore_index=True) for i in (0, 1))
    return Profiles(X.to_numpy(), wells, features=demo.features(), name=demo.name)


def simulated(options: dict[str, object], *, seeds: int, n_resamples: int) -> pd.DataFrame:
    """Return one row per seed and method: inferred batches and outliers against the planted ones."""
    rows = []
    for seed in range(seeds):
        demo = Demo(seed=seed, **options)  # type: ignore[arg-type]
        profiles, truth = controls(demo), demo.tables()["plates"].set_index("plate")
        for method in METHODS:
            inferred = Inferred(method=method, n_resamples=n_resamples).find(profiles)
            planted = (
                truth["batch"] if demo.scenario != "no_batch_effect" else truth["batch"].mask(truth["batch"] != "", "")
            )
            row = compared(inferred, planted, truth["outlier"])
            rows.append({"seed": seed, "method": method, **row})
    return pd.DataFrame(rows)


def compared(inferred: BatchInference, batch: pd.Series, outlier: pd.Series) -> dict[str, float]:
    """Compare inferred batches with the truth by plate, ``batch`` and ``outlier``."""
    plates = inferred.plates.set_index("plate")
    planted, flagged = outlier.loc[plates.index].to_numpy(dtype=bool), plates["outlier"].to_numpy()
    truth = batch.loc[plates.index]
    return {
        "ari": adjusted_rand_score(truth, plates["batch"]),
        "batches": plates["batch"].nunique(),
        "outliers_planted": int(planted.sum()),
        "outliers_found": int((planted & flagged).sum()),
        "false_alarms": int((flagged & ~planted).sum()),
        "stability": inferred.adjusted_rand,
    }


def summary(name: str, table: pd.DataFrame) -> list[str]:
    """Return the rows of the Markdown table over all seeds."""
    lines = []
    for method, rows in table.groupby("method", sort=False):
        counts = ", ".join(f"{k} ({n})" for k, n in rows["batches"].value_counts().sort_index().items())
        cells = [
            name,
            method,
            f"{rows['ari'].min():.2f}",
            f"{rows['ari'].mean():.3f}",
            f"{(rows['ari'] >= 0.9).sum()}/{len(rows)}",
            counts,
            f"{rows['outliers_found'].sum()}/{rows['outliers_planted'].sum()}",
            rows["false_alarms"].sum(),
            f"{rows['stability'].min():.2f}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def draw(profiles: Profiles, inferred: BatchInference, name: str) -> None:
    """Write ``<name>.png``, and the assignment as ``out/<name>.csv``."""
    names = {"norm": "raw", "scope": "train", "split": "none", "data": profiles.name}
    context = FigureContext(**names, seed=0, normalized=profiles)
    (figure,) = InferredBatches().draw(inferred.tables(), context).values()
    figure.savefig(HERE / f"{name}.png", dpi=200)
    (HERE / "out").mkdir(exist_ok=True)
    inferred.plates.to_csv(HERE / "out" / f"{name}.csv", index=False)


def bbbc021() -> Profiles | None:
    """Return the wells of BBBC021 with the week as batch; None if the data are absent."""
    sys.path.insert(0, str(HERE.parent / "bbbc021"))
    from prepare import PREFIX, SHARED, prepare

    if not (SHARED / "bbbc021").is_dir():
        return None
    table = prepare(SHARED / "bbbc021").sort_values(f"{PREFIX}Plate", kind="stable").copy()
    table = table.assign(week=table[f"{PREFIX}Plate"].str.split("_").str[0])
    names = {"plate": f"{PREFIX}Plate", "well": f"{PREFIX}Well", "batch": "week"}
    features = [c for c in table if not c.startswith(PREFIX) and c not in ("week", "moa")]
    return profiles_from_frame(table, controls="moa == 'DMSO'", features=features, name="BBBC021", **names)


def main() -> None:
    """Print the tables, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--resamples", type=int, default=20, help="of control wells, for stability")
    parser.add_argument("--by-seed", action="store_true", help="also print every seed")
    options = parser.parse_args()
    columns = "screen", "method", "lowest ARI", "mean ARI", "ARI >= 0.9", "batches found (seeds)"
    columns += "outliers found", "false alarms", "lowest stability"
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    tables = {}
    for name, settings in SCREENS.items():
        tables[name] = simulated(settings, seeds=options.seeds, n_resamples=options.resamples)
        print(*summary(name, tables[name]), sep="\n", flush=True)
    if options.by_seed:
        for name, table in tables.items():
            print(f"\n{name}\n{table.round(3).to_string(index=False)}")
    for name, settings in (("demo_small", {}), ("demo_medium", {"size": "medium"})):
        profiles = controls(Demo(**settings))
        draw(profiles, Inferred().find(profiles), name)
    weeks = bbbc021()
    if weeks is None:
        print("\nBBBC021 is not available, see experiments/bbbc021/README.md")
        return
    truth = weeks.wells.groupby("plate")["batch"].first()
    print("\n| BBBC021 | batches | ARI with weeks | stability | outliers |\n| --- | --- | --- | --- | --- |")
    for method in METHODS:
        inferred = Inferred(method=method).find(weeks)
        ari = adjusted_rand_score(truth.loc[inferred.plates["plate"]], inferred.plates["batch"])
        n, names = inferred.plates["batch"].nunique(), ", ".join(inferred.outliers)
        print(f"| {method} | {n} | {ari:.2f} | {inferred.adjusted_rand:.2f} | {names} |")
        draw(weeks, inferred, f"bbbc021_{method}")
        print(
            inferred.boundaries.round(2).to_string(index=False),
            inferred.plates[inferred.plates.outlier].reason.to_list(),
            sep="\n",
        )


if __name__ == "__main__":
    main()
