"""The audit of a run: one check per file, and the verdict that summarizes what they find."""

from harness.core.lazy_exports import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __path__)
