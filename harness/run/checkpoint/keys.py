"""Cache keys of a run and of its checkpoints, derived from a configuration."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run.checkpoint.source_fingerprint import source_fingerprint
from harness.utils.hashing import file_sha256

NO_NUMBER = ("tracking", "cache", "units", "hydra", "processes", "resume", "force")  # settings that change no number
_UNREAD = ("audit", "data", "figure", "formats", "metric")  # by checks; the data are known by their content
_NO_TRIAL = ("workers", "log_trials", "storage")  # the same of tuning


@dataclass(frozen=True)
class RunKey:
    """A configuration and the content of the files that it names; the screen itself is not read.

    Attributes
    ----------
    config : resolved, without settings that change no number, and with hashes behind every string that names files.
    data : key of the screen's content, as the store has it (:func:`harness.store.store.store_folder`).
    """

    config: Mapping[str, Any]
    data: str

    @classmethod
    def from_config(cls, resolved: Mapping[str, Any], data: str) -> RunKey:
        """Return the key of ``resolved``, the whole configuration as plain containers.

        Raises
        ------
        InputError : a file that the configuration names cannot be read.
        """
        config = {key: value for key, value in resolved.items() if key not in NO_NUMBER}
        config["tuning"] = {key: value for key, value in config["tuning"].items() if key not in _NO_TRIAL}
        config["formats"] = sorted({"png", *resolved["tracking"].get("figure_formats", ())})
        return cls({key: node if key == "data" else _with_content(node) for key, node in config.items()}, data)

    @property
    def run_key(self) -> str:
        """Key of the run: a finished run of the same key need not be repeated."""
        return _sha256(source_fingerprint(), self.data, self.config)

    @property
    def checkpoint_prefix(self) -> str:
        """Key of the settings that all checkpoints of a run depend on."""
        shared = {key: self.config[key] for key in ("batch", "norm", "split", "aggregate", "seed")}
        return _sha256(source_fingerprint(), self.data, shared)

    def checkpoint_key(self, kind: str, names: Sequence[str]) -> str:
        """Return the key of one checkpoint: its names and the settings that it depends on beyond the shared ones.

        Parameters
        ----------
        kind : ``evaluation`` of names (task, model, fold), ``report`` of a normalization (fold), ``audit`` (check).
        """
        return _sha256(kind, list(names), self._settings_of(kind, names))

    def _settings_of(self, kind: str, names: Sequence[str]) -> Any:
        config = self.config
        if kind == "evaluation":
            task, model, _ = names
            group = "model" if model in config["model"] else "baseline"
            return [
                config["task"][task],
                config[group][model],
                config["model"].get("encode") if group == "model" else "",
            ]
        if kind == "audit":  # a check may read all of a run but its metrics, figures and other checks
            read = {key: value for key, value in config.items() if key not in _UNREAD}
            return [config["audit"][names[0]], read]
        return None


def _with_content(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _with_content(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_content(value) for value in node]
    files = _files(node) if isinstance(node, str) else []
    return [node, *(file_sha256(path) for path in files)] if files else node


def _files(text: str) -> list[Path]:
    """Return the files that ``text`` names, or matches as a pattern."""
    if not text or "\0" in text or len(text) > 4096:
        return []
    pattern = str(Path(text).expanduser())
    matches = glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]
    return sorted(path for path in map(Path, matches) if path.is_file())


def _sha256(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
