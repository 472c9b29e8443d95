"""What a configuration asks for, as keys of what it makes: of the run, and of each unit of its work."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run.checkpoint.source_fingerprint import source_fingerprint
from harness.settings.number_neutral import changes_numbers
from harness.utils.hashing import file_sha256

_UNREAD = ("audit", "data", "figure", "formats", "metric")  # by checks; the data are known by their content


@dataclass(frozen=True)
class RunKey:
    """A configuration and the content of what it names; nothing of the screen is read for it.

    Attributes
    ----------
    config : resolved, without what changes no number, and with a digest behind every string that names files.
    data : key of the screen's content, as the store has it (:func:`harness.store.store.store_folder`).
    """

    config: Mapping[str, Any]
    data: str

    @classmethod
    def of(cls, resolved: Mapping[str, Any], data: str) -> RunKey:
        """Return ``resolved``: the whole configuration as plain containers.

        Raises
        ------
        InputError : a file that is named cannot be read.
        """
        config = {key: value for key, value in resolved.items() if changes_numbers(key)}
        config["tuning"] = {key: value for key, value in config["tuning"].items() if changes_numbers(f"tuning.{key}")}
        config["formats"] = sorted({"png", *resolved["tracking"].get("figure_formats", ())})
        return cls({key: node if key == "data" else _with_content(node) for key, node in config.items()}, data)

    @property
    def run(self) -> str:
        """Key of the run: equal where a finished run is what is asked for."""
        return _sha256(source_fingerprint(), self.data, self.config)

    @property
    def setting(self) -> str:
        """Key of what all units of a run share."""
        shared = {key: self.config[key] for key in ("batch", "norm", "split", "aggregate", "seed")}
        return _sha256(source_fingerprint(), self.data, shared)

    def unit(self, kind: str, names: Sequence[str]) -> str:
        """Return key of a unit beside :attr:`setting`: its names and the settings that it alone depends on.

        Parameters
        ----------
        kind : ``evaluation`` of names (task, model, fold), ``report`` of a normalization (fold), ``audit`` (check).
        """
        return _sha256(kind, list(names), self._own(kind, names))

    def _own(self, kind: str, names: Sequence[str]) -> Any:
        config = self.config
        if kind == "evaluation":
            task, model, _ = names
            group = "model" if model in config["model"] else "baseline"
            return [
                config["task"][task],
                config[group][model],
                config["model"].get("encode") if group == "model" else "",
            ]
        if kind == "audit":  # a check may read whatever a run knows but its metrics, figures and other checks
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
    """Return files that ``text`` names, or matches."""
    if not text or "\0" in text or len(text) > 4096:
        return []
    pattern = str(Path(text).expanduser())
    found = glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]
    return sorted(path for path in map(Path, found) if path.is_file())


def _sha256(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
