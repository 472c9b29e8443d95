"""Names and first lines that say what a thing is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

HARNESS = ROOT / "harness"
PACKAGES = sorted({path.relative_to(HARNESS).parts[0].removesuffix(".py") for path in HARNESS.rglob("*.py")})
_SAY_NOTHING = "found own known kept chosen shown told said gone taken asked given wanted there here made"
SAY_NOTHING = frozenset(_SAY_NOTHING.split())
CONFIGURATION_KEYS = {("harness/norm/sva.py", "known")}  # parameters that users set
_NO_VERB = (
    "a all an any as at both by each every everything for from how if in it its no nothing of on one only some "
    "such that the these they this those to two what whatever when where whether which who whose why with "
    "without"
)
NO_VERB = frozenset(_NO_VERB.split())


def files_of(package: str) -> list[Path]:
    """Return the source files of a package or of a module at the root."""
    return sorted((HARNESS / package).rglob("*.py")) or [HARNESS / f"{package}.py"]


def names_that_say_nothing(source: str) -> Iterator[str]:
    """Yield variables and parameters of :data:`SAY_NOTHING` with their lines."""
    for node in ast.walk(ast.parse(source)):
        name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else getattr(node, "arg", None)
        if isinstance(node, ast.Name | ast.arg) and name in SAY_NOTHING:
            yield f"{node.lineno}: {name}"


def first_lines_without_a_verb(source: str) -> Iterator[str]:
    """Yield first lines of docstrings of functions that begin with a word of :data:`NO_VERB`; properties may."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or any("property" in ast.unparse(d) for d in node.decorator_list):
            continue
        first_line = (ast.get_docstring(node) or "").partition("\n")[0]
        word = re.match(r"[A-Za-z]*", first_line)
        if first_line and (word is None or not word[0] or word[0].lower() in NO_VERB):
            yield f"{node.lineno}: {first_line}"


@pytest.mark.parametrize("package", PACKAGES)
def test_variables_say_what_they_hold(package: str) -> None:
    poor = [
        f"{path.relative_to(ROOT)}:{name}"
        for path in files_of(package)
        for name in names_that_say_nothing(path.read_text("utf-8"))
        if (str(path.relative_to(ROOT)), name.split()[-1]) not in CONFIGURATION_KEYS
    ]
    assert poor == []


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_of_functions_begin_with_a_verb(package: str) -> None:
    poor = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files_of(package)
        for line in first_lines_without_a_verb(path.read_text("utf-8"))
    ]
    assert poor == []


def test_poor_names_are_seen() -> None:
    source = 'def f(known):\n    """What is known."""\n    found = [own for own in known]\n    return found\n'
    assert sorted(names_that_say_nothing(source)) == ["1: known", "3: found", "3: own"]
    assert list(first_lines_without_a_verb(source)) == ["1: What is known."]
