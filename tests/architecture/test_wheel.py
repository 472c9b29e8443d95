"""The wheel holds all that a run needs, and what it installs runs without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from places import ROOT

import harness

pytestmark = pytest.mark.slow
PARTS = ("harness", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")
RUN = ("+norm=raw", "data.size=tiny")


def builds() -> bool:
    """Return whether the build backend of pyproject.toml is installed: it can be fetched from an index only."""
    try:
        return int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        return False


def done(*words: str | Path, cwd: Path, **variables: str) -> str:
    """Return what a command printed; it must succeed, and finds no module of the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP"))}
    ended = subprocess.run(
        list(map(str, words)), cwd=cwd, env={**environment, **variables}, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: the checkout stays as it is, and what was built of it before plays no part."""
    if not builds():
        pytest.skip("setuptools 77 or later is not installed")
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(ROOT / part, source / part)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
    done(*pip, "--wheel-dir", dist, source, cwd=dist)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new virtual environment with the wheel; libraries are those of this environment."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    done(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps")
    done(*pip, "--no-index", "--ignore-installed", wheel, cwd=folder)
    return programs


def package_files() -> Iterator[str]:
    """Yield the files of the packages and of the configuration, by their names in the wheel."""
    for folder, prefix in ((ROOT / "harness", "harness"), (ROOT / "conf", "harness/conf")):
        for path in folder.rglob("*"):
            if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts) and path.name[0] != ".":
                yield f"{prefix}/{path.relative_to(folder).as_posix()}"


def test_every_file_is_in_the_wheel(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("harness/")}
    assert names == set(package_files())
    assert {"harness/conf/config.yaml", "harness/compare/templates/report.css", "harness/py.typed"} <= names


def test_name_and_version(wheel: Path) -> None:
    assert wheel.name.startswith(f"normharness-{harness.__version__}-py3-none-any")


def test_it_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = done(installed / "python", "-c", "import harness; print(harness.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    printed = done(installed / "python", "-m", "harness", *RUN, cwd=tmp_path)
    assert "raw" in printed
    assert (tmp_path / "mlruns/mlflow.db").is_file()
    again = done(installed / "harness", *RUN, cwd=tmp_path)
    assert "skip" in again
    assert "demo" in done(installed / "python", "-m", "harness.compare", cwd=tmp_path)


def test_the_console_script_is_the_command(installed: Path, tmp_path: Path) -> None:
    by_module = done(installed / "python", "-m", "harness", "--help", cwd=tmp_path)
    assert done(installed / "harness", "--help", cwd=tmp_path) == by_module
