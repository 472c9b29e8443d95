from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import ROOT

from harness.core.exceptions import InputError
from harness.data.npz import Npz
from harness.store.store import load

NAMES = ["24772_m06", "24773_a01_DMSO", "24772_m06", "24772_b02_DMSO", "24773_p24", "24772_m06", "24773_c11"]
SIDS = ["s1", "", "s1", "", "s2", "s1", "s3"]


def arrays(**change: Any) -> dict[str, Any]:
    X = np.random.default_rng(4).normal([10.0, -200.0, 3.0], [1, 30, 0.1], (len(NAMES), 3))
    return {"features": X, "names": np.array(NAMES), "sids": np.array(SIDS), **change}


def save(path: Path, held: dict[str, Any]) -> str:
    np.savez(path, **{name: value for name, value in held.items() if value is not None})
    return str(path)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_plates_wells_sites_and_controls_come_from_the_names(tmp_path: Path, as_bytes: bool) -> None:
    names = np.array([name.encode() for name in NAMES]) if as_bytes else np.array(NAMES)
    path = save(tmp_path / "screen.npz", arrays(names=names))
    profiles = load(Npz(path=path), tmp_path / "cache")
    order = [0, 2, 3, 5, 1, 4, 6]
    np.testing.assert_array_equal(profiles.X, arrays()["features"][order].astype(np.float32))
    wells = profiles.wells
    assert list(wells["plate"]) == ["24772"] * 4 + ["24773"] * 3
    assert list(wells["well"]) == ["M06", "M06", "B02", "M06", "A01", "P24", "C11"]
    assert list(wells["site"]) == [1, 2, 1, 3, 1, 1, 1]
    assert list(wells["row"]) == [13, 13, 2, 13, 1, 16, 3]
    assert list(wells["role"]) == ["treated", "treated", "negcon", "treated", "negcon", "treated", "treated"]
    assert list(wells["compound"]) == [SIDS[i] for i in order]
    assert set(wells["batch"]) == {""}
    assert profiles.level == "image"


def test_sids_are_optional_and_one_row_per_well_has_no_site(tmp_path: Path) -> None:
    rows = [0, 1, 3, 4, 6]
    held = {"features": arrays()["features"][rows], "names": np.array(NAMES)[rows]}
    profiles = load(Npz(path=save(tmp_path / "s.npz", held)), tmp_path / "cache")
    assert profiles.level == "well"
    assert not {"site", "compound"} & set(profiles.wells.columns)


def test_missing_values(tmp_path: Path) -> None:
    X = arrays()["features"]
    X[1, 2] = np.nan
    path = save(tmp_path / "s.npz", arrays(features=X))
    with pytest.raises(InputError, match=r"s\.npz: 1 NaN.*f2 \(1\)"):
        load(Npz(path=path), tmp_path / "cache")
    filled = load(Npz(path=path, on_missing="impute_plate_median"), tmp_path / "cache")
    assert filled.X[4, 2] == pytest.approx(np.mean(X[[4, 6], 2]), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "culprits"),
    [
        ({"names": np.array(NAMES, dtype=object)}, ["pickle", "refused"]),
        ({"features": np.full((7, 3), None)}, ["pickle", "refused"]),
        ({"names": None}, ["no array ['names']", "'sids'"]),
        ({"features": None}, ["no array ['features']"]),
        ({"features": np.zeros(7)}, ["features has shape (7,)"]),
        ({"names": np.array(NAMES[:6])}, ["names has shape (6,)", "(7, 3)"]),
        ({"sids": np.array(SIDS[:6])}, ["sids has shape (6,)", "(7, 3)"]),
        ({"names": np.array([*NAMES[:6], "24773"])}, ["row 7", "'24773'", "24772_m06"]),
        ({"names": np.array([n.replace("_DMSO", "") for n in NAMES])}, ["matches no row"]),
        ({"names": np.array([f"1_a{i:02d}_DMSO" for i in range(1, 8)])}, ["matches all 7"]),
        ({"names": np.array([*NAMES[:6], "24773_p24_DMSO"])}, ["'24773'", "'P24'", "negcon", "treated"]),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, change: dict[str, Any], culprits: list[str]) -> None:
    path = save(tmp_path / "s.npz", arrays(**change))
    refused(path, culprits, tmp_path / "cache")


def refused(path: str, culprits: list[str], cache: Path) -> None:
    with pytest.raises(InputError) as error:
        load(Npz(path=path), cache)
    assert "\n" not in str(error.value)
    for culprit in [Path(path).name, *culprits]:
        assert culprit in str(error.value)
    assert not [entry for entry in cache.rglob("*") if entry.name != "sources.json"]


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    refused(str(tmp_path / "absent.npz"), ["no such file"], cache)
    (tmp_path / "empty.npz").touch()
    refused(str(tmp_path / "empty.npz"), ["empty"], cache)
    (tmp_path / "text.npz").write_text("hello, this is no npz")
    refused(str(tmp_path / "text.npz"), ["pickle"], cache)
    path = Path(save(tmp_path / "cut.npz", arrays(features=np.ones((7, 300)))))
    path.write_bytes(path.read_bytes()[:5000])
    refused(str(path), ["corrupt or truncated"], cache)
    flipped = bytearray(Path(save(tmp_path / "flip.npz", arrays(features=np.ones((7, 300))))).read_bytes())
    flipped[3000] ^= 255
    (tmp_path / "flip.npz").write_bytes(bytes(flipped))
    refused(str(tmp_path / "flip.npz"), ["corrupt or truncated"], cache)
    np.save(tmp_path / "one.npy", np.ones((7, 3)))
    refused(str(tmp_path / "one.npy"), ["single array"], cache)


def test_the_configuration(tmp_path: Path) -> None:
    cfg = OmegaConf.load(ROOT / "conf" / "data" / "npz.yaml")
    assert OmegaConf.is_missing(cfg, "path")
    cfg.path = save(tmp_path / "s.npz", arrays())
    assert instantiate(cfg, _convert_="all").features() == ["f0", "f1", "f2"]
