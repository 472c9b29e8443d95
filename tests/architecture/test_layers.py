"""Imports run downwards: a package imports only packages of lower layers, and none imports in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from layers import LAYERS
from places import ROOT

LAYER = {package: number for number, layer in enumerate(reversed(LAYERS)) for package in layer}
HARNESS = ROOT / "harness"
FILES = sorted(HARNESS.rglob("*.py"))


def imported_packages(source: str) -> Iterator[str]:
    """Yield the package of ``harness`` that each import of ``source`` names, also inside functions and type checks."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "harness":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("harness."))


def package_of(path: Path) -> str:
    """Return the package of ``harness`` in which a file lies."""
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


def test_every_package_has_a_layer() -> None:
    assert {package_of(path) for path in FILES} - {"__init__"} == set(LAYER)


@pytest.mark.parametrize("package", sorted(LAYER))
def test_imports_run_downwards(package: str) -> None:
    upwards = {
        f"{path.relative_to(ROOT)} imports harness.{imported}"
        for path in FILES
        if package_of(path) == package
        for imported in imported_packages(path.read_text("utf-8"))
        if imported != package and LAYER[imported] >= LAYER[package]
    }
    assert upwards == set()


def test_an_import_upwards_is_seen() -> None:
    source = "import harness.cli.app\nfrom harness.run import plan\ndef f():\n    from harness import audit\n"
    assert list(imported_packages(source)) == ["cli", "run", "audit"]


def test_only_members_and_their_base_stand_in_the_folder_of_a_group() -> None:
    groups = [path for path in sorted((ROOT / "conf").iterdir()) if path.is_dir() and (HARNESS / path.name).is_dir()]
    assert len(groups) > 8
    targets = {
        line.partition("_target_: ")[2].strip("} ").split(",")[0].rpartition(".")[0]
        for group in groups
        for path in group.glob("*.yaml")
        for line in path.read_text("utf-8").splitlines()
        if "_target_: harness." in line
    }
    loose = {
        f"harness.{group.name}.{path.stem}"
        for group in groups
        if group.name not in {"model", "tracking"}  # members of others, configured; and one member in many parts
        for path in (HARNESS / group.name).glob("*.py")
        if path.stem not in {"__init__", "base"}
    }
    assert loose - targets == set()
