"""The code that decides numbers, as a hash: results of another version are not taken over."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "lightgbm", "umap-learn", "optuna", "pandas", "ruptures")
_ROOT = Path(__file__).resolve().parents[2]
_DECIDES_NO_NUMBER = frozenset(
    {"apply", "cli", "compare", "explore", "inspect", "montage", "program", "tracking"}
)  # packages that ask for numbers, show them or keep them


@cache
def source_fingerprint() -> str:
    """Return SHA-256 over the package's source files but those that only present, and the versions of the libraries."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in LIBRARIES]).encode())
    for path in sorted(_ROOT.rglob("*.py")):
        place = path.relative_to(_ROOT)
        if len(place.parts) > 1 and place.parts[0] not in _DECIDES_NO_NUMBER:
            digest.update(f"\0{place.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
