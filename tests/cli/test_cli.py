"""The command line: what it accepts, what it refuses in one line, what it leaves behind."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command import MAPPING, SMALL, TABLES, client_of, run_command, runs_of, wide
from hydra import compose, initialize_config_dir
from places import ROOT

from harness.cli.error_messages import CONF, member_names
from harness.data.demo import Demo

pytestmark = pytest.mark.slow

NORMS = member_names("norm")


def test_one_norm_in_an_empty_folder(tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "+norm=raw", *SMALL)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("raw (leave_batch_out): dmso_vs_treated/logistic AUROC 0.")
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]
    assert runs_of(tmp_path)["raw"].info.status == "FINISHED"


def test_sweep_runs_every_norm(sweep: Path) -> None:
    assert {name: run.info.status for name, run in runs_of(sweep).items()} == dict.fromkeys(
        ["raw", "dmso_within", "noise"], "FINISHED"
    )
    assert [path.name for path in sweep.iterdir()] == ["mlruns"]


def test_origin_four_composes_to_its_sweep() -> None:
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["+experiment=origin_four"], return_hydra_config=True)
    assert cfg.hydra.mode.name == "MULTIRUN"
    assert cfg.hydra.sweeper.params["+norm"] == "raw,dmso_within,all_within,dmso_across"


def test_help_shows_groups_and_examples(tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "--help")
    assert outcome.status == 0
    assert outcome.out.count("python -m harness ") >= 3
    for group in ("data", "batch", "norm", "split", "task", "model", "audit", "figure", "experiment"):
        assert f"\n{group}: " in outcome.out
    for norm in NORMS:
        assert norm in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_examples_of_the_help_are_accepted(tmp_path: Path) -> None:
    """As a shell would split them; --cfg shows the configuration and runs nothing."""
    text = run_command(tmp_path, "--help").out.replace("\\\n", " ")
    examples = [shlex.split(line)[3:] for line in text.splitlines() if line.startswith("python -m harness ")]
    assert len(examples) >= 3
    for words in examples:
        outcome = run_command(tmp_path, *[word for word in words if word != "-m"], "--cfg", "job")
        sweeps = "-m" in words
        assert (outcome.status, sweeps) in ((0, False), (2, True)), outcome.err
        assert not sweeps or "add -m" in outcome.line


@pytest.mark.parametrize("value", [r"^(Week\d+)_", "Plate == 'P1' and Dose > 0.1", "[^_]+", 'say "x"'])
def test_a_value_that_is_no_grammar_is_taken_as_text(value: str, tmp_path: Path) -> None:
    outcome = run_command(tmp_path, "batch=regex", f"batch.pattern={value}", "--cfg", "job", "--package", "batch")
    assert outcome.status == 0, outcome.err
    assert yaml.safe_load(outcome.out)["pattern"] == value


REFUSED = {
    "no norm": (SMALL, ["no normalization", *NORMS]),
    "unknown norm": (("+norm=bogus",), ["norm", "'bogus'", *NORMS]),
    "no plus": (("norm=raw",), ["+norm=NAME", *NORMS]),
    "no plus in a sweep": (("-m", "norm=raw,noise"), ["+norm=NAME"]),
    "no -m": (("+norm=raw,noise",), ["add -m"]),
    "unknown in a sweep": (("-m", "+norm=raw,bogus", *SMALL), ["'bogus'", *NORMS]),
    "norm twice": (("+norm=raw", "+norm=noise"), ["norm is set twice"]),
    "unknown experiment": (("+experiment=bogus",), ["experiment", "'bogus'", "origin_four"]),
    "unknown setting of norm": (("+norm=raw", "norm.foo=1", *SMALL), ["norm.foo"]),
    "unknown option of norm": (("+norm=raw", "+norm.foo=1", *SMALL), ["raw: norm.foo: there is no such setting"]),
    "unknown setting of split": (("+norm=raw", "split.n_foldz=3", *SMALL), ["split.n_foldz"]),
    "unknown option of split": (
        ("+norm=raw", "+split.n_foldz=3", *SMALL),
        ["split.n_foldz: there is no such setting"],
    ),
    "unknown setting": (("+norm=raw", "bogus=1", *SMALL), ["'bogus'"]),
    "unknown scope": (("+norm=dmso_across", "norm.scope=bogus", *SMALL), ["scope", "bogus", "train", "transductive"]),
    "unknown scenario": (("+norm=raw", "data.scenario=bogus", *SMALL), ["data.scenario='bogus'", "phenotype_rich"]),
    "unknown aggregation": (("+norm=raw", "aggregate=bogus", *SMALL), ["aggregate='bogus'", "median"]),
    "unfilled split": (("+norm=raw", "split=batch_pair", *SMALL), ["split.train"]),
    "unknown batch": (
        ("+norm=raw", "split=batch_pair", "split.train=[x]", "split.test=[batch01]", *SMALL),
        ["['x']", "batch02"],
    ),
    "unfilled data": (("+norm=raw", *TABLES), ["data.paths"]),
    "text as a number": (("+norm=raw", *SMALL, "n_resamples=abc"), ["n_resamples='abc'"]),
    "too few resamples": (("+norm=raw", *SMALL, "n_resamples=0"), ["n_resamples=0"]),
    "negative seed": (("+norm=raw", "seed=-1", *SMALL), ["seed=-1"]),
    "no task": (("+norm=raw", *SMALL, "task=[]"), ["task"]),
    "no model": (("+norm=raw", *SMALL, "model=[]"), ["model"]),
    "no metric": (("+norm=raw", *SMALL, "metric=[]"), ["metric"]),
    "one batch": (("+norm=raw", "+data.n_batches=1", *SMALL), ["batch01", "at least 2"]),
    "store under a file": (("+norm=raw", *SMALL, "tracking.uri=sqlite:///file/x.db"), ["tracking", "file/x.db"]),
    "store is no database": (("+norm=raw", *SMALL, "tracking.uri=sqlite:///file"), ["tracking", "not a database"]),
    "no server": (("+norm=raw", *SMALL, "tracking.uri=http://127.0.0.1:9"), ["tracking", "127.0.0.1:9"]),
    "cache under a file": (("+norm=raw", *SMALL, "cache.folder=file/store"), ["file/store", "cache.folder"]),
    "cache as a folder alone": (("+norm=raw", *SMALL, "cache=file/store"), ["file/store"]),
    "cache without a folder": (("+norm=raw", *SMALL, "cache.folder=null"), ["cache.folder=null", "a file or folder"]),
    "cache without room": (("+norm=raw", *SMALL, "cache.max_gb=-1"), ["cache.max_gb=-1"]),
    "cache of words": (("+norm=raw", *SMALL, "cache.max_gb=much"), ["cache.max_gb='much'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_configuration_is_one_line_and_leaves_no_run(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "file").write_text("a file")
    arguments, named = REFUSED[case]
    outcome = run_command(tmp_path, *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.line.startswith("harness: ")
    assert [name for name in named if name not in outcome.line] == []
    assert runs_of(tmp_path) == {}
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "mlruns"}
    assert list(tmp_path.glob("mlruns/store/.*")) == []
    assert (tmp_path / "file").read_text() == "a file"


def test_bad_value_of_a_model_is_one_line_before_anything_is_recorded(folder: Path) -> None:
    outcome = run_command(folder, "+norm=raw", *SMALL, "model.logistic.classifier.C=-1")
    assert outcome.status == 2
    assert "model.logistic.classifier.C=-1: expected a number above 0" in outcome.line
    assert runs_of(folder) == {}


def test_sweep_goes_on_after_a_failure(folder: Path) -> None:
    table = wide()
    first = table.index[(table["Plate"] == "P1") & (table["Compound"] == "DMSO")]
    table.drop(index=first[2:]).to_csv(folder / "plates.csv", index=False)
    outcome = run_command(folder, "-m", "+norm=dmso_within,raw", *TABLES, "data.paths=plates.csv", *MAPPING)
    assert outcome.status == 2
    assert outcome.out.startswith("raw (leave_batch_out): ")
    assert outcome.line.startswith("harness: dmso_within: ")
    assert "'P1'" in outcome.line
    assert "has 2 negative control wells" in outcome.line
    runs = runs_of(folder, "tables")
    assert {name: run.info.status for name, run in runs.items()} == {"raw": "FINISHED", "dmso_within": "FAILED"}
    assert runs["dmso_within"].data.tags["failure"] == outcome.line.removeprefix("harness: dmso_within: ")


@pytest.mark.parametrize("words", [("norm.n_sv=0",), ("-m", "norm.n_sv=0,-1")])
def test_a_normalization_that_names_itself_is_named_once(folder: Path, words: tuple[str, ...]) -> None:
    outcome = run_command(folder, *words, "+norm=sva", *SMALL)
    assert outcome.status == 2
    values = words[-1].partition("=")[2].split(",")
    said = [
        f"harness: sva: norm.n_sv={value}: expected a whole number from 1 to 1,000,000, or auto" for value in values
    ]
    assert outcome.err.splitlines() == said


def test_a_deleted_experiment_is_named(folder: Path) -> None:
    client = client_of(folder)
    client.delete_experiment(client.create_experiment("gone"))
    outcome = run_command(folder, "+norm=raw", *SMALL, "tracking.experiment=gone")
    assert outcome.status == 2
    assert "'gone' was deleted" in outcome.line
    assert "tracking.experiment=NAME" in outcome.line


def test_a_defect_is_a_traceback_and_a_failed_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr("harness.run.training.evaluate_groups", broken)
    outcome = run_command(folder, "+norm=raw", *SMALL)
    assert outcome.status == 1
    assert outcome.err.startswith("Traceback (most recent call last):")
    assert outcome.err.endswith("RuntimeError: a defect of ours\n"), "and nothing of Hydra's with the overrides in it"
    run = runs_of(folder)["raw"]
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "a defect of ours")


def test_an_interrupt_is_one_line_and_a_killed_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.run.training.Training.run", interrupted)
    outcome = run_command(folder, "+norm=raw", *SMALL)
    assert (outcome.status, outcome.line) == (130, "harness: interrupted")
    run = runs_of(folder)["raw"]
    assert (run.info.status, run.data.tags["failure"]) == ("KILLED", "KeyboardInterrupt")


def test_a_damaged_store_is_packed_again_with_a_warning(folder: Path) -> None:
    assert run_command(folder, "+norm=raw", *SMALL).status == 0
    (features,) = (folder / "mlruns/store").glob("*/features.npy")
    features.write_bytes(features.read_bytes()[:-4])
    outcome = run_command(folder, "+norm=raw", *SMALL, "force=true")
    assert outcome.status == 0
    assert outcome.line.startswith("harness: rebuilding: ")


def test_two_commands_at_once_make_one_database(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "harness", *SMALL]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    started = [
        subprocess.Popen(
            [*words, f"+norm={norm}"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for norm in ("raw", "noise")
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [(process.returncode, err) for process, (_, err) in zip(started, ended, strict=True)] == [(0, b"")] * 2
    assert {name: run.info.status for name, run in runs_of(tmp_path).items()} == {
        "raw": "FINISHED",
        "noise": "FINISHED",
    }


def test_simulated_screen_is_kept_once(sweep: Path) -> None:
    stores = [path for path in (sweep / "mlruns/store").iterdir() if path.is_dir()]
    assert len(stores) == 1
    stored = np.load(stores[0] / "features.npy", mmap_mode="r")
    np.testing.assert_array_equal(stored, Demo(size="tiny").profiles().X)
    assert json.loads((stores[0] / "store.json").read_text())["shape"] == list(stored.shape)


def test_settings_of_a_member_that_was_not_chosen_are_ignored_and_it_is_said(folder: Path) -> None:
    outcome = run_command(folder, "+norm=raw", *SMALL, "+audit.controls_vs_controls.n_repeats=5")
    assert outcome.status == 0, outcome.err
    assert "audit.controls_vs_controls is set but not chosen" in outcome.err
