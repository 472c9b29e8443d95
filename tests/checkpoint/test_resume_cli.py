"""Commands given again: what is finished is skipped, what is not goes on from what exists, and it is said."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Outcome, client_of, run_command, runs_of, table_of
from mlflow.entities import Run as Stored

from harness.audit.controls_vs_controls import ControlsVsControls
from harness.core.exceptions import InputError
from harness.run.checkpoint.checkpoint import FileCheckpoints, prepare_folder
from harness.run.checkpoint.table_file import StoredTable, write_table
from harness.run.training import Training
from harness.utils.process_identity import this_process

pytestmark = pytest.mark.slow

SMALL = (
    "data.size=tiny",
    "model=[logistic]",
    "baseline=[row_norm,cell_count]",
    "audit=[confounding,controls_vs_controls,verdict]",
    "figure=[]",
    "n_resamples=20",
    "processes=1",
)
QUICK = (
    "data.size=tiny",
    "model=[logistic]",
    "baseline=[]",
    "audit=[]",
    "figure=[]",
    "metric=[auroc]",
    "n_resamples=20",
)
WORK = "the heavy work"


def numbers(run: Stored) -> dict[str, float]:
    return {key: value for key, value in run.data.metrics.items() if not key.startswith("time/")}


def same(run: Stored, other: Stored) -> None:
    a, b = numbers(run), numbers(other)
    assert set(a) == set(b)
    assert len(a) > 30
    np.testing.assert_allclose([a[key] for key in a], [b[key] for key in a], rtol=0, atol=1e-9)
    assert run.data.tags.get("verdict") == other.data.tags.get("verdict")


def all_runs(folder: Path) -> list[Stored]:
    """Newest first."""
    client = client_of(folder)
    (experiment,) = [e for e in client.search_experiments() if e.name == "demo"]
    return list(client.search_runs([experiment.experiment_id]))


def units(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "mlruns/units").iterdir() if path.suffix != ".lock")


def heavy(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From here on these end the run."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(WORK)

    for name in names:
        monkeypatch.setattr(name, refuse)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an undisturbed sweep."""
    folder = tmp_path_factory.mktemp("once")
    outcome = run_command(folder, "-m", "+norm=dmso_within,dmso_across", *SMALL)
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "2 evaluations: 2 new, 0 re-run, 0 skipped, 0 failed"
    assert units(folder) == []
    return folder


@pytest.fixture
def cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose run of dmso_within failed when all its parts were there."""
    with monkeypatch.context() as broken:
        heavy(broken, "harness.audit.verdict.Verdict.decide")
        outcome = run_command(folder, "+norm=dmso_within", *SMALL)
        assert (outcome.status, WORK in outcome.err) == (1, True)
    assert runs_of(folder)["dmso_within"].info.status == "FAILED"
    return folder


def again(folder: Path, *words: str, options: tuple[str, ...] = SMALL) -> Outcome:
    outcome = run_command(folder, "+norm=dmso_within", *options, *words)
    assert outcome.status == 0, outcome.err
    return outcome


def test_a_finished_sweep_is_skipped_without_reading_the_screen(once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy(
        monkeypatch,
        "harness.cli.load_screen.load",
        "harness.cli.evaluation.make_plan",
        "harness.store.store.open_store",
    )
    before = {run.info.run_id: run.info.status for run in all_runs(once)}
    outcome = run_command(once, "-m", "+norm=dmso_within,dmso_across", *SMALL)
    assert (outcome.status, outcome.err) == (0, "")
    assert {run.info.run_id: run.info.status for run in all_runs(once)} == before
    first, summary, *_, last = outcome.out.splitlines()
    expected = r"skipped: dmso_within finished on \d{4}-\d\d-\d\d at \d\d:\d\d \(run (\w{32})\); force=true re-runs it"
    found = re.fullmatch(expected, first)
    assert found
    assert found[1] == runs_of(once)["dmso_within"].info.run_id
    assert summary.startswith("dmso_within is ")
    assert last == "2 evaluations: 0 new, 0 re-run, 2 skipped, 0 failed"


def test_a_second_run_has_the_same_numbers(once: Path) -> None:
    """To 1e-9: all metrics but times, of a sweep that is told to run again."""
    before = runs_of(once)
    outcome = run_command(once, "-m", "+norm=dmso_within,dmso_across", *SMALL, "force=true")
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "2 evaluations: 0 new, 2 re-run, 0 skipped, 0 failed"
    after = runs_of(once)
    for name in ("dmso_within", "dmso_across"):
        assert after[name].info.run_id != before[name].info.run_id
        same(after[name], before[name])
        assert f"re-running {name}: the previous run finished on " in outcome.out
        assert f"(run {before[name].info.run_id})" in outcome.out
    assert units(once) == []


def test_what_failed_goes_on_from_its_parts(once: Path, cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(units(cut)) == 3 * 3 + 2 + 1  # models on folds, checks, the normalizer's report
    heavy(monkeypatch, "harness.run.normalized_screen.normalize", "harness.run.training.evaluate_groups")
    monkeypatch.setattr(ControlsVsControls, "findings", lambda *_: 1 / 0)
    failed = runs_of(cut)["dmso_within"].info.run_id
    outcome = again(cut)
    assert outcome.out.splitlines()[0] == f"re-running dmso_within: the previous run failed: {WORK} (run {failed})"
    assert "; 12 parts restored from an interrupted run" in outcome.out
    run = runs_of(cut)["dmso_within"]
    same(run, runs_of(once)["dmso_within"])
    assert "12 parts restored" in run.data.tags["mlflow.note.content"]
    for name in ("predictions", "audit", "zero_variance", "scores", "resamples"):
        mine, theirs = table_of(cut, run, name), table_of(once, runs_of(once)["dmso_within"], name)
        assert mine.equals(theirs), name
    assert units(cut) == []
    assert "skipped" in again(cut).out


def test_parts_are_left_alone_by_force_and_without_resume(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = units(cut)
    heavy(monkeypatch, "harness.run.normalized_screen.normalize")
    for word in ("force=true", "resume=false"):
        outcome = run_command(cut, "+norm=dmso_within", *SMALL, word)
        assert (outcome.status, WORK in outcome.err) == (1, True)
        heavy(monkeypatch, "harness.cli.skip_finished.find_previous_runs", "harness.cli.skip_finished.prepare_folder")
    assert units(cut) == before


def test_parts_serve_a_run_with_other_metrics(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy(monkeypatch, "harness.run.training.evaluate_groups")
    outcome = again(cut, "metric=[auroc,brier]")
    assert "re-running" not in outcome.out
    assert "; 12 parts restored" in outcome.out


def test_damaged_parts_are_computed_again_and_it_is_said(once: Path, cut: Path) -> None:
    for number, path in enumerate(units(cut)):
        whole = path.read_bytes()
        path.write_bytes((whole[:100], b"", whole.replace(b"PAR1", b"PARX"))[number % 3])
    outcome = again(cut)
    assert outcome.err.count("harness: computing again: ") == 11  # the report is not asked for
    assert "parts restored" not in outcome.out
    same(runs_of(cut)["dmso_within"], runs_of(once)["dmso_within"])
    assert units(cut) == []


def test_runs_of_processes_that_are_gone_are_closed_and_made_again(folder: Path) -> None:
    client = client_of(folder)
    again(folder, options=QUICK)
    (whole,) = all_runs(folder)
    host, pid, start = this_process()
    child = subprocess.Popen(["true"])
    child.wait()
    owners = {"lost": f"{host} {child.pid} 1", "here": f"{host} {pid} {start}", "elsewhere": f"not-{host} 1 1"}
    made = {}
    for name, process in owners.items():
        tags = {"run_key": f"key of {name}", "process": process}
        made[name] = client.create_run(whole.info.experiment_id, run_name=name, tags=tags).info.run_id
    tags = {"mlflow.parentRunId": made["lost"], "kind": "trial"}
    made["trial"] = client.create_run(whole.info.experiment_id, run_name="trial", tags=tags).info.run_id
    client.set_tag(made["lost"], "run_key", whole.data.tags["run_key"])
    client.delete_run(whole.info.run_id)
    outcome = again(folder, options=QUICK)
    assert outcome.out.splitlines()[0] == (
        f"re-running dmso_within: the previous run was interrupted (run {made['lost']})"
    )
    runs = {name: client.get_run(run_id) for name, run_id in made.items()}
    assert {name: run.info.status for name, run in runs.items()} == {
        "lost": "KILLED",
        "trial": "KILLED",
        "here": "RUNNING",
        "elsewhere": "RUNNING",
    }
    assert runs["lost"].data.tags["failure"] == "cut off"
    assert runs["lost"].info.end_time is not None


def test_a_sweep_says_what_became_of_each(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(folder, options=QUICK)
    train = Training.run

    def some(self: Training, step: Any) -> None:
        if self.plan.name == "noise":
            raise InputError("noise is not wanted")
        train(self, step)

    monkeypatch.setattr(Training, "run", some)
    outcome = run_command(folder, "-m", "+norm=raw,dmso_within,noise", *QUICK)
    assert outcome.status == 2
    assert outcome.out.splitlines()[-1] == "3 evaluations: 1 new, 0 re-run, 1 skipped, 1 failed"
    outcome = run_command(folder, "-m", "+norm=raw,dmso_within,noise", *QUICK)
    assert outcome.out.splitlines()[-1] == "3 evaluations: 0 new, 0 re-run, 2 skipped, 1 failed"
    assert "re-running noise: the previous run failed: noise is not wanted (run " in outcome.out


def test_parts_that_a_finished_run_could_not_remove_and_old_ones_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(FileCheckpoints, "clear", lambda _: None)
        again(folder, options=QUICK)
    assert len(units(folder)) == 3 + 1
    assert "skipped" in again(folder, options=QUICK).out
    assert units(folder) == []
    old = folder / f"mlruns/units/{1:024x}-{1:032x}.parquet"
    write_table(old, StoredTable(pd.DataFrame({"x": [1.0]}), {}))
    prepare_folder(old.parent)
    assert old.exists()
    monkeypatch.setattr("harness.run.checkpoint.checkpoint.time.time", lambda: old.stat().st_mtime + 31 * 24 * 3600)
    prepare_folder(old.parent)
    assert not old.exists()


def test_a_folder_that_cannot_be_written_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    outcome = run_command(folder, "+norm=raw", *QUICK, "units=file/units")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.line.startswith("harness: raw: units: file/units cannot be written (")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.run.checkpoint.checkpoint.write_table", full)
    outcome = run_command(folder, "+norm=raw", *QUICK)
    assert outcome.status == 2
    assert "mlruns/units cannot be written (No space left on device)" in outcome.line
    assert runs_of(folder)["raw"].info.status == "FAILED"
