"""Trivial predictors to compare models with: one file per baseline."""

from harness.core.lazy_exports import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __path__)
