"""CONTRIBUTING.md, CITATION.cff and CHANGELOG.md agree with the code."""

from __future__ import annotations

import re

import pytest
import yaml
from places import CONF, ROOT

import harness

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
PATHS = sorted(set(re.findall(r"`((?:harness|conf|tests|experiments|docs)/[\w./]+)`", CONTRIBUTING)))


@pytest.mark.parametrize("path", PATHS)
def test_files_that_the_guide_names_exist(path: str) -> None:
    assert (ROOT / path.replace("NAME", "logistic")).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+)", CONTRIBUTING))))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.M)


def test_the_guide_tells_of_every_group_with_files_of_its_own() -> None:
    groups = {path.name for path in CONF.iterdir() if path.is_dir() and (ROOT / "harness" / path.name).is_dir()}
    assert groups - {"tracking", "tuning"} == set(re.findall(r"`conf/(\w+)/\w+\.yaml`(?:,| \|)", CONTRIBUTING))


def test_versions_agree() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == harness.__version__
    assert re.findall(r"^## ([\d.]+)$", CHANGELOG, re.M)[0] == harness.__version__


def test_the_changelog_is_ordered_by_kind_of_change() -> None:
    for section in re.split(r"^## [\d.]+$", CHANGELOG, flags=re.M)[1:]:
        assert re.findall(r"^### (.*)$", section, re.M) == ["Added", "Changed", "Fixed"]
