"""Time to whiten a screen by its controls: this project against pycytominer's Spherize on the same arrays.

Textbook forms with lambda 0, which both define alike; equal results are asserted before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from pycytominer.operations import Spherize

from harness.core.arrays import Doubles
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer
from harness.norm.engine.normalize import normalize
from harness.norm.sphering import Sphering
from harness.norm.tvn import Tvn

CLOSE = 2e-3  # of the largest value


def make_screen(n_plates: int, n_wells: int, n_controls: int, n_features: int, n_batches: int, seed: int) -> Profiles:
    """Make wells with 30 common factors; features of unequal level and scale; treated wells that differ."""
    rng = np.random.default_rng(seed)
    loading = rng.standard_normal((30, n_features), dtype=np.float32)
    level, scale = rng.normal(0, 10, n_features), rng.lognormal(0, 1, n_features)
    X = np.empty((n_plates * n_wells, n_features), dtype=np.float32)
    tables = []
    for p in range(n_plates):
        role = np.full(n_wells, "treated", dtype=object)
        role[rng.choice(n_wells, n_controls, replace=False)] = "negcon"
        factors = rng.standard_normal((n_wells, 30), dtype=np.float32)
        Z = factors @ loading + rng.standard_normal((n_wells, n_features), dtype=np.float32)
        Z += 0.5 * (role == "treated")[:, None]
        X[p * n_wells : (p + 1) * n_wells] = level + scale * Z
        wells = [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(n_wells)]
        tables.append(pd.DataFrame({"plate": f"p{p:03d}", "well": wells, "batch": f"b{p % n_batches}", "role": role}))
    wells = pd.concat(tables, ignore_index=True)
    order = np.argsort(wells["batch"].to_numpy(), kind="stable")
    return Profiles(X[order], wells.iloc[order])


def ours(profiles: Profiles, normalizer: Normalizer) -> Callable[[], Any]:
    """Return a function that runs our form."""
    return lambda: normalize(profiles, normalizer, aggregate="none").X


def spherize(profiles: Profiles, method: str) -> Callable[[], Doubles]:
    """Return a function that fits on controls and transforms all, in float64 columns, as pycytominer's users have."""
    X = pd.DataFrame(profiles.X.astype(np.float64), columns=list(profiles.features))
    controls = X[(profiles.wells["role"] == "negcon").to_numpy()]
    return lambda: Spherize(method=method, epsilon=0, return_numpy=True).fit(controls).transform(X)


def tvn_by_spherize(profiles: Profiles) -> Callable[[], Doubles]:
    """Return a function that whitens by all controls and again by those of each batch: TVN without shrinkage."""
    whiten = spherize(profiles, "ZCA-cor")
    control = (profiles.wells["role"] == "negcon").to_numpy()
    batches = [(profiles.wells["batch"] == b).to_numpy() for b in profiles.wells["batch"].unique()]

    def run() -> Doubles:
        Z = pd.DataFrame(whiten())
        out = np.empty(Z.shape)
        for in_batch in batches:
            fitted = Spherize(method="ZCA", epsilon=0, return_numpy=True).fit(Z[in_batch & control])
            out[in_batch] = fitted.transform(Z[in_batch])
        return out

    return run


def same(got: Any, expected: Any) -> float:
    """Return the largest difference in units of the largest value; assert that it is small."""
    difference = float(np.abs(got - expected).max() / np.abs(expected).max())
    assert difference < CLOSE, f"results differ by {difference:.1e} of the largest value"
    return difference


def main() -> None:
    """Time our forms and pycytominer's in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=12)
    parser.add_argument("--wells", type=int, default=384)
    parser.add_argument("--controls", type=int, default=64)
    parser.add_argument("--features", type=int, default=150)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    n = args.plates * args.controls
    if n // args.batches <= args.features + args.controls:
        parser.error(f"{n} controls in {args.batches} batches: more than {args.features} features a batch are needed")
    profiles = make_screen(args.plates, args.wells, args.controls, args.features, args.batches, args.seed)

    plain: dict[str, Any] = {"shrinkage": 0, "exchangeable": False}
    pairs = {
        "sphering `zca_cor`": (Sphering(method="zca_cor", **plain), spherize(profiles, "ZCA-cor")),
        "sphering `zca`": (Sphering(method="zca", **plain), spherize(profiles, "ZCA")),
        "`tvn`": (Tvn(n_components="all", **plain), tvn_by_spherize(profiles)),
    }
    forms: dict[str, Callable[[], Any]] = {}
    difference = {}
    for name, (normalizer, theirs) in pairs.items():
        forms[name], forms[f"pycytominer, as {name}"] = ours(profiles, normalizer), theirs
        difference[name] = same(forms[name](), theirs())
    forms["sphering, the default (cross-fitted, `auto`)"] = ours(profiles, Sphering())
    forms["`tvn`, the default (cross-fitted, `auto`)"] = ours(profiles, Tvn())

    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for _ in range(args.repeats):
        for name, form in forms.items():
            wall, cpu = time.perf_counter(), time.process_time()
            form()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{len(profiles.X)} wells x {args.features} features, {n} controls, {args.batches} batches;")
    print(f"pycytominer {version('pycytominer')}, median of {args.repeats} alternating repeats; ", end="")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    print("| | seconds | pycytominer | ratio | processor seconds | pycytominer | ratio | largest difference |")
    print("|---|---|---|---|---|---|---|---|")
    median = {name: np.median(values, axis=0) for name, values in seconds.items()}
    for name in pairs:
        our_seconds, theirs = median[name], median[f"pycytominer, as {name}"]
        cells = [f"{our_seconds[k]:.2f} | {theirs[k]:.2f} | {theirs[k] / our_seconds[k]:.1f}x" for k in range(2)]
        print(f"| {name} | {' | '.join(cells)} | {difference[name]:.1e} |")
    for name in list(forms)[-2:]:
        print(f"| {name} | {median[name][0]:.2f} | | | {median[name][1]:.2f} | | | |")


if __name__ == "__main__":
    main()
