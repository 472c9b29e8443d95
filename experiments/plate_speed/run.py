"""Time to z-score one plate by its controls: this project against pycytominer, alternating on the same plate."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pycytominer

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin

SITES, ROWS, COLUMNS, FEATURES, CONTROLS = 6, 16, 24, 4096, 64


def make_plate(seed: int) -> Plate:
    """Make 384 wells x 6 images; features with means far from 0 and unequal scales, and treated wells that differ."""
    rng = np.random.default_rng(seed)
    names = [f"{chr(65 + r)}{c + 1:02d}" for r in range(ROWS) for c in range(COLUMNS)]
    role = np.full(len(names), "treated", dtype=object)
    role[rng.choice(len(names), CONTROLS, replace=False)] = "negcon"
    wells = pd.DataFrame({"plate": "p1", "well": names, "batch": "b1", "role": role})
    wells = wells.loc[np.repeat(wells.index, SITES)].reset_index(drop=True)
    wells["site"] = np.tile(np.arange(1, SITES + 1), len(names))
    X = rng.standard_normal((len(wells), FEATURES)) + 0.5 * (wells["role"] == "treated").to_numpy()[:, None]
    X = X * rng.lognormal(0, 1, FEATURES) + rng.normal(0, 10, FEATURES)
    return Plate("p1", slice(0, len(wells)), X.astype(np.float32), wells)


def harness_form(normalizer: Normalizer, plate: Plate) -> Callable[[], Floats]:
    """Return a function that normalizes the plate by this project."""
    return lambda: normalizer.fit([plate]).transform(plate)


def pycytominer_form(plate: Plate, dtype: str) -> Callable[[], Any]:
    """Return a function that normalizes the plate by pycytominer."""
    names = [f"f{i}" for i in range(FEATURES)]
    meta = plate.wells.add_prefix("Metadata_")
    df = pd.concat([meta, pd.DataFrame(plate.X.astype(dtype), columns=names)], axis=1)
    options = {"features": names, "meta_features": list(meta), "samples": "Metadata_role == 'negcon'"}
    return lambda: pycytominer.normalize(df, method="standardize", **options)[names]


def median_seconds(forms: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median time of each form; they take turns, so that other work on the machine affects all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repeats):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    """Check that both agree, time them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    plate = make_plate(args.seed)
    double, single = pycytominer_form(plate, "float64"), pycytominer_form(plate, "float32")
    exchangeable, textbook = DmsoWithin(), DmsoWithin(exchangeable=False)
    ours = {
        "`dmso_within` (exchangeable, the default)": harness_form(exchangeable, plate),
        "`dmso_within` (textbook)": harness_form(textbook, plate),
    }
    theirs = {"pycytominer, float64 columns": double, "pycytominer, float32 columns": single}

    Z, expected = ours["`dmso_within` (textbook)"](), double().to_numpy()
    np.testing.assert_allclose(Z, expected, rtol=1e-5, atol=1e-5)
    difference = [float(np.abs(got - expected).max()) for got in (Z, single().to_numpy())]

    seconds = median_seconds({**ours, **theirs}, args.repeats)
    print(f"{len(plate.X)} images x {FEATURES} features, {CONTROLS} of {ROWS * COLUMNS} wells controls;")
    print(f"pycytominer {version('pycytominer')}, median of {args.repeats} alternating repeats.")
    print("Largest difference to pycytominer on float64 columns, in units of control sd: ", end="")
    print(f"textbook {difference[0]:.1e}, pycytominer on float32 columns {difference[1]:.1e}.\n")
    print("| | seconds | pycytominer float64 takes | pycytominer float32 takes |\n|---|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.4f} | " + " | ".join(f"{seconds[t] / value:.0f}x" for t in theirs) + " |")


if __name__ == "__main__":
    main()
