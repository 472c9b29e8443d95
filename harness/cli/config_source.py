"""Check the yamls of users before Hydra reads them, so that a broken one is one line."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import AnyNode, Container, DictConfig, ListConfig

from harness.core.exceptions import InputError
from harness.core.moved_modules import present_target
from harness.settings.members import CONF
from harness.settings.yaml_file import YamlError, compose_yaml


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's source of configurations in a folder, with checked yamls.

    It has the name of Hydra's class: a worker of a sweep receives the registry with this one in it and then registers
    Hydra's own, which is refused if a class of another name is registered.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a configuration.

        Raises
        ------
        InputError : a yaml that cannot be used, with file and line.
        """
        path = Path(self.path, self._normalize_file_name(config_path))
        if path.is_file() and Path(self.path).resolve() != CONF:
            try:
                compose_yaml(path)
            except YamlError as error:
                raise InputError(str(error)) from error
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
            result = super().load_config(config_path)
            _rename_targets(result.config, path)
            return result
        return deepcopy(_packaged(self.provider, self.path, config_path))


def _rename_targets(node: Container, path: Path) -> None:
    """Replace old names of classes in ``_target_`` at and below ``node``, read from ``path``."""
    for key in range(len(node)) if isinstance(node, ListConfig) else list(node):
        value = node._get_node(key)
        if isinstance(value, DictConfig | ListConfig) and not (value._is_none() or value._is_missing()):
            _rename_targets(value, path)
        elif key == "_target_" and isinstance(value, AnyNode) and isinstance(target := value._value(), str):
            node[key] = present_target(target, path)


@cache
def _packaged(provider: str, path: str, config_path: str) -> ConfigResult:
    """Return a configuration of ``conf/``, read once: a sweep composes it for every job."""
    return file_config_source.FileConfigSource(provider, path).load_config(config_path)


def register_config_source() -> None:
    """Make Hydra read files by :class:`FileConfigSource`."""
    Plugins.instance()  # registers Hydra's own sources
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
