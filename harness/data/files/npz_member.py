"""Read one array of an npz file, without the others and without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.exceptions import InputError
from harness.data.files.memory_limit import check_memory
from harness.utils.text import preview


def read_member(path: Path, names: Sequence[str], *, source: str) -> NDArray[np.floating | np.integer]:
    """Read the first array of ``names`` that the file holds, numbers of any shape.

    The other arrays are not read: they may be pickled objects, which would run code when they are read.

    Raises
    ------
    InputError : names ``source`` and the problem: absent, empty, truncated, corrupt, no numbers, needs pickle, or
        promises more than this machine's memory.
    """
    with npz_errors(source):
        if path.stat().st_size == 0:
            raise InputError(f"{source}: is empty: 0 bytes; expected an npz file")
        with zipfile.ZipFile(path) as archive:
            available = [name.removesuffix(".npy") for name in archive.namelist()]
            name = next((name for name in names if name in available), None)
            if name is None:
                raise InputError(f"{source}: no array {' or '.join(map(repr, names))}; found {preview(available)}")
            _check_promise(archive, f"{name}.npy" if f"{name}.npy" in archive.namelist() else name, source)
        with np.load(path, allow_pickle=False) as file:
            array: NDArray[np.floating | np.integer] = file[name]
    if array.dtype.kind not in "fiu":
        raise InputError(f"{source}: the array {name!r} holds {array.dtype}; expected numbers")
    return array


def _check_promise(archive: zipfile.ZipFile, name: str, source: str) -> None:
    """Refuse an array that is, by its header, larger than the data that follows it, or than memory."""
    info = archive.getinfo(name)
    check_memory(info.file_size, source=source)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(stream)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > info.file_size:
            raise InputError(f"{source}: corrupt npz (an array of {shape} in {info.file_size} bytes); copy it again")


@contextmanager
def npz_errors(source: str) -> Iterator[None]:
    """Turn the errors of reading an npz file into one line that begins with ``source``.

    Raises
    ------
    InputError : truncated, corrupt, too large for memory, or not readable without pickle.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{source}: an array does not fit into memory ({error}); if the file is smaller than that it is corrupt"
        ) from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{source}: corrupt or truncated npz ({_line(error)}); copy or write the file again"
        ) from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # contents of a header
        if isinstance(error, ValueError) and "pickle" in str(error):
            raise InputError(
                f"{source}: is not an npz of plain arrays: reading it needs pickle, which could run code and is "
                "refused; save numbers and text, not objects (names.astype(str))"
            ) from error
        raise InputError(f"{source}: corrupt npz ({_line(error)}); copy or write the file again") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
