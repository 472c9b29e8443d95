"""Work that other processes do beside this one: audit checks while models train."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.utils.processes import processes
from harness.utils.temporary_folder import temporary_folder, writing_to

Do = Callable[[str], Any]
Warned = list[tuple[type[Warning], str, str, int]]  # category, text, file and line


class Beside:
    """Named pieces of work, begun in order in other processes; what has not begun when asked for is done here.

    Attributes
    ----------
    do : does a piece here: name to result. The other processes have their own, made from the same payload.
    """

    def __init__(self, do: Do, begun: dict[str, Future[tuple[Any, Warned]]]) -> None:
        self.do = do
        self._begun = begun

    def results(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield name and result of each piece, as they come: what never was to be done elsewhere first, then from the
        end.
        """
        waiting = [name for name in names if name in self._begun]
        for name in names:
            if name not in self._begun:
                yield name, self.do(name)
        for name in [n for n in reversed(waiting) if self._begun[n].cancel()]:
            waiting.remove(name)
            yield name, self.do(name)
        for name in waiting:
            yield name, self._fetch(name)

    def _fetch(self, name: str) -> Any:
        try:
            result, warned = self._begun[name].result()
        except BrokenProcessPool:
            warnings.warn("a helping process ended unexpectedly; its work is done again in this one", stacklevel=2)
            processes.cache_clear()
            return self.do(name)
        for category, text, filename, line in warned:
            warnings.warn_explicit(text, category, filename, line)
        return result


@contextmanager
def beside(make: Callable[..., Do], *payload: Any, do: Do, names: Sequence[str], n: int) -> Iterator[Beside]:
    """Begin ``make(*payload)(name)`` for each of ``names`` in ``n`` other processes; none where ``n`` is 0.

    ``make`` and ``payload`` are pickled, once for all; memory maps go as the paths of their files. The processes stay
    for the next call, because they take seconds to start. Each keeps the last ``make(*payload)``.
    """
    if n < 1 or not names:
        yield Beside(do, {})
        return
    with temporary_folder() as folder:
        path = folder / "payload.pickle"
        with writing_to(folder):
            path.write_bytes(pickle.dumps((make, payload), protocol=pickle.HIGHEST_PROTOCOL))
        begun = {name: processes(n, "checks").submit(_call, str(path), name) for name in names}
        try:
            yield Beside(do, begun)
        finally:
            for future in begun.values():
                future.cancel()


@lru_cache(maxsize=1)
def _made(path: str) -> Do:
    make, payload = pickle.loads(Path(path).read_bytes())  # written by the parent, in a folder of its own
    do: Do = make(*payload)
    return do


def _call(path: str, name: str) -> tuple[Any, Warned]:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result = _made(path)(name)
    return result, [(w.category, str(w.message), w.filename, w.lineno) for w in warned]
