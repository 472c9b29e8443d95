"""Checksums of the plates of a packed screen, which reveal bits that flipped on the disk or while copying."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.arrays import Floats
from harness.core.exceptions import CorruptedStoreError

DAMAGED = "damaged"  # a file of this name in an entry marks it as damaged: it is built again
_WORDS = 1024
_WEIGHTS = np.cumprod(np.full(_WORDS, 0x9E3779B97F4A7C15, dtype=np.uint64))  # powers of an odd number: all odd


def checksum(X: Floats) -> int:
    """Return a 32-bit checksum of the values of X and their order; it changes whenever one bit does.

    Each 8 KB block becomes the sum of its 64-bit words times odd weights (modulo 2^64, a multilinear hash), and the
    CRC-32 is that of the sums. Several times as fast as the CRC-32 of the bytes,
    and other threads can compute meanwhile.
    """
    values = np.ascontiguousarray(X).reshape(-1).view(np.uint8)
    end = len(values) // (8 * _WORDS) * (8 * _WORDS)
    sums = values[:end].view("<u8").reshape(-1, _WORDS) @ _WEIGHTS
    return zlib.crc32(values[end:].tobytes(), zlib.crc32(sums.astype("<u8").tobytes()))


class Checksums:
    """Checksums of the plates of a file; each plate is compared once per process, before it is first read.

    Parameters
    ----------
    path : of the file, for the message.
    plates, ends, sums : name of each plate, the row after its last one, and its checksum.
    """

    def __init__(self, path: Path, plates: Sequence[str], ends: Sequence[int], sums: Sequence[int]) -> None:
        if not len(plates) == len(ends) == len(sums):
            raise CorruptedStoreError(f"{path}: {len(sums)} checksums of {len(plates)} plates")
        self.path = path
        self.plates, self.ends, self.sums = list(plates), np.array(ends, dtype=np.int64), list(sums)
        self._unchecked = np.ones(len(self.sums), dtype=bool)

    def __reduce__(self) -> Any:
        """Pickle without the results of comparisons: another process compares for itself."""
        return type(self), (self.path, self.plates, self.ends, self.sums)

    def check(self, X: Floats, index: Any) -> None:
        """Compare the plates that ``X[index]`` reads with their checksums; X is the whole file.

        Raises
        ------
        CorruptedStoreError : names file and plate; the store is marked, so that the next run builds it again.
        """
        if not self._unchecked.any():
            return
        for plate in self._plates_read(index, len(X)):
            begin = self.ends[plate - 1] if plate else 0
            if self._unchecked[plate] and checksum(X[begin : self.ends[plate]]) != self.sums[plate]:
                self._refuse(self.plates[plate])
            self._unchecked[plate] = False

    def _plates_read(self, index: Any, n_rows: int) -> Any:
        """Return the numbers of the plates that ``index`` reads."""
        rows = index[0] if isinstance(index, tuple) else index
        if isinstance(rows, slice) and rows.step is None:
            begin, end, _ = rows.indices(n_rows)
            first, last = np.searchsorted(self.ends, [begin, end - 1], side="right")
            return range(first, last + 1) if begin < end else ()
        return np.unique(np.searchsorted(self.ends, np.arange(n_rows)[rows], side="right"))

    def _refuse(self, plate: str) -> None:
        text = f"{self.path}: plate {plate!r} differs from the plate that was written: it was damaged since"
        try:
            (self.path.parent / DAMAGED).touch()
        except OSError as error:
            raise CorruptedStoreError(f"{text}; remove the folder and run again ({error})") from error
        raise CorruptedStoreError(f"{text}; run again to build it anew")
