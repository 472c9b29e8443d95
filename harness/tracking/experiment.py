"""Checks of an experiment before runs are recorded in it, or read from it."""

from __future__ import annotations

import os

from mlflow.entities import Experiment

from harness.core.exceptions import InputError
from harness.tracking.moved_database import local_path

_DEFAULT_ARTIFACTS = "mlruns/artifacts"  # used if the experiment is created, and not checked later


def active_id(experiment: Experiment) -> str:
    """Return the id of an experiment.

    Raises
    ------
    InputError : it was deleted.
    """
    if experiment.lifecycle_stage == "deleted":
        raise InputError(
            f"tracking: experiment {experiment.name!r} was deleted; restore it (mlflow experiments restore "
            f"--experiment-id {experiment.experiment_id}) or choose another with tracking.experiment=NAME"
        )
    return str(experiment.experiment_id)


def refuse_other_artifacts(experiment: Experiment, artifacts: str | None) -> None:
    """Refuse another folder for artifacts than the experiment has: MLflow would ignore it.

    Raises
    ------
    InputError : names both folders.
    """
    folder = local_path(str(experiment.artifact_location))
    if artifacts in (None, _DEFAULT_ARTIFACTS) or folder is None:
        return
    if os.path.realpath(str(artifacts)) != os.path.realpath(folder):
        raise InputError(
            f"tracking.artifacts={artifacts}: experiment {experiment.name!r} keeps its files in {folder}; "
            "leave tracking.artifacts out, or choose another experiment with tracking.experiment=NAME"
        )
