"""Members of the configuration groups: the yamls of ``conf/`` and of folders that a user adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.settings.yaml_file import YamlError, compose_yaml

_IN_WHEEL = Path(__file__).resolve().parents[1] / "conf"
CONF = _IN_WHEEL if _IN_WHEEL.is_dir() else Path(__file__).resolve().parents[2] / "conf"  # in a checkout: at the top
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NOT_MEMBERS = ("experiment", "space", "hydra")


@dataclass(frozen=True)
class Groups:
    """Groups and members below ``folders``, in the order in which they are searched."""

    folders: tuple[Path, ...] = (CONF,)

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Groups:
        """Return the groups of ``conf/`` and then of ``folders``."""
        return cls(tuple(dict.fromkeys([CONF, *folders])))

    def groups(self) -> list[str]:
        """Return the names of the groups that have a member."""
        names = {path.parent.name for folder in self.folders for path in _yamls(folder, "*")}
        return sorted(names)

    def members(self, group: str) -> list[str]:
        """Return the names of the members of ``group``."""
        return sorted({path.stem for folder in self.folders for path in _yamls(folder, group)})

    def file(self, group: str, member: str) -> Path | None:
        """Return the yaml of a member; None if there is none."""
        paths = (folder / group / f"{member}.yaml" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def content(self, group: str, member: str) -> Mapping[str, Any]:
        """Return the content of the yaml of a member; empty if it cannot be read."""
        path = self.file(group, member)
        return {} if path is None else read(path)

    def takes_list(self, group: str) -> bool:
        """Return whether members of ``group`` are chosen by a list, each under a key of its own."""
        return any(_has_own_key(read(path)) for path in _yamls(CONF, group))

    def keys(self, group: str) -> dict[str, str]:
        """Return the name of each member by its key, in a group that takes a list."""
        return {str(key): name for name in self.members(group) for key in self.content(group, name)}

    def nodes(self, group: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield member, dotted key of its settings, and its node, of every member of ``group``."""
        for name in self.members(group):
            content = self.content(group, name)
            if "_target_" in content:
                yield name, group, content
            for key, node in content.items():
                if isinstance(node, Mapping) and "_target_" in node and "_target_" not in content:
                    yield name, f"{group}.{key}", node


def _yamls(folder: Path, group: str) -> list[Path]:
    return sorted(folder.glob(f"{group}/*.yaml"))


def _has_own_key(content: Mapping[str, Any]) -> bool:
    nodes = [node for node in content.values() if isinstance(node, Mapping) and "_target_" in node]
    return "_target_" not in content and bool(nodes)


@cache
def read(path: Path) -> Mapping[str, Any]:
    """Return the settings of a yaml, interpolations as they are written; empty if it cannot be read."""
    try:
        compose_yaml(path)
        content = yaml.load(path.read_bytes(), Loader=_LOADER)
    except (YamlError, OSError, yaml.YAMLError):
        return {}
    return content if isinstance(content, Mapping) else {}
