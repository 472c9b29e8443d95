"""Members of the groups are exported by their packages, without a list, and imported when they are used."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from places import CONF, ROOT
from processes import environment

GROUPS = ("audit", "baseline", "batch", "data", "figure", "metric", "norm", "split", "task", "tuning")
_TARGET = re.compile(r"_target_: harness\.(\w+)\.(\w+)\.([A-Z]\w*)")
TARGETS = {match for path in CONF.rglob("*.yaml") for match in _TARGET.findall(path.read_text("utf-8"))}
MEMBERS = sorted(target for target in TARGETS if target[0] in GROUPS)


def test_every_group_has_members() -> None:
    assert {group for group, _, _ in MEMBERS} == set(GROUPS)


@pytest.mark.parametrize(("group", "module", "name"), MEMBERS, ids=".".join)
def test_members_are_exported(group: str, module: str, name: str) -> None:
    package = import_module(f"harness.{group}")
    assert name in dir(package)
    assert getattr(package, name) is getattr(import_module(f"harness.{group}.{module}"), name)


@pytest.mark.parametrize("group", GROUPS)
def test_no_name_is_exported_twice(group: str) -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "harness" / group).glob("*.py")]
    names = Counter(name for source in sources for name in re.findall(r"^class ([A-Z]\w*)", source, re.MULTILINE))
    assert [name for name, count in names.items() if count > 1] == []


def test_other_names_are_refused() -> None:
    package = import_module("harness.norm")
    with pytest.raises(AttributeError, match=r"module 'harness.norm' has no attribute 'Nonsense'"):
        _ = package.Nonsense


def test_a_package_is_imported_without_its_members(tmp_path: Path) -> None:
    code = (
        "import sys, harness.norm, harness.metric\n"
        "names = dir(harness.norm), dir(harness.metric)\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('harness.norm', 'harness.metric'))))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.split() == ["harness.metric", "harness.norm"], ended.stderr
