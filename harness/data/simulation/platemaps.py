"""Plate maps on disk as the layout of a simulated screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.data.simulation.layout import SHAPES, PlateWells


class PlatemapLayout:
    """Layout of plate maps on disk, as published with Bray et al. 2017 (GigaScience 6:1).

    ``barcode_platemap.csv`` has the columns Plate_Map_Name and Assay_Plate_Barcode, ``platemap/<name>.txt``
    (tab-separated) well_position, broad_sample and mmoles_per_liter. A well without broad_sample is a control; of a
    well listed twice the first line counts; batches are the runs of plate numbers between the ``n_batches`` - 1 widest
    gaps.

    Raises
    ------
    InputError : a file or column is missing, a plate number is not a number, a well cannot be read.
    """

    shape = SHAPES[384]

    def __init__(self, folder: str, *, n_batches: int) -> None:
        root = Path(folder)
        barcodes = _read(root / "barcode_platemap.csv", ",", ("Plate_Map_Name", "Assay_Plate_Barcode"))
        number = pd.to_numeric(barcodes["Assay_Plate_Barcode"], errors="coerce")
        if number.isna().any() or number.duplicated().any() or len(number) < n_batches:
            raise InputError(
                f"{root / 'barcode_platemap.csv'}: Assay_Plate_Barcode needs at least {n_batches} different numbers, "
                f"one a plate; got {len(number)} lines, {number.nunique()} different numbers"
            )
        barcodes = barcodes.assign(number=number).sort_values("number")
        self.plates = [str(b) for b in barcodes["Assay_Plate_Barcode"]]
        gaps = np.diff(barcodes["number"].to_numpy())
        starts = np.sort(np.argsort(-gaps, kind="stable")[: n_batches - 1]) + 1
        self.batch = np.searchsorted(starts, np.arange(len(barcodes)), side="right")
        names, self._map_of = np.unique(barcodes["Plate_Map_Name"].to_numpy(dtype=str), return_inverse=True)
        maps = [_platemap(root / "platemap" / f"{name}.txt") for name in names]
        owner = pd.concat([m.assign(map=i) for i, m in enumerate(maps)])
        owner = owner.dropna(subset="broad_sample").drop_duplicates("broad_sample").sort_values("broad_sample")
        self.compounds = [str(c) for c in owner["broad_sample"]]
        self.maps = owner["map"].to_numpy(dtype=np.int64)
        index = pd.Index(self.compounds)
        self._wells = [
            PlateWells(
                m["row"].to_numpy(dtype=np.int64),
                m["column"].to_numpy(dtype=np.int64),
                index.get_indexer(pd.Index(m["broad_sample"])).astype(np.int64),
                m["dose"].to_numpy(dtype=np.float64),
            )
            for m in maps
        ]

    def wells(self, plate: int, active: Mask) -> PlateWells:  # noqa: ARG002 - a real layout ignores activity
        return self._wells[int(self._map_of[plate])]


def _read(path: Path, sep: str, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"no file {path}: platemaps needs a folder with barcode_platemap.csv and platemap/<name>.txt")
    table = pd.read_csv(path, sep=sep, dtype=str)
    missing = [c for c in columns if c not in table]
    if missing:
        raise InputError(f"{path}: no column {missing}; found {list(table.columns)}; name the columns {list(columns)}")
    return table


def _platemap(path: Path) -> pd.DataFrame:
    table = _read(path, "\t", ("well_position", "broad_sample", "mmoles_per_liter"))
    place = table["well_position"].str.extract(r"^([A-P])(\d{1,2})$")
    if place.isna().any(axis=None):
        bad = table["well_position"][place.isna().any(axis=1)].iloc[0]
        raise InputError(f"{path}: well_position {bad!r} is no well of a 384-well plate; expected A01 to P24")
    control = table["broad_sample"].isna()
    dose = pd.to_numeric(table["mmoles_per_liter"], errors="coerce").mask(control, 0.0)
    table = table.assign(row=place[0].map(ord) - 64, column=place[1].astype(int), dose=dose)
    return table.drop_duplicates(["row", "column"]).sort_values(["row", "column"])
