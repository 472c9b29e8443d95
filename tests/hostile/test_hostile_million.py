"""A million images: packed and normalized in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

PLATES, WELLS, SITES, FEATURES = 434, 384, 6, 4
ROWS = PLATES * WELLS * SITES
MEGABYTES = 8 * ROWS * FEATURES / 1e6  # of the features in float64, as they lie in the file

PROGRAM = """
import json, resource, sys, time
import pandas as pd
from harness.store.store import load
from harness.data.tables import Tables
from harness.norm.engine.normalize import normalize
from harness.norm.dmso_within import DmsoWithin

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

start, before = time.perf_counter(), peak()
pd.read_parquet("screen.parquet")
read, with_pandas = time.perf_counter() - start, peak()
start = time.perf_counter()
profiles = load(Tables(paths="screen.parquet", controls="compound == 'DMSO'"), __import__("pathlib").Path("store"))
packed, with_packing = time.perf_counter() - start, peak()
start = time.perf_counter()
wells = normalize(profiles, DmsoWithin(exchangeable=False))
normalized = time.perf_counter() - start
wells.wells[["plate", "well"]].assign(area=wells.X[:, 0], rows=len(profiles.wells)).to_parquet("wells.parquet")
print(json.dumps({"read": read, "packed": packed, "normalized": normalized,
                  "pandas": with_pandas - before, "packing": with_packing - before}))
"""


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("million")
    rng = np.random.default_rng(0)
    plate, rest = np.divmod(np.arange(ROWS), WELLS * SITES)
    well, site = np.divmod(rest, SITES)
    names = np.array([f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(WELLS)])
    compounds = np.array(["DMSO" if i % 6 == 0 else f"c{i}" for i in range(WELLS)])
    columns = {
        "plate": pa.array(plate.astype(str)),
        "well": pa.array(names[well]),
        "site": pa.array(site + 1),
        "batch": pa.array(np.char.add("b", (plate // 87).astype(str))),
        "compound": pa.array(compounds[well]),
        **{f"f{i}": pa.array(1000 + plate + rng.standard_normal(ROWS)) for i in range(FEATURES)},
    }
    pq.write_table(pa.table(columns), folder / "screen.parquet", compression="none")
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_all_rows_are_there_and_normalized_as_by_hand(million: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = million
    wells = pd.read_parquet(folder / "wells.parquet")
    assert (wells["rows"] == ROWS).all()
    assert len(wells) == PLATES * WELLS
    table = pd.read_parquet(folder / "screen.parquet", filters=[("plate", "in", ["0", "217", "433"])])
    for plate, own in table.groupby("plate"):
        controls = own.loc[own["compound"] == "DMSO", "f0"]
        z = (own["f0"] - controls.mean()) / controls.std(ddof=0)
        expected = z.groupby(own["well"]).median()
        found = wells[wells["plate"] == plate].set_index("well")["area"]
        np.testing.assert_allclose(found[expected.index], expected, atol=2e-3)  # float32 at 1,000 to 1,400


def test_time_and_memory_stay_near_those_of_reading_the_table(million: tuple[Path, dict[str, Any]]) -> None:
    _, cost = million
    assert cost["packing"] < cost["pandas"] + 12 * MEGABYTES, cost
    assert cost["packed"] < 60 * cost["read"] + 10, cost
    assert cost["normalized"] < 60, cost
