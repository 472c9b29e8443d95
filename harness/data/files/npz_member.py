"""One array of an npz file, read without the others and without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.exceptions import InputError
from harness.data.files.memory_limit import check_memory
from harness.utils.text import preview


def read_member(path: Path, names: Sequence[str], *, source: str) -> NDArray[np.floating | np.integer]:
    """Return the first array of ``names`` that the file holds, numbers of any shape.

    The other arrays are not touched: they may be pickled objects, which would run code when they are read.

    Raises
    ------
    InputError : ``source`` and what is wrong: absent, empty, truncated, corrupt, no numbers, needs pickle, or promises
        more than this machine's memory.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{source}: is empty: 0 bytes; expected an npz file")
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            name = next((name for name in names if name in held), None)
            if name is None:
                raise InputError(f"{source}: no array {' or '.join(map(repr, names))}; found {preview(held)}")
            _check_promise(archive, f"{name}.npy" if f"{name}.npy" in archive.namelist() else name, source)
        with np.load(path, allow_pickle=False) as file:
            array: NDArray[np.floating | np.integer] = file[name]
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{source}: an array does not fit into memory ({error}); the file may be corrupt") from error
    except ValueError as error:
        if "pickle" in str(error):
            raise InputError(
                f"{source}: the array {name!r} needs pickle, which could run code and is refused; expected numbers"
            ) from error
        raise InputError(f"{source}: corrupt npz ({_line(error)}); copy or write the file again") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{source}: corrupt or truncated npz ({_line(error)}); copy or write it again") from error
    except (TypeError, KeyError, OverflowError) as error:  # what a header says of an array
        raise InputError(f"{source}: corrupt npz ({_line(error)}); copy or write the file again") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{source}: the array {name!r} holds {array.dtype}; expected numbers")
    return array


def _check_promise(archive: zipfile.ZipFile, name: str, source: str) -> None:
    """Refuse an array that the header says to be larger than what follows it, or than memory."""
    info = archive.getinfo(name)
    check_memory(info.file_size, source=source)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(stream)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > info.file_size:
            raise InputError(f"{source}: corrupt npz (an array of {shape} in {info.file_size} bytes); copy it again")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
