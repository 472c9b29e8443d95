"""Fingerprint of the source files and library versions that affect results."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "lightgbm", "umap-learn", "optuna", "pandas", "ruptures")
_ROOT = Path(__file__).resolve().parents[2]
_WITHOUT_EFFECT = frozenset(
    {"apply", "cli", "compare", "explore", "inspect", "montage", "program", "tracking"}
)  # packages that request, present or record results


@cache
def source_fingerprint() -> str:
    """Return a SHA-256 over the source files, but those that change no number, and the versions of the libraries."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for path in sorted(_ROOT.rglob("*.py")):
        place = path.relative_to(_ROOT)
        if len(place.parts) > 1 and place.parts[0] not in _WITHOUT_EFFECT:
            digest.update(f"\0{place.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
