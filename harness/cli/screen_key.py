"""Key of the screen that a configuration names, without importing or reading anything heavy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from harness.cli.screen_error import as_screen_error
from harness.core.exceptions import InputError
from harness.store.lru_cache import DirectoryCache
from harness.store.store import store_folder
from harness.utils.interruption import defer_interrupts


def screen_key(cfg: DictConfig) -> str:
    """Return the key of the screen's content in the store.

    Raises
    ------
    InputError : settings that the reader refuses, or missing files.
    """
    with as_screen_error():
        with defer_interrupts():
            source = make_reader(cfg)
        return store_folder(source, make_cache(cfg.cache)).name


def make_cache(cache: DictConfig | str) -> DirectoryCache:
    """Return the cache of a configuration; a folder alone, ``cache=FOLDER``, has the default bound.

    Raises
    ------
    InputError : no folder, or no number.
    """
    if isinstance(cache, str):
        return DirectoryCache(Path(cache))
    if not isinstance(cache, DictConfig) or not isinstance(cache.folder, str) or not cache.folder:
        raise InputError(f"cache={cache!r}: expected cache.folder=FOLDER, and cache.max_gb=NUMBER")
    return DirectoryCache(Path(cache.folder), cache.max_gb)


def make_reader(cfg: DictConfig) -> Any:
    """Return the reader that ``cfg.data`` describes; ``data.leak_guard`` is no setting of a reader."""
    node = copy.copy(cfg.data)
    with open_dict(node):
        node.pop("leak_guard", None)
    return instantiate(node, _convert_="all")
