"""Figures of a run: one file per figure."""

from harness.core.lazy_exports import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __path__)
