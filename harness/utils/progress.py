"""Progress bars, on terminals only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[str], None]


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Step]:
    """Show a bar of ``total`` steps on stderr; the yielded function finishes a step and names the next.

    Prints nothing if stderr is no terminal.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=total)

        def step(what: str) -> None:
            progress.update(task, advance=1, description=f"{title}: {what}")

        yield step
