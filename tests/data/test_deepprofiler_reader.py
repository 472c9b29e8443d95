from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.deepprofiler import DeepProfiler
from harness.store.store import load

CONTROLS = {"column": "Treatment", "values": ["DMSO"]}
N_FEATURES = 5


def cells(place: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """Cells of a site, skewed, so that mean and median differ; between 1 and 9 of them."""
    rng = np.random.default_rng([ord(letter) for letter in "".join(place)])
    return rng.exponential([1.0, 20.0, 300.0, 5.0, 7.0], (rng.integers(1, 10), N_FEATURES)).astype(np.float32)


def index() -> pd.DataFrame:
    rows = [(p, f"{'AB'[i // 3]}0{i % 3 + 1}", str(s)) for p in ("007", "x_1") for i in range(6) for s in (1, 2)]
    df = pd.DataFrame(rows, columns=["Metadata_Plate", "Metadata_Well", "Metadata_Site"])
    return df.assign(
        Treatment=["DMSO" if int(well[2]) == 1 else f"c{well}" for well in df["Metadata_Well"]], DNA="a.png"
    )


def project(folder: Path, layout: str = "{0}/{1}/{2}", *, array: str = "features") -> list[tuple[str, ...]]:
    """Write a project as DeepProfiler does: metadata are pickled objects."""
    table = index()
    (folder / "inputs/metadata").mkdir(parents=True)
    table.to_csv(folder / "inputs/metadata/index.csv", index=False)
    places = list(table.iloc[:, :3].itertuples(index=False, name=None))
    for place in places:
        path = folder / "outputs/results/features" / f"{layout.format(*place)}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path, **{array: cells(place)}, metadata=np.array({"Metadata_Plate": place[0]}), locations=np.ones((2, 2))
        )
    return places


def source(folder: Path, **options: Any) -> DeepProfiler:
    return DeepProfiler(**{"path": str(folder / "project"), "controls": CONTROLS, **options})


def read(folder: Path, **options: Any) -> Profiles:
    return load(source(folder, **options), folder / "cache")


@pytest.mark.parametrize("layout", ["{0}/{1}/{2}", "{0}/{1}_{2}", "{0}/{1}-{2}", "{0}/{0}_{1}_{2}", "{0}_{1}_{2}"])
def test_sites_hold_the_median_of_their_cells_in_every_layout(tmp_path: Path, layout: str) -> None:
    places = project(tmp_path / "project", layout)
    profiles = read(tmp_path, columns={"compound": "Treatment"})
    expected = np.array([pd.DataFrame(cells(place)).median() for place in places])
    np.testing.assert_allclose(profiles.X, expected, rtol=1e-6)
    assert profiles.features == tuple(f"feature_{i}" for i in range(N_FEATURES))
    assert [(w.plate, w.well, str(w.site)) for w in profiles.wells.itertuples()] == places
    assert list(profiles.wells["compound"]) == list(index()["Treatment"])
    assert list(profiles.wells["cell_count"]) == [len(cells(place)) for place in places]
    assert profiles.level == "image"


def test_columns_and_controls_are_recognized_as_in_tables(tmp_path: Path) -> None:
    project(tmp_path / "project")
    wells = read(tmp_path, controls=None).wells
    assert (wells["role"] == "negcon").tolist() == (index()["Treatment"] == "DMSO").tolist()


def test_the_mean_and_the_older_array(tmp_path: Path) -> None:
    places = project(tmp_path / "project", array="f")
    expected = np.array([cells(place).mean(axis=0) for place in places])
    np.testing.assert_allclose(read(tmp_path, aggregate="mean").X, expected, rtol=1e-5)


@pytest.mark.parametrize("inside", ["", "outputs/results", "outputs/results/features"])
def test_the_folder_may_be_that_of_the_project_the_experiment_or_the_features(tmp_path: Path, inside: str) -> None:
    project(tmp_path / "project")
    assert len(read(tmp_path, path=str(tmp_path / "project" / inside)).X) == 24


def test_sites_without_cells_are_counted_and_left_out(tmp_path: Path) -> None:
    project(tmp_path / "project")
    features = tmp_path / "project/outputs/results/features"
    (features / "007/A02/1.npz").unlink()
    np.savez(features / "007/A03/2.npz", features=np.empty((0, N_FEATURES)))
    np.savez(features / "007/A03/9.npz", features=np.ones((3, N_FEATURES)))
    reader = source(tmp_path)
    profiles = load(reader, tmp_path / "cache")
    assert len(profiles.X) == 22
    assert [row["well"] for row in reader.report.tables["sites_without_cells"]] == ["A02", "A03"]
    assert any(
        "2 of 24 sites" in line and "plate '007', well 'A02', site '1'" in line for line in reader.report.warnings
    )
    assert any("1 of 24 files" in line and "007/A03/9.npz" in line for line in reader.report.warnings)
    assert any("22 sites" in line and "median" in line for line in reader.report.notes)


def test_missing_values_of_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    places = project(tmp_path / "project")
    holed = np.vstack([cells(places[0]), np.full((1, N_FEATURES), np.nan)])
    np.savez(tmp_path / "project/outputs/results/features/007/A01/1.npz", features=holed)
    reader = source(tmp_path)
    np.testing.assert_allclose(load(reader, tmp_path / "cache").X[0], np.median(cells(places[0]), axis=0), rtol=1e-6)
    assert any("5 values of single cells are missing" in line for line in reader.report.warnings)


def test_excluded_plates_are_not_read(tmp_path: Path) -> None:
    project(tmp_path / "project")
    (tmp_path / "project/outputs/results/features/007/A01/1.npz").write_bytes(b"broken")
    reader = source(tmp_path, exclude_plates="007")
    assert {plate.name for plate in load(reader, tmp_path / "cache")} == {"x_1"}
    assert reader.report.warnings == []


def test_what_is_read_is_identified_by_its_content(tmp_path: Path) -> None:
    project(tmp_path / "project")
    before = source(tmp_path).key()
    assert source(tmp_path).key() == before
    assert source(tmp_path, aggregate="mean").key() != before
    np.savez(tmp_path / "project/outputs/results/features/007/A01/1.npz", features=np.ones((2, N_FEATURES)))
    assert source(tmp_path).key() != before


class Code:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["MARK"],)


def test_no_pickle_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    project(tmp_path / "project")
    path = tmp_path / "project/outputs/results/features/007/A01/1.npz"
    np.savez(path, features=np.ones((2, N_FEATURES)), metadata=np.array(Code(), dtype=object))
    assert len(read(tmp_path).X) == 24
    np.savez(path, features=np.array([Code()], dtype=object))
    with pytest.raises(InputError, match="pickle, which could run code"):
        read(tmp_path)
    assert not (tmp_path / "mark").exists()


PLACE = ["007/A01/1.npz", "plate '007', well 'A01', site '1'"]


def promise(path: Path) -> None:
    """Write an array that is said to be larger than any memory."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13, 5)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("features.npy", header.getvalue() + bytes(40))


DAMAGED: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "empty": (lambda path: path.write_bytes(b""), ["0 bytes"]),
    "text": (lambda path: path.write_text("hello"), ["corrupt or truncated"]),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:150]), ["corrupt or truncated"]),
    "another array": (lambda path: np.savez(path, arr_0=np.ones((2, 5))), ["no array 'features' or 'f'", "arr_0"]),
    "text in the array": (lambda path: np.savez(path, features=np.array([["a"]])), ["<U1", "expected numbers"]),
    "complex": (lambda path: np.savez(path, features=np.ones((2, 5), complex)), ["complex128", "expected numbers"]),
    "one dimension": (lambda path: np.savez(path, features=np.ones(5)), ["shape (5,)", "(cells, features)"]),
    "another length": (lambda path: np.savez(path, features=np.ones((2, 6))), ["6 features", "expected files of one"]),
    "a header that promises too much": (promise, ["corrupt npz", "10000000000000"]),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_one_line_that_names_the_site(tmp_path: Path, damage: str) -> None:
    project(tmp_path / "project")
    change, culprits = DAMAGED[damage]
    change(tmp_path / "project/outputs/results/features/007/A01/1.npz")
    refused(tmp_path, PLACE[1:] if damage == "another length" else PLACE, culprits)


def refused(folder: Path, *culprits: list[str], **options: Any) -> None:
    with pytest.raises(InputError) as error:
        read(folder, **options)
    assert "\n" not in str(error.value)
    for culprit in [word for words in culprits for word in words]:
        assert culprit in str(error.value)
    assert not [entry for entry in (folder / "cache").rglob("*") if entry.name != "sources.json"]


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such folder": ({"path": "nowhere"}, ["data.path", "no such folder"]),
    "a file": ({"path": "project/inputs/metadata/index.csv"}, ["is a file", "expected the folder"]),
    "a path with a null": ({"path": "a\0b"}, ["data.path", "no such folder"]),
    "another experiment": ({"experiment": "other"}, ["data.experiment", "'other'", "'results'"]),
    "no files": ({"path": "project/inputs"}, ["index.csv", "set data.index"]),
    "no such index": ({"index": "no.csv"}, ["data.index", "no such file"]),
    "aggregate": ({"aggregate": "max"}, ["data.aggregate", "'max'", "'median'"]),
    "no such column": ({"columns": {"compound": "Drug"}}, ["'Drug'", "'Treatment'"]),
    "an unknown plate": ({"exclude_plates": "7"}, ["exclude_plates", "['7']", "'007'"]),
    "all plates": ({"exclude_plates": ["007", "x_1"]}, ["leaves no plate"]),
    "on_missing": ({"on_missing": "zero"}, ["on_missing", "'zero'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_do_not_fit_are_one_line(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project(tmp_path / "project")
    options, culprits = REFUSED[case]
    refused(tmp_path, culprits, **options)


def test_folders_that_are_not_a_project_are_one_line(tmp_path: Path) -> None:
    project(tmp_path / "project")
    (tmp_path / "project/outputs/second/features").mkdir(parents=True)
    refused(tmp_path, ["data.experiment", "['results', 'second']"])
    refused(tmp_path, ["second", "holds no .npz file"], experiment="second")
    (tmp_path / "project/inputs/metadata/index.csv").write_text("Metadata_Plate,Metadata_Well\np,A01\n")
    refused(tmp_path, ["Metadata_Site"], experiment="results")
    index().assign(Metadata_Plate="other").to_csv(tmp_path / "project/inputs/metadata/index.csv", index=False)
    refused(tmp_path, ["no cells of any of 24 sites", "plate 'other'"], experiment="results")
    (tmp_path / "project/inputs/metadata/index.csv").unlink()
    refused(tmp_path, ["index.csv", "set data.index"], experiment="results")


def test_a_pipe_named_like_a_file_is_not_waited_for(tmp_path: Path) -> None:
    project(tmp_path / "project")
    path = tmp_path / "project/outputs/results/features/007/A01/1.npz"
    path.unlink()
    os.mkfifo(path)
    assert len(read(tmp_path).X) == 23


def test_two_files_of_one_site_are_one_line(tmp_path: Path) -> None:
    project(tmp_path / "project")
    np.savez(tmp_path / "project/outputs/results/features/007/A01_1.npz", features=np.ones((2, N_FEATURES)))
    refused(tmp_path, ["plate '007', well 'A01', site '1'", "2 files", "A01_1.npz"])


def test_a_site_twice_in_the_index_is_one_line(tmp_path: Path) -> None:
    project(tmp_path / "project")
    pd.concat([index(), index().iloc[:1]]).to_csv(tmp_path / "project/inputs/metadata/index.csv", index=False)
    refused(tmp_path, ["plate '007', well 'A01', site '1'", "2 rows"])


def test_the_configuration(tmp_path: Path, conf: Path) -> None:
    cfg = OmegaConf.load(conf / "data" / "deepprofiler.yaml")
    assert OmegaConf.is_missing(cfg, "path")
    project(tmp_path / "project")
    cfg.path, cfg.controls.column, cfg.controls["values"] = str(tmp_path / "project"), "Treatment", ["DMSO"]
    assert len(instantiate(cfg, _convert_="all").features()) == N_FEATURES
