"""Time and memory of surrogate variable analysis on a screen; a small case is checked against a full SVD first."""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
import pandas as pd

from harness.core.profiles import Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.sva import Sva

WELLS_PER_PLATE = 384
CLOSE = 1e-4  # of a feature's sd


def make_screen(wells: int, features: int, factors: int, seed: int) -> Profiles:
    """Make wells with common factors of falling strength, one of them the batch, and features of unequal scale."""
    rng = np.random.default_rng(seed)
    strength = np.geomspace(1, 0.1, factors, dtype=np.float32)[:, None]
    loading = rng.standard_normal((factors, features), dtype=np.float32) * strength
    level, scale = (v.astype(np.float32) for v in (rng.normal(0, 10, features), rng.lognormal(0, 1, features)))
    batch = np.arange(wells) // WELLS_PER_PLATE * WELLS_PER_PLATE >= 0.45 * wells
    X = rng.standard_normal((wells, features), dtype=np.float32)
    for start in range(0, wells, WELLS_PER_PLATE):
        rows = slice(start, start + WELLS_PER_PLATE)
        score = rng.standard_normal((len(X[rows]), factors), dtype=np.float32)
        score[:, 0] += batch[rows]
        X[rows] += score @ loading
        X[rows] *= scale
        X[rows] += level
    number = np.arange(wells)
    table = pd.DataFrame({"plate": pd.Series(number // WELLS_PER_PLATE).map("p{:03d}".format)})
    table["well"] = pd.Series(number % WELLS_PER_PLATE).map("w{:03d}".format)
    table["batch"] = np.where(batch, "b2", "b1")
    table["role"] = np.where(number % 6 == 0, "negcon", "treated")
    return Profiles(X, table)


def check(seed: int) -> float:
    """Return the largest difference of ``sva`` to a full SVD in float64, in sd; assert that it is small."""
    profiles = make_screen(900, 60, factors=8, seed=seed)
    X = profiles.X.astype(np.float64)
    sd = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / sd
    V = np.linalg.svd(Z, full_matrices=False)[2][:4].T
    expected = X - Z @ V @ V.T * sd
    got = normalize(profiles, Sva(n_sv=4), aggregate="none").X
    worst = float((np.abs(got - expected) / sd).max())
    assert worst < CLOSE, f"differs by {worst:.1e} sd"
    return worst


def peak() -> float:
    """Return the highest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Time a fit and a transform and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=41_410)
    parser.add_argument("--features", type=int, default=4_096)
    parser.add_argument("--factors", type=int, default=30, help="common to the features")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"Largest difference to a full SVD, 900 x 60: {check(args.seed):.1e} sd of the feature.")
    profiles = make_screen(args.wells, args.features, args.factors, args.seed)
    out, before = np.empty_like(profiles.X), peak()
    wall, cpu = time.perf_counter(), time.process_time()
    fitted = Sva().fit(profiles)
    fit = time.perf_counter() - wall
    for plate in profiles:
        out[plate.rows] = fitted.transform(plate)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert np.isfinite(out).all()
    size = profiles.X.nbytes / 2**30
    print(f"Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. Input and result are {size:.2f} GiB each.\n")
    print("| wells | features | surrogate variables | fit, s | fit and transform, s | processor, s | peak GiB |")
    print("|---|---|---|---|---|---|---|")
    cells = [str(args.wells), str(args.features), str(fitted.n_sv_), f"{fit:.1f}", f"{wall:.1f}", f"{cpu:.1f}"]
    print(f"| {' | '.join(cells)} | {peak():.2f} ({before:.2f} before, with the input) |")


if __name__ == "__main__":
    main()
