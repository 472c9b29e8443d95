"""Time of a streaming pass (read, normalize, aggregate to wells) over a packed store, against reading the file."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import measured

from harness.core.arrays import Floats
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.store.store import load, open_store, store_folder

SITES, ROWS, COLUMNS, FEATURES, CONTROLS, PER_BATCH = 6, 16, 24, 4096, 64, 20
PLATE_BYTES = SITES * ROWS * COLUMNS * FEATURES * 4
BLOCK = 1 << 24
NORMS: dict[str, Normalizer] = {
    "raw": Raw(),
    "dmso_within": DmsoWithin(),
    "all_within": AllWithin(),
    "dmso_across": DmsoAcross(),
}


class RandomScreen:
    """Source for :func:`harness.store.store.load`: noise, with a shift and a scale per plate and feature."""

    name = "random screen"

    def __init__(self, n_plates: int) -> None:
        self.n_plates = n_plates

    def key(self) -> dict[str, Any]:
        """Return what decides the content of the screen."""
        return {"reader": "random", "plates": self.n_plates}

    def features(self) -> list[str]:
        """Return the names of the features."""
        return [f"f{i}" for i in range(FEATURES)]

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, None]]:
        """Yield features and wells of one plate after the other."""
        names = [f"{chr(65 + r)}{c + 1:02d}" for r in range(ROWS) for c in range(COLUMNS)]
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((SITES * len(names), FEATURES), dtype=np.float32)
        for i in range(self.n_plates):
            role = np.full(len(names), "treated", dtype=object)
            role[rng.choice(len(names), CONTROLS, replace=False)] = "negcon"
            wells = pd.DataFrame({"well": np.repeat(names, SITES), "role": np.repeat(role, SITES)})
            wells["site"] = np.tile(np.arange(1, SITES + 1), len(names))
            X = np.roll(noise, int(rng.integers(len(noise))), axis=0)
            X *= rng.uniform(0.5, 2, FEATURES).astype(np.float32)
            X += rng.normal(5, 1, FEATURES).astype(np.float32)
            yield X, wells.assign(plate=f"p{i:04d}", batch=f"b{i // PER_BATCH:02d}"), None

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return no further tables."""
        return {}


def read(features: Path) -> int:
    """Read the whole file, in order, into one buffer."""
    buffer = memoryview(bytearray(BLOCK))
    with features.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return 0


def stream(folder: Path, normalizer: Normalizer) -> int:
    """Stream over the store once; return the bytes of the wells."""
    return normalize(open_store(folder).replace(planted=None), normalizer, aggregate="median").X.nbytes


def compare(folder: Path, norms: list[str], repeats: int) -> None:
    """Print a row of the table for each pass."""
    print("| pass | seconds | ratio | GB/s | GB from disk | cores | cores of others | anonymous GB | resident GB |")
    print("|---|---|---|---|---|---|---|---|---|")
    features = folder / "features.npy"
    size = features.stat().st_size
    for _ in range(repeats):
        reading = 0.0
        for name in ["read", *norms]:
            work = partial(read, features) if name == "read" else partial(stream, folder, NORMS[name])
            m = measured(work, features)
            reading = reading or m["seconds"]
            cells = [f"{m['seconds']:.1f}", f"{m['seconds'] / reading:.2f}", f"{size / m['seconds'] / 1e9:.2f}"]
            cells += [f"{m[k]:.1f}" for k in ("disk", "cores", "others", "anonymous", "resident")]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Pack a screen, unless there is a store, and print the cost of each pass."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=int(1.1 * memory / PLATE_BYTES), help="default: 1.1 x memory")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--folder", type=Path, help="where to pack; default: a temporary folder under mlruns/")
    parser.add_argument("--keep", action="store_true", help="keep the packed store, for the next run")
    parser.add_argument("--store", type=Path, help="a packed store to read, in place of making one")
    args = parser.parse_args()
    if args.store:
        compare(args.store, args.norms, args.repeats)
        return
    parent = args.folder or Path("mlruns")
    parent.mkdir(parents=True, exist_ok=True)
    cache = args.folder if args.keep and args.folder else Path(tempfile.mkdtemp(dir=parent))
    try:
        source, start = RandomScreen(args.plates), time.perf_counter()
        size = load(source, cache).X.nbytes
        os.sync()
        packed = time.perf_counter() - start
        print(f"{args.plates} plates, {size / 1e9:.1f} GB; memory {memory / 1e9:.1f} GB; packed in {packed:.0f} s\n")
        compare(store_folder(source, cache), args.norms, args.repeats)
    finally:
        if not args.keep:
            shutil.rmtree(cache)


if __name__ == "__main__":
    main()
