"""Evaluate normalizations of image-based screens on batches that the models have never seen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.core.moved_modules import register_moved_modules

if TYPE_CHECKING:
    from harness.core.exceptions import InputError, NotApplicable
    from harness.core.profiles import Profiles
    from harness.data.columns.from_frame import profiles_from_frame
    from harness.norm.engine.normalize import normalize
    from harness.scoring.evaluate import evaluate
    from harness.scoring.score_table import score_table

__version__ = "0.2.0"
__all__ = ["InputError", "NotApplicable", "Profiles", "evaluate", "normalize", "profiles_from_frame", "score_table"]

register_moved_modules()

_MODULES = {
    "InputError": "harness.core.exceptions",
    "NotApplicable": "harness.core.exceptions",
    "Profiles": "harness.core.profiles",
    "evaluate": "harness.scoring.evaluate",
    "normalize": "harness.norm.engine.normalize",
    "profiles_from_frame": "harness.data.columns.from_frame",
    "score_table": "harness.scoring.score_table",
}


def __getattr__(name: str) -> Any:
    """Import what is exported when it is first asked for: ``--help`` needs no scikit-learn, which takes seconds."""
    if name not in _MODULES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    exported = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return exported


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
