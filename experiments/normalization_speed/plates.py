"""Time of each normalization that learns from one plate, over a packed store, against reading the file."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from harness.data.demo import Demo
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.quantile import Quantile
from harness.norm.raw import Raw
from harness.norm.robust_within import RobustWithin
from harness.norm.well_position import WellPosition
from harness.store.store import load, open_store, store_folder

BLOCK = 1 << 24
PER_BATCH = 5
NORMS: dict[str, Normalizer] = {
    "raw": Raw(),
    "all_within": AllWithin(),
    "dmso_within": DmsoWithin(),
    "robust_within": RobustWithin(),
    "well_position": WellPosition(),
    "quantile": Quantile(),
}


def read(features: Path) -> None:
    """Read the whole file, in order, into one buffer."""
    buffer = memoryview(bytearray(BLOCK))
    with features.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def stream(folder: Path, normalizer: Normalizer) -> None:
    """Read, normalize and take the median of the images of each well."""
    wells = normalize(open_store(folder), normalizer)
    assert np.isfinite(wells.X).all()


def cold(features: Path, work: Callable[[], None]) -> tuple[float, float]:
    """Return wall and processor seconds of ``work`` with nothing of the file in the page cache."""
    with features.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Time the passes in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=10, help=f"a multiple of {PER_BATCH}; all of bray2017: 405")
    parser.add_argument("--repeats", type=int, default=3, help="the passes take turns")
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--folder", type=Path, help="keeps the packed store there; default: a temporary one in mlruns/")
    args = parser.parse_args()
    if args.plates < PER_BATCH or args.plates % PER_BATCH:
        parser.error(f"--plates {args.plates}: expected a multiple of {PER_BATCH}")
    Path("mlruns").mkdir(exist_ok=True)
    cache = args.folder or Path(tempfile.mkdtemp(dir="mlruns"))
    try:
        source = Demo(size="bray2017", n_batches=args.plates // PER_BATCH, plates_per_batch=PER_BATCH)
        profiles = load(source, cache)
        os.sync()  # what is not on the disk yet cannot be dropped from the page cache
        folder = store_folder(source, cache)
        features = folder / "features.npy"
        passes = {"read": partial(read, features)}
        passes |= {name: partial(stream, folder, NORMS[name]) for name in args.norms}
        print(f"{args.plates} plates, {profiles.X.shape[0]} images x {profiles.X.shape[1]}: ", end="")
        print(f"{features.stat().st_size / 1e9:.2f} GB; medians of {args.repeats};")
        seconds_by_pass: dict[str, list[tuple[float, float]]] = {name: [] for name in passes}
        for _ in range(args.repeats):
            for name, work in passes.items():
                seconds_by_pass[name].append(cold(features, work))
    finally:
        if args.folder is None:
            shutil.rmtree(cache)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    seconds = {name: np.array(values) for name, values in seconds_by_pass.items()}
    print("| pass | scope | seconds | times reading | processor seconds | times raw |\n|---|---|---|---|---|---|")
    for name, values in seconds.items():
        wall, cpu = np.median(values, axis=0)
        ratio = np.median(values[:, 0] / seconds["read"][:, 0])
        scope = NORMS[name].scope if name in NORMS else ""
        times_raw = f"{cpu / np.median(seconds['raw'][:, 1]):.1f}" if name in NORMS and "raw" in seconds else ""
        print(f"| {name} | {scope} | {wall:.2f} | {ratio:.1f} | {cpu:.2f} | {times_raw} |")


if __name__ == "__main__":
    main()
