"""A memory map that reads ahead of whoever takes plates in order: no other module needs to know how a disk is read."""

from __future__ import annotations

import mmap
import os
import weakref
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.core.exceptions import CorruptedStoreError
from harness.store.checksums import Checksums
from harness.utils.file_lock import mark_in_use

if TYPE_CHECKING:
    from harness.store.well_cache import WellCache

AHEAD = 2  # plates asked of the disk beyond the one taken
HELD = 4  # plates left in this process's memory: those that workers are busy with, and one more
MOST_RUNS = 1024  # of chosen rows, each requested from the disk on its own
KEPT = 0.5  # a file of more than this share of memory would push itself out of the system's cache before it is reread
_ADVISES = hasattr(os, "posix_fadvise") and hasattr(mmap, "MADV_DONTNEED")  # elsewhere it is a plain map


class ReadaheadMemmap(np.memmap[Any, Any]):
    """A read-only map of an npy file, (n_rows, n_features); what is taken from it is a plain array, not a map.

    Rows that begin where those taken last ended are the next plate. As many rows again, :data:`AHEAD` times, are then
    requested from the disk, so that reading and computing overlap, and plates further back leave this process's memory,
    and the system's cache too where the file is larger than :data:`KEPT` of memory: what it cannot keep need not push
    out everything else. Whoever still holds such a plate reads it again. Of rows chosen by number or mask these alone
    are requested; they are copied, and leave memory at once. Any other access gives no advice.

    While it lives the file is marked as used (:func:`harness.utils.file_lock.mark_in_use`). Before rows are given, the
    file must have its size still, and their plates their checksums.

    Parameters
    ----------
    checksums : of the plates; None where they are not known.
    kept : where the wells of these sites are kept; None where that is not worth it.

    Raises
    ------
    OSError, ValueError : the file cannot be read, or is no npy file.
    CorruptedStoreError : it has another size than its header says, or later on, when rows are taken: it was changed.
    """

    _file: int | None  # None in a view or a copy, which gives no advice
    _taken: deque[slice]
    _asked: int
    _mmap: mmap.mmap
    checksums: Checksums | None
    kept: WellCache | None

    def __new__(cls, path: Path, checksums: Checksums | None = None, kept: WellCache | None = None) -> Self:
        file = os.open(path, os.O_RDONLY)
        try:
            mark_in_use(file, path)
            X: Self = np.lib.format.open_memmap(path, mode="r").view(cls)
        except BaseException:
            os.close(file)
            raise
        X._file, X._taken, X._asked, X.checksums = file, deque([slice(0, 0)]), 0, checksums
        X.kept = kept
        weakref.finalize(X, os.close, file)
        X._check_size(file)
        return X

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self._file = None
        self.checksums = self.kept = None

    def _check_size(self, file: int) -> None:
        size, expected = os.fstat(file).st_size, self.offset + self.nbytes
        if size != expected:  # rows beyond the end cannot be read: the system would kill this process
            raise CorruptedStoreError(
                f"{self.filename}: has {size} bytes; expected {expected}; run again to make it anew"
            )

    def __reduce__(self) -> Any:
        """To another process goes the file's path; of views and copies, which are no maps of a file, their values."""
        if self._file is None:
            return np.asarray(self).__reduce__()
        return type(self), (Path(str(self.filename)), self.checksums, self.kept)

    def __getitem__(self, index: Any) -> Any:
        chosen = None if self._file is None else self._prepare(self._file, index)
        taken = super().__getitem__(index)
        if chosen is not None:
            self._release(slice(int(chosen[0]), int(chosen[-1]) + 1))  # they were copied
        return taken.view(np.ndarray) if isinstance(taken, ReadaheadMemmap) else taken

    def _prepare(self, file: int, index: Any) -> NDArray[np.intp] | None:
        """Check what ``index`` takes and advise the system of it; numbers of the rows that are copied, if any are."""
        self._check_size(file)
        chosen = None
        if _ADVISES and isinstance(index, slice) and index.step is None:
            self._advise(file, slice(*index.indices(len(self))))
        elif _ADVISES and (chosen := self._chosen(index)) is not None:
            self._request(file, chosen)
        if self.checksums is not None:
            self.checksums.check(self.view(np.ndarray), index)
        return chosen

    def _advise(self, file: int, rows: slice) -> None:
        in_order = rows.start in (0, self._taken[-1].stop)
        if rows.start != self._taken[-1].stop:
            self._taken.clear()
            self._asked = 0
        self._taken.append(rows)
        ahead = slice(max(rows.stop, self._asked), rows.stop + AHEAD * (rows.stop - rows.start))
        if in_order and ahead.start < min(ahead.stop, len(self)):
            begin, end = self._bytes(ahead)
            os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_WILLNEED)
            self._asked = ahead.stop
        if len(self._taken) > HELD:
            begin, end = self._release(self._taken.popleft())
            if begin < end and self.nbytes > KEPT * _memory():
                os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_DONTNEED)

    def _chosen(self, index: Any) -> NDArray[np.intp] | None:
        """Return numbers of the rows that ``index`` chooses, ascending; None where it is no array of numbers or a
        mask.
        """
        if not isinstance(index, np.ndarray) or index.ndim != 1:
            return None
        rows = np.flatnonzero(index) if index.dtype == bool else np.sort(index)
        return rows if len(rows) and rows[0] >= 0 else None

    def _request(self, file: int, rows: NDArray[np.intp]) -> None:
        """Ask the disk for these rows and no others: left to itself the system reads far around each of them."""
        first = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
        if len(first) <= MOST_RUNS:
            for start, stop in zip(first, [*first[1:], len(rows)], strict=True):
                begin, end = self._bytes(slice(int(rows[start]), int(rows[stop - 1]) + 1))
                os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_WILLNEED)

    def _release(self, rows: slice) -> tuple[int, int]:
        """Let the whole pages of these rows leave this process's memory; where they begin and end."""
        page = mmap.PAGESIZE
        begin, end = self._bytes(rows)
        begin, end = -(-begin // page) * page, end // page * page
        if begin < end:
            self._mmap.madvise(mmap.MADV_DONTNEED, begin, end - begin)
        return begin, end

    def _bytes(self, rows: slice) -> tuple[int, int]:
        """Where these rows begin and end in the file, and in the map, which begins with the file."""
        begin, end = (self.offset + min(row, len(self)) * self.strides[0] for row in (rows.start, rows.stop))
        return begin, end


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
