"""What is refused, or only asks for help, costs no more than reading the configuration."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

pytestmark = pytest.mark.slow

HEAVY = ("mlflow", "sklearn", "lightgbm", "umap", "optuna", "matplotlib", "scipy", "numba", "ray")
LIST_MODULES = """
import json, runpy, sys, atexit
words = json.loads(sys.argv.pop(1))
sys.argv = words
def report():
    names = {name.partition(".")[0] for name in sys.modules}
    open("modules.json", "w").write(json.dumps(sorted(names)))
atexit.register(report)
runpy.run_module(words[0], run_name="__main__", alter_sys=True)
"""
LIGHT = [
    ("harness", 0, "--help"),
    ("harness", 2),
    ("harness", 2, "+norm=typo"),
    ("harness", 2, "+norm=raw", "data.scenario=typo"),
    ("harness", 2, "+norm=raw", "--bogus"),
    ("harness.apply", 0, "--help"),
    ("harness.apply", 2, "--bogus"),
    ("harness.montage", 0, "--help"),
    ("harness.inspect", 0, "--help"),
    ("harness.inspect", 2, "data.paths=[nothing.csv]"),
    ("harness.compare", 0, "--help"),
    ("harness.explore", 0, "--help"),
    ("harness.sync", 0, "--help"),
    ("harness.compare", 2, "--bogus"),
]


@pytest.mark.parametrize("module_status_words", LIGHT, ids=lambda case: " ".join(map(str, case)))
def test_no_library_is_imported(module_status_words: tuple[str, int, str], tmp_path: Path) -> None:
    module, status, *words = module_status_words
    ended = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, json.dumps([module, *words])],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == status, ended.stderr
    modules = set(json.loads((tmp_path / "modules.json").read_text()))
    assert modules.isdisjoint(HEAVY), modules & set(HEAVY)
    assert "harness" in modules


def _processor_seconds(folder: Path, *words: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, env=environment(), capture_output=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_processor_time_is_a_small_multiple_of_the_imports_that_reading_needs(tmp_path: Path) -> None:
    """Today 1.2 and 1.5 times; it was 8 times, with MLflow and scikit-learn imported first."""
    needed = min(_processor_seconds(tmp_path, "-c", "import hydra, pandas") for _ in range(2))
    for words in (("--help",), ("+norm=raw", "data.scenario=typo")):
        assert min(_processor_seconds(tmp_path, "-m", "harness", *words) for _ in range(2)) < 2.5 * needed


def test_what_the_package_exports_is_what_it_was(tmp_path: Path) -> None:
    code = (
        "import harness.scoring.evaluate, harness\n"
        "from harness import InputError, NotApplicable, Profiles, evaluate, normalize, score_table\n"
        "assert callable(evaluate) and evaluate is harness.scoring.evaluate.evaluate\n"
        "assert harness.core.exceptions.InputError is InputError\n"
        "assert sorted(set(harness.__all__) - set(dir(harness))) == []\n"
        "try:\n    harness.nonsense\nexcept AttributeError as error:\n    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (ended.stdout, ended.stderr) == ("module 'harness' has no attribute 'nonsense'\n", "")
