"""docs/architecture.md: its picture shows the layers, and what it names exists."""

from __future__ import annotations

import ast
import re

import pytest
from layers import LAYERS
from places import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
WALKS, _, TABLE = PAGE.partition("## Where do I find")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if line.startswith("| ")][1:]
PATHS = sorted(set(re.findall(r"`((?:harness|conf|tests)/[\w./]+)`", PAGE)))


def names_of(path: str) -> set[str]:
    """Return the classes, functions, methods and constants that a file defines."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_the_picture_shows_the_layers() -> None:
    picture = PAGE.partition("```")[2].partition("```")[0]
    rows = [line.split("|")[1].split() for line in picture.splitlines() if line.startswith("|")]
    assert rows == [list(layer) for layer in LAYERS]


@pytest.mark.parametrize("path", PATHS)
def test_files_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("what", "file", "names"), ROWS, ids=[row[0] for row in ROWS])
def test_names_exist(what: str, file: str, names: str) -> None:
    assert what
    assert set(re.findall(r"`(\w+)`", names)) <= names_of(file.strip("`"))


def test_what_the_walks_name_exists() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "harness").rglob("*.py"))
    names = set(re.findall(r"`([A-Za-z_]\w*)(?:\.\w+)?(?:\([^`]*\))?`", WALKS)) - {"scores", "cli", "fit", "transform"}
    assert len(names) > 8
    assert {name for name in names if not re.search(rf"\b(class|def) {name}\b", sources)} == {"_target_"}
