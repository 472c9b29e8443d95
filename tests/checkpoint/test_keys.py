"""Keys: what changes a number changes them, what does not leaves them, and units depend on their own settings only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.run.checkpoint import keys as module
from harness.run.checkpoint.keys import RunKey
from harness.run.checkpoint.source_fingerprint import source_fingerprint

CONFIG: dict[str, Any] = {
    "data": {"_target_": "Tables", "name": "shown"},
    "batch": {"column": "batch"},
    "norm": {"_target_": "Raw", "path": None},
    "split": {"_target_": "LeaveBatchOut"},
    "task": {
        "controls": {"_target_": "T"},
        "assays": {"path": "labels-*.csv", "values": {"active": [1, float("nan")]}},
    },
    "model": {"logistic": {"C": 0.1}, "trees": {"n": 5}, "encode": None},
    "baseline": {"prior": {"_target_": "P"}},
    "metric": {"auroc": {}},
    "audit": {"probe": {"k": 3}, "known": {"path": None}},
    "figure": {"umap": {"n": 15}},
    "tuning": {"_target_": "Optuna", "n_trials": 5, "workers": 1, "storage": "sqlite:///a.db", "log_trials": True},
    "tracking": {"uri": "sqlite:///x.db", "figure_formats": ["png"]},
    "aggregate": "median",
    "n_resamples": 500,
    "seed": 0,
    "processes": 2,
    "resume": True,
    "force": False,
    "cache": "mlruns/store",
    "units": "mlruns/units",
}
UNITS = {
    "logistic": ("evaluation", ("controls", "logistic", "b1")),
    "prior": ("evaluation", ("controls", "prior", "b1")),
    "assays": ("evaluation", ("assays", "logistic", "b1")),
    "fold": ("evaluation", ("controls", "logistic", "b2")),
    "report": ("report", ("b1",)),
    "probe": ("audit", ("probe",)),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("labels-1.csv", "labels-2.csv"):
        Path(name).write_text(f"compound,{name}\n")


def changed(key: str, value: Any) -> dict[str, Any]:
    group, *below = key.split(".")
    if not below:
        return {**CONFIG, group: value}
    node = dict(CONFIG[group])
    inner = node
    for part in below[:-1]:
        inner[part] = dict(inner.get(part) or {})
        inner = inner[part]
    inner[below[-1]] = value
    return {**CONFIG, group: node}


def keys(config: dict[str, Any] | None = None, data: str = "d") -> dict[str, str]:
    asked = RunKey.from_config(config or CONFIG, data)
    return {
        "run": asked.run_key,
        **{name: asked.checkpoint_prefix + asked.checkpoint_key(*unit) for name, unit in UNITS.items()},
    }


def moved(config: dict[str, Any], data: str = "d") -> set[str]:
    before, after = keys(), keys(config, data)
    return {name for name in before if before[name] != after[name]}


def test_every_unit_has_its_own_key() -> None:
    assert len(set(keys().values())) == len(UNITS) + 1
    assert keys() == keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tracking.uri", "http://server:5000"), ("tracking.figure_formats", []), ("processes", 4), ("force", True),
        ("resume", False), ("cache", "elsewhere"), ("units", "elsewhere"), ("tuning.workers", 3),
        ("tuning.storage", "postgresql://x"), ("tuning.log_trials", False),
    ],
)  # fmt: skip
def test_what_changes_no_number_changes_no_key(key: str, value: Any) -> None:
    assert moved(changed(key, value)) == set()


EVERY = {"run", *UNITS}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", 1, EVERY),
        ("aggregate", "mean", EVERY),
        ("norm.path", "x", EVERY),
        ("split._target_", "RandomWells", EVERY),
        ("batch.column", "week", EVERY),
        ("metric.f1", {}, {"run"}),
        ("figure.umap.n", 30, {"run"}),
        ("tracking.figure_formats", ["svg", "png"], {"run"}),
        ("tuning.n_trials", 6, {"run", "probe"}),
        ("data.name", "another", {"run"}),
        ("n_resamples", 20, {"run", "probe"}),
        ("model.trees.n", 6, {"run", "probe"}),
        ("model.logistic.C", 1.0, {"run", "logistic", "assays", "fold", "probe"}),
        ("model.encode", "batch", {"run", "logistic", "assays", "fold", "probe"}),
        ("baseline.prior._target_", "Q", {"run", "prior", "probe"}),
        ("task.assays.path", "other.csv", {"run", "assays", "probe"}),
        ("audit.probe.k", 4, {"run", "probe"}),
        ("audit.known.path", "x.csv", {"run"}),
    ],
)
def test_units_follow_their_own_settings_only(key: str, value: Any, expected: set[str]) -> None:
    assert moved(changed(key, value)) == expected


def test_the_content_of_files_counts_and_that_of_the_screen(tmp_path: Path) -> None:
    before = keys()
    assert moved(CONFIG, data="other content") == EVERY
    (tmp_path / "labels-2.csv").write_text("compound,changed\n")
    assert {name for name, key in keys().items() if key != before[name]} == {"run", "assays", "probe"}
    (tmp_path / "labels-2.csv").write_text("compound,labels-2.csv\n")
    assert keys() == before
    (tmp_path / "labels-3.csv").write_text("more")
    assert keys()["assays"] != before["assays"]
    os.remove(tmp_path / "labels-3.csv")
    Path("median").write_text("a file that happens to have the name of a setting")
    assert keys()["run"] != before["run"]


def test_other_code_makes_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(source_fingerprint()) == 64
    before = keys()
    monkeypatch.setattr(module, "source_fingerprint", lambda: "another version")
    assert set(before.items()).isdisjoint(keys().items())


def test_only_code_that_decides_numbers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("norm/raw.py", "compare/html.py", "cli/app.py", "tracking/outbox.py", "scoring/evaluate.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr("harness.run.checkpoint.source_fingerprint._ROOT", tmp_path)
    fresh = source_fingerprint.__wrapped__
    base = fresh()
    for name, counts in (
        ("compare/html.py", False),
        ("cli/app.py", False),
        ("tracking/outbox.py", False),
        ("scoring/evaluate.py", True),
    ):
        (tmp_path / name).write_text("x = 2\n")
        assert (fresh() != base) is counts
    base = fresh()
    monkeypatch.setattr("harness.run.checkpoint.source_fingerprint.version", lambda name: f"{name} 99")
    assert fresh() != base
