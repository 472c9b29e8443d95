"""Time of ComBat, parametric and non-parametric, against neuroCombat and combatlearn: same data, same run.

    pip install neuroCombat combatlearn
    python experiments/normalization_speed/combat.py --rows 41410 --features 4096

A package that is not installed is left out. neuroCombat holds many float64 copies of the data: see --peers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer
from harness.norm.combat import Combat
from harness.norm.combat_nonparametric import CombatNonparametric

TOLERANCE = 2e-3  # of a feature's sd: neuroCombat stops iterating at a relative change of 1e-4
ROWS_PER_PLATE = 384


def make_screen(rows: int, features: int, seed: int) -> Profiles:
    """Make two batches of unequal size, shifted and scaled per feature; features of unequal level and scale."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, features), dtype=np.float32)
    batch = np.where(np.arange(rows) // ROWS_PER_PLATE * ROWS_PER_PLATE < 0.45 * rows, "b1", "b2")
    level, scale = rng.normal(0, 10, features), rng.lognormal(0, 1, features)
    for name in ("b1", "b2"):
        of = batch == name
        X[of] *= (scale * rng.gamma(20, 1 / 20, features)).astype(np.float32)
        X[of] += (level + scale * rng.normal(0, 0.5, features)).astype(np.float32)
    number = np.arange(rows)
    plate = pd.Series(number // ROWS_PER_PLATE).map("p{:03d}".format)
    well = pd.Series(number % ROWS_PER_PLATE).map("w{:03d}".format)
    role = np.where(number % 6 == 0, "negcon", "treated")
    return Profiles(X, pd.DataFrame({"plate": plate, "well": well, "batch": batch, "role": role}))


def ours(method: Normalizer, profiles: Profiles) -> Callable[[], Floats]:
    """Return a function that fits and applies our form."""

    def run() -> Floats:
        fitted = method.fit(profiles)
        out = np.empty_like(profiles.X)
        for plate in profiles:
            out[plate.rows] = fitted.transform(plate)
        return out

    return run


def neurocombat(profiles: Profiles) -> Callable[[], Any]:
    """Return a function that runs neuroCombat."""
    from neuroCombat import neuroCombat

    def run() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return neuroCombat(profiles.X.T, profiles.wells[["batch"]], "batch")["data"].T

    return run


def combatlearn(profiles: Profiles) -> Callable[[], Any]:
    """Return a function that runs combatlearn."""
    from combatlearn import ComBat

    frame = pd.DataFrame(profiles.X)
    return lambda: ComBat(profiles.wells["batch"], method="johnson").fit_transform(frame)


PEERS: dict[str, Callable[[Profiles], Callable[[], Any]]] = {"neuroCombat": neurocombat, "combatlearn": combatlearn}


def largest_difference(got: Any, expected: Floats) -> float:
    """Return the largest difference in units of each feature's sd, computed for a plate of rows at a time."""
    got, worst = np.asarray(got), 0.0
    sd = expected[:: max(1, len(expected) // 2000)].std(axis=0)
    for start in range(0, len(expected), ROWS_PER_PLATE):
        rows = slice(start, start + ROWS_PER_PLATE)
        worst = max(worst, float((np.abs(got[rows] - expected[rows]) / sd).max()))
    return worst


def timed(run: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Return wall and processor seconds (of all threads), and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def main() -> None:
    """Time all forms, check that they agree and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=41_410)
    parser.add_argument("--features", type=int, default=4_096)
    parser.add_argument("--repeats", type=int, default=3, help="of our own forms, alternating; peers run once")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    profiles = make_screen(args.rows, args.features, args.seed)
    methods: dict[str, Normalizer] = {"combat": Combat(), "combat_nonparametric": CombatNonparametric()}
    forms = {name: ours(method, profiles) for name, method in methods.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    differences: dict[str, float] = {}

    expected = forms["combat"]()  # also warms up
    for _ in range(args.repeats):
        for name, form in forms.items():
            took, Z = timed(form)
            assert np.isfinite(Z).all(), f"{name}: not finite"
            seconds[name].append(took)
            del Z
    for name in args.peers:
        if find_spec(name) is None:
            print(f"{name} is not installed: left out")
            continue
        took, theirs = timed(PEERS[name](profiles))
        differences[name] = largest_difference(theirs, expected)
        del theirs
        assert name != "neuroCombat" or differences[name] < TOLERANCE, f"differs by {differences[name]} sd"
        seconds[f"{name} {version(name)}, parametric"] = [took]

    medians = {name: np.median(values, axis=0) for name, values in seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{args.rows} x {args.features} float32 ({profiles.X.nbytes / 2**30:.2f} GiB), 2 batches; fit and transform;")
    print(f"median of {args.repeats}, peers once. Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. ", end="")
    print(f"Peak memory of the whole run {peak:.1f} GiB.")
    for name, difference in differences.items():
        print(f"Largest difference of {name} to `combat`: {difference:.1e} sd of the feature.")
    print("\n| | seconds | times `combat` | processor seconds | times `combat` |\n|---|---|---|---|---|")
    for name, (wall, cpu) in medians.items():
        ratio = (wall, cpu) / medians["combat"]
        print(f"| {name} | {wall:.2f} | {ratio[0]:.1f} | {cpu:.2f} | {ratio[1]:.1f} |")


if __name__ == "__main__":
    main()
