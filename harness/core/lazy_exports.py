"""Public names of a package of members, imported when they are first used."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_CLASS = re.compile(r"^class ([A-Z]\w*)", re.MULTILINE)


def lazy_exports(package: str, folders: Iterable[str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that exports the public classes of its modules.

    ``harness.norm.Raw`` is the class ``Raw`` of ``harness/norm/raw.py``. Modules of folders below are not searched, and
    a module is imported when a class of it is first asked for: importing the package costs nothing.

    Parameters
    ----------
    package : ``__name__`` of the package.
    folders : its ``__path__``.
    """

    @cache
    def modules() -> dict[str, str]:
        """Return the module of each public class."""
        paths = [path for folder in folders for path in sorted(Path(folder).glob("*.py")) if path.stem != "__init__"]
        return {name: path.stem for path in paths for name in _CLASS.findall(path.read_text("utf-8"))}

    def get_attribute(name: str) -> Any:
        if not name[:1].isupper() or name not in modules():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        exported = getattr(import_module(f"{package}.{modules()[name]}"), name)
        setattr(sys.modules[package], name, exported)
        return exported

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules()})

    return get_attribute, list_names
