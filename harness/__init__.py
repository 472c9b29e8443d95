"""Evaluate normalizations of image-based screens on batches that the models have never seen."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.errors import InputError, NotApplicable
    from harness.evaluate import evaluate
    from harness.norm.normalize import normalize
    from harness.score import score_table
    from harness.types import Profiles

__all__ = ["InputError", "NotApplicable", "Profiles", "evaluate", "normalize", "score_table"]

_MODULES = {
    "InputError": "harness.errors",
    "NotApplicable": "harness.errors",
    "Profiles": "harness.types",
    "evaluate": "harness.evaluate",
    "normalize": "harness.norm.normalize",
    "score_table": "harness.score",
}


class _Package(ModuleType):
    """Import what is exported when it is first asked for: ``--help`` needs no scikit-learn, which takes seconds."""

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'harness' has no attribute {name!r}")
        exported = getattr(import_module(_MODULES[name]), name)
        self.__dict__[name] = exported
        return exported

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODULES and isinstance(value, ModuleType):
            return  # the import system sets harness.evaluate to the module, in place of its function of that name
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
