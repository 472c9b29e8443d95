"""Try to read an HDF5 file in another process, because HDF5 may loop or crash on a damaged file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.core.exceptions import InputError

SECONDS = 60.0  # far more than tables and attributes take
# Errors are not reported here: the actual reading meets them again.
_SCRIPT = """
import sys, h5py

def read(member, depth):
    for name in list(member.attrs):
        member.attrs[name]
    if isinstance(member, h5py.Group) and depth:
        for name in member:
            if not isinstance(member.get(name, getlink=True), h5py.ExternalLink):
                read(member[name], depth - 1)
    elif isinstance(member, h5py.Dataset) and not member.external and not member.is_virtual:
        member[()] if member.ndim < 2 and member.size < 100_000_000 else member[:1]

try:
    with h5py.File(sys.argv[1], "r", locking=False) as file:
        for part in ("obs", "var", "X", "layers", "obsm", "raw"):
            if part in file:
                read(file[part], 4)
except Exception:
    pass
"""


def try_reading(path: Path) -> None:
    """Read the tables, the attributes and the first row of the matrices of a file, and forget them.

    Raises
    ------
    InputError : HDF5 needed longer than :data:`SECONDS`, or crashed.
    """
    command = [sys.executable, "-P", "-c", _SCRIPT, str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{path}: was not read within {SECONDS:g} s, as happens with a corrupt .h5ad file; copy or write it again"
        ) from None
    if done.returncode < 0:
        raise InputError(f"{path}: HDF5 crashed on it: a corrupt .h5ad file; copy or write it again")
