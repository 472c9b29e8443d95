from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from h5ad_files import NAMES, N, matrix, observations, text, write
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy import sparse

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.anndata import AnnData
from harness.data.files import h5ad_trial
from harness.store.store import load

h5py = pytest.importorskip("h5py")
TRY_READING = h5ad_trial.try_reading
CONTROLS = {"column": "drug", "values": ["DMSO"]}


@pytest.fixture(autouse=True)
def _no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the process of its own, which takes 0.3 s, but for the tests that are about it."""
    monkeypatch.setattr(h5ad_trial, "try_reading", lambda _path: None)


def read(path: Path, cache: Path | None = None, /, **options: Any) -> Profiles:
    reader = AnnData(**{"path": str(path), "controls": CONTROLS, **options})
    return load(reader, path.parent / "cache" if cache is None else cache)


@pytest.mark.parametrize(
    ("options", "expected", "names"),
    [
        ({}, matrix(), NAMES),
        ({"layer": "squared"}, matrix() ** 2, NAMES),
        ({"layer": "csr_matrix"}, matrix(), NAMES),
        ({"layer": "csc_matrix"}, matrix(), NAMES),
        ({"layer": "raw"}, np.hstack([matrix(), matrix()[:, :1]]), [*NAMES, "Nuclei_b"]),
        ({"obsm": "X_emb"}, matrix()[:, :2] + 1, ["X_emb_0", "X_emb_1"]),
        ({"features": ["Cells_"]}, matrix()[:, :2], NAMES[:2]),
        ({"features": "a$"}, matrix()[:, [0, 2]], ["Cells_a", "Nuclei_a"]),
    ],
)
def test_matrices_by_name(tmp_path: Path, options: dict[str, Any], expected: Any, names: list[str]) -> None:
    profiles = read(write(tmp_path / "s.h5ad"), **options)
    np.testing.assert_array_equal(profiles.X, expected.astype(np.float32))
    assert profiles.features == tuple(names)


def test_observations_are_wells(tmp_path: Path) -> None:
    profiles = read(write(tmp_path / "s.h5ad"), columns={"compound": "drug", "cell_count": "count"})
    obs, wells = observations(), profiles.wells
    assert [plate.name for plate in profiles] == ["007", "010"]
    assert list(wells["well"]) == list(obs["well"])
    assert list(wells["compound"]) == list(obs["drug"])
    assert (wells["role"] == "negcon").tolist() == (obs["drug"] == "DMSO").tolist()
    np.testing.assert_array_equal(wells["dose"].to_numpy(float), obs["dose"])
    np.testing.assert_array_equal(wells["cell_count"].to_numpy(float), obs["count"].to_numpy(float))
    assert list(wells["obs_names"]) == [f"cell{i}" for i in range(N)]
    assert profiles.level == "well"


def test_columns_and_controls_are_recognized_as_in_tables(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5ad")
    reader = AnnData(path=str(path))
    wells = load(reader, tmp_path / "cache").wells
    assert (wells["role"] == "negcon").tolist() == (observations()["drug"] == "DMSO").tolist()
    assert [row for row in reader.report.tables["conventions"] if "drug" in str(row)]
    replaced("obs/drug/categories", [b"y", b"z", b"x"])(path)
    with pytest.raises(InputError, match="controls"):
        read(path, controls=None)


def test_wells_may_be_a_part_of_the_observations_names(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5ad")
    with h5py.File(path, "a") as file:
        file["obs/_index"][:] = text(f"run_{w}_x" for w in observations()["well"])
        del file["obs/well"]
        file["obs"].attrs["column-order"] = [n for n in file["obs"].attrs["column-order"] if n != "well"]
    profiles = read(path, columns={"well": "obs_names", "well_regex": "_([A-B][0-9]+)_"})
    assert list(profiles.wells["well"]) == list(observations()["well"])


def test_excluded_plates_are_gone_before_anything_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5ad")
    with h5py.File(path, "a") as file:
        file["X"][3, 1] = np.nan
    refused(path, ["1 NaN", "Cells_b (1)"])
    profiles = read(path, exclude_plates=["007"])
    np.testing.assert_array_equal(profiles.X, matrix()[12:].astype(np.float32))
    assert read(path, on_missing="drop_features").features == ("Cells_a", "Nuclei_a")


def test_the_key_holds_content_and_settings(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5ad")
    before = AnnData(path=str(path), controls=CONTROLS).key()
    assert AnnData(path=str(path), controls=CONTROLS).key() == before
    assert AnnData(path=str(path), controls=CONTROLS, layer="raw").key() != before
    with h5py.File(path, "a") as file:
        file["X"][0, 0] = 77
    assert AnnData(path=str(path), controls=CONTROLS).key() != before


def refused(file: Path, culprits: list[str], **options: Any) -> None:
    with pytest.raises(InputError) as error:
        read(file, **options)
    assert "\n" not in str(error.value)
    for culprit in culprits:
        assert culprit in str(error.value)
    cache = file.parent / "cache"
    assert not [entry for entry in cache.rglob("*") if entry.name != "sources.json"]


def replaced(name: str, values: Any, **options: Any) -> Callable[[Path], None]:
    """Return what puts another data set in the place of ``name``, keeping its attributes."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            attributes = dict(file[name].attrs)
            del file[name]
            if values is None and not options:
                return
            file.create_dataset(name, data=values, **options).attrs.update(attributes)

    return change


def linked(name: str, link: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = link

    return change


def attribute(name: str, key: str, value: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file[name].attrs[key] = value

    return change


def old_table(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["obs"]
        file["obs"] = np.zeros(N, dtype=[("index", "S5"), ("plate", "S5")])


def outside(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (N, 3), "f8", external=[(str(path.with_suffix(".raw")), 0, N * 24)])


HUGE = {"shape": (10**9, 10**6), "dtype": "f4", "chunks": (1000, 1000)}
DAMAGED: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "empty": (lambda path: path.write_bytes(b""), ["0 bytes"]),
    "text": (lambda path: path.write_text("plate,well\n1,A01\n"), ["not an .h5ad file"]),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:3000]), ["not an .h5ad file, or corrupt"]),
    "zeros inside": (lambda path: path.write_bytes(path.read_bytes()[:90] + bytes(400)), ["corrupt"]),
    "no X": (replaced("X", None), ["no /X", "'layers'"]),
    "no obs": (replaced("obs", None), ["no /obs"]),
    "no var": (replaced("var", None), ["no /var"]),
    "a table of old": (old_table, ["anndata before 0.7"]),
    "a promise of X": (replaced("X", None, **HUGE), ["(1000000000, 1000000)", "expected (24, 3)"]),
    "a promise everywhere": (replaced("obs/dose", None, shape=(10**14,), dtype="f8", chunks=(9,)), ["GB in memory"]),
    "text in X": (replaced("X", np.full((N, 3), b"a")), ["/X holds", "expected numbers"]),
    "one dimension": (replaced("X", np.ones(N)), ["shape (24,)"]),
    "no rows": (replaced("X", np.ones((0, 3))), ["shape (0, 3)"]),
    "fewer rows": (replaced("X", np.ones((N - 1, 3))), ["(23, 3)", "expected (24, 3)"]),
    "another number of variables": (replaced("X", np.ones((N, 4))), ["(24, 4)", "expected (24, 3)"]),
    "infinity": (replaced("X", np.full((N, 3), np.inf)), ["72 NaN or infinite"]),
    "variables twice": (replaced("var/gene", [b"a", b"b", b"a"]), ["variables ['a'] occur more than once"]),
    "names that are not UTF-8": (replaced("var/gene", [b"\xff\xfe", b"b", b"c"]), ["not UTF-8"]),
    "a short column": (replaced("obs/dose", np.ones(N - 2)), ["'dose'", "22 rows", "expected 24"]),
    "a wide column": (replaced("obs/dose", np.ones((N, 2))), ["/obs/dose", "shape (24, 2)"]),
    "a column of tables": (replaced("obs/dose", np.zeros(N, [("a", "f4")])), ["/obs/dose"]),
    "codes beyond": (replaced("obs/drug/codes", np.full(N, 9, np.int8)), ["codes of 3 categories"]),
    "no codes": (replaced("obs/drug/codes", None), ["codes"]),
    "a short mask": (replaced("obs/count/mask", [True]), ["1 mask values for 24 rows"]),
    "a column twice": (attribute("obs", "column-order", text(["plate", "well", "plate"])), ["['plate']"]),
    "a column that is not there": (attribute("obs", "column-order", text(["plate", "wel"])), ["obs/wel"]),
    "an unknown encoding": (attribute("obs/drug", "encoding-type", "ragged"), ["'ragged'"]),
    "a link into another file": (linked("X", h5py.ExternalLink("b.h5", "/X")), ["link into the file 'b.h5'"]),
    "a link to nowhere": (linked("X", h5py.SoftLink("/nowhere")), ["'X'", "leads nowhere"]),
    "a link to itself": (linked("X", h5py.SoftLink("/X")), ["corrupt"]),
    "data in another file": (outside, ["other files"]),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_files_that_are_not_right_are_one_line(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "s.h5ad")
    change, culprits = DAMAGED[damage]
    change(path)
    refused(path, ["s.h5ad", *culprits])


def sparse_part(part: str, values: Any) -> Callable[[Path], None]:
    return replaced(f"layers/csr_matrix/{part}", values)


@pytest.mark.parametrize(
    "change",
    [
        sparse_part("indices", np.full(200, 10**6)),
        sparse_part("indptr", np.arange(N + 1)[::-1]),
        sparse_part("indptr", np.zeros(3, int)),
        sparse_part("data", None),
        sparse_part("indices", [b"a"]),
        attribute("layers/csr_matrix", "shape", np.array([N, 3, 1])),
        attribute("layers/csr_matrix", "shape", np.array([-1, 3])),
    ],
)
def test_sparse_matrices_that_do_not_fit_are_one_line(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = write(tmp_path / "s.h5ad")
    change(path)
    refused(path, ["s.h5ad"], layer="csr_matrix")


@pytest.mark.parametrize(
    ("options", "culprits"),
    [
        ({"layer": "cubed"}, ["no data.layer 'cubed'", "'squared'"]),
        ({"obsm": "X_pca"}, ["no data.obsm 'X_pca'", "'X_emb'"]),
        ({"obsm": "X_emb", "layer": "raw"}, ["give one of them"]),
        ({"columns": {"plate": "Plate"}}, ["'Plate'", "'plate'"]),
        ({"columns": {"plat": "plate"}}, ["['plat']"]),
        ({"controls": {"column": "drug", "values": ["dmso2"]}}, ["'dmso2'", "'DMSO'"]),
        ({"features": ["Cyto_"]}, ["'Cyto_'"]),
        ({"exclude_plates": 7}, ["exclude_plates", "['7']", "'007'"]),
        ({"on_missing": "zero"}, ["on_missing", "'zero'"]),
        ({"level": "cells"}, ["level", "'cells'"]),
        ({"path": "no.h5ad"}, ["no such file"]),
    ],
)
def test_settings_that_do_not_fit_are_one_line(tmp_path: Path, options: dict[str, Any], culprits: list[str]) -> None:
    refused(write(tmp_path / "s.h5ad"), culprits, **options)


def test_a_file_that_hdf5_is_not_done_with_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h5ad_trial, "try_reading", TRY_READING)
    path = write(tmp_path / "s.h5ad")
    assert len(read(path, tmp_path / "other").X) == N
    for script, seconds, culprit in (
        ("while True: pass", 0.3, "not read within 0.3 s"),
        ("import os; os.abort()", 9.0, "HDF5 crashed"),
    ):
        monkeypatch.setattr(h5ad_trial, "_SCRIPT", script)
        monkeypatch.setattr(h5ad_trial, "SECONDS", seconds)
        refused(path, ["s.h5ad", culprit])


def test_the_trial_reads_no_other_file_and_goes_in_no_circle(tmp_path: Path) -> None:
    path = write(tmp_path / "s.h5ad")
    with h5py.File(path, "a") as file:
        file["obs/round"] = file["obs"]
        file["layers/outer"] = h5py.ExternalLink("pipe", "/X")
    os.mkfifo(tmp_path / "pipe")
    begin = time.monotonic()
    TRY_READING(path)
    assert time.monotonic() - begin < h5ad_trial.SECONDS / 2


@pytest.mark.parametrize("seed", range(8))
def test_bytes_that_flip_are_read_or_refused_in_one_line(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h5ad_trial, "try_reading", TRY_READING)
    flipped = bytearray(write(tmp_path / "s.h5ad").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(flipped), 20):
        flipped[place] ^= int(rng.integers(1, 256))
    (tmp_path / "s.h5ad").write_bytes(bytes(flipped))
    try:
        message = str(read(tmp_path / "s.h5ad").name)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_a_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "s.h5ad")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(path, ["h5py", "pip install 'normharness[anndata]'"])


def test_what_the_anndata_package_writes_is_read(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    with pd.option_context("future.infer_string", False):  # anndata 0.12.6 writes no strings of Arrow
        obs = observations().assign(
            flag=pd.array([True, None, False] * 8, dtype="boolean"), kind=pd.Categorical(["u", None] * 12)
        )
        obs.index = pd.Index([f"o{i}" for i in range(N)])
        held = anndata.AnnData(
            X=matrix(), obs=obs, var=pd.DataFrame(index=NAMES), layers={"s": sparse.csr_matrix(matrix())}
        )
        held.write_h5ad(tmp_path / "s.h5ad", compression="gzip")
    for layer in (None, "s"):
        profiles = read(tmp_path / "s.h5ad", tmp_path / str(layer), layer=layer)
        np.testing.assert_array_equal(profiles.X, matrix().astype(np.float32))
    assert profiles.wells["kind"].isna().tolist() == [False, True] * 12
    assert list(profiles.wells["flag"])[:3] == [True, None, False]


def test_the_configuration(tmp_path: Path, conf: Path) -> None:
    cfg = OmegaConf.load(conf / "data" / "anndata.yaml")
    assert OmegaConf.is_missing(cfg, "path")
    cfg.path, cfg.controls.column, cfg.controls["values"] = str(write(tmp_path / "s.h5ad")), "drug", ["DMSO"]
    assert instantiate(cfg, _convert_="all").features() == NAMES
