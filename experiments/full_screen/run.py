"""The whole screen on one machine: time of each step, memory and disk traffic of four normalizations, by plates."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pandas as pd
from session import run

from harness.data.demo import Demo
from harness.store.lru_cache import DirectoryCache
from harness.store.store import load
from harness.tracking.tracking import Tracking

HERE = Path(__file__).resolve().parent
NORMS = ("raw", "dmso_within", "all_within", "dmso_across")
MAPS = Path(os.environ.get("HARNESS_SHARED_DATA", "../shared/data")) / "bray2017/platemaps"
WHOLE, BATCHES = 405, 10
SHOWN = {f"auroc_{model}": f"dmso_vs_treated/{model}/auroc" for model in ("logistic", "lightgbm")}


def settings(n_plates: int, maps: Path | None) -> dict[str, object]:
    """Return settings of the simulated screen: all plates, on the real layout if given, or a number in ten batches."""
    if n_plates == WHOLE:
        return {"size": "bray2017", **({"platemaps": str(maps)} if maps else {})}
    if n_plates % BATCHES:
        raise SystemExit(f"--plates {n_plates}: expected {WHOLE}, or a multiple of {BATCHES}")
    return {"size": "bray2017", "plates_per_batch": n_plates // BATCHES}


def pack(n_plates: int, data_settings: dict[str, object], store: Path) -> dict[str, float]:
    """Pack the screen into the store that the runs read; return its size and the seconds that it took."""
    start = time.perf_counter()
    profiles = load(Demo(**data_settings), DirectoryCache(store, max_gb=100))
    gigabytes = profiles.X.nbytes / 1e9
    return {"plates": n_plates, "gigabytes": gigabytes, "seconds": time.perf_counter() - start}


def evaluate(
    n_plates: int, norm: str, data_settings: dict[str, object], more: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate one normalization; return a row of costs, and a row for each of its steps."""
    experiment = f"full_screen_{n_plates}"
    words = [sys.executable, "-m", "harness", "+experiment=full_screen", f"+norm={norm}"]
    words += [f"++data.{key}={value}" for key, value in data_settings.items()]
    words += [f"tracking.experiment={experiment}", *more]
    log = Path("mlruns") / f"{experiment}_{norm}.log"
    cost = run(words, log)
    if cost["status"]:
        raise SystemExit(f"{' '.join(words)} ended with status {cost['status']}: see {log}")
    record = Tracking(uri="sqlite:///mlruns/mlflow.db", experiment=experiment).records()[0]
    keys = {"plates": n_plates, "norm": norm}
    scores = {name: record.metrics[key] for name, key in SHOWN.items()}
    row = pd.DataFrame([keys | cost | scores | {"verdict": record.tags.get("verdict", "")}]).drop(columns="status")
    steps = {k[5:-8]: v for k, v in record.metrics.items() if k.startswith("time/")}
    return row, pd.DataFrame([keys | {"step": step, "seconds": seconds} for step, seconds in sorted(steps.items())])


def append(path: Path, rows: pd.DataFrame, by: list[str]) -> None:
    """Append rows to a table and drop older rows with the same keys."""
    if path.exists():
        old = pd.read_csv(path)
        rows = pd.concat([old[~pd.MultiIndex.from_frame(old[by]).isin(pd.MultiIndex.from_frame(rows[by]))], rows])
    rows.sort_values(by).to_csv(path, index=False, float_format="%.4g")


def main() -> None:
    """Evaluate the normalizations on each number of plates and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, nargs="+", default=[50, 100, 200, WHOLE])
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--platemaps", type=Path, default=MAPS if MAPS.is_dir() else None, help="of the real screen")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the tables")
    parser.add_argument("more", nargs="*", help="settings for every run, e.g. audit=[]")
    args = parser.parse_args()
    Path("mlruns").mkdir(exist_ok=True)
    for n_plates in args.plates:
        data_settings = settings(n_plates, args.platemaps)
        packed = pack(n_plates, data_settings, Path("mlruns/store"))
        print(
            f"{n_plates} plates, {packed['gigabytes']:.1f} GB, packed or found in {packed['seconds']:.0f} s", flush=True
        )
        append(args.out / "packed.csv", pd.DataFrame([packed]), ["plates"])
        for norm in args.norms:
            row, steps = evaluate(n_plates, norm, data_settings, args.more)
            print(row.to_string(index=False, header=norm == args.norms[0]), flush=True)
            append(args.out / "runs.csv", row, ["plates", "norm"])
            append(args.out / "steps.csv", steps, ["plates", "norm", "step"])


if __name__ == "__main__":
    main()
