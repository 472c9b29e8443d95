"""A memory map that reads ahead when plates are read in order: no other module knows how a disk is read."""

from __future__ import annotations

import mmap
import os
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.core.exceptions import CorruptedStoreError
from harness.store.checksums import Checksums
from harness.store.manifest import as_corruption_error
from harness.utils.file_lock import mark_in_use

PLATES_AHEAD = 2  # plates requested from the disk beyond the one that is read
PLATES_RESIDENT = 4  # plates that stay in this process's memory: those that workers are busy with, and one more
MAX_RUNS = 1024  # runs of selected rows, each requested from the disk on its own
DROP_ABOVE_MEMORY_SHARE = 0.5  # a larger file would push itself out of the system's cache before it is reread
AT_ONCE = 1 << 28  # an array of at most so many bytes is compared with its checksums when it is opened
_ADVISES = hasattr(os, "posix_fadvise") and hasattr(mmap, "MADV_DONTNEED")  # elsewhere it is a plain map


class ReadaheadMemmap(np.memmap[Any, Any]):
    """Read-only map of an npy file, (n_rows, n_features); indexing gives a plain array, not a map.

    Rows that begin where the last ones ended are the next plate. :data:`PLATES_AHEAD` times as many rows are then
    requested from the disk, so that reading and computing overlap. Plates further back leave this process's memory,
    and, if the file is larger than :data:`DROP_ABOVE_MEMORY_SHARE` of memory, the system's cache as well, so that they
    do not push out everything else; a reference to such a plate stays valid and reads it again. Of rows selected by
    number or mask only these are requested; they are copied, and leave memory at once. Any other access gives no
    advice.

    While the map lives, the file is marked as in use (:func:`harness.utils.file_lock.mark_in_use`). Before rows are
    returned, the size of the file and the checksums of their plates are compared.

    Parameters
    ----------
    checksums : of the plates; None if they are not known.

    Raises
    ------
    OSError, ValueError : the file cannot be read, or is no npy file.
    CorruptedStoreError : it has another size than its header says, or, when rows are read: it was changed.
    """

    _file: int | None  # None in a view or a copy, which gives no advice
    _recent: deque[slice]
    _requested_until: int
    _mmap: mmap.mmap
    checksums: Checksums | None

    def __new__(cls, path: Path, checksums: Checksums | None = None) -> Self:
        file = os.open(path, os.O_RDONLY)
        try:
            mark_in_use(file, path)
            X: Self = np.lib.format.open_memmap(path, mode="r").view(cls)
        except BaseException:
            os.close(file)
            raise
        X._file, X._recent, X._requested_until, X.checksums = file, deque([slice(0, 0)]), 0, checksums
        weakref.finalize(X, os.close, file)
        X._check_size(file)
        return X

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self._file = None
        self.checksums = None

    def _check_size(self, file: int) -> None:
        size, expected = os.fstat(file).st_size, self.offset + self.nbytes
        if size != expected:  # rows beyond the end cannot be read: the system would kill this process
            raise CorruptedStoreError(
                f"{self.filename}: has {size} bytes; expected {expected}; run again to build it anew"
            )

    def __reduce__(self) -> Any:
        """Pickle the path of the file; of views and copies, which map no file, the values."""
        if self._file is None:
            return np.asarray(self).__reduce__()
        return type(self), (Path(str(self.filename)), self.checksums)

    def __getitem__(self, index: Any) -> Any:
        selected = None if self._file is None else self._prepare(self._file, index)
        values = super().__getitem__(index)
        if selected is not None:
            self._release(slice(int(selected[0]), int(selected[-1]) + 1))  # they were copied
        return values.view(np.ndarray) if isinstance(values, ReadaheadMemmap) else values

    def _prepare(self, file: int, index: Any) -> NDArray[np.intp] | None:
        """Check what ``index`` reads and advise the system; return the numbers of the rows that are copied, if any."""
        self._check_size(file)
        selected = None
        if _ADVISES and isinstance(index, slice) and index.step is None:
            self._advise(file, slice(*index.indices(len(self))))
        elif _ADVISES and (selected := _selected_rows(index)) is not None:
            self._request(file, selected)
        if self.checksums is not None:
            self.checksums.check(self.view(np.ndarray), index)
        return selected

    def _advise(self, file: int, rows: slice) -> None:
        in_order = rows.start in (0, self._recent[-1].stop)
        if rows.start != self._recent[-1].stop:
            self._recent.clear()
            self._requested_until = 0
        self._recent.append(rows)
        ahead = slice(max(rows.stop, self._requested_until), rows.stop + PLATES_AHEAD * (rows.stop - rows.start))
        if in_order and ahead.start < min(ahead.stop, len(self)):
            begin, end = self._bytes(ahead)
            os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_WILLNEED)
            self._requested_until = ahead.stop
        if len(self._recent) > PLATES_RESIDENT:
            begin, end = self._release(self._recent.popleft())
            if begin < end and self.nbytes > DROP_ABOVE_MEMORY_SHARE * _memory():
                os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_DONTNEED)

    def _request(self, file: int, rows: NDArray[np.intp]) -> None:
        """Request these rows from the disk and no others: left to itself the system reads far around each of them."""
        first = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
        if len(first) <= MAX_RUNS:
            for start, stop in zip(first, [*first[1:], len(rows)], strict=True):
                begin, end = self._bytes(slice(int(rows[start]), int(rows[stop - 1]) + 1))
                os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_WILLNEED)

    def _release(self, rows: slice) -> tuple[int, int]:
        """Let the whole pages of these rows leave this process's memory; return where they begin and end."""
        page = mmap.PAGESIZE
        begin, end = self._bytes(rows)
        begin, end = -(-begin // page) * page, end // page * page
        if begin < end:
            self._mmap.madvise(mmap.MADV_DONTNEED, begin, end - begin)
        return begin, end

    def _bytes(self, rows: slice) -> tuple[int, int]:
        """Return where these rows begin and end in the file, and in the map, which begins with the file."""
        begin, end = (self.offset + min(row, len(self)) * self.strides[0] for row in (rows.start, rows.stop))
        return begin, end


def _selected_rows(index: Any) -> NDArray[np.intp] | None:
    """Return the numbers of the rows that ``index`` selects, ascending; None if it is no array of numbers or mask."""
    if not isinstance(index, np.ndarray) or index.ndim != 1:
        return None
    rows = np.flatnonzero(index) if index.dtype == bool else np.sort(index)
    return rows if len(rows) and rows[0] >= 0 else None


def open_array(folder: Path, name: str, manifest: Mapping[str, Any]) -> ReadaheadMemmap:
    """Return the npy file ``name`` of a store, read-only, float32 and of the shape that its ``manifest`` gives.

    A plate of a large array is compared with its checksum when it is read.

    Raises
    ------
    CorruptedStoreError : absent, unreadable, of another shape or size, or changed after it was written.
    """
    path = folder / name
    with as_corruption_error(path):
        shape = (int(manifest["shape"][0]), int(manifest["shape"][1]))
        sums = manifest["checksums"][name] if "checksums" in manifest else None  # an earlier version wrote none
        checksums = None if sums is None else Checksums(path, manifest["plates"], manifest["ends"], sums)
        X = ReadaheadMemmap(path, checksums)
    if X.shape != shape or X.dtype != np.float32 or not X.flags.c_contiguous:
        raise CorruptedStoreError(f"{path}: holds {X.dtype} {X.shape}; expected float32 {shape}")
    if checksums is not None and X.nbytes <= AT_ONCE:
        checksums.check(X.view(np.ndarray), ...)
    return X


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
