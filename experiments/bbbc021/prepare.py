"""One Parquet from the three public tables of BBBC021: profiles, plate map, mechanisms of action."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("HARNESS_SHARED_DATA", HERE.parents[2] / "shared" / "data"))
PREFIX = "Image_Metadata_"


def prepare(folder: Path) -> pd.DataFrame:
    """Return 632 wells x (6 columns of metadata, 516 features); DMSO wells have ``moa == "DMSO"``."""
    profiles = pd.read_csv(folder / "ljosa_jbiomolscreen_2013_per_well_mean.csv.gz")
    images = pd.read_csv(folder / "BBBC021_v1_image.csv.gz").rename(columns=lambda name: name.removesuffix("_DAPI"))
    names = ["Plate", "Well", "Compound", "Concentration"]
    layout = images[[PREFIX + name for name in names]].drop_duplicates()
    mechanisms = pd.read_csv(folder / "BBBC021_v1_moa.csv")
    mechanisms = mechanisms.rename(columns={"compound": f"{PREFIX}Compound", "concentration": f"{PREFIX}Concentration"})
    wells = profiles.merge(layout, how="left", validate="1:1").merge(mechanisms, how="left", validate="m:1")
    if wells["moa"].isna().any():
        sys.exit(
            f"{wells['moa'].isna().sum()} of {len(wells)} wells have no mechanism: the tables do not belong together"
        )
    return wells


if __name__ == "__main__":
    source = SHARED / "bbbc021"
    if not source.is_dir():
        sys.exit(
            f"no folder {source}: put the files named in README.md there, or set HARNESS_SHARED_DATA to its parent"
        )
    table = prepare(source)
    (HERE / "out").mkdir(exist_ok=True)
    table.to_parquet(HERE / "out" / "bbbc021.parquet", index=False)
    print(f"{len(table)} wells, {table[f'{PREFIX}Plate'].nunique()} plates -> {HERE.name}/out/bbbc021.parquet")
