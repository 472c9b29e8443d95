"""Seconds that heatmaps take: correlation of plates and features of sampled wells, 400 plates of 384 wells."""

from __future__ import annotations

import argparse
import io
import os
import time

import numpy as np
import pandas as pd

from harness.core.profiles import Profiles
from harness.figure.base import FigureContext, FigureMember
from harness.figure.feature_heatmap import FeatureHeatmap
from harness.figure.plate_correlation import PlateCorrelation

WELLS, CONTROLS = 384, 64
BATCHES = 10


def screen(plates: int, features: int, seed: int = 0) -> Profiles:
    """Make wells whose batches differ in level; half of each plate's controls are marked as held out."""
    rng = np.random.default_rng(seed)
    batch = np.arange(plates) * BATCHES // plates
    X = rng.standard_normal((plates, WELLS, features), dtype=np.float32)
    X += rng.normal(0, 2, (BATCHES, features))[batch][:, None].astype(np.float32)
    place = np.tile(np.arange(WELLS), plates)
    wells = pd.DataFrame(
        {
            "plate": np.repeat([f"{24277 + i}" for i in range(plates)], WELLS),
            "well": np.array([f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(WELLS)], dtype=object)[place],
            "batch": np.repeat([f"batch{i + 1:02d}" for i in batch], WELLS),
            "role": np.where(place < CONTROLS, "negcon", "treated"),
            "heldout_control": place < CONTROLS // 2,
        }
    )
    return Profiles(X.reshape(-1, features), wells)


def main() -> None:
    """Time each heatmap and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=400)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    raw = screen(options.plates, options.features)
    members: dict[str, FigureMember] = {
        "plate_correlation by id": PlateCorrelation(),
        "plate_correlation by cluster": PlateCorrelation(order="cluster"),
        "feature_heatmap": FeatureHeatmap(),
    }
    rows = []
    for name, member in members.items():
        for _ in range(options.repeat):
            normalized = raw.replace()  # nothing remembered from the round before
            run = FigureContext(
                norm="raw", scope="train", split="none", data="synthetic", seed=0,
                normalized=normalized, heldout=normalized, raw=raw,
            )  # fmt: skip
            started = time.perf_counter()
            tables = member.tables(run)
            computed = time.perf_counter()
            for figure in member.draw(tables, run).values():
                figure.savefig(io.BytesIO(), format="png", dpi=200)
            finished = time.perf_counter()
            rows.append((name, computed - started, finished - computed, finished - started, os.getloadavg()[0]))
    columns = ["figure", "tables, s", "drawing and PNG, s", "together, s", "load"]
    print(f"{parser.plates:,} plates x {WELLS} wells x {parser.features:,} features, {os.cpu_count()} cores")
    print(pd.DataFrame(rows, columns=columns).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
