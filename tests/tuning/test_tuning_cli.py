"""``tuning=optuna`` on the command line: trials below the run, out of the way of a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import SMALL, client_of, run_command, run_compare, runs_of, table_of

pytestmark = pytest.mark.slow

TUNED = ("+norm=raw", *SMALL, "tuning=optuna", "tuning.n_trials=2")


def test_a_tuned_run_has_its_trials_below_it_and_resumes(folder: Path) -> None:
    assert run_command(folder, "+norm=raw", *SMALL).status == 0
    outcome = run_command(folder, *TUNED, "figure=[tuning_history]")
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    client, run = client_of(folder), runs_of(folder)["raw"]
    below = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    trials = table_of(folder, run, "tuning_trials")
    assert len(below) == len(trials) == 6
    assert {r.data.tags["kind"] for r in below} == {"trial"}
    defaults = [r for r in below if r.info.run_name.endswith("trial 0")]
    assert {r.data.params["classifier__C"] for r in defaults} == {"0.01"}
    assert sorted(r.data.metrics["tuning/auroc"] for r in below) == sorted(trials["value"])
    assert len(table_of(folder, run, "tuning_best")) == 3
    assert "figures/tuning_history_dmso_vs_treated_logistic.png" in {
        f.path for f in client.list_artifacts(run.info.run_id, "figures")
    }
    assert run.data.params["tuning.spaces.logistic.classifier__C.high"] == "1"
    again = run_command(folder, *TUNED, "tuning.log_trials=false")
    assert again.err.count("resumed, 2 of 2 trials were there") == 3
    compared = run_compare(folder)
    assert compared.status == 0, compared.err
    assert "raw (tuning=optuna)" in compared.out
    assert "raw (tuning=none)" in compared.out
    assert " trial " not in compared.out


def test_what_cannot_be_tuned_is_one_line(folder: Path) -> None:
    for setting, said in (
        ("tuning.n_trials=0", "tuning.n_trials=0: expected a whole number from 1"),
        ("tuning.timeout=0", "tuning.timeout=0: expected a number above 0"),
        ("tuning.storage=sqlite:////proc/none/o.db", "tuning.storage=sqlite:////proc/none/o.db cannot be used"),
        ("+tuning.spaces.logistic.classifier__D={choices:[1,2]}", "the model has no parameter 'classifier__D'"),
        ("+tuning.spaces.forest.depth={choices:[1,2]}", "tuning.spaces.forest: no such model is chosen"),
        ("+space=logistic", "spaces are not chosen"),
    ):
        outcome = run_command(folder, *TUNED, setting)
        assert outcome.status == 2
        assert said in outcome.line
    assert runs_of(folder) == {}
