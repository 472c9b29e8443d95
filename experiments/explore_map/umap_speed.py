"""Time to embed 20,000 wells for a map, and to place many more on it."""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from harness.figure.shared.project_points import project_points
from harness.figure.umap import embed


def main() -> None:
    """Embed and place synthetic wells, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=135_000, help="placed by their neighbours")
    parser.add_argument("--features", type=int, default=512)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(30, args.features))
    batch = rng.normal(0, 2, (10, 30))

    def wells(n: int) -> np.ndarray:
        state = rng.normal(size=(n, 30)) + batch[rng.integers(0, 10, n)]
        return (state @ loadings + rng.normal(size=(n, args.features))).astype(np.float32)

    X, others = wells(args.wells), wells(args.others)
    embed(X[:100], seed=0)  # compile
    start = time.perf_counter()
    at = embed(X, seed=0)
    embedded = time.perf_counter()
    project_points(X, at, others, seed=0)
    placed = time.perf_counter()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {args.features} features, PCA to 50")
    print(f"{args.wells:,} wells embedded in {embedded - start:.0f} s")
    print(f"{args.others:,} wells placed in {placed - embedded:.0f} s")


if __name__ == "__main__":
    main()
