"""Files, folders, links and pipes of somebody else, and whether they are still what they were."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

QUICK = ("+norm=raw", "data.size=tiny", "model=[logistic]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=20")

OLD = 1_000_000_000  # seconds since 1970: years before any test
Make = Callable[[Path], None]


def _text(path: Path) -> None:
    path.write_text("mine\n")


def _table(path: Path) -> None:
    pd.DataFrame({"Metadata_Plate": ["p1"], "Cells_Area": [1.5]}).to_parquet(path)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine\n")
    (path / "deeper").mkdir()
    (path / "deeper/mine.csv").write_text("a,b\n")


def _link(path: Path) -> None:
    target = path.parent.parent / "somewhere else.txt"
    target.write_text("mine\n")
    path.symlink_to(target)


def _link_to_folder(path: Path) -> None:
    target = path.parent.parent / "a folder elsewhere"
    target.mkdir(exist_ok=True)
    (target / "mine.txt").write_text("mine\n")
    path.symlink_to(target)


KINDS: dict[str, Make] = {
    "text": _text,
    "table": _table,
    "folder": _folder,
    "link": _link,
    "link to a folder": _link_to_folder,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link in a circle": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo,
}


def settle(path: Path, make: Make) -> Path:
    """Make it, last changed years ago."""
    make(path)
    os.utime(path, (OLD, OLD), follow_symlinks=False)
    return path


def state(path: Path) -> object:
    """All that is at a path: kind, time of change, content or target; of a folder also that of what is in it."""
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if stat.S_ISLNK(kind):
        target = path.parent / os.readlink(path)
        return kind, status.st_mtime, os.readlink(path), state(target) if path.exists() else None
    if stat.S_ISDIR(kind):
        return kind, {child.name: state(child) for child in path.iterdir()}
    return kind, status.st_mtime, path.read_bytes() if stat.S_ISREG(kind) else None


@contextmanager
def no_hang(seconds: int = 60) -> Iterator[None]:
    """Fail if the block takes longer."""

    def fail(*_: object) -> None:
        raise AssertionError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
