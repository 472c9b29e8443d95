"""A run stored in MLflow, read only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from harness.core.exceptions import InputError
from harness.tracking.request_limits import request_limits
from harness.tracking.server_client import client_of, with_retries

_SECONDS = 60.0  # for an answer, in addition to the time that the file itself takes


@dataclass(frozen=True)
class MlflowRun:
    """A run stored in MLflow: its tags, parameters and metrics, and its files on request."""

    run: Run
    uri: str

    @property
    def name(self) -> str:
        return str(self.run.info.run_name)

    @property
    def status(self) -> str:
        return str(self.run.info.status)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.run.data.tags)

    @property
    def params(self) -> dict[str, str]:
        return dict(self.run.data.params)

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.run.data.metrics)

    def table(self, name: str) -> pd.DataFrame:
        """Return a stored table.

        Raises
        ------
        InputError : the run has no such table.
        """
        try:
            return pd.read_parquet(self._local_path(f"tables/{name}.parquet"))
        except (OSError, MlflowException) as error:
            raise InputError(f"run {self.name} ({self.run.info.run_id}) lacks table {name!r}: {error}") from error

    def file(self, path: str) -> bytes:
        """Return a stored artifact, e.g. ``figures/umap.png``.

        Raises
        ------
        InputError : the run has no such artifact.
        """
        try:
            return Path(self._local_path(path)).read_bytes()
        except (OSError, MlflowException) as error:
            raise InputError(f"run {self.name} ({self.run.info.run_id}) lacks {path!r}: {error}") from error

    def _local_path(self, path: str) -> str:
        """Return a path on this machine at which an artifact can be read; a server's is downloaded."""
        folder = str(self.run.info.artifact_uri)
        with request_limits(retries=2, timeout=_SECONDS):
            if folder.startswith("file:"):
                return str(download_artifacts(artifact_uri=f"{folder}/{path}", tracking_uri=self.uri))
            source = f"runs:/{self.run.info.run_id}/{path}"
            download = partial(download_artifacts, artifact_uri=source, tracking_uri=self.uri)
            return str(with_retries(download, n_bytes=self._size(path)))

    def _size(self, path: str) -> int:
        """Return the size of an artifact in bytes as the server reports it; 0 if it is unknown."""
        folder = str(PurePosixPath(path).parent)
        files = client_of(self.uri).list_artifacts(self.run.info.run_id, None if folder == "." else folder)
        return sum(file.file_size or 0 for file in files if file.path == path)
